//! The drawing of response times: median and 95th percentile as joined lines, the maximum as dots, a limit as a dashed line.
//!
//! A row has four levels in braille and each cell two dots side by side, so a line has a point in the middle of every cell
//! and one between two; in ASCII a row is one level. A cell without times breaks the lines.

use crate::stats::series::{CellTimes, Series, SeriesCell};
use crate::tui::state::chart_range::SCALE;
use crate::tui::style::line::{Line, right};
use crate::tui::style::role::{Plot, Role};
use crate::tui::style::symbols::Symbols;

use super::ticks;

/// Levels in a row of braille.
const LEVELS: usize = 4;
/// A limit up to this many times the largest time shown belongs to the scale; a higher one would press all to the ground.
const LIMIT_REACH: u32 = 2;

/// The range of response times that a chart covers, µs.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    pub top: u32,
    /// The lower edge of a logarithmic scale; a linear one begins at 0.
    bottom: Option<u32>,
}

impl Scale {
    /// A scale for `series`, and for `limit` if that is not far off.
    pub fn of(series: &Series, limit: Option<u32>, log: bool) -> Self {
        let most = series.all.map_or(1, |times| times.max);
        if !log {
            let least = busy(series, most);
            let with_limit = limit.filter(|limit| *limit <= least.saturating_mul(LIMIT_REACH));
            return Self { top: round_up(with_limit.map_or(least, |limit| limit.max(least))), bottom: None };
        }
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

    /// The round times on the scale, ascending, of which at most one stands in each of `rows`.
    fn ticks(self, rows: usize) -> Vec<u32> {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let Some(bottom) = self.bottom else {
            let step = ticks::step(self.top, rows.div_ceil(2).min(10));
            return (0..=self.top / step).map(|number| number * step).collect();
        };
        let decades = (self.top / bottom).ilog10().max(1);
        let digits: &[u32] = if rows / decades >= 6 { &[1, 2, 5] } else { &[1] };
        let powers = bottom.ilog10()..=self.top.ilog10();
        let all = powers
            .flat_map(|power| digits.iter().map(move |digit| 10_u32.saturating_pow(power).saturating_mul(*digit)));
        all.filter(|tick| *tick <= self.top).collect()
    }
}

/// The time that a linear scale has to reach, µs: times above four times the median 95th percentile are clipped.
fn busy(series: &Series, most: u32) -> u32 {
    let mut highs: Vec<u32> = series.cells.iter().filter_map(|cell| Some(cell.times?.p95)).collect();
    highs.sort_unstable();
    highs.get(highs.len() / 2).map_or(1, |median| most.min(median.saturating_mul(4)))
}

/// The upper edge of a linear scale that reaches `least`, µs.
fn round_up(least: u32) -> u32 {
    let digits = [10, 12, 15, 20, 25, 30, 40, 50, 60, 80];
    let rounded = (1..9).flat_map(|power| digits.map(|digit| 10_u32.pow(power).saturating_mul(digit)));
    rounded.into_iter().find(|top| *top >= least).unwrap_or(u32::MAX)
}

/// A figure of each cell, from the ground.
type Levels = Vec<Option<usize>>;

/// What is drawn in `rows` rows.
pub struct Canvas {
    rows: usize,
    symbols: Symbols,
    /// Of each cell, from the ground up and left to right: the symbol of each plot in the order of [`PLOTS`], as dots of
    /// braille or as a letter.
    cells: Vec<[u32; PLOTS.len()]>,
    columns: usize,
}

/// Where two share a cell, it has the colour of the first.
const PLOTS: [Plot; 3] = [Plot::Median, Plot::High, Plot::Max];

impl Canvas {
    pub fn of(series: &Series, scale: Scale, rows: usize, symbols: Symbols) -> Self {
        let columns = series.cells.len();
        let mut canvas = Self { rows, symbols, columns, cells: vec![[0; PLOTS.len()]; rows * columns] };
        let levels = canvas.levels();
        let within = |micros: u32| scale.level(micros, levels).min(levels.saturating_sub(1));
        let of = |pick: &dyn Fn(CellTimes) -> Option<usize>| -> Levels {
            series.cells.iter().map(|cell: &SeriesCell| cell.times.and_then(pick)).collect()
        };
        canvas.draw_line(0, &of(&|times| Some(within(times.p50))));
        canvas.draw_line(1, &of(&|times| Some(within(times.p95))));
        for (column, level) in of(&|times| (times.max <= scale.top).then(|| within(times.max))).iter().enumerate() {
            if let Some(level) = *level {
                canvas.dot(2, (2 * column, level), '.');
            }
        }
        canvas
    }

