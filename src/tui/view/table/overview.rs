//! The tables: a title, heads and the visible rows of each view, and the line that says which part is shown.

use std::time::Duration;

use crate::engine::snapshot::ViewSnapshot;
use crate::model::figures;
use crate::stats::Beats;
use crate::tui::arrangement::sort::Sort;
use crate::tui::keymap::Action;
use crate::tui::layout::Placed;
use crate::tui::page::InputMode;
use crate::tui::state::listed::{ListedRow, RowKind};
use crate::tui::state::site_list::SiteFilter;
use crate::tui::style::click::Click;
use crate::tui::style::line::{Line, cut};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;
use crate::tui::view::frame::Frame;

use super::{columns, group_row, rows};

/// All lines of the tables.
pub fn lines(frame: &Frame) -> Vec<Line> {
    let mut lines = Vec::new();
    let sites = &frame.state.sites;
    let columns = columns::choose(frame.width(), &frame.inputs.arrangement.columns, &sites.facts, sites.groups.is_on());
    for placed in &frame.plan.views {
        let Some(view) = frame.tables.views.get(placed.view) else { continue };
        lines.push(title(frame, placed.view, view));
        if placed.head {
            lines.push(rows::head(&columns, &time_text::narrow(view.timeframe.length())));
        }
        lines.extend(body(frame, *placed, view, &columns));
    }
    if frame.plan.range {
        lines.push(range(frame));
    }
    lines
}

fn body(frame: &Frame, placed: Placed, view: &ViewSnapshot, columns: &columns::ColumnWidths) -> Vec<Line> {
    let sites = &frame.state.sites;
    let line = |(below, (row, selected)): (usize, (ListedRow, bool))| {
        let (site, figures) = (frame.tables.sites.get(row.site)?, view.rows.get(row.site)?);
        let line = match &site.group {
            Some(group) if row.kind == RowKind::Group => group_row::row(frame, columns, (group, placed.view), site),
            _ => rows::row(frame, columns, (site, row.kind), figures),
        };
        let line = line.doing(Click::Row(below));
        Some(if selected { line.with_cursor(frame.width()) } else { line })
    };
    let mut lines: Vec<Line> = sites.shown(placed.rows).enumerate().filter_map(line).collect();
    if sites.len() == 0 {
        let SiteFilter { text, not_up } = sites.filter();
        let text = if frame.tables.sites.is_empty() {
            "  no sites".to_owned()
        } else if *not_up && text.is_empty() {
            format!("  all sites are up · {} shows them", frame.key(Action::Back))
        } else {
            format!("  no site matches \"{text}\" · {} clears", frame.key(Action::Back))
        };
        lines.push(Line::of(Role::Plain, cut(&text, frame.width())));
    }
    lines.resize(placed.rows, Line::default());
    lines
}

/// `── 1 past 10 min · every 10 s ──…── as of 14:02:10 · next 7 s ──`; on a narrow terminal `every` goes first, then
/// `next`, then `as of`.
fn title(frame: &Frame, index: usize, view: &ViewSnapshot) -> Line {
    let refresh = time_text::span(view.refresh);
    let every = if view.view().is_long() {
        // Its bar is made of whole hours.
        format!(" · every {refresh} · resolution {}", time_text::span(Beats::cell_of(view.timeframe)))
    } else {
        format!(" · every {refresh}")
    };
    let (short, long) = as_of(frame, index, view);
    let none = Line::default();
    for (every, right) in [(every.as_str(), &long), ("", &long), ("", &short), ("", &none)] {
        let mut line = Line::of(Role::Dim, "── ");
        name(frame, index, view, &mut line);
        line.push(Role::Plain, every.to_owned());
        if frame.plan.views.first().is_some_and(|placed| placed.view == index) {
            modes(frame, &mut line);
        }
        line.push(Role::Plain, " ");
        let tail = if right.width() > 0 { right.width() + 4 } else { 0 };
        if line.width() + tail <= frame.width() || right.width() == 0 {
            line.rule_to(frame.width() - tail.min(frame.width()));
            if tail > 0 {
                line.push(Role::Plain, " ");
                line.extend(right.clone());
                line.push(Role::Dim, " ──");
            }
            return line;
        }
    }
    Line::default()
}

