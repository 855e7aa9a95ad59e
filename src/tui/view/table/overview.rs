//! The tables: a title, heads and the visible rows of each view, and the line that tells which part is seen.

use std::time::Duration;

use crate::engine::snapshot::ViewSnapshot;
use crate::model::{SortKey, figures};
use crate::stats::Beats;
use crate::tui::layout::Placed;
use crate::tui::state::site_list;
use crate::tui::style::line::{Line, cut, safe, width};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;
use crate::tui::view::frame::Frame;

use super::{columns, group_row, rows};

/// All lines of the tables.
pub fn lines(frame: &Frame) -> Vec<Line> {
    let mut lines = Vec::new();
    let columns = columns::choose(frame.width(), frame.state.digest.incomplete);
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
    let state = frame.state;
    if state.order.is_empty() {
        let text = if frame.tables.sites.is_empty() {
            "  no sites".to_owned()
        } else if state.filter.not_up && state.filter.text.is_empty() {
            "  all sites are up · Esc shows them".to_owned()
        } else {
            format!("  no site matches \"{}\" · Esc clears", safe(&state.filter.text))
        };
        let mut lines = vec![Line::of(Role::Plain, cut(&text, frame.width()))];
        lines.resize(placed.rows, Line::default());
        return lines;
    }
    let mut lines: Vec<Line> = (state.top..state.order.len())
        .take(placed.rows)
        .filter_map(|at| {
            let i = usize::try_from(*state.order.get(at)?).ok()?;
            let (site, row) = (frame.tables.sites.get(i)?, view.rows.get(i)?);
            if let Some(group) = site.group.as_ref().filter(|_| state.folding.heads.get(at) == Some(&true)) {
                return Some(group_row::row(frame, columns, (group, placed.view), site, at == state.row));
            }
            Some(rows::row(frame, columns, site, row, at == state.row))
        })
        .collect();
    lines.resize(placed.rows, Line::default());
    lines
}

/// `── 1 past 10 min · every 10 s ──…── as of 14:02:10 · next 7 s ──`; `every`, then `next`, then `as of` go first
/// when it is narrow.
fn title(frame: &Frame, number: usize, view: &ViewSnapshot) -> Line {
    let refresh = time_text::span(view.refresh);
    let every = if view.view().is_long() {
        // What a cell of its bar stands for: it is made of hours, and no finer than it says.
        format!(" · every {refresh} · resolution {}", time_text::span(Beats::cell_of(view.timeframe)))
    } else {
        format!(" · every {refresh}")
    };
    let (short, long) = as_of(frame, number, view);
    let none = Line::default();
    for (every, right) in [(every.as_str(), &long), ("", &long), ("", &short), ("", &none)] {
        let mut line = Line::of(Role::Dim, "── ");
        name(frame, number, view, &mut line);
        line.push(Role::Plain, every.to_owned());
        modes(frame, number == first(frame), &mut line);
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

fn first(frame: &Frame) -> usize {
    frame.plan.views.first().map_or(0, |placed| placed.view)
}

fn name(frame: &Frame, number: usize, view: &ViewSnapshot, line: &mut Line) {
    if !frame.plan.tabs {
        line.push(Role::Strong, format!("{} past {}", number + 1, time_text::span(view.timeframe.length())));
        return;
    }
    for (i, view) in frame.tables.views.iter().enumerate() {
        line.push(Role::Plain, if i == 0 { "" } else { "  " });
        let text = format!("[{}] {}", i + 1, time_text::span(view.timeframe.length()));
        line.push(if i == number { Role::Cursor } else { Role::Plain }, text);
    }
}

/// What a person switched on, on the first title only.
fn modes(frame: &Frame, first: bool, line: &mut Line) {
    let state = frame.state;
    if !first {
        return;
    }
    if state.sort.key != SortKey::State || state.sort.reversed {
        let arrow = if state.sort.reversed { "▴" } else { "▾" };
        line.push(Role::Plain, format!(" · sort {} {arrow}", site_list::word(state.sort.key)));
    }
    if state.filter.not_up {
        line.push(Role::Plain, " · ");
        line.push(Role::Mode, "not up");
    }
    if !state.filter.text.trim().is_empty() && state.typing != crate::tui::page::Typing::Filter {
        line.push(Role::Plain, " · ");
        line.push(Role::Mode, cut(&format!("/{}", state.filter.text), 24));
    }
}

/// `as of 14:02:10`, and the same with what comes next.
fn as_of(frame: &Frame, number: usize, view: &ViewSnapshot) -> (Line, Line) {
    let at = time_text::clock(view.as_of, frame.inputs.zone);
    if frame.state.frozen.is_some() {
        let line = Line::of(Role::Mode, format!("FROZEN at {at} (f)"));
        return (line.clone(), line);
    }
    // What only looks on is behind by nature.
    let now = frame.inputs.health.watching.map_or(frame.inputs.now, |watching| watching.until);
    let age = now.since(view.as_of);
    let short = format!("as of {at}");
    if rows::is_stale(age, view.refresh) {
        let line = Line::of(Role::Warning, format!("{short} · {} old", time_text::running(age)));
        return (Line::of(Role::Warning, short), line);
    }
    let next = match frame.state.digest.filled.get(number).copied().flatten() {
        Some(filled) => {
            format!("filling {} of {}", time_text::running(filled), time_text::span(view.timeframe.length()))
        }
        None => format!("next {}", next(view.next.since(now))),
    };
    let long = format!("{short} · {next}");
    (Line::of(Role::Plain, short), Line::of(Role::Plain, long))
}

/// Above ten seconds in steps of ten, so that a title changes less often.
fn next(left: Duration) -> String {
    let secs = left.as_millis().div_ceil(1_000);
    let shown = if secs > 10 { secs / 10 * 10 } else { secs };
    time_text::running(Duration::from_secs(u64::try_from(shown).unwrap_or(u64::MAX)))
}

/// `── 7 of 1,000 shown · state, then file order · 1–7 ──…── PgDn ──`
fn range(frame: &Frame) -> Line {
    let state = frame.state;
    let rows = frame.plan.page().min(state.order.len());
    let (from, to) = ((state.top + 1).min(state.order.len()), (state.top + rows).min(state.order.len()));
    let by = match (state.sort.key, state.sort.reversed) {
        (SortKey::State, false) => "state, then file order".to_owned(),
        (key, reversed) => format!("{} {}", site_list::word(key), if reversed { "▴" } else { "▾" }),
    };
    let listed = figures::count(state.order.len() as u64);
    let place = format!("{}–{} of {listed}", figures::count(from as u64), figures::count(to as u64));
    let keys = match (from > 1, to < state.order.len()) {
        (true, true) => "PgUp PgDn",
        (true, false) => "PgUp",
        _ => "PgDn",
    };
    let mut line = Line::of(Role::Dim, "── ");
    line.push(Role::Plain, place);
    if line.width() + by.len() + width(keys) + 12 <= frame.width() {
        line.push(Role::Plain, format!(" · {by}"));
    }
    line.push(Role::Plain, " ");
    line.rule_to(frame.width().saturating_sub(width(keys) + 4));
    line.push(Role::Key, format!(" {keys}"));
    line.push(Role::Dim, " ──");
    line
}