    const fn levels(&self) -> usize {
        if matches!(self.symbols, Symbols::Ascii) { self.rows } else { self.rows * LEVELS }
    }

    /// Sets the dot at `(x, level)`, x in half cells; in ASCII the whole cell to `letter`.
    fn dot(&mut self, plot: usize, (x, level): (usize, usize), letter: char) {
        let (row, bit) = if self.symbols == Symbols::Ascii {
            (level, u32::from(letter))
        } else {
            // The dots of a braille cell from the ground up, left and right (Unicode, "Braille Patterns").
            let (left, right) = [(0x40, 0x80), (0x04, 0x20), (0x02, 0x10), (0x01, 0x08)][level % LEVELS];
            (level / LEVELS, if x.is_multiple_of(2) { left } else { right })
        };
        if let Some(cell) = self.cells.get_mut(row * self.columns + x / 2) {
            cell[plot] = if self.symbols == Symbols::Ascii { bit } else { cell[plot] | bit };
        }
    }

    fn draw_line(&mut self, plot: usize, levels: &[Option<usize>]) {
        let is_ascii = self.symbols == Symbols::Ascii;
        let (point, upright) = if plot == 0 { ('-', '|') } else { ('*', ':') };
        for (column, level) in levels.iter().enumerate() {
            let Some(level) = *level else { continue };
            let next = levels.get(column + 1).copied().flatten();
            if is_ascii {
                let before = column.checked_sub(1).and_then(|before| levels[before]).unwrap_or(level);
                (before.min(level) + 1..before.max(level))
                    .for_each(|between| self.dot(plot, (2 * column, between), upright));
                self.dot(plot, (2 * column, level), point);
                continue;
            }
            let middle = next.map_or(level, |next| usize::midpoint(level, next));
            self.dot(plot, (2 * column, level), point);
            self.upright(plot, 2 * column + 1, (level, middle));
            if let Some(next) = next {
                self.upright(plot, 2 * column + 2, (middle, next));
            }
        }
    }

    /// Joins two levels at `x`.
    fn upright(&mut self, plot: usize, x: usize, (from, to): (usize, usize)) {
        (from.min(to)..=from.max(to)).for_each(|level| self.dot(plot, (x, level), ' '));
    }

    fn cell(&self, row: usize, column: usize) -> Option<(Role, char)> {
        let plots = self.cells.get(row * self.columns + column)?;
        let first = plots.iter().position(|drawn| *drawn != 0)?;
        let symbol = if self.symbols == Symbols::Ascii {
            plots[first]
        } else {
            0x2800 + plots.iter().fold(0, |bits, drawn| bits | drawn)
        };
        Some((Role::Plot(PLOTS[first]), char::from_u32(symbol)?))
    }

