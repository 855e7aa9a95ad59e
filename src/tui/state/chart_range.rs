//! Going back in time on the screen of one site: how long a stretch is shown, and up to when.
//!
//! Up to the longest view and now, everything is in the ring; what is longer or earlier is read from the store, if there is
//! one. Steps are half a screen. Going forward past now is being back: live.

use std::time::Duration;

use ratatui::layout::Size;

use crate::alert::AlertState;
use crate::engine::snapshot::Snapshot;
use crate::model::Timestamp;
use crate::stats::Cadence;
use crate::stats::series::site_history::HistoryRequest;
use crate::tui::inputs::Inputs;
use crate::tui::page::Page;

use super::UiState;

/// The spans that can be chosen besides the longest view.
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
/// How often what the store holds up to now is read again.
const AGAIN: Duration = Duration::from_secs(10);

/// Where in time a person looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChartRange {
    /// How long a stretch; the longest view if none was chosen.
    span: Option<Duration>,
    /// Up to when; now if none was chosen.
    pub until: Option<Timestamp>,
    /// The alert that was jumped to.
    pub jumped: Option<Timestamp>,
    /// Whether response times are drawn logarithmically.
    pub log: bool,
}

/// The spans that can be shown, shortest first.
pub fn spans(inputs: &Inputs, tables: &Snapshot) -> Vec<Duration> {
    let longest = longest(tables);
    let mut spans: Vec<Duration> = SPANS.into_iter().filter(|span| *span < longest || inputs.has_past).collect();
    spans.push(longest);
    spans.sort_unstable();
    spans.dedup();
    spans
}

/// What the rings hold.
fn longest(tables: &Snapshot) -> Duration {
    let recent = tables.views.iter().filter(|view| !view.view().is_long());
    recent.map(|view| view.timeframe.length()).max().unwrap_or(SPANS[0])
}

impl UiState {
    /// The span that is shown.
    pub(crate) fn span(&self, inputs: &Inputs) -> Duration {
        let tables = self.tables(inputs);
        self.travel.span.filter(|span| *span < longest(tables) || inputs.has_past).unwrap_or_else(|| longest(tables))
    }

    /// To the next shorter span, or to the next longer one.
    pub(crate) fn zoom(&mut self, inwards: bool, inputs: &Inputs) {
        let (spans, shown) = (spans(inputs, self.tables(inputs)), self.span(inputs));
        let next = if inwards {
            spans.iter().rev().find(|span| **span < shown)
        } else {
            spans.iter().find(|span| **span > shown)
        };
        self.travel.span = Some(next.copied().unwrap_or(shown));
    }

    /// Half a screen back in time, but not before the first check that is stored.
    pub(crate) fn earlier(&mut self, inputs: &Inputs) {
        let until = self.travel.until.unwrap_or(inputs.now).before(self.span(inputs) / 2);
        let begins = inputs.past.and_then(|past| past.begins);
        if inputs.has_past && begins.is_none_or(|begins| until > begins) {
            self.travel.until = Some(until);
        }
    }

    /// Half a screen on, at most to now.
    pub(crate) fn later(&mut self, inputs: &Inputs) {
        let until = self.travel.until.map(|until| until.after(self.span(inputs) / 2));
        self.travel.until = until.filter(|until| *until < inputs.now);
    }

    /// To `at`, with a third of the stretch after it; live when that is now.
    pub(crate) fn jump(&mut self, at: Timestamp, inputs: &Inputs) {
        let until = at.after(self.span(inputs) / 3);
        self.travel.until = (inputs.has_past && until < inputs.now).then_some(until);
        self.travel.jumped = Some(at);
    }

    /// Back to now.
    pub(crate) const fn go_live(&mut self) {
        (self.travel.until, self.travel.jumped) = (None, None);
    }

