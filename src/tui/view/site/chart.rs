//! Response time over time: the median and the 95th percentile of each cell as lines, the maximum as dots, and the
//! outcomes of the same cells below, so that a red cell stands exactly under the gap it made.
//!
//! The scale is linear from 0, or logarithmic. Times above four times the median 95th percentile are clipped and counted:
//! they would press the rest to the ground. A row has four levels in braille, one in ASCII.

use std::time::Duration;

use crate::engine::snapshot::SiteSnapshot;
use crate::model::figures;
use crate::stats::series::site_history::SiteHistory;
use crate::stats::series::{CellTimes, EDGES_MS, Series, SeriesRange};
use crate::tui::state::chart_range::{SCALE, columns, spans};
use crate::tui::style::line::{Line, cut, right};
use crate::tui::style::role::{Plot, Role};
use crate::tui::style::symbols::Symbols;
use crate::tui::style::time_text;
use crate::tui::view::frame::Frame;
use crate::tui::view::table::heartbeat;

/// Levels in a row of braille.
const LEVELS: usize = 4;

/// The stored history of the chart that is shown.
pub fn history<'a>(frame: &Frame<'a>) -> Option<&'a SiteHistory> {
    let request = frame.state.history_request(frame.inputs, frame.size)?;
    frame.inputs.history.filter(|history| request.is_served_by(&history.wanted))
}

/// The chart with its title, and the series that it shows.
pub fn lines(frame: &Frame, site: &SiteSnapshot) -> (Vec<Line>, Series) {
    let history = history(frame);
    let pending = frame.state.history_request(frame.inputs, frame.size).filter(|_| history.is_none());
    let (scope, series) = match (history, &pending) {
        (Some(history), _) => (history.wanted.scope(), history.series.clone()),
        (None, Some(request)) => (request.scope(), Series::empty(request.scope().cells)),
        (None, None) => {
            let until = if frame.state.sites.is_frozen() { frame.tables.at } else { frame.inputs.now };
            let scope = SeriesRange::new(span(frame), until, columns(frame.width()));
            (scope, Series::of(frame.inputs.samples, &scope, site.interval))
        }
    };
    let mut lines = vec![title(frame, &scope)];
    let scale = Scale::of(&series, frame.state.chart.log);
    lines.extend(plot(frame, &series, scale));
    lines.push(outcome(frame, site, &series));
    lines.push(axis(frame, &scope));
    if pending.is_some() {
        lines.push(Line::of(Role::Plain, format!("{:SCALE$}reading the store …", "")));
    } else {
        lines.push(legend(&series, scale));
    }
    lines.extend(history.into_iter().flat_map(|history| remarks(frame, history)));
    (lines, series)
}

fn span(frame: &Frame) -> Duration {
    frame.state.chart.span(frame.inputs, frame.tables)
}