    /// The rows from the top down, each with its scale. `limit` is a dashed line, the column of `cursor` stands out.
    pub fn lines(&self, scale: Scale, limit: Option<u32>, cursor: Option<usize>) -> Vec<Line> {
        let row_of = |micros: u32| {
            let level = scale.level(micros, self.levels()).min(self.levels().saturating_sub(1));
            if self.symbols == Symbols::Ascii { level } else { level / LEVELS }
        };
        let mut labels = vec![None; self.rows];
        for tick in scale.ticks(self.rows) {
            if let Some(label) = labels.get_mut(row_of(tick)) {
                label.get_or_insert(tick);
            }
        }
        let limit = limit.filter(|limit| *limit <= scale.top).map(row_of);
        let dashes = self.symbols.pick("╌", "=");
        let line = |row: usize| {
            let (label, edge) = labels[row].map_or((String::new(), '│'), |tick| (ticks::time(tick), '┤'));
            let mut line = Line::of(Role::Dim, format!("{} {edge}", right(&label, SCALE - 2)));
            for column in 0..self.columns {
                let is_cursor = cursor == Some(column);
                match self.cell(row, column) {
                    None if limit == Some(row) && !is_cursor => line.join(Role::Warning, dashes),
                    None => line.join(if is_cursor { Role::Cursor } else { Role::Plain }, " "),
                    Some((drawn, symbol)) => {
                        let shown = if is_cursor { Role::Cursor } else { drawn };
                        line.join(shown, symbol.encode_utf8(&mut [0; 4]));
                    }
                }
            }
            line
        };
        (0..self.rows).rev().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Beat;

    /// A series of these medians in ms, `None` for a gap.
    fn series(medians: &[Option<u32>]) -> Series {
        let mut series = Series::empty(medians.len());
        for (cell, median) in series.cells.iter_mut().zip(medians) {
            cell.beat = Beat { up: 1, down: 0 };
            cell.times = median.map(|ms| CellTimes { p50: ms * 1_000, p95: ms * 1_000, max: ms * 1_000 });
        }
        series.all = series.cells.iter().filter_map(|cell| cell.times).max_by_key(|times| times.max);
        series
    }

    fn picture(medians: &[Option<u32>], limit: Option<u32>, rows: usize, symbols: Symbols, log: bool) -> Vec<String> {
        let series = series(medians);
        let limit = limit.map(|ms| ms * 1_000);
        let scale = Scale::of(&series, limit, log);
        Canvas::of(&series, scale, rows, symbols).lines(scale, limit, None).iter().map(Line::text).collect()
    }

    #[test]
    fn points_are_joined_and_a_gap_breaks_the_line() {
        let medians = [Some(10), Some(90), Some(90), Some(10), None, Some(50), Some(50)];
        assert_eq!(
            picture(&medians, None, 5, Symbols::Ascii, false),
            ["  100 ms ┤ --    ", "         │ | |   ", "   50 ms ┤ | | --", "         │ | |   ", "    0 ms ┤-  -   "]
        );
        let joined = picture(&medians, None, 5, Symbols::Unicode, false);
        for row in 0..5 {
            let cells: Vec<char> = joined[row].chars().skip(10).collect();
            assert!(cells[..2].iter().any(|c| *c != ' '), "the rise passes through each row: {joined:?}");
            assert_eq!(cells[4], ' ', "a gap stays empty: {joined:?}");
        }
    }

    #[test]
    fn a_limit_that_is_near_belongs_to_the_scale() {
        let near = picture(&[Some(40), Some(40)], Some(70), 5, Symbols::Ascii, false);
        assert!(near[0..2].iter().any(|line| line.ends_with("==")), "{near:?}");
        let far = picture(&[Some(40), Some(40)], Some(2_000), 5, Symbols::Ascii, false);
        assert_eq!(far[0], "   40 ms ┤--");
    }

    #[test]
    fn a_logarithmic_scale_is_marked_at_its_powers() {
        let shown = picture(&[Some(2), Some(900)], None, 7, Symbols::Ascii, true);
        let labels: Vec<&str> = shown.iter().map(|line| line[..8].trim()).filter(|label| !label.is_empty()).collect();
        assert_eq!(labels, ["1 s", "100 ms", "10 ms", "1 ms"]);
    }
}