    /// To the incident of this site before the one that was jumped to; after the oldest one, back to now.
    pub(crate) fn incident_before(&mut self, inputs: &Inputs) {
        let Some(site) = self.focus(inputs).and_then(|site| self.tables(inputs).sites.get(site)) else { return };
        let before = self.travel.jumped.unwrap_or(Timestamp::MAX);
        let mut incidents = inputs.alerts.iter().rev().filter(|alert| alert.site == site.name);
        match incidents.find(|alert| alert.state == AlertState::Down && alert.at < before) {
            Some(incident) => self.jump(incident.at, inputs),
            None => self.go_live(),
        }
    }

    /// What the screen of a site needs of the store; none where the ring holds all of it.
    #[must_use]
    pub fn wanted(&self, inputs: &Inputs, size: Size) -> Option<HistoryRequest> {
        let tables = self.tables(inputs);
        let place = if self.place == Page::Help { self.under_help } else { self.place };
        let span = self.span(inputs);
        if place != Page::Site || !inputs.has_past || (self.travel.until.is_none() && span <= longest(tables)) {
            return None;
        }
        let opened = tables.sites.get(self.focus(inputs)?)?;
        let every = u64::try_from(AGAIN.as_micros()).unwrap_or(u64::MAX);
        let now = Timestamp::from_micros(inputs.now.as_micros() / every * every);
        Some(HistoryRequest {
            site: opened.name.clone(),
            cadence: Cadence { interval: opened.interval, timeout: opened.timeout },
            span,
            until: self.travel.until.unwrap_or(now),
            live: self.travel.until.is_none(),
            columns: columns(usize::from(size.width)),
        })
    }
}

/// `  120 ms ┤`
pub(crate) const SCALE: usize = 10;

/// The columns of the chart on a terminal of this width.
pub fn columns(width: usize) -> usize {
    width.saturating_sub(SCALE + 1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
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
        pressed(world, keys).travel.until.map(|until| world.now.since(until))
    }

    #[test]
    fn steps_are_half_a_screen_and_end_at_now_and_where_history_begins() {
        let world = fixtures::with_past(100);
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
        let world = fixtures::with_past(100);
        let wanted = |keys: &[Key]| pressed(&world, keys).wanted(&world.inputs(), SIZE);
        assert_eq!(wanted(&[]), None);
        assert_eq!(wanted(&[Key::Enter]), None);
        assert_eq!(wanted(&[Key::Enter, Key::Char('+')]), None);
        let day = wanted(&[Key::Enter, Key::Char('-'), Key::Char('-')]).unwrap();
        assert_eq!((&*day.site, day.span, day.live, day.columns), ("api", Duration::from_hours(24), true, 89));
        let back = wanted(&[Key::Enter, Key::Char('+'), Key::Left]).unwrap();
        assert_eq!((back.span, back.until), (HALF, world.now.before(HALF / 2)));
        assert!(back.is_served_by(&back) && !back.is_served_by(&day));
        let moment_ago = HistoryRequest { until: day.until.before(AGAIN), ..day.clone() };
        assert!(day.is_served_by(&moment_ago), "until it is read again, what was read a moment ago is shown");
        let month = vec![Key::Char('-'); 9];
        let longest = wanted(&[&[Key::Enter], &month[..]].concat()).unwrap();
        assert_eq!(longest.span, Duration::from_hours(30 * 24));
    }

    #[test]
    fn enter_leads_to_an_alert_at_its_time_and_from_incident_to_incident() {
        let world = fixtures::with_past(100);
        // Alerts: api is open, 252 s old; blog went down 17,388 s ago and came up 17,263 s ago.
        let at = |secs: u64| Some(Duration::from_secs(secs - 20 * 60));
        let down = [Key::Char('a'), Key::Char('j'), Key::Char('j'), Key::Enter];
        let state = pressed(&world, &down);
        assert_eq!((state.cursor.as_deref(), ago(&world, &down)), (Some("blog"), at(17_388)));
        assert_eq!(ago(&world, &[Key::Char('a'), Key::Enter]), None, "what is on the screen anyway is live");
        let last = [Key::Char('G'), Key::Enter, Key::Enter];
        assert_eq!(ago(&world, &last), at(17_388), "the newest incident of blog");
        assert_eq!(ago(&world, &[&last[..], &[Key::Enter]].concat()), None, "after the oldest: now");
    }
}