/// `── Response time · 10 min [1 h] 6 h ──…── 13:02:00 – 14:02:00 · 1 cell = 35 s · live ──`
fn title(frame: &Frame, scope: &SeriesRange) -> Line {
    let spans = spans(frame.inputs, frame.tables);
    let shown = spans.iter().position(|shown| *shown == span(frame)).unwrap_or(0);
    let around = if frame.width() < 100 { 2 } else { spans.len() };
    let mut title = Line::of(Role::Strong, "Response time");
    title.push(Role::Plain, " ·");
    for (i, span) in spans.iter().enumerate().filter(|(i, _)| i.abs_diff(shown) <= around) {
        let span = time_text::span(*span);
        let (role, text) =
            if i == shown { (Role::Cursor, format!("[{span}]")) } else { (Role::Plain, format!(" {span} ")) };
        title.push(Role::Plain, " ");
        title.push(role, text);
    }
    let cell = format!("1 cell = {}", time_text::span(scope.cell));
    let Some(until) = frame.state.chart.until() else {
        return super::rule(title, &format!("{cell} · live"), frame.width());
    };
    title.push(Role::Plain, " ");
    title.push(Role::Mode, format!("{} – {}", frame.moment(scope.from), frame.moment(until)));
    super::rule(title, &format!("{cell} · End: now"), frame.width())
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
    let gaps = history.holes.first().map(|gap| {
        let why = if gap.others { "this site was not checked" } else { "webmon stopped, or clock set" };
        let more = match history.holes.len() - 1 + history.more_holes {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        format!("no data {} – {} ({why}){more}", frame.moment(gap.from), frame.moment(gap.until))
    });
    let texts = begins.into_iter().chain(history.is_hourly.then_some(hourly)).chain(gaps);
    texts.map(|text| Line::of(Role::Plain, cut(&format!("{:SCALE$}{text}", ""), frame.width())))
}

/// The range of response times that the chart covers, µs.
#[derive(Clone, Copy, Debug)]
struct Scale {
    top: u32,
    /// The lower edge of a logarithmic scale; a linear one begins at 0.
    bottom: Option<u32>,
}

impl Scale {
    fn of(series: &Series, log: bool) -> Self {
        if !log {
            return Self { top: linear(series), bottom: None };
        }
        let most = series.all.map_or(1, |times| times.max);
        let least = series.cells.iter().filter_map(|cell| Some(cell.times?.p50)).min().unwrap_or(1);
        let bottom = 10_u32.pow(least.max(1).ilog10());
        let top = 10_u32.checked_pow(most.max(1).ilog10() + 1).unwrap_or(u32::MAX);
        Self { top: top.max(bottom.saturating_mul(10)), bottom: Some(bottom) }
    }

    /// The level of a time among `levels`; `levels` or more above the top.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "levels are few"
    )]
    fn level(self, micros: u32, levels: usize) -> usize {
        let Some(bottom) = self.bottom else {
            let scaled = u64::from(micros) * levels as u64 / u64::from(self.top.max(1));
            return usize::try_from(scaled).unwrap_or(usize::MAX);
        };
        let share = f64::from(micros.max(bottom)) / f64::from(bottom);
        (share.ln() / (f64::from(self.top) / f64::from(bottom)).ln() * levels as f64) as usize
    }

    /// The time at this percentage of the height, µs.
    fn at(self, percent: u32) -> f64 {
        let share = f64::from(percent) / 100.0;
        match self.bottom {
            None => f64::from(self.top) * share,
            Some(bottom) => f64::from(bottom) * (f64::from(self.top) / f64::from(bottom)).powf(share),
        }
    }
}

/// The upper edge of a linear scale, µs: a round number that few times exceed.
fn linear(series: &Series) -> u32 {
    let mut highs: Vec<u32> = series.cells.iter().filter_map(|cell| Some(cell.times?.p95)).collect();
    highs.sort_unstable();
    let most = series.all.map_or(0, |times| times.max);
    let least = highs.get(highs.len() / 2).map_or(1, |median| most.min(median.saturating_mul(4)));
    let digits = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];
    let rounded = (1..9).flat_map(|power| digits.map(|digit| 10_u32.pow(power).saturating_mul(digit)));
    rounded.into_iter().find(|top| *top >= least).unwrap_or(u32::MAX)
}

fn plot(frame: &Frame, series: &Series, scale: Scale) -> Vec<Line> {
    let height = if frame.plan.below > 0 { frame.plan.below } else { usize::from(frame.size.height) };
    let rows = (height.saturating_sub(24) / 2 + 5).min(14);
    let symbols = frame.symbols();
    let levels = rows * if symbols == Symbols::Ascii { 1 } else { LEVELS };
    let columns: Vec<ChartColumn> = series
        .cells
        .iter()
        .map(|cell| cell.times.map_or(ChartColumn::default(), |times| ChartColumn::of(times, scale, levels)))
        .collect();
    (0..rows)
        .map(|row| {
            let label = match row {
                0 => figures::time(scale.at(100)),
                _ if row == rows - 1 && scale.bottom.is_none() => "0 ms".to_owned(),
                _ if row == rows - 1 => figures::time(scale.at(0)),
                _ if rows % 2 == 1 && row == rows / 2 => figures::time(scale.at(50)),
                _ => String::new(),
            };
            let mut line = Line::of(Role::Dim, format!("{} ┤", right(&label, SCALE - 2)));
            for column in &columns {
                let (role, symbol) = column.cell(rows - 1 - row, symbols);
                line.join(role, symbol.encode_utf8(&mut [0; 4]));
            }
            line
        })
        .collect()
}

