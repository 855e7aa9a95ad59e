//! Response time over time: the median and the 95th percentile of each cell as lines, the maximum as dots, and the
//! outcome of the same cells below, so that a red cell stands exactly under the gap it made.
//!
//! Linear from 0. What is above four times the median 95th percentile would press the rest to the ground: it is clipped
//! and counted. Braille, four levels a row; where only ASCII can be shown, one.

use std::time::Duration;

use crate::engine::snapshot::{SiteSnapshot, Snapshot};
use crate::model::figures;

use super::bar;
use super::frame::Frame;
use super::line::{Line, Role, right};
use super::series::{EDGES_MS, Scope, Series, Times};
use super::symbols::Symbols;
use super::words;

/// The spans that can be chosen besides the longest view.
const SPANS: [Duration; 6] = [
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(10),
    Duration::from_mins(30),
    Duration::from_hours(1),
    Duration::from_hours(6),
];
/// `  120 ms ┤`
const SCALE: usize = 10;
/// Levels in a row of braille.
const LEVELS: usize = 4;

/// What a cell of the chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plot {
    /// The median.
    Median,
    /// The 95th percentile.
    High,
    /// The maximum.
    Max,
}

/// The spans from which one is shown, shortest first: what the rings hold, which is the longest view.
pub fn spans(tables: &Snapshot) -> Vec<Duration> {
    let recent = tables.views.iter().filter(|view| !view.view().is_long());
    let longest = recent.map(|view| view.timeframe.length()).max().unwrap_or(SPANS[0]);
    SPANS.into_iter().filter(|span| *span < longest).chain([longest]).collect()
}

/// The chart with its title, and the series that it shows.
pub fn lines(frame: &Frame, site: &SiteSnapshot) -> (Vec<Line>, Series) {
    let spans = spans(frame.tables);
    let shown = (spans.len() - 1).saturating_sub(frame.state.zoom);
    let to = if frame.state.frozen.is_some() { frame.tables.at } else { frame.inputs.now };
    let columns = frame.width().saturating_sub(SCALE + 1).max(1);
    let scope = Scope::new(spans[shown], to, columns);
    let series = Series::of(frame.inputs.samples, &scope, site.interval);
    let mut title = Line::of(Role::Strong, "Response time");
    title.push(Role::Plain, " ·");
    for (i, span) in spans.iter().enumerate() {
        let span = words::span(*span);
        let (role, text) =
            if i == shown { (Role::Cursor, format!("[{span}]")) } else { (Role::Plain, format!(" {span} ")) };
        title.push(Role::Plain, " ");
        title.push(role, text);
    }
    let cell = format!("1 cell = {}", words::span(scope.cell));
    let mut lines = vec![super::site::rule(title, &cell, frame.width())];
    let top = scale(&series);
    lines.extend(plot(frame, &series, top));
    lines.push(outcome(frame, site, &series, &scope));
    lines.push(axis(frame, &scope));
    lines.push(legend(&series, top));
    (lines, series)
}

/// The time at the upper edge, in µs: a round number that little is above.
fn scale(series: &Series) -> u32 {
    let mut highs: Vec<u32> = series.cells.iter().filter_map(|cell| Some(cell.times?.p95)).collect();
    highs.sort_unstable();
    let most = series.all.map_or(0, |times| times.max);
    let wanted = highs.get(highs.len() / 2).map_or(1, |median| most.min(median.saturating_mul(4)));
    let digits = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];
    let rounded = (1..9).flat_map(|power| digits.map(|digit| 10_u32.pow(power).saturating_mul(digit)));
    rounded.into_iter().find(|top| *top >= wanted).unwrap_or(u32::MAX)
}

fn plot(frame: &Frame, series: &Series, top: u32) -> Vec<Line> {
    let rows = (usize::from(frame.size.height).saturating_sub(24) / 2 + 5).min(14);
    let symbols = frame.state.symbols;
    let levels = rows * if symbols == Symbols::Ascii { 1 } else { LEVELS };
    let columns: Vec<Column> = series
        .cells
        .iter()
        .map(|cell| cell.times.map_or(Column::default(), |times| Column::of(times, top, levels)))
        .collect();
    (0..rows)
        .map(|row| {
            let label = match row {
                0 => figures::time(f64::from(top)),
                _ if row == rows - 1 => "0 ms".to_owned(),
                _ if rows % 2 == 1 && row == rows / 2 => figures::time(f64::from(top) / 2.0),
                _ => String::new(),
            };
            let mut line = Line::of(Role::Dim, format!("{} ┤", right(&label, SCALE - 2)));
            let mut run = (Role::Plain, String::new());
            for column in &columns {
                let (role, symbol) = column.cell(rows - 1 - row, symbols);
                if role != run.0 {
                    line.push(run.0, std::mem::take(&mut run.1));
                    run.0 = role;
                }
                run.1.push(symbol);
            }
            line.push(run.0, run.1);
            line
        })
        .collect()
}

