//! From a screen of text to the cells of a terminal.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::style::line::{Line, safe, width};
use crate::tui::style::symbols::{Symbols, to_ascii};
use crate::tui::style::theme::Theme;

/// A screen as text: one line per row, from the top.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// Rows without a line are blank.
    pub lines: Vec<Line>,
    /// The title of the window.
    pub title: String,
}

impl Screen {
    /// The screen as text, without spaces at the ends of lines.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(line.text().trim_end());
            text.push('\n');
        }
        text
    }
}

/// Fills the cells of `area` with `screen`. Nothing that a terminal obeys reaches a cell, whatever the lines hold.
pub fn render(screen: &Screen, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let area = area.intersection(buf.area);
    for (line, y) in screen.lines.iter().zip(area.top()..area.bottom()) {
        let mut x = usize::from(area.left());
        for span in line.spans() {
            let right = usize::from(area.right());
            let Ok(column) = u16::try_from(x) else { break };
            if x >= right {
                break;
            }
            let text = safe(&span.text);
            // Each span begins where the widths before it say, so a glyph of another width moves nothing else.
            let cells = width(&text).min(right - x);
            let style = theme.style(span.role);
            match theme.symbols {
                Symbols::Unicode => buf.set_stringn(column, y, &text, cells, style),
                Symbols::Ascii => buf.set_stringn(column, y, to_ascii(&text), cells, style),
            };
            x += cells;
        }
    }
}