/// The levels of a cell, from the ground.
#[derive(Clone, Copy, Debug, Default)]
struct ChartColumn {
    median: Option<usize>,
    high: Option<usize>,
    max: Option<usize>,
}

impl ChartColumn {
    fn of(times: CellTimes, scale: Scale, levels: usize) -> Self {
        let within = |micros: u32| Some(scale.level(micros, levels).min(levels.saturating_sub(1)));
        let max = within(times.max).filter(|_| times.max <= scale.top);
        Self { median: within(times.p50), high: within(times.p95), max }
    }

    /// The symbol in row `row`, from the ground. Lines are as wide as the cell, a dot is half as wide.
    fn cell(self, row: usize, symbols: Symbols) -> (Role, char) {
        let plots = [(self.median, Plot::Median), (self.high, Plot::High), (self.max, Plot::Max)];
        if symbols == Symbols::Ascii {
            let shown = plots.iter().find(|(level, _)| *level == Some(row));
            return shown.map_or((Role::Plain, ' '), |(_, plot)| {
                let symbol = match plot {
                    Plot::Median => '-',
                    Plot::High => '*',
                    Plot::Max => '.',
                };
                (Role::Plot(*plot), symbol)
            });
        }
        let mut bits = 0;
        let mut role = Role::Plain;
        for (level, plot) in plots.into_iter().rev() {
            let Some(level) = level.filter(|level| level / LEVELS == row) else { continue };
            // The dots of a braille cell from the ground up, left and right (Unicode, "Braille Patterns").
            let (left, right) = [(0x40, 0x80), (0x04, 0x20), (0x02, 0x10), (0x01, 0x08)][level % LEVELS];
            bits |= if plot == Plot::Max { left } else { left | right };
            role = Role::Plot(plot);
        }
        let symbol = if bits == 0 { ' ' } else { char::from_u32(0x2800 + bits).unwrap_or(' ') };
        (role, symbol)
    }
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

/// The time of the first cell, of up to three more at equal distances, and now.
fn axis(frame: &Frame, scope: &SeriesRange) -> Line {
    // A moment of another day takes eleven cells, and "now" follows the last one.
    let parts = ((scope.cells + 1) / 15).clamp(1, 4);
    let mut line = Line::default();
    for part in 0..parts {
        let cells = scope.cells * part / parts;
        line.pad_to(SCALE + cells);
        let at = scope.from.after(scope.cell * u32::try_from(cells).unwrap_or(u32::MAX));
        line.push(Role::Dim, frame.moment(at));
    }
    if frame.state.chart.until().is_none() {
        line.pad_to((SCALE + scope.cells).saturating_sub(3));
        line.push(Role::Dim, "now");
    }
    line
}

fn legend(series: &Series, scale: Scale) -> Line {
    let Some(all) = series.all else {
        return Line::of(Role::Plain, format!("{:SCALE$}no successful checks in this period", ""));
    };
    let time = |micros: u32| figures::time(f64::from(micros));
    let mut line = Line::of(Role::Plain, " ".repeat(SCALE));
    line.push(Role::Plot(Plot::Median), format!("p50 {} (lower)", time(all.p50)));
    line.push(Role::Plot(Plot::High), format!("  p95 {} (upper)", time(all.p95)));
    line.push(Role::Plot(Plot::Max), format!("  max {} (dots)", time(all.max)));
    let above = series.cells.iter().filter(|cell| cell.times.is_some_and(|times| times.max > scale.top)).count();
    if above > 0 {
        line.push(Role::Plain, format!(", {above} above"));
    }
    line
}

/// The distribution of response times over the span of the chart; all sites have the same edges.
pub fn distribution(frame: &Frame, series: &Series, cells: usize) -> Vec<Line> {
    let count: u64 = series.spread.iter().sum();
    let successful = format!("{} successful", figures::count(count));
    let mut lines = vec![super::rule(Line::of(Role::Strong, "Response times"), &successful, cells)];
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
