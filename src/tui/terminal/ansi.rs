//! Cells as bytes for a terminal: positions, 16 colours, attributes, text.
//!
//! The backend of crossterm sends every colour as `38;5;N`, which a terminal of 8 or 16 colours reads as blinking and bold.
//! Here the 16 ANSI colours are 30–37 and 90–97 (ECMA-48 and aixterm), which all terminals take; the theme has no others.

use std::collections::HashMap;
use std::io::{self, Write};

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};

use super::size::measure;

/// Writes cells to `W`, a frame at each [`Backend::flush`].
#[derive(Debug, Default)]
pub struct AnsiBackend<W> {
    pub out: W,
    /// The URLs (OSC 8) of cells, by the colour of their underlines, which is never sent.
    pub links: HashMap<Color, String>,
}

/// The attributes of the last cell written.
type Look = (Color, Color, Modifier);

impl<W: Write> Backend for AnsiBackend<W> {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, cells: I) -> io::Result<()> {
        let mut last: Option<(u16, u16)> = None;
        let mut look = PLAIN;
        let mut link = None;
        for (x, y, cell) in cells {
            // A cursor right of a wide character is not where the next cell says, so each gap sets it anew.
            if last != Some((x.wrapping_sub(1), y)) {
                write!(self.out, "\x1b[{};{}H", u32::from(y) + 1, u32::from(x) + 1)?;
            }
            last = Some((x, y));
            let wanted = (cell.fg, cell.bg, cell.modifier);
            if wanted != look {
                look = wanted;
                write_look(&mut self.out, look)?;
            }
            let leads_to = self.links.get_key_value(&cell.underline_color);
            if leads_to.map(|(color, _)| *color) != link {
                link = leads_to.map(|(color, _)| *color);
                write!(self.out, "\x1b]8;;{}\x1b\\", leads_to.map_or("", |(_, url)| url))?;
            }
            self.out.write_all(cell.symbol().as_bytes())?;
        }
        if link.is_some() {
            self.out.write_all(b"\x1b]8;;\x1b\\")?;
        }
        if look != PLAIN {
            self.out.write_all(b"\x1b[0m")?;
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.out.write_all(b"\x1b[?25l")
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.out.write_all(b"\x1b[?25h")
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // Asking the terminal would mean to wait for its answer, and nothing needs it.
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        write!(self.out, "\x1b[{};{}H", u32::from(y) + 1, u32::from(x) + 1)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.out.write_all(b"\x1b[2J")
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.out.write_all(match region {
            ClearType::All => b"\x1b[2J",
            ClearType::AfterCursor => b"\x1b[0J",
            ClearType::BeforeCursor => b"\x1b[1J",
            ClearType::CurrentLine => b"\x1b[2K",
            ClearType::UntilNewLine => b"\x1b[0K",
        })
    }

    fn size(&self) -> io::Result<Size> {
        measure()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: measure()?, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

const PLAIN: Look = (Color::Reset, Color::Reset, Modifier::empty());

const ATTRIBUTES: [(Modifier, u8); 4] =
    [(Modifier::BOLD, 1), (Modifier::DIM, 2), (Modifier::UNDERLINED, 4), (Modifier::REVERSED, 7)];

/// One sequence that begins with a reset, so that nothing is left of the look before.
fn write_look(out: &mut impl Write, (fg, bg, modifier): Look) -> io::Result<()> {
    out.write_all(b"\x1b[0")?;
    for (attribute, number) in ATTRIBUTES {
        if modifier.contains(attribute) {
            write!(out, ";{number}")?;
        }
    }
    if let Some(number) = foreground(fg) {
        write!(out, ";{number}")?;
    }
    if let Some(number) = foreground(bg) {
        write!(out, ";{}", number + 10)?;
    }
    out.write_all(b"m")
}

/// The number of an ANSI colour as a foreground.
const fn foreground(color: Color) -> Option<u8> {
    Some(match color {
        Color::Black => 30,
        Color::Red => 31,
        Color::Green => 32,
        Color::Yellow => 33,
        Color::Blue => 34,
        Color::Magenta => 35,
        Color::Cyan => 36,
        Color::Gray => 37,
        Color::DarkGray => 90,
        Color::LightRed => 91,
        Color::LightGreen => 92,
        Color::LightYellow => 93,
        Color::LightBlue => 94,
        Color::LightMagenta => 95,
        Color::LightCyan => 96,
        Color::White => 97,
        Color::Reset | Color::Rgb(..) | Color::Indexed(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;

    fn sent(cells: &[(u16, u16, Cell)]) -> String {
        sent_with(cells, HashMap::new())
    }

    fn sent_with(cells: &[(u16, u16, Cell)], links: HashMap<Color, String>) -> String {
        let mut backend = AnsiBackend { out: Vec::new(), links };
        backend.draw(cells.iter().map(|(x, y, cell)| (*x, *y, cell))).unwrap();
        String::from_utf8(backend.out).unwrap()
    }

    #[test]
    fn cells_lead_to_their_urls_and_only_there() {
        let (one, two) = (Color::Rgb(1, 2, 3), Color::Rgb(4, 5, 6));
        let of = |symbol, color| cell(symbol, Style::new().underline_color(color));
        let cells = [
            (0, 0, cell("a", Style::new())),
            (1, 0, of("b", one)),
            (2, 0, of("c", one)),
            (3, 0, of("d", two)),
            (4, 0, cell("e", Style::new())),
            (0, 1, of("f", two)),
        ];
        let links = HashMap::from([(one, "http://a.test/".to_owned()), (two, "http://b.test/".to_owned())]);
        let (a, b, end) = ("\x1b]8;;http://a.test/\x1b\\", "\x1b]8;;http://b.test/\x1b\\", "\x1b]8;;\x1b\\");
        assert_eq!(sent_with(&cells, links), format!("\x1b[1;1Ha{a}bc{b}d{end}e\x1b[2;1H{b}f{end}"));
        assert_eq!(sent(&cells), "\x1b[1;1Habcde\x1b[2;1Hf", "a terminal without links gets none");
    }

    fn cell(symbol: &'static str, style: Style) -> Cell {
        let mut cell = Cell::new(symbol);
        cell.set_style(style);
        cell
    }

    #[test]
    fn neighbours_share_position_and_look() {
        let red = Style::new().fg(Color::Red).bg(Color::White).add_modifier(Modifier::BOLD | Modifier::REVERSED);
        let cells = [
            (3, 1, cell("a", Style::new())),
            (4, 1, cell("b", red)),
            (5, 1, cell("日", red)),
            (7, 1, cell("c", Style::new().fg(Color::DarkGray))),
            (0, 2, cell("d", Style::new())),
        ];
        assert_eq!(sent(&cells), "\x1b[2;4Ha\x1b[0;1;7;31;107mb日\x1b[2;8H\x1b[0;90mc\x1b[3;1H\x1b[0md");
    }

    #[test]
    fn a_frame_ends_plain() {
        assert_eq!(sent(&[(0, 0, cell("x", Style::new().fg(Color::Green)))]), "\x1b[1;1H\x1b[0;32mx\x1b[0m");
        assert_eq!(sent(&[]), "");
    }
}
