//! Response time over time, with the alerts and the outcomes of the same cells below, so that a red cell stands exactly
//! under the gap it made.
//!
//! A period without a successful check has no times to draw: the chart says why instead.

use std::borrow::Cow;
use std::time::Duration;

use crate::engine::snapshot::{SiteSnapshot, SiteState};
use crate::model::{Micros, Place, Timestamp, figures};
use crate::stats::series::site_history::{HistoryGap, SiteHistory};
use crate::stats::series::{EDGES_MS, Series, SeriesCell, SeriesRange};
use crate::tui::state::chart_range::{SCALE, spans};
use crate::tui::style::click::Click;
use crate::tui::style::line::{Line, cut, right, width};
use crate::tui::style::role::{Plot, Role};
use crate::tui::style::time_text;
use crate::tui::view::frame::Frame;
use crate::tui::view::table::heartbeat;
use crate::tui::view::table::rows::note;

use super::plot::{Canvas, Scale};
use super::reading::AlertMark;
use super::{reading, ticks};

/// The cells of a title that are neither its left nor its right text.
const RULES: usize = 10;

/// The stored history of the chart that is shown.
pub fn history<'a>(frame: &Frame<'a>) -> Option<&'a SiteHistory> {
    let request = frame.state.history_request(frame.inputs, frame.size)?;
    frame.inputs.history.filter(|history| request.is_served_by(&history.wanted))
}

/// What the chart of a site shows.
pub struct Chart<'a> {
    pub scope: SeriesRange,
    pub series: Cow<'a, Series>,
    pub marks: Vec<AlertMark<'a>>,
    pub cursor: Option<usize>,
    history: Option<&'a SiteHistory>,
    is_pending: bool,
    limit: Option<u32>,
}

impl<'a> Chart<'a> {
    pub fn of(frame: &Frame<'a>, site: &SiteSnapshot) -> Self {
        let history = history(frame);
        let state = &frame.state.chart;
        let is_pending = history.is_none() && frame.state.history_request(frame.inputs, frame.size).is_some();
        let scope = history
            .map_or_else(|| state.scope(frame.inputs, frame.tables, frame.width()), |known| known.wanted.scope());
        let series = match history {
            Some(known) => Cow::Borrowed(&known.series),
            None if is_pending => Cow::Owned(Series::empty(scope.cells)),
            None => {
                let until = state.end(frame.inputs, frame.tables);
                let samples = frame.inputs.samples;
                let end = samples.iter().rposition(|sample| sample.at <= until).map_or(0, |last| last + 1);
                Cow::Owned(Series::of(&samples[..end], &scope, site.interval))
            }
        };
        let of_site = frame.inputs.alerts.iter().filter(|alert| alert.site == site.name);
        let marks = of_site.filter_map(|alert| Some(AlertMark { cell: scope.of(alert.at)?, alert })).collect();
        let limit = site.max_response_time.map(|limit| Micros::from_duration(limit).get());
        Self { cursor: state.cursor(&scope), scope, series, marks, history, is_pending, limit }
    }

    /// All lines, with `rows` for the drawing.
    pub fn lines(&self, frame: &Frame, site: &SiteSnapshot, rows: usize) -> Vec<Line> {
        let scale = Scale::of(&self.series, self.limit, frame.state.chart.log);
        let mut lines = vec![title(frame, site, &self.scope)];
        if self.series.all.is_some() {
            let canvas = Canvas::of(&self.series, scale, rows, frame.symbols());
            lines.extend(canvas.lines(scale, self.limit, self.cursor));
        } else if self.is_pending {
            let reading = Line::of(Role::Plain, format!("{:SCALE$}reading the store …", ""));
            lines.extend((0..rows).map(|row| if row == rows / 2 { reading.clone() } else { Line::default() }));
        } else {
            lines.extend(self.reasons(frame, site));
        }
        lines.extend(self.below(frame, site, scale));
        lines
    }

    /// How many lines there are but those of the drawing.
    pub fn height(&self, frame: &Frame, site: &SiteSnapshot) -> usize {
        let scale = Scale::of(&self.series, self.limit, frame.state.chart.log);
        1 + self.below(frame, site, scale).len()
    }

    /// The lines below the drawing.
    fn below(&self, frame: &Frame, site: &SiteSnapshot, scale: Scale) -> Vec<Line> {
        let mut lines = Vec::new();
        if !self.marks.is_empty() {
            lines.push(self.alerts(frame));
        }
        lines.push(outcome(frame, site, &self.series));
        lines.push(self.axis(frame));
        match self.cursor {
            Some(cell) => {
                lines.extend(reading::lines(frame, &self.scope, (cell, self.series.cells.get(cell)), &self.marks));
            }
            None if self.series.all.is_some() => lines.push(self.legend(frame, scale)),
            None => {}
        }
        lines.extend(self.history.into_iter().flat_map(|history| remarks(frame, history)));
        lines
    }

