//! The period that the chart of a site shows: how long, and until when; and the cell that its cursor reads.
//!
//! The rings hold the longest view up to now; what is longer or earlier comes from the store, if there is one. A step is
//! half a screen. A step past now leads back to live. While the tables are frozen, now is when that began.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::{AlertRecord, AlertState};
use crate::engine::snapshot::{SiteSnapshot, Snapshot};
use crate::model::{Place, Timestamp};
use crate::stats::Cadence;
use crate::stats::series::SeriesRange;
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
/// A period that fits an incident is at least this many intervals long.
const AROUND_INCIDENT: u32 = 30;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChartRange {
    /// The span that the user chose; without one, the one that the data fill.
    span: Option<Duration>,
    /// The span that fits the incident that the user jumped to; it goes before the chosen one.
    fitted: Option<Duration>,
    /// The end of the period; now if there is none.
    until: Option<Timestamp>,
    /// The alert that the user jumped to.
    jumped: Option<Timestamp>,
    /// A moment in the cell that the cursor reads; [`Timestamp::MAX`] is the newest cell.
    cursor: Option<Timestamp>,
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

/// The longest span of which the samples in the ring fill at least half; the shortest one for fewer.
fn filled(inputs: &Inputs, tables: &Snapshot) -> Duration {
    let longest = longest(tables);
    let Some(first) = inputs.samples.first() else { return longest };
    let twice = now(inputs, tables).since(first.at) * 2;
    if longest <= twice {
        return longest;
    }
    let shorter = SPANS.into_iter().rev().filter(|span| *span < longest);
    shorter.into_iter().find(|span| *span <= twice).unwrap_or(SPANS[0].min(longest))
}

/// Now; while the tables are frozen, when that began.
fn now(inputs: &Inputs, tables: &Snapshot) -> Timestamp {
    if std::ptr::eq(tables, inputs.snapshot) { inputs.now } else { tables.at }
}

/// The columns of the chart on a terminal of this width.
pub fn columns(width: usize) -> usize {
    width.saturating_sub(SCALE + 1).max(1)
}

/// When the incident ended that `opened` opened, or closed; none: it is open.
pub fn closed(opened: &AlertRecord, inputs: &Inputs) -> Option<Timestamp> {
    let is_end = |state| matches!(state, AlertState::Up | AlertState::Cleared | AlertState::Ended);
    let same = |alert: &&Arc<AlertRecord>| (&alert.site, alert.rule) == (&opened.site, opened.rule);
    let later = inputs.alerts.iter().filter(same).filter(|alert| alert.at >= opened.since && is_end(alert.state));
    later.map(|alert| alert.at).min()
}

impl ChartRange {
    pub fn span(&self, inputs: &Inputs, tables: &Snapshot) -> Duration {
        let longest = longest(tables);
        let chosen = self.fitted.or(self.span).filter(|span| *span < longest || inputs.has_history);
        chosen.unwrap_or_else(|| filled(inputs, tables))
    }

    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    pub fn jumped(&self) -> Option<Timestamp> {
        self.jumped
    }

    /// The last instant shown.
    pub fn end(&self, inputs: &Inputs, tables: &Snapshot) -> Timestamp {
        let now = self.until.unwrap_or_else(|| now(inputs, tables));
        if self.until.is_some() || inputs.past.is_some() || !self.is_stored(inputs, tables) {
            return now;
        }
        let every = u64::try_from(REREAD.as_micros()).unwrap_or(u64::MAX);
        Timestamp::from_micros(now.as_micros() / every * every)
    }

    /// Whether the chart comes from the store, because the ring does not hold all of it.
    fn is_stored(&self, inputs: &Inputs, tables: &Snapshot) -> bool {
        let is_past = self.until.is_some() || inputs.past.is_some();
        inputs.has_history && (is_past || self.span(inputs, tables) > longest(tables))
    }

    /// The cells on a terminal of this width.
    pub fn scope(&self, inputs: &Inputs, tables: &Snapshot, width: usize) -> SeriesRange {
        SeriesRange::new(self.span(inputs, tables), self.end(inputs, tables), columns(width))
    }

    /// Shows the next shorter span, or the next longer one; around the cursor if there is one.
    pub fn zoom(&mut self, inwards: bool, inputs: &Inputs, tables: &Snapshot) {
        let (spans, shown) = (spans(inputs, tables), self.span(inputs, tables));
        let next = if inwards {
            spans.iter().rev().find(|span| **span < shown)
        } else {
            spans.iter().find(|span| **span > shown)
        };
        self.show(next.copied().unwrap_or(shown), inputs, tables);
    }

    /// Shows this span; around the cursor if there is one.
    pub fn show(&mut self, next: Duration, inputs: &Inputs, tables: &Snapshot) {
        (self.span, self.fitted) = (Some(next), None);
        if let Some(at) = self.cursor.filter(|_| inputs.has_history) {
            self.until = Some(at.after(next / 2)).filter(|until| *until < now(inputs, tables));
        }
    }

    /// Goes back half a screen, but not beyond the first stored check.
    pub fn earlier(&mut self, inputs: &Inputs, tables: &Snapshot) {
        let span = self.span(inputs, tables);
        let until = self.until.unwrap_or_else(|| now(inputs, tables)).before(span / 2);
        let begins = inputs.history.and_then(|history| history.begins);
        if inputs.has_history && begins.is_none_or(|begins| until > begins) {
            // The span stays as it is while more data come in.
            self.span.get_or_insert(span);
            self.until = Some(until);
        }
    }

    /// Goes forward half a screen, at most to now.
    pub fn later(&mut self, inputs: &Inputs, tables: &Snapshot) {
        let until = self.until.map(|until| until.after(self.span(inputs, tables) / 2));
        self.until = until.filter(|until| *until < now(inputs, tables));
    }

    /// Shows the incident that `alert` is about, with as much time before and after it; live if that reaches now.
    pub fn jump(&mut self, alert: &AlertRecord, interval: Duration, inputs: &Inputs, tables: &Snapshot) {
        let (began, now) = (alert.since.min(alert.at), now(inputs, tables));
        let length = closed(alert, inputs).unwrap_or(now).since(began);
        let least = if inputs.has_history {
            (length * 3).max(interval * AROUND_INCIDENT)
        } else {
            // The ring reaches only back from now.
            now.since(began) + interval
        };
        let spans = spans(inputs, tables);
        let span = spans.iter().find(|span| **span >= least).or(spans.last()).copied().unwrap_or(SPANS[0]);
        // Of an incident that is too long, the beginning is shown.
        let middle = began.after(length.min(span / 3) / 2);
        let until = middle.after(span / 2);
        self.fitted = Some(span);
        self.until = (inputs.has_history && until < now).then_some(until);
        self.jumped = Some(alert.at);
    }

    /// Shows what is up to now, in the span that was chosen before a jump.
    pub fn go_live(&mut self) {
        (self.until, self.jumped, self.fitted) = (None, None, None);
        self.cursor = self.cursor.map(|_| Timestamp::MAX);
    }

    /// Jumps to the incident of `site` before the last one jumped to; after the oldest one, back to now. Returns whether
    /// there is any.
    pub fn previous_incident(&mut self, site: &SiteSnapshot, inputs: &Inputs, tables: &Snapshot) -> bool {
        let opens = |alert: &&Arc<AlertRecord>| {
            alert.site == site.name
                && (alert.state == AlertState::Down || (alert.state == AlertState::Breached && alert.since == alert.at))
        };
        let before = self.jumped.unwrap_or(Timestamp::MAX);
        let mut incidents = inputs.alerts.iter().rev().filter(opens);
        match incidents.find(|alert| alert.at < before) {
            Some(incident) => self.jump(incident, site.interval, inputs, tables),
            None => self.go_live(),
        }
        inputs.alerts.iter().any(|alert| opens(&alert))
    }

    /// The cell of `scope` that the cursor reads, if it is on.
    pub fn cursor(&self, scope: &SeriesRange) -> Option<usize> {
        let at = self.cursor?;
        let is_before = at < scope.from;
        Some(scope.of(at).unwrap_or(if is_before { 0 } else { scope.cells.saturating_sub(1) }))
    }

    pub const fn has_cursor(&self) -> bool {
        self.cursor.is_some()
    }

    /// Turns the cursor on, at the alert jumped to or else at the newest cell, or off.
    pub fn toggle_cursor(&mut self) {
        self.cursor = if self.cursor.is_some() { None } else { Some(self.jumped.unwrap_or(Timestamp::MAX)) };
    }

    /// Turns the cursor off. Returns whether it was on.
    pub const fn leave_cursor(&mut self) -> bool {
        self.cursor.take().is_some()
    }

    /// Puts the cursor on the cell at `at`.
    pub const fn point(&mut self, at: Timestamp) {
        self.cursor = Some(at);
    }

    /// Moves the cursor by a cell; beyond an edge the period moves by half a screen.
    pub fn move_cursor(&mut self, back: bool, inputs: &Inputs, tables: &Snapshot, width: usize) {
        let scope = self.scope(inputs, tables, width);
        let Some(cell) = self.cursor(&scope) else { return };
        let at = scope.start(cell);
        let at = if back { at.before(scope.cell) } else { at.after(scope.cell) };
        if at < scope.from {
            self.earlier(inputs, tables);
        } else if at > self.end(inputs, tables) {
            self.later(inputs, tables);
        }
        let scope = self.scope(inputs, tables, width);
        if scope.of(at).is_some() {
            self.cursor = Some(at);
        }
    }

    /// The names of the locations of `site`, if it is one over all of them.
    fn locations(site: &SiteSnapshot, tables: &Snapshot) -> Vec<Arc<str>> {
        let is_whole = site.place == Place::Everywhere;
        let parts = tables.sites.iter().filter(|part| is_whole && part.is_part_of(&site.name));
        parts.map(|part| Arc::clone(&part.name)).collect()
    }

    /// What the chart of `site` needs from the store at this width; none where the ring holds all of it.
    pub fn request(
        &self,
        site: &SiteSnapshot,
        inputs: &Inputs,
        tables: &Snapshot,
        width: usize,
    ) -> Option<HistoryRequest> {
        self.is_stored(inputs, tables).then(|| HistoryRequest {
            site: site.name.clone(),
            locations: Self::locations(site, tables),
            cadence: Cadence { interval: site.interval, timeout: site.timeout },
            span: self.span(inputs, tables),
            until: self.end(inputs, tables),
            live: self.until.is_none() && inputs.past.is_none(),
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
        // Alerts: api is open, 252 s old; blog went down 17,388 s ago and came up 17,263 s ago: 125 s in the middle of ten
        // minutes.
        let at = |secs: u64| Some(Duration::from_millis((secs - 300) * 1_000 - 62_500));
        let down = [Key::Char('a'), Key::Char('j'), Key::Char('j'), Key::Char('o')];
        let state = pressed(&world, &down);
        assert_eq!((state.sites.cursor(), ago(&world, &down)), (Some("blog"), at(17_388)));
        assert_eq!(ago(&world, &[Key::Char('a'), Key::Char('o')]), None, "what is on the screen anyway is live");
        let last = [Key::Char('G'), Key::Enter, Key::Enter];
        assert_eq!(ago(&world, &last), at(17_388), "the newest incident of blog");
        assert_eq!(ago(&world, &[&last[..], &[Key::Enter]].concat()), None, "after the oldest: now");
        let span = |keys: &[Key]| {
            let state = pressed(&world, keys);
            state.chart.span(&world.inputs(), state.tables(&world.inputs()))
        };
        assert_eq!(span(&down), Duration::from_mins(10));
        assert_eq!(
            span(&[Key::Char('a'), Key::Char('o')]),
            Duration::from_mins(30),
            "252 s, and as much on both sides"
        );
        assert_eq!(span(&[&last[..], &[Key::Enter]].concat()), Duration::from_hours(1), "as before the jump");
        assert_eq!(span(&[&down[..], &[Key::Char('+')]].concat()), Duration::from_mins(5), "a zoom starts from there");
    }

    #[test]
    fn a_site_without_an_incident_says_so() {
        let world = fixtures::with_history(100);
        let said = |keys: &[Key]| pressed(&world, keys).timers.reply(world.now).map(ToOwned::to_owned);
        assert_eq!(said(&[Key::Enter, Key::Enter]), None);
        let down = [Key::Char('j'), Key::Enter, Key::Enter];
        assert_eq!(said(&down).as_deref(), Some("no incident of this site is known"));
        assert_eq!(ago(&world, &down), None);
    }

    #[test]
    fn an_incident_in_the_ring_is_shown_without_a_store() {
        let world = fixtures::five_sites();
        let state = pressed(&world, &[Key::Enter, Key::Enter]);
        let tables = state.tables(&world.inputs()).clone();
        assert_eq!((state.chart.until, state.chart.span(&world.inputs(), &tables)), (None, Duration::from_mins(5)));
        assert_eq!(state.chart.jumped, Some(world.alerts[2].at));
    }

    /// The span of the first look at a site whose ring begins so many seconds ago.
    fn first_look(secs: u64) -> Duration {
        let mut world = fixtures::five_sites();
        let begins = world.now.before(Duration::from_secs(secs));
        world.samples.retain(|sample| sample.at >= begins);
        let state = pressed(&world, &[Key::Enter]);
        state.chart.span(&world.inputs(), &world.snapshot)
    }

    #[test]
    fn the_first_look_chooses_a_span_that_the_data_fill() {
        let minutes =
            [5, 29, 60, 140, 150, 160, 299, 310, 890, 910, 1_790, 3_600].map(|secs| first_look(secs).as_secs() / 60);
        assert_eq!(minutes, [1, 1, 1, 1, 5, 5, 5, 10, 10, 30, 30, 60]);
    }

    #[test]
    fn frozen_tables_freeze_the_end_of_the_chart() {
        let mut world = fixtures::with_history(100);
        let at = world.snapshot.at;
        let mut state = pressed(&world, &[Key::Enter, Key::Char('f')]);
        world.snapshot.at = at.after(Duration::from_secs(40));
        world = world.later(40);
        let end = |state: &UiState| state.chart.end(&world.inputs(), state.tables(&world.inputs()));
        assert_eq!(end(&state), at);
        state.act(&Key::Char('-'), &world.inputs(), SIZE);
        assert!(end(&state) <= at && end(&state) > at.before(REREAD), "of the store as well");
        state.act(&Key::Char('f'), &world.inputs(), SIZE);
        assert!(end(&state) > at.after(Duration::from_secs(20)));
    }

    #[test]
    fn the_cursor_moves_by_cells_and_takes_the_period_along() {
        let world = fixtures::with_history(100);
        let shown = |keys: &[Key]| {
            let state = pressed(&world, keys);
            let inputs = world.inputs();
            let scope = state.chart.scope(&inputs, state.tables(&inputs), usize::from(SIZE.width));
            (state.chart.cursor(&scope), scope.cells, state.chart.until.map(|until| world.now.since(until)))
        };
        let (enter, c, left, right) = (Key::Enter, Key::Char('c'), Key::Left, Key::Right);
        let (cursor, cells, _) = shown(&[enter.clone(), c.clone()]);
        assert_eq!(cursor, Some(cells - 1), "the newest");
        let back = |steps: usize| [&[enter.clone(), c.clone()][..], &vec![left.clone(); steps][..]].concat();
        assert_eq!(shown(&back(3)), (Some(cells - 4), cells, None));
        assert_eq!(shown(&[&back(3)[..], &vec![right.clone(); 9][..]].concat()).0, Some(cells - 1));
        assert_eq!(shown(&back(cells - 1)), (Some(0), cells, None));
        assert_eq!(
            shown(&back(cells)),
            (Some(cells / 2 - 1), cells, Some(HALF)),
            "beyond the edge: half a screen back"
        );
        let again = vec![right; cells / 2 + 1];
        assert_eq!(shown(&[&back(cells)[..], &again].concat()), (Some(cells / 2), cells, None));
        // End goes to the newest cell, Esc leaves the cursor first and then the page.
        assert_eq!(shown(&[&back(cells)[..], &[Key::End]].concat()), (Some(cells - 1), cells, None));
        let left_it = pressed(&world, &[&back(3)[..], &[Key::Esc]].concat());
        assert_eq!((left_it.nav.page(), left_it.chart.cursor), (crate::tui::page::Page::Site, None));
        let closed = pressed(&world, &[&back(3)[..], &[Key::Esc, Key::Esc]].concat());
        assert_eq!(closed.nav.page(), crate::tui::page::Page::Overview);
        // A zoom keeps the cursor in the middle.
        let zoomed = shown(&[&back(40)[..], &[Key::Char('+')]].concat());
        assert_eq!(zoomed.0.map(|cell| cell.abs_diff(zoomed.1 / 2) <= 1), Some(true), "{zoomed:?}");
        // Without a store it stays within the chart.
        let world = fixtures::five_sites();
        let state = pressed(&world, &back(200));
        let scope = state.chart.scope(&world.inputs(), &world.snapshot, 100);
        assert_eq!(state.chart.cursor(&scope), Some(0));
    }
}