/// The levels of a cell, counted from the ground.
#[derive(Clone, Copy, Debug, Default)]
struct Column {
    median: Option<usize>,
    high: Option<usize>,
    max: Option<usize>,
}

impl Column {
    fn of(times: Times, top: u32, levels: usize) -> Self {
        let level = |micros: u32| {
            let scaled = u64::from(micros) * levels as u64 / u64::from(top.max(1));
            usize::try_from(scaled).unwrap_or(usize::MAX)
        };
        let within = |micros: u32| Some(level(micros).min(levels.saturating_sub(1)));
        Self { median: within(times.p50), high: within(times.p95), max: within(times.max).filter(|_| times.max <= top) }
    }

    /// What stands in row `row`, counted from the ground. Lines are as wide as the cell, a dot is half as wide.
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
            // The dots of a braille cell from the ground up, left and right: Unicode, "Braille Patterns".
            let (left, right) = [(0x40, 0x80), (0x04, 0x20), (0x02, 0x10), (0x01, 0x08)][level % LEVELS];
            bits |= if plot == Plot::Max { left } else { left | right };
            role = Role::Plot(plot);
        }
        let symbol = if bits == 0 { ' ' } else { char::from_u32(0x2800 + bits).unwrap_or(' ') };
        (role, symbol)
    }
}

fn outcome(frame: &Frame, site: &SiteSnapshot, series: &Series, scope: &Scope) -> Line {
    let beats: Vec<_> = series.cells.iter().map(|cell| cell.beat).collect();
    debug_assert_eq!(beats.len(), scope.cells, "one beat a cell");
    let mut line = Line::of(Role::Dim, right("outcome", SCALE - 1));
    line.push(Role::Plain, " ");
    for beat in beats {
        let cell = bar::judge(beat, site.rule.threshold);
        line.push(Role::Beat(cell), frame.state.symbols.beat(cell));
    }
    line
}

/// The time of the first cell, of every third of the way, and now.
fn axis(frame: &Frame, scope: &Scope) -> Line {
    let parts = if frame.width() >= 60 { 4 } else { 2 };
    let mut line = Line::default();
    for part in 0..parts {
        let cells = scope.cells * part / parts;
        line.pad_to(SCALE + cells);
        let at = scope.from.after(scope.cell * u32::try_from(cells).unwrap_or(u32::MAX));
        line.push(Role::Dim, words::clock(at, frame.inputs.zone));
    }
    line.pad_to((SCALE + scope.cells).saturating_sub(3));
    line.push(Role::Dim, "now");
    line
}

fn legend(series: &Series, top: u32) -> Line {
    let Some(all) = series.all else {
        return Line::of(Role::Plain, format!("{:SCALE$}no check was answered rightly in this time", ""));
    };
    let time = |micros: u32| figures::time(f64::from(micros));
    let mut line = Line::of(Role::Plain, " ".repeat(SCALE));
    line.push(Role::Plot(Plot::Median), format!("p50 {} (lower)", time(all.p50)));
    line.push(Role::Plot(Plot::High), format!("  p95 {} (upper)", time(all.p95)));
    line.push(Role::Plot(Plot::Max), format!("  max {} (dots)", time(all.max)));
    let above = series.cells.iter().filter(|cell| cell.times.is_some_and(|times| times.max > top)).count();
    if above > 0 {
        line.push(Role::Plain, format!(", {above} above"));
    }
    line
}

/// How many response times were how long, over the span of the chart; edges are the same for all sites.
pub fn spread(frame: &Frame, series: &Series, cells: usize) -> Vec<Line> {
    let count: u64 = series.spread.iter().sum();
    let told = format!("{} right answers", figures::count(count));
    let mut lines = vec![super::site::rule(Line::of(Role::Strong, "Response times"), &told, cells)];
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
        line.push(Role::Plot(Plot::High), frame.state.symbols.pick("█", "#").repeat(length));
        lines.push(line);
    }
    lines
}
