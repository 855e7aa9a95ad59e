//! A dashboard as an SVG picture for documents: the cells of the real renderer, with the colours of a dark terminal.
//!
//! Each run of cells of one style is one `<text>` of exactly the width of its cells, so columns stand whatever font the reader
//! has. Bars and rules are shapes: their glyphs differ in height between fonts and would show seams.

use std::fmt::Write as _;
use std::sync::Arc;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Rect, Size};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr as _;

use crate::model::SiteIndex;

use super::inputs::Inputs;
use super::page::Page;
use super::render::render;
use super::screen::view;
use super::settings::Settings;
use super::state::UiState;
use super::style::symbols::Symbols;
use super::style::theme::{Scheme, Theme};

/// Width and height of a cell in the units of the picture.
const CELL: (usize, usize) = (9, 19);
const MARGIN: usize = 12;
const FONT_SIZE: usize = 15;
/// From the top of a cell to the line on which letters stand.
const BASELINE: usize = 14;
const FONTS: &str = "ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace";
const GROUND: &str = "#14171c";
const INK: &str = "#d6d9de";

/// The page of the dashboard in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PicturePage {
    /// All sites.
    Overview,
    /// All alerts.
    Alerts,
    /// The help of the overview.
    Help,
    /// The incident of the newest alert.
    Incident,
    /// The site at this index into the snapshot.
    Site(SiteIndex),
}

/// A dashboard that shows `page` of `inputs` on this number of columns and rows.
#[must_use]
pub fn pose(inputs: &Inputs, page: PicturePage, (columns, rows): (u16, u16)) -> UiState {
    let size = Size { width: columns, height: rows };
    let theme = Theme { scheme: Scheme::Dark, color: true, symbols: Symbols::Unicode };
    let mut state = UiState::new(&Settings::of(theme));
    state.settle(inputs, size);
    match page {
        PicturePage::Overview => {}
        PicturePage::Alerts => state.nav.open(Page::Alerts),
        PicturePage::Help => state.nav.open(Page::Help),
        PicturePage::Incident => {
            if let Some(newest) = inputs.alerts.last() {
                state.open_incident(Arc::clone(newest), inputs);
            }
        }
        PicturePage::Site(index) => {
            state.sites.follow(index.get(), inputs.snapshot);
            state.nav.open_site(false);
        }
    }
    state.settle(inputs, size);
    state
}

/// A dashboard with this number of columns and rows, as the text of an SVG file.
#[must_use]
pub fn picture(inputs: &Inputs, state: &UiState, (columns, rows): (u16, u16)) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
    let screen = view(inputs, state, Size { width: columns, height: rows });
    render(&screen, &state.theme, buffer.area, &mut buffer);
    svg(&buffer)
}

fn svg(buffer: &Buffer) -> String {
    let (columns, rows) = (usize::from(buffer.area.width), usize::from(buffer.area.height));
    let (width, height) = (columns * CELL.0 + 2 * MARGIN, rows * CELL.1 + 2 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"{FONTS}\" font-size=\"{FONT_SIZE}\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{GROUND}\"/>\n"
    );
    for (row, cells) in buffer.content().chunks(columns.max(1)).enumerate() {
        for run in runs(cells) {
            run.draw(MARGIN + row * CELL.1, &mut out).expect("writing to a String cannot fail");
        }
    }
    out.push_str("</svg>\n");
    out
}

/// The top and height of a glyph that is drawn as a rectangle, in nineteenths of a cell.
fn shape(cell: &Cell) -> Option<(usize, usize)> {
    match cell.symbol() {
        "▇" => Some((4, 13)),
        "▄" => Some((10, 7)),
        "█" => Some((0, 19)),
        "─" => Some((9, 1)),
        _ => None,
    }
}

/// Neighbouring cells that look alike.
struct TextRun<'a> {
    column: usize,
    cells: usize,
    first: &'a Cell,
    text: String,
}

fn runs(cells: &[Cell]) -> Vec<TextRun<'_>> {
    let mut runs: Vec<TextRun> = Vec::new();
    let mut column = 0;
    // The cell behind a wide character belongs to it.
    while let Some(cell) = cells.get(column) {
        let width = cell.symbol().width().max(1);
        match runs.last_mut() {
            Some(run) if run.first.style() == cell.style() && shape(run.first) == shape(cell) => {
                run.cells += width;
                run.text.push_str(cell.symbol());
            }
            _ => runs.push(TextRun { column, cells: width, first: cell, text: cell.symbol().to_owned() }),
        }
        column += width;
    }
    runs
}

