//! From a screen of text to the cells of a terminal.

use std::collections::HashMap;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use crate::tui::style::line::{Line, Span, safe, width};
use crate::tui::style::role::Role;
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

/// The URLs that cells lead to, by the colour of underlines that [`render`] gives these cells: so a cell that leads elsewhere than in the
/// last frame differs from it.
#[must_use]
pub fn links(screen: &Screen) -> HashMap<Color, String> {
    let spans = screen.lines.iter().flat_map(Line::spans);
    spans.filter_map(|span| Some((link(span)?, span.text.clone().into_owned()))).collect()
}

/// The colour that stands for the URL of `span`, if it is one without secrets.
fn link(span: &Span) -> Option<Color> {
    let is_url = span.text.starts_with("http://") || span.text.starts_with("https://");
    let is_whole = span.text.bytes().all(|byte| byte.is_ascii_graphic()) && !span.text.contains("***");
    (span.role == Role::Link && is_url && is_whole).then(|| {
        // FNV-1a, folded to 24 bits.
        let hash =
            span.text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let [high, red, green, blue] = hash.to_be_bytes();
        Color::Rgb(red ^ high, green, blue)
    })
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
            let style = link(span).map_or(style, |link| style.underline_color(link));
            match theme.symbols {
                Symbols::Unicode => buf.set_stringn(column, y, &text, cells, style),
                Symbols::Ascii => buf.set_stringn(column, y, to_ascii(&text), cells, style),
            };
            x += cells;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::style::role::Role;
    use crate::tui::tests::fixtures;

    fn screen(lines: Vec<Line>) -> Screen {
        Screen { lines, title: String::new() }
    }

    #[test]
    fn only_whole_urls_without_secrets_are_links() {
        let link = |text: &'static str| Line::of(Role::Link, text);
        let found = links(&screen(vec![
            link("https://a.test/"),
            link("https://a.test/?key=***"),
            link("javascript:alert(1)"),
            link("https://a.test/\u{1b}]8;;"),
            Line::of(Role::Plain, "https://b.test/"),
            link("https://cut.test/path").fit(12),
            link("https://whole.test/").fit(19),
        ]));
        let mut urls: Vec<&str> = found.values().map(String::as_str).collect();
        urls.sort_unstable();
        assert_eq!(urls, ["https://a.test/", "https://whole.test/"]);
    }

    #[test]
    fn a_cell_that_leads_elsewhere_differs() {
        let theme = fixtures::settings().theme;
        let area = Rect { x: 0, y: 0, width: 20, height: 1 };
        let cells = |url: &'static str| {
            let mut buffer = Buffer::empty(area);
            render(&screen(vec![Line::of(Role::Link, url)]), &theme, area, &mut buffer);
            buffer
        };
        let (one, other) = (cells("https://a.test/1"), cells("https://a.test/2"));
        assert_eq!(one.diff(&other).len(), 16, "the common beginning, too");
    }
}
