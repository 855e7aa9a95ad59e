//! The period that the chart of a site shows: how long, and until when.
//!
//! The rings hold the longest view up to now; what is longer or earlier comes from the store, if there is one. A step is
//! half a screen. A step past now leads back to live.

use std::time::Duration;

use crate::alert::AlertState;
use crate::engine::snapshot::{SiteSnapshot, Snapshot};
use crate::model::Timestamp;
use crate::stats::Cadence;
use crate::stats::series::site_history::HistoryRequest;
use crate::tui::inputs::Inputs;

/// The spans that can be chosen; the longest view is one more.
const SPANS: [Duration; 9] = [
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(10),
    Duration::from_mins(30),
    Duration::from_hours(1),
    Duration::from_hours(6),
    Duration::from_hours(24),
    Duration::from_hours(7 * 24),
    Duration::from_hours(30 * 24),
];
/// How often a stored period that ends now is read again.
const REREAD: Duration = Duration::from_secs(10);
/// The scale left of the chart: `  120 ms ┤`.
pub(crate) const SCALE: usize = 10;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChartRange {
    /// The chosen span; the longest view if there is none.
    span: Option<Duration>,
    /// The end of the period; now if there is none.
    until: Option<Timestamp>,
    /// The alert that the user jumped to.
    jumped: Option<Timestamp>,
    /// Draw response times on a logarithmic scale.
    pub(crate) log: bool,
}

/// The spans that can be shown, shortest first.
pub fn spans(inputs: &Inputs, tables: &Snapshot) -> Vec<Duration> {
    let longest = longest(tables);
    let mut spans: Vec<Duration> = SPANS.into_iter().filter(|span| *span < longest || inputs.has_history).collect();
    spans.push(longest);
    spans.sort_unstable();
    spans.dedup();
    spans
}

/// The longest span that the rings hold.
fn longest(tables: &Snapshot) -> Duration {
    let recent = tables.views.iter().filter(|view| !view.view().is_long());
    recent.map(|view| view.timeframe.length()).max().unwrap_or(SPANS[0])
}

/// The columns of the chart on a terminal of this width.
pub fn columns(width: usize) -> usize {
    width.saturating_sub(SCALE + 1).max(1)
}

impl ChartRange {
    pub fn span(&self, inputs: &Inputs, tables: &Snapshot) -> Duration {
        let longest = longest(tables);
        self.span.filter(|span| *span < longest || inputs.has_history).unwrap_or(longest)
    }

    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    pub fn jumped(&self) -> Option<Timestamp> {
        self.jumped
    }

    /// Shows the next shorter span, or the next longer one.
    pub fn zoom(&mut self, inwards: bool, inputs: &Inputs, tables: &Snapshot) {
        let (spans, shown) = (spans(inputs, tables), self.span(inputs, tables));
        let next = if inwards {
            spans.iter().rev().find(|span| **span < shown)
        } else {
            spans.iter().find(|span| **span > shown)
        };
        self.span = Some(next.copied().unwrap_or(shown));
    }

    /// Goes back half a screen, but not beyond the first stored check.
    pub fn earlier(&mut self, inputs: &Inputs, tables: &Snapshot) {
        let until = self.until.unwrap_or(inputs.now).before(self.span(inputs, tables) / 2);
        let begins = inputs.history.and_then(|history| history.begins);
        if inputs.has_history && begins.is_none_or(|begins| until > begins) {
            self.until = Some(until);
        }
    }

    /// Goes forward half a screen, at most to now.
    pub fn later(&mut self, inputs: &Inputs, tables: &Snapshot) {
        let until = self.until.map(|until| until.after(self.span(inputs, tables) / 2));
        self.until = until.filter(|until| *until < inputs.now);
    }

    /// Shows `at` with a third of the span after it; live if that reaches now.
    pub fn jump(&mut self, at: Timestamp, inputs: &Inputs, tables: &Snapshot) {
        let until = at.after(self.span(inputs, tables) / 3);
        self.until = (inputs.has_history && until < inputs.now).then_some(until);
        self.jumped = Some(at);
    }

    pub fn go_live(&mut self) {
        (self.until, self.jumped) = (None, None);
    }

    /// Jumps to the incident of `site` before the last one jumped to; after the oldest one, back to now.
    pub fn previous_incident(&mut self, site: &SiteSnapshot, inputs: &Inputs, tables: &Snapshot) {
        let before = self.jumped.unwrap_or(Timestamp::MAX);
        let mut incidents = inputs.alerts.iter().rev().filter(|alert| alert.site == site.name);
        match incidents.find(|alert| alert.state == AlertState::Down && alert.at < before) {
            Some(incident) => self.jump(incident.at, inputs, tables),
            None => self.go_live(),
        }
    }