impl TextRun<'_> {
    fn draw(&self, y: usize, out: &mut String) -> std::fmt::Result {
        let (x, width) = (MARGIN + self.column * CELL.0, self.cells * CELL.0);
        let has = |modifier| self.first.modifier.contains(modifier);
        let (mut ink, mut ground) = (color(self.first.fg).unwrap_or(INK), color(self.first.bg));
        if has(Modifier::REVERSED) {
            (ink, ground) = (ground.unwrap_or(GROUND), Some(ink));
        }
        if let Some(ground) = ground {
            let height = CELL.1;
            writeln!(out, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{ground}\"/>")?;
        }
        let faint = if has(Modifier::DIM) { " opacity=\"0.6\"" } else { "" };
        if let Some((above, height)) = shape(self.first) {
            let y = y + above;
            writeln!(out, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{ink}\"{faint}/>")?;
        } else if self.text.chars().any(|c| c != ' ') {
            let weight = if has(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
            // Spaces at the ends would be part of the width, and some readers drop them.
            let blank = self.text.chars().take_while(|c| *c == ' ').count();
            let text = self.text.trim_matches(' ');
            let (x, y, width) = (x + blank * CELL.0, y + BASELINE, text.width() * CELL.0);
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace(' ', "\u{a0}");
            writeln!(
                out,
                "<text x=\"{x}\" y=\"{y}\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\" \
                 fill=\"{ink}\"{weight}{faint}>{text}</text>"
            )?;
        }
        Ok(())
    }
}

/// The 16 ANSI colours; none for the terminal's own.
const fn color(color: Color) -> Option<&'static str> {
    Some(match color {
        Color::Black => "#14171c",
        Color::Red => "#f0524f",
        Color::Green => "#4cb86b",
        Color::Yellow => "#e0b341",
        Color::Blue => "#5c9cf5",
        Color::Magenta => "#c678dd",
        Color::Cyan => "#46b9c4",
        Color::Gray => "#b8bcc4",
        Color::DarkGray => "#6b7280",
        Color::LightRed => "#ff7b78",
        Color::LightGreen => "#7fd796",
        Color::LightYellow => "#f2cf73",
        Color::LightBlue => "#8fbcff",
        Color::LightMagenta => "#dc9bf0",
        Color::LightCyan => "#7fd6df",
        Color::White => "#ffffff",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixtures;
    use ratatui::style::Style;

    fn drawn(write: impl FnOnce(&mut Buffer)) -> Vec<String> {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 1));
        write(&mut buffer);
        let text = svg(&buffer);
        let inner = text.lines().skip(2).filter(|line| *line != "</svg>");
        inner.map(str::to_owned).collect()
    }

    #[test]
    fn a_run_of_one_style_is_one_text_at_its_place() {
        let lines = drawn(|buffer| {
            buffer.set_string(1, 0, "a b", Style::new().fg(Color::Red));
        });
        let text = "<text x=\"21\" y=\"26\" textLength=\"27\" lengthAdjust=\"spacingAndGlyphs\" \
                    fill=\"#f0524f\">a\u{a0}b</text>";
        assert_eq!(lines, [text]);
    }

    #[test]
    fn reversed_cells_have_a_ground_and_bars_are_shapes() {
        let lines = drawn(|buffer| {
            buffer.set_string(0, 0, "▇▇", Style::new().fg(Color::Green));
            buffer.set_string(2, 0, "×", Style::new().fg(Color::Red).add_modifier(Modifier::REVERSED));
        });
        assert_eq!(lines[0], "<rect x=\"12\" y=\"16\" width=\"18\" height=\"13\" fill=\"#4cb86b\"/>");
        assert_eq!(lines[1], "<rect x=\"30\" y=\"12\" width=\"9\" height=\"19\" fill=\"#f0524f\"/>");
        assert!(lines[2].contains("fill=\"#14171c\">×</text>"), "{}", lines[2]);
    }

    #[test]
    fn text_is_escaped() {
        let lines = drawn(|buffer| {
            buffer.set_string(0, 0, "<a&b>", Style::new());
        });
        assert!(lines[0].ends_with(">&lt;a&amp;b></text>"), "{}", lines[0]);
    }

    #[test]
    fn a_wide_character_takes_two_cells_and_moves_nothing() {
        let lines = drawn(|buffer| {
            buffer.set_string(0, 0, "日x", Style::new());
        });
        assert!(lines[0].contains("textLength=\"27\"") && lines[0].ends_with(">日x</text>"), "{}", lines[0]);
    }

    #[test]
    fn the_picture_shows_what_the_dashboard_says() {
        let world = fixtures::nine_sites();
        let size = (120, 40);
        let drawn = |page| picture(&world.inputs(), &pose(&world.inputs(), page, size), size);
        let has = |svg: &str, words: &str| svg.contains(&words.replace(' ', "\u{a0}"));
        assert!(
            has(&drawn(PicturePage::Alerts), "newest first") && has(&drawn(PicturePage::Help), "next, previous row")
        );
        let of_one = drawn(PicturePage::Site(SiteIndex::new(1)));
        assert!(has(&of_one, "‹ overview") && has(&of_one, "Response time"), "{of_one}");
        let svg = drawn(PicturePage::Overview);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains(">▼\u{a0}1\u{a0}DOWN</text>"));
        assert!(svg.contains("Website\u{a0}api\u{a0}is\u{a0}down."));
    }
}