fn name(frame: &Frame, index: usize, view: &ViewSnapshot, line: &mut Line) {
    if !frame.plan.tabs {
        let text = format!("{} past {}", index + 1, time_text::span(view.timeframe.length()));
        line.button(Role::Strong, text, Click::Press(Action::View(index)));
        return;
    }
    for (i, view) in frame.tables.views.iter().enumerate() {
        line.push(Role::Plain, if i == 0 { "" } else { "  " });
        let text = format!("[{}] {}", i + 1, time_text::span(view.timeframe.length()));
        line.button(if i == index { Role::Cursor } else { Role::Plain }, text, Click::View(i));
    }
}

/// The modes that the user switched on.
fn modes(frame: &Frame, line: &mut Line) {
    let (filter, sort) = (frame.state.sites.filter(), frame.state.sites.sort());
    if sort != Sort::default() {
        line.push(Role::Plain, format!(" · sort {} {}", sort.key.name(), arrow(sort)));
    }
    if filter.not_up {
        line.push(Role::Plain, " · ");
        line.button(Role::Mode, "not up", Click::Press(Action::ToggleNotUp));
    }
    if !filter.text.trim().is_empty() && frame.state.nav.mode != InputMode::Filter {
        line.push(Role::Plain, " · ");
        line.button(Role::Mode, cut(&format!("/{}", filter.text), 24), Click::Press(Action::Filter));
    }
}

const fn arrow(sort: Sort) -> &'static str {
    if sort.reversed { "▴" } else { "▾" }
}

/// `as of 14:02:10`, and the same with what comes next.
fn as_of(frame: &Frame, index: usize, view: &ViewSnapshot) -> (Line, Line) {
    let at = frame.clock(view.as_of);
    if frame.state.sites.is_frozen() {
        let text = format!("FROZEN at {at} ({})", frame.key(Action::ToggleFreeze));
        let mut line = Line::default();
        line.button(Role::Mode, text, Click::Press(Action::ToggleFreeze));
        return (line.clone(), line);
    }
    if frame.inputs.past.is_some() {
        let line = Line::of(Role::Plain, format!("as of {at}"));
        return (line.clone(), line);
    }
    // A read-only dashboard is always a little behind.
    let now = frame.inputs.health.watching.map_or(frame.inputs.now, |watching| watching.until);
    let age = now.since(view.as_of);
    let short = format!("as of {at}");
    if rows::is_stale(age, view.refresh) {
        let line = Line::of(Role::Warning, format!("{short} · {} old", time_text::running(age)));
        return (Line::of(Role::Warning, short), line);
    }
    let next = match frame.state.sites.facts.filled.get(index).copied().flatten() {
        Some(filled) => {
            format!("filling {} of {}", time_text::running(filled), time_text::span(view.timeframe.length()))
        }
        None => format!("next {}", next(view.next.since(now))),
    };
    let long = format!("{short} · {next}");
    (Line::of(Role::Plain, short), Line::of(Role::Plain, long))
}

/// Above ten seconds in steps of ten, so that titles change less often.
fn next(left: Duration) -> String {
    let secs = left.as_millis().div_ceil(1_000);
    let shown = if secs > 10 { secs / 10 * 10 } else { secs };
    time_text::running(Duration::from_secs(u64::try_from(shown).unwrap_or(u64::MAX)))
}

/// `── 1–7 of 1,000 · state, then file order ──…── PgDn ──`
fn range(frame: &Frame) -> Line {
    let sites = &frame.state.sites;
    let from = (sites.top() + 1).min(sites.len());
    let to = (sites.top() + frame.plan.page()).min(sites.len());
    let [first, last, all] = [from, to, sites.len()].map(|count| figures::count(count as u64));
    let order = if sites.sort() == Sort::default() {
        "state, then file order".to_owned()
    } else {
        format!("{} {}", sites.sort().key.name(), arrow(sites.sort()))
    };
    let mut keys = Line::default();
    for (page, is_there) in [(-1, from > 1), (1, to < sites.len() || from == 1)] {
        if is_there {
            keys.push(Role::Plain, " ");
            keys.button(Role::Key, frame.key(Action::Pages(page)), Click::Press(Action::Pages(page)));
        }
    }
    let mut line = Line::of(Role::Dim, "── ");
    line.push(Role::Plain, format!("{first}–{last} of {all}"));
    if line.width() + order.len() + keys.width() + 11 <= frame.width() {
        line.push(Role::Plain, format!(" · {order}"));
    }
    line.push(Role::Plain, " ");
    line.rule_to(frame.width().saturating_sub(keys.width() + 3));
    line.extend(keys);
    line.push(Role::Dim, " ──");
    line
}