    /// What the chart of `site` needs from the store at this width; none where the ring holds all of it.
    pub fn request(
        &self,
        site: &SiteSnapshot,
        inputs: &Inputs,
        tables: &Snapshot,
        width: usize,
    ) -> Option<HistoryRequest> {
        let span = self.span(inputs, tables);
        if !inputs.has_history || (self.until.is_none() && span <= longest(tables)) {
            return None;
        }
        let every = u64::try_from(REREAD.as_micros()).unwrap_or(u64::MAX);
        let now = Timestamp::from_micros(inputs.now.as_micros() / every * every);
        Some(HistoryRequest {
            site: site.name.clone(),
            cadence: Cadence { interval: site.interval, timeout: site.timeout },
            span,
            until: self.until.unwrap_or(now),
            live: self.until.is_none(),
            columns: columns(width),
        })
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Size;

    use super::*;
    use crate::tui::UiState;
    use crate::tui::input::key::Key;
    use crate::tui::tests::fixtures;
    use crate::tui::tests::fixtures::World;

    const SIZE: Size = Size { width: 100, height: 30 };
    const HALF: Duration = Duration::from_mins(30);

    fn pressed(world: &World, keys: &[Key]) -> UiState {
        let mut state = fixtures::state();
        state.settle(&world.inputs(), SIZE);
        for key in keys {
            state.act(key, &world.inputs(), SIZE);
        }
        state
    }

    /// How long before now the stretch ends that these keys lead to; none: it is live.
    fn ago(world: &World, keys: &[Key]) -> Option<Duration> {
        pressed(world, keys).chart.until.map(|until| world.now.since(until))
    }

    #[test]
    fn steps_are_half_a_screen_and_end_at_now_and_where_history_begins() {
        let world = fixtures::with_history(100);
        let (enter, left, right) = (Key::Enter, Key::Left, Key::Right);
        assert_eq!(ago(&world, &[enter.clone(), left.clone()]), Some(HALF));
        // History begins 88 minutes ago: a stretch that ends before it would be empty.
        assert_eq!(ago(&world, &[enter.clone(), left.clone(), left.clone(), left.clone()]), Some(2 * HALF));
        assert_eq!(ago(&world, &[enter.clone(), left.clone(), left.clone(), right.clone()]), Some(HALF));
        assert_eq!(ago(&world, &[enter.clone(), left.clone(), right]), None);
        assert_eq!(ago(&world, &[enter.clone(), left.clone(), Key::End]), None);
        assert_eq!(ago(&world, &[enter.clone(), left.clone(), Key::Esc, enter.clone()]), None, "opened anew: live");
        assert_eq!(ago(&fixtures::five_sites(), &[enter, left]), None, "without a store there is no past");
    }

    #[test]
    fn the_store_is_asked_only_for_what_the_ring_does_not_hold() {
        let world = fixtures::with_history(100);
        let wanted = |keys: &[Key]| pressed(&world, keys).history_request(&world.inputs(), SIZE);
        assert_eq!(wanted(&[]), None);
        assert_eq!(wanted(&[Key::Enter]), None);
        assert_eq!(wanted(&[Key::Enter, Key::Char('+')]), None);
        let day = wanted(&[Key::Enter, Key::Char('-'), Key::Char('-')]).unwrap();
        assert_eq!((&*day.site, day.span, day.live, day.columns), ("api", Duration::from_hours(24), true, 89));
        let back = wanted(&[Key::Enter, Key::Char('+'), Key::Left]).unwrap();
        assert_eq!((back.span, back.until), (HALF, world.now.before(HALF / 2)));
        assert!(back.is_served_by(&back) && !back.is_served_by(&day));
        let moment_ago = HistoryRequest { until: day.until.before(REREAD), ..day.clone() };
        assert!(day.is_served_by(&moment_ago), "until it is read again, what was read a moment ago is shown");
        let month = vec![Key::Char('-'); 9];
        let longest = wanted(&[&[Key::Enter], &month[..]].concat()).unwrap();
        assert_eq!(longest.span, Duration::from_hours(30 * 24));
    }

    #[test]
    fn enter_leads_to_an_alert_at_its_time_and_from_incident_to_incident() {
        let world = fixtures::with_history(100);
        // Alerts: api is open, 252 s old; blog went down 17,388 s ago and came up 17,263 s ago.
        let at = |secs: u64| Some(Duration::from_secs(secs - 20 * 60));
        let down = [Key::Char('a'), Key::Char('j'), Key::Char('j'), Key::Enter];
        let state = pressed(&world, &down);
        assert_eq!((state.sites.cursor(), ago(&world, &down)), (Some("blog"), at(17_388)));
        assert_eq!(ago(&world, &[Key::Char('a'), Key::Enter]), None, "what is on the screen anyway is live");
        let last = [Key::Char('G'), Key::Enter, Key::Enter];
        assert_eq!(ago(&world, &last), at(17_388), "the newest incident of blog");
        assert_eq!(ago(&world, &[&last[..], &[Key::Enter]].concat()), None, "after the oldest: now");
    }
}