    /// Why there is nothing to draw.
    fn reasons(&self, frame: &Frame, site: &SiteSnapshot) -> Vec<Line> {
        let failed: u64 = self.series.failed.iter().map(|&(_, count)| u64::from(count)).sum();
        let mut texts = Vec::new();
        if failed == 0 {
            texts.push((Role::Plain, "no checks in this period".to_owned()));
        } else {
            let text = format!("no successful checks in this period: {} failed", figures::count(failed));
            texts.push((Role::Strong, text));
            texts.push((Role::Fault, reading::failures(&self.series.failed)));
        }
        let reason = note(frame, site);
        if frame.state.chart.until().is_none() && frame.inputs.past.is_none() && !reason.is_empty() {
            let last_up = site.last_up.map_or_else(String::new, |at| format!(" · last up {}", frame.moment(at)));
            texts.push((Role::Plain, format!("now: {reason}{last_up}")));
        }
        let room = frame.width().saturating_sub(SCALE);
        let line = |(role, text): (Role, String)| {
            let mut line = Line::of(Role::Plain, " ".repeat(SCALE));
            line.push(role, cut(&text, room));
            line
        };
        texts.into_iter().map(line).collect()
    }

    /// Where alerts opened and closed; of those in one cell an opening is shown.
    fn alerts(&self, frame: &Frame) -> Line {
        let mut line = Line::of(Role::Dim, right("alerts", SCALE - 1));
        for cell in 0..self.scope.cells {
            let here = || self.marks.iter().filter(|mark| mark.cell == cell);
            let Some(mark) = here().find(|mark| mark.is_opening()).or_else(|| here().next()) else { continue };
            line.pad_to(SCALE + cell);
            let (role, symbol) = if mark.is_opening() {
                (Role::State(SiteState::Down), frame.symbols().pick("▼", "v"))
            } else {
                (Role::State(SiteState::Up), frame.symbols().pick("▲", "^"))
            };
            let is_jumped = here().any(|mark| frame.state.chart.jumped() == Some(mark.alert.at));
            let is_marked = is_jumped || self.cursor == Some(cell);
            line.push(if is_marked { Role::Cursor } else { role }, symbol);
        }
        line
    }

    /// Round instants, and now.
    fn axis(&self, frame: &Frame) -> Line {
        let is_live = frame.state.chart.until().is_none();
        let end = SCALE + self.scope.cells;
        let room = if is_live { end.saturating_sub(5) } else { frame.width() };
        let mut line = Line::default();
        for tick in ticks::times(&self.scope, frame.inputs.zone) {
            if SCALE + tick.cell + 1 + tick.label.len() <= room {
                line.pad_to(SCALE + tick.cell);
                line.push(Role::Dim, "╵");
                line.push(Role::Dim, tick.label);
            }
        }
        if is_live {
            line.pad_to(end.saturating_sub(3));
            line.push(
                Role::Dim,
                if frame.state.sites.is_frozen() || frame.inputs.past.is_some() {
                    frame.clock(frame.tables.at)
                } else {
                    "now".to_owned()
                },
            );
        }
        line
    }

    fn legend(&self, frame: &Frame, scale: Scale) -> Line {
        let Some(all) = self.series.all else { return Line::default() };
        let time = |micros: u32| figures::time(f64::from(micros));
        let mut line = Line::of(Role::Plain, " ".repeat(SCALE));
        line.push(Role::Plot(Plot::Median), format!("p50 {} (lower)", time(all.p50)));
        line.push(Role::Plot(Plot::High), format!("  p95 {} (upper)", time(all.p95)));
        line.push(Role::Plot(Plot::Max), format!("  max {} (dots)", time(all.max)));
        let is_above = |cell: &&SeriesCell| cell.times.is_some_and(|times| times.max > scale.top);
        let above = self.series.cells.iter().filter(is_above).count();
        let mut more = Vec::new();
        if above > 0 {
            more.push((Role::Plain, format!(", {above} above")));
        }
        if let Some(limit) = self.limit {
            let beyond = if limit > scale.top { " (above)" } else { " (dashes)" };
            more.push((Role::Warning, format!("  limit {}{beyond}", ticks::time(limit))));
        }
        if !self.marks.is_empty() {
            let symbols = frame.symbols();
            let (down, up) = (symbols.pick("▼", "v"), symbols.pick("▲", "^"));
            more.push((Role::Plain, format!("  {down} alert {up} resolved")));
        }
        for (role, text) in more {
            if line.width() + width(&text) <= frame.width() {
                line.push(role, text);
            }
        }
        line
    }

    /// Whether an alert belongs to the period that is shown.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.scope.of(at).is_some()
    }
}

