//! The summary on a terminal that is too small for tables: counts, the sites that are not up, and the size it needs.

use crate::engine::snapshot::SiteState;
use crate::model::time::duration::format_short;
use crate::tui::arrangement::sort::Sort;
use crate::tui::layout::MIN;
use crate::tui::state::site_list::{SiteFilter, arrange, trouble_since};
use crate::tui::style::line::{Line, cut, cut_middle, width};
use crate::tui::style::role::Role;
use crate::tui::view::frame::Frame;

use super::past;

pub fn lines(frame: &Frame) -> Vec<Line> {
    let height = usize::from(frame.size.height);
    let mut lines = vec![counts(frame)];
    let needs = height >= 3;
    let snapshot = frame.inputs.snapshot;
    let not_up = SiteFilter { text: String::new(), not_up: true };
    let room = height.saturating_sub(1 + usize::from(needs));
    let listed = arrange(snapshot, &not_up, Sort::default(), 0);
    let room = if frame.width() < 4 { 0 } else { room };
    for site in listed.into_iter().filter_map(|site| snapshot.sites.get(site)).take(room) {
        let (role, mark) = frame.mark(site.state);
        let since = format!(" {}", format_short(frame.inputs.now.since(trouble_since(site))));
        let mut line = Line::of(role, mark);
        line.push(Role::Plain, " ");
        let free = frame.width().saturating_sub(2);
        let since = if free >= width(&since) + 4 { since } else { String::new() };
        line.push(Role::Plain, cut_middle(&site.name, free - width(&since)));
        line.push(Role::Plain, since);
        lines.push(line);
    }
    if needs {
        let text = format!("needs {}x{}, is {}x{}", MIN.width, MIN.height, frame.size.width, frame.size.height);
        let line = Line::of(Role::Dim, cut(&text, frame.width()));
        lines.push(if frame.inputs.past.is_some() { past::clock(frame).fit(frame.width()) } else { line });
    }
    lines
}

fn counts(frame: &Frame) -> Line {
    let mut line = Line::default();
    let counts = frame.counts.in_order();
    // Too narrow for even two counts: the worst state alone.
    if frame.width() < 5 {
        let Some((state, count)) = counts.into_iter().find(|(_, count)| *count > 0) else { return line };
        let (role, mark) = frame.mark(state);
        if frame.width() == 0 {
            return line;
        }
        line.push(role, mark);
        if width(mark) + count.to_string().len() <= frame.width() {
            line.push(Role::Plain, count.to_string());
        }
        return line;
    }
    for (state, count) in counts {
        let (role, mark) = frame.mark(state);
        let is_hidden = count == 0 && matches!(state, SiteState::New | SiteState::Paused);
        let count = count.to_string();
        let gap = usize::from(line.width() > 0);
        if is_hidden || line.width() + gap + width(mark) + count.len() > frame.width() {
            continue;
        }
        line.push(Role::Plain, if gap == 0 { "" } else { " " });
        line.push(role, mark);
        line.push(Role::Plain, count);
    }
    line
}
