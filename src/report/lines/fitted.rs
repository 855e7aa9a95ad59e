//! Tables that fit a terminal: columns are dropped or cut, lines never wrap.
//!
//! Invariants: without a width nothing is dropped or cut. The columns that must not be dropped stay, and a line that is still too
//! wide ends with `…`.

use std::io;

use crate::report::wording;

use super::Columns;
use super::wrap::cut;

/// Widest cell that a column makes room for; a longer one pushes its own line to the right, or is cut in a terminal.
pub const CELL_MAX: usize = 40;

/// Blanks between columns.
const GAP: &str = "  ";

/// Cells that a column which can be cut should keep while others can be dropped.
const AMPLE: usize = 20;

/// Least cells of a column that is cut.
const LEAST: usize = 4;

/// How a table is laid out. Columns are named by their numbers; the first one is never dropped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape<'a> {
    /// Left-aligned columns.
    pub lefts: &'a [usize],
    /// Columns that are dropped where there is no room, the first one first.
    pub drops: &'a [usize],
    /// Columns that are cut where there is no room, the first one first.
    pub cuts: &'a [usize],
    /// The column whose cells begin with a mark, which stands in the gap before it.
    pub marked: Option<usize>,
}

impl Shape<'_> {
    /// The blanks before a column.
    fn gap(&self, column: usize) -> &'static str {
        match column {
            0 => "",
            _ if self.marked == Some(column) => &GAP[1..],
            _ => GAP,
        }
    }
}

/// The columns of a table, and their widths.
#[derive(Clone, Debug)]
pub struct Layout<'a, const N: usize> {
    shape: Shape<'a>,
    widths: [usize; N],
    is_shown: [bool; N],
    columns: Option<usize>,
}

impl<'a, const N: usize> Layout<'a, N> {
    /// Fits columns that need `widths` into `columns`, if given.
    #[must_use]
    pub fn new(shape: Shape<'a>, widths: [usize; N], columns: Option<usize>) -> Self {
        let mut layout = Self { shape, widths, is_shown: [true; N], columns };
        if let Some(columns) = columns {
            for &dropped in shape.drops {
                if layout.width(AMPLE) <= columns {
                    break;
                }
                layout.is_shown[dropped] = false;
            }
            for least in [AMPLE, LEAST] {
                layout.cut(columns, least);
            }
        }
        layout
    }

    /// The width of a line whose columns are cut to `most` cells where they can be.
    fn width(&self, most: usize) -> usize {
        let shown = (0..N).filter(|&column| self.is_shown[column]);
        let width = |column: usize| {
            let width = self.widths[column];
            if self.shape.cuts.contains(&column) { width.min(most) } else { width }
        };
        shown.map(|column| self.shape.gap(column).len() + width(column)).sum()
    }

    /// Cuts columns to at least `least` cells until a line fits `columns`.
    fn cut(&mut self, columns: usize, least: usize) {
        for &column in self.shape.cuts.iter().filter(|&&column| self.is_shown[column]) {
            let excess = self.width(usize::MAX).saturating_sub(columns);
            let width = &mut self.widths[column];
            *width = width.saturating_sub(excess).max(least.min(*width));
        }
    }

    /// Writes a line of `cells`.
    ///
    /// # Errors
    /// The writer's.
    pub fn line(&self, out: &mut impl io::Write, cells: &[&str; N]) -> io::Result<()> {
        let shown = (0..N).filter(|&column| self.is_shown[column]);
        let padded = shown.flat_map(|column| {
            let width = self.widths[column];
            let is_cut = self.columns.is_some() && self.shape.cuts.contains(&column);
            let cell = if is_cut { cut(cells[column], width) } else { cells[column].to_owned() };
            let is_left = self.shape.lefts.contains(&column);
            let cell = if is_left { wording::left(&cell, width) } else { wording::right(&cell, width) };
            [self.shape.gap(column).to_owned(), cell]
        });
        let line: String = padded.collect();
        let line = line.trim_end();
        match self.columns {
            Some(columns) => wording::line(out, &cut(line, columns)),
            None => wording::line(out, line),
        }
    }
}

/// Writes `heads` and `rows`; each column is as wide as its widest cell, as far as there is room.
pub fn aligned<const N: usize>(
    out: &mut impl Columns,
    heads: &[&str; N],
    shape: Shape<'_>,
    rows: &[[String; N]],
) -> io::Result<()> {
    let columns = out.columns();
    let mut widths = heads.map(wording::cells);
    for row in rows {
        for (column, (width, cell)) in widths.iter_mut().zip(row).enumerate() {
            // In a terminal, what can be cut may be as wide as the room is.
            let most = if columns.is_some() && shape.cuts.contains(&column) { usize::MAX } else { CELL_MAX };
            *width = wording::cells(cell).min(most).max(*width);
        }
    }
    let layout = Layout::new(shape, widths, columns);
    layout.line(out, heads)?;
    rows.iter().try_for_each(|row| layout.line(out, &row.each_ref().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::lines::{TerminalKind, TerminalText};
    use crate::report::tests::fixtures::{hostile, printed};

    const SHAPE: Shape<'_> = Shape { lefts: &[0, 3], drops: &[2, 1], cuts: &[3, 0], marked: None };

    fn table(columns: Option<usize>, rows: &[[String; 4]]) -> String {
        printed(|out| {
            let mut out = TerminalText::new(out, TerminalKind { columns, is_ascii: false });
            aligned(&mut out, &["SITE", "CHECKS", "AVG", "DETAIL"], SHAPE, rows)
        })
    }

    fn row(cells: [&str; 4]) -> [String; 4] {
        cells.map(str::to_owned)
    }

    #[test]
    fn columns_are_dropped_and_cut_in_their_order() {
        let rows = [row(["api", "12", "5.10 ms", "connection refused by the host"]), row(["日本語", "3", "–", ""])];
        for (columns, expected) in [
            (
                None,
                "SITE    CHECKS      AVG  DETAIL\n\
                 api         12  5.10 ms  connection refused by the host\n\
                 日本語       3        –\n",
            ),
            (
                Some(50),
                "SITE    CHECKS      AVG  DETAIL\n\
                 api         12  5.10 ms  connection refused by th…\n\
                 日本語       3        –\n",
            ),
            (
                Some(40),
                "SITE    CHECKS  DETAIL\n\
                 api         12  connection refused by t…\n\
                 日本語       3\n",
            ),
            (Some(20), "SITE    DETAIL\napi     connection …\n日本語\n"),
            (Some(9), "SITE  DE…\napi   co…\n日…\n"),
        ] {
            assert_eq!(table(columns, &rows), expected, "{columns:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal_and_rows_stay_lines(
            cells in prop::collection::vec((hostile(), "[0-9]{0,6}", "[a日é\u{301}❤\u{fe0f}]{0,60}"), 0..6),
            columns in 1usize..120,
        ) {
            let rows: Vec<[String; 4]> =
                cells.iter().map(|(name, number, text)| row([name, number, number, text])).collect();
            let text = table(Some(columns), &rows);
            prop_assert_eq!(text.lines().count(), rows.len() + 1);
            prop_assert!(text.lines().all(|line| wording::cells(line) <= columns), "{}", text);
        }

        #[test]
        fn without_a_width_nothing_is_lost(name in "[a-z]{1,80}", text in "[a-z]{1,80}") {
            let printed = table(None, &[row([&name, "1", "2", &text])]);
            prop_assert!(printed.contains(&name) && printed.contains(&text), "{}", printed);
        }
    }
}
