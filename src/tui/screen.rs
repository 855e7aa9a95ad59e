//! A screen of strings, and how it becomes cells.

use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};

use super::state::banner;
use super::state::{Place, UiState};
use super::style::line::{Line, safe, width};
use super::style::symbols::{Symbols, to_ascii};
use super::style::theme::Theme;
use super::view::chrome::{compact, footer, header, help, selection};
use super::view::frame::{Frame, Inputs};
use super::view::table::overview;
use super::view::{alerts, site};

/// What a terminal of some size says: one line a row, from the top.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// From top to bottom; rows without a line are blank.
    pub lines: Vec<Line>,
    /// Of the window.
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

/// The screen of `inputs` and `state` on a terminal of this size. Pure: the same arguments give the same screen.
#[must_use]
pub fn view(inputs: &Inputs, state: &UiState, size: Size) -> Screen {
    let plan = state.plan(inputs, size);
    let frame = Frame::of(inputs, state, size, &plan);
    let title = safe(&header::title(&frame)).into_owned();
    if plan.summary {
        return Screen { lines: fitted(compact::lines(&frame), size), title };
    }
    let mut lines = vec![header::header(&frame)];
    lines.extend(banner::line(inputs, state, frame.width()));
    let body = usize::from(size.height).saturating_sub(lines.len() + 2);
    let end = lines.len() + body;
    let mut bottom = selection::line(&frame);
    let mut more = false;
    match state.place {
        Place::Overview => {
            lines.extend(overview::lines(&frame));
            lines.extend(alerts::region(&frame, plan.alerts));
            if plan.alerts == 0 {
                bottom = alerts::toast(&frame).unwrap_or(bottom);
            }
        }
        Place::Alerts => lines.extend(alerts::screen(&frame, body)),
        Place::Site => {
            if plan.below > 0 {
                lines.extend(overview::lines(&frame));
                lines.push(site::header(&frame));
            } else {
                lines[0] = site::header(&frame);
            }
            let (seen, below) = site::lines(&frame, end - lines.len());
            more = below;
            lines.extend(seen);
            bottom = alerts::toast(&frame).unwrap_or(bottom);
        }
        Place::Help => {
            // No site is looked at: its line is room for the help.
            let mut help = help::lines(&frame, body + 1);
            let last = help.pop().unwrap_or_default();
            lines.extend(help);
            bottom = alerts::toast(&frame).unwrap_or(last);
        }
    }
    lines.resize(end, Line::default());
    lines.push(bottom);
    lines.push(footer::footer(&frame, more));
    Screen { lines: fitted(lines, size), title }
}

fn fitted(lines: Vec<Line>, size: Size) -> Vec<Line> {
    lines.into_iter().take(usize::from(size.height)).map(|line| line.fit(usize::from(size.width))).collect()
}

/// Fills the cells of `area` with `screen`. Nothing that a terminal obeys gets into a cell, whatever the lines hold.
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
            // Each span begins where the widths before it say, so a glyph that is misjudged moves nothing else.
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
