//! The screen as lines of text: puts the regions of a page together.

use ratatui::layout::Size;

use super::inputs::Inputs;
use super::keymap::Action;
use super::page::Page;
use super::render::Screen;
use super::state::{UiState, banner};
use super::style::click::Click;
use super::style::line::{Line, safe};
use super::view::chrome::{compact, footer, header, help, selection};
use super::view::frame::Frame;
use super::view::table::overview;
use super::view::{alerts, incident, site, tuning};

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
    lines.extend(banner::line(inputs, &state.timers, &state.sites.facts, frame.width()));
    let body = usize::from(size.height).saturating_sub(lines.len() + 2);
    let end = lines.len() + body;
    let mut bottom = selection::line(&frame);
    let mut more = false;
    // What a key just did goes before the newest alert.
    let toast = || alerts::toast(&frame).filter(|_| state.timers.reply(inputs.now).is_none());
    match state.nav.page() {
        Page::Overview => {
            lines.extend(overview::lines(&frame));
            lines.extend(alerts::region(&frame, plan.alerts));
            if let Some(site) = selection::selected(&frame).filter(|_| plan.preview > 0) {
                lines.resize(end - plan.preview, Line::default());
                lines.extend(site::preview(&frame, site, plan.preview));
            }
            if plan.alerts == 0 {
                bottom = toast().unwrap_or(bottom);
            }
        }
        Page::Alerts => lines.extend(alerts::page(&frame, body)),
        Page::Incident => {
            lines[0] = incident::header(&frame);
            let (seen, below) = incident::lines(&frame, body);
            more = below;
            lines.extend(seen);
            bottom = toast().unwrap_or(bottom);
        }
        Page::Site => {
            if plan.below > 0 {
                lines.extend(overview::lines(&frame));
                lines.push(site::header(&frame));
            } else {
                lines[0] = site::header(&frame);
            }
            let (seen, below) = site::lines(&frame, end - lines.len());
            more = below;
            lines.extend(seen);
            bottom = toast().unwrap_or(bottom);
        }
        Page::Tuning => {
            let (seen, below) = tuning::lines(&frame, body);
            more = below;
            lines.extend(seen);
            bottom = toast().unwrap_or(bottom);
        }
        Page::Help => {
            // No site is in focus, so its line is room for the help.
            let mut help = help::lines(&frame, body + 1);
            let last = help.pop().unwrap_or_default();
            lines.extend(help);
            bottom = toast().unwrap_or(last);
        }
    }
    if state.nav.page() != Page::Overview {
        lines[0] = std::mem::take(&mut lines[0]).doing(Click::Press(Action::Back));
    }
    lines.resize(end, Line::default());
    lines.push(bottom);
    lines.push(footer::footer(&frame, more));
    Screen { lines: fitted(lines, size), title }
}

fn fitted(lines: Vec<Line>, size: Size) -> Vec<Line> {
    lines.into_iter().take(usize::from(size.height)).map(|line| line.fit(usize::from(size.width))).collect()
}