/// `── Response time · 10 min [1 h] 6 h ──…── 13:02:00 – 14:02:00 · 1 cell = 40 s · live ──`, with as many spans as there is room
/// for.
fn title(frame: &Frame, site: &SiteSnapshot, scope: &SeriesRange) -> Line {
    let spans = spans(frame.inputs, frame.tables);
    let span = frame.state.chart.span(frame.inputs, frame.tables);
    let shown = spans.iter().position(|shown| *shown == span).unwrap_or(0);
    let until = frame.state.chart.until();
    let mode = match until {
        Some(_) => "End: now",
        None if frame.inputs.past.is_some() => "End: now",
        None if frame.state.sites.is_frozen() => "frozen",
        None => "live",
    };
    let cell = format!("1 cell = {} · {mode}", time_text::span(scope.cell));
    let with = |around: usize| {
        let mut title = Line::of(Role::Strong, "Response time");
        if site.place == Place::Everywhere {
            title.push(Role::Plain, " · all locations");
        }
        title.push(Role::Plain, " ·");
        for (i, &period) in spans.iter().enumerate().filter(|(i, _)| i.abs_diff(shown) <= around) {
            let span = time_text::span(period);
            let (role, text) =
                if i == shown { (Role::Cursor, format!("[{span}]")) } else { (Role::Plain, format!(" {span} ")) };
            title.push(Role::Plain, " ");
            title.button(role, text, Click::Period(period));
        }
        if let Some(until) = until {
            title.push(Role::Plain, " ");
            title.push(Role::Mode, format!("{} – {}", frame.moment(scope.from), frame.moment(until)));
        }
        title
    };
    let fits = |title: &Line| title.width() + width(&cell) + RULES <= frame.width();
    let title = [spans.len(), 2, 1, 0].into_iter().map(with).find(fits).unwrap_or_else(|| with(1));
    super::rule(title, &cell, frame.width())
}

/// The gaps of a stored period, with their reasons.
fn remarks<'a>(frame: &'a Frame, history: &'a SiteHistory) -> impl Iterator<Item = Line> + 'a {
    let from = history.wanted.scope().from;
    let begins = match (&history.trouble, history.begins) {
        (Some(trouble), _) => Some(format!("cannot read the store: {trouble}")),
        (None, None) => Some("no history of this site is stored yet".to_owned()),
        (None, Some(begins)) => (begins > from)
            .then(|| format!("history begins {} {}", time_text::date(begins, frame.inputs.zone), frame.clock(begins))),
    };
    let hourly = "each cell covers a whole hour: single checks are no longer kept".to_owned();
    // Before the first check nothing is missing.
    let holes: Vec<&HistoryGap> =
        history.holes.iter().filter(|gap| history.begins.is_none_or(|begins| gap.until > begins)).collect();
    let gaps = holes.first().map(|gap| {
        let why = if gap.others { "this site was not checked" } else { "webmon stopped, or clock set" };
        let more = match holes.len() - 1 + history.more_holes {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        format!("no data {} – {} ({why}){more}", frame.moment(gap.from), frame.moment(gap.until))
    });
    let texts = begins.into_iter().chain(history.is_hourly.then_some(hourly)).chain(gaps);
    texts.map(|text| Line::of(Role::Plain, cut(&format!("{:SCALE$}{text}", ""), frame.width())))
}

fn outcome(frame: &Frame, site: &SiteSnapshot, series: &Series) -> Line {
    let mut line = Line::of(Role::Dim, right("outcome", SCALE - 1));
    line.push(Role::Plain, " ");
    for cell in &series.cells {
        let cell = heartbeat::judge(cell.beat, site.policies.availability.threshold);
        line.push(Role::Beat(cell), frame.symbols().beat(cell));
    }
    line
}

/// The distribution of response times over the span of the chart; all sites have the same edges.
pub fn distribution(frame: &Frame, series: &Series, cells: usize) -> Vec<Line> {
    let count: u64 = series.spread.iter().sum();
    let successful = format!("{} successful", figures::count(count));
    let mut title = Line::of(Role::Strong, "Response times");
    let span = frame.state.chart.span(frame.inputs, frame.tables);
    title.push(Role::Plain, format!(" · {}", time_text::span(span)));
    let mut lines = vec![super::rule(title, &successful, cells)];
    let first = series.spread.iter().position(|count| *count > 0);
    let last = series.spread.iter().rposition(|count| *count > 0);
    let (Some(first), Some(last)) = (first, last) else {
        lines.push(Line::of(Role::Plain, " none yet"));
        return lines;
    };
    let most = series.spread.iter().copied().max().unwrap_or(1).max(1);
    let room = u64::try_from(cells.saturating_sub(22)).unwrap_or(0);
    for (i, count) in series.spread.iter().enumerate().take(last + 1).skip(first) {
        let edge = |i: usize| figures::duration(Duration::from_millis(u64::from(EDGES_MS[i])));
        let label = if i < EDGES_MS.len() { format!("≤ {}", edge(i)) } else { format!("> {}", edge(i - 1)) };
        let length = usize::try_from((count * room).div_ceil(most)).unwrap_or(0);
        let mut line = Line::of(Role::Plain, format!("{} {:>7}  ", right(&label, 11), figures::count(*count)));
        line.push(Role::Plot(Plot::High), frame.symbols().pick("█", "#").repeat(length));
        lines.push(line);
    }
    lines
}
