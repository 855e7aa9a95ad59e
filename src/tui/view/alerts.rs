//! Past alerts, open ones on top, then newest first: a region of the overview, and a screen of their own with a cursor
//! and a filter. Many at once are one line.
//!
//! A message is printed to the letter at every width; where it does not fit it goes on in the next line, indented.
//! Only the lines that are seen are made.

use std::time::Duration;

use crate::alert::{AlertRecord, AlertState};
use crate::engine::snapshot::SiteState;
use crate::model::{Timestamp, figures};
use crate::tui::page::Page;
use crate::tui::state::FRESH;
use crate::tui::state::alert_lines::{TIME_COLUMN, WIDE, texts};
use crate::tui::state::alert_list::{AlertEntry, AlertIndex};
use crate::tui::style::line::{Line, cut, right, safe, short_name, width, wrap};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;

use super::frame::Frame;

const DAY: Duration = Duration::from_hours(24);
/// Names in the line of a storm; a terminal has no room for more.
const NAMES_MAX: usize = 40;

/// The region of the overview: `height` lines with its title.
pub fn region(frame: &Frame, height: usize) -> Vec<Line> {
    let mut lines = Vec::with_capacity(height);
    if height > 0 {
        lines.push(title(frame, "a all"));
        let index = &frame.state.alerts;
        fill(frame, &mut lines, &ListWindow { index, from: frame.state.region_top, height, cursor: None });
    }
    lines
}

/// The screen: `height` lines with its title.
pub fn screen(frame: &Frame, height: usize) -> Vec<Line> {
    let state = frame.state;
    let mut lines = vec![title(frame, "newest first")];
    fill(
        frame,
        &mut lines,
        &ListWindow { index: &state.found, from: state.alerts_top, height, cursor: Some(state.alerts_row) },
    );
    lines
}

/// The newest alert as one line, while it is new: for screens that do not show alerts.
pub fn toast(frame: &Frame) -> Option<Line> {
    let newest = frame.inputs.alerts.last().filter(|alert| is_fresh(frame, alert))?;
    let mut line = mark(frame, newest);
    line.push(Role::Plain, " ");
    line.push(Role::Plain, crate::tui::style::line::cut(&newest.message, frame.width().saturating_sub(2)));
    Some(line.recast(Role::Fresh))
}

struct ListWindow<'a> {
    index: &'a AlertIndex,
    from: usize,
    height: usize,
    /// The entry under the cursor; with one there is a line between days.
    cursor: Option<usize>,
}

fn title(frame: &Frame, right: &'static str) -> Line {
    let alerts = frame.inputs.alerts;
    let now = frame.inputs.now;
    let recent = alerts.len() - alerts.partition_point(|alert| alert.at <= now.before(DAY));
    let mut line = Line::of(Role::Dim, "── ");
    line.push(Role::Strong, "Alerts");
    let mut parts = Vec::new();
    if frame.state.alerts.open > 0 {
        parts.push(format!("{} open", figures::count(frame.state.alerts.open as u64)));
    }
    if !alerts.is_empty() {
        parts.push(format!("{} in 24 h", figures::count(recent as u64)));
        if alerts.len() > recent {
            parts.push(format!("{} stored", figures::count(alerts.len() as u64)));
        }
    }
    let found = &frame.state.found;
    if !frame.state.alerts_filter.trim().is_empty() && frame.state.place == Page::Alerts {
        line.push(Role::Plain, " · ");
        line.push(Role::Mode, cut(&format!("/{}", frame.state.alerts_filter), 24));
        parts.insert(0, format!("{} found", figures::count(found.count as u64)));
    }
    for part in parts {
        if line.width() + 3 + part.len() + 2 <= frame.width() {
            line.push(Role::Plain, format!(" · {part}"));
        }
    }
    line.push(Role::Plain, " ");
    if line.width() + right.len() + 6 <= frame.width() {
        line.rule_to(frame.width() - right.len() - 4);
        line.push(Role::Plain, format!(" {right} "));
        line.push(Role::Dim, "──");
    } else {
        line.rule_to(frame.width());
    }
    line
}

fn fill(frame: &Frame, lines: &mut Vec<Line>, run: &ListWindow) {
    if run.index.listed.is_empty() {
        let text = if frame.inputs.alerts.is_empty() {
            nothing(frame)
        } else {
            format!("no alert matches \"{}\" · Esc clears", safe(&frame.state.alerts_filter))
        };
        lines.extend(wrap(&text, frame.width(), 0).into_iter().map(|text| Line::of(Role::Plain, text)));
    }
    let mut day = None;
    for (at, entry) in run.index.listed.iter().enumerate().skip(run.from) {
        if lines.len() >= run.height {
            break;
        }
        let Some(alert) = frame.inputs.alerts.get(entry.newest()) else { continue };
        if run.cursor.is_some() && !entry.is_open() {
            let of = time_text::day(alert.at, frame.inputs.now, frame.inputs.zone);
            if day.as_ref() != Some(&of) {
                lines.push(day_line(frame, &of));
                day = Some(of);
            }
        }
        let mut told = match entry {
            AlertEntry::One { open, .. } => self::entry(frame, alert, *open),
            AlertEntry::Fold { members, open, unfolded, .. } => vec![folded(frame, members, *open, *unfolded)],
        };
        if run.cursor == Some(at)
            && let Some(first) = told.first_mut()
        {
            *first = std::mem::take(first).pointed();
        }
        lines.append(&mut told);
    }
    lines.truncate(run.height);
    lines.resize(run.height, Line::default());
}

/// A storm in one line: `▸ 198 websites went down within 8 s: …`
fn folded(frame: &Frame, members: &[usize], open: bool, unfolded: bool) -> Line {
    let alerts: Vec<&AlertRecord> =
        members.iter().filter_map(|&i| frame.inputs.alerts.get(i).map(|alert| &**alert)).collect();
    let (Some(newest), Some(oldest)) = (alerts.first(), alerts.last()) else { return Line::default() };
    let mut line = mark(frame, newest);
    line.push(Role::Plain, " ");
    if frame.width() >= WIDE {
        line.push(Role::Plain, time_of(frame, newest, open));
        line.pad_to(2 + TIME_COLUMN);
    }
    let arrow = if unfolded { "▾" } else { "▸" };
    let what = match newest.state {
        AlertState::Down => "went down",
        AlertState::Up => "came up",
        AlertState::Ended => "are no longer watched,",
    };
    let within = newest.at.since(oldest.at).max(Duration::from_secs(1));
    let names: Vec<&str> = alerts.iter().map(|alert| short_name(&alert.site)).take(NAMES_MAX).collect();
    let count = figures::count(alerts.len() as u64);
    let text = format!("{arrow} {count} websites {what} within {}: {}", time_text::running(within), names.join(", "));
    line.push(Role::Plain, cut(&text, frame.width().saturating_sub(line.width())));
    if is_fresh(frame, newest) { line.recast(Role::Fresh) } else { line }
}

fn day_line(frame: &Frame, day: &str) -> Line {
    let mut line = Line::of(Role::Plain, "  ");
    line.rule_to(frame.width().saturating_sub(width(day) + 4));
    line.push(Role::Dim, format!(" {day} ──"));
    line
}

/// The lines of one alert.
pub fn entry(frame: &Frame, alert: &AlertRecord, open: bool) -> Vec<Line> {
    let wide = frame.width() >= WIDE;
    let mut lines = Vec::new();
    for (i, text) in texts(alert, frame.width()).into_iter().enumerate() {
        let mut line = if i == 0 { mark(frame, alert) } else { Line::of(Role::Plain, " ") };
        line.push(Role::Plain, " ");
        if wide {
            line.push(Role::Plain, if i == 0 { time_of(frame, alert, open) } else { String::new() });
            line.pad_to(2 + TIME_COLUMN);
        }
        line.push(Role::Plain, text);
        lines.push(line);
    }
    if open && !wide {
        let running = time_text::running(frame.inputs.now.since(alert.at));
        lines.push(Line::of(Role::Plain, format!("  open for {running}")));
    }
    if is_fresh(frame, alert) {
        lines = lines.into_iter().map(|line| line.recast(Role::Fresh)).collect();
    }
    lines
}

fn time_of(frame: &Frame, alert: &AlertRecord, open: bool) -> String {
    let now = frame.inputs.now;
    if open {
        format!("open {}", time_text::running(now.since(alert.at)))
    } else {
        time_text::moment(alert.at, now, frame.inputs.zone)
    }
}

/// An alert that says up has the mark of what is up: `▲` is "failing" everywhere else.
fn mark(frame: &Frame, alert: &AlertRecord) -> Line {
    let state = match alert.state {
        AlertState::Down => SiteState::Down,
        AlertState::Up => SiteState::Up,
        AlertState::Ended => SiteState::Paused,
    };
    let (role, mark) = frame.mark(state);
    Line::of(role, mark)
}

fn is_fresh(frame: &Frame, alert: &AlertRecord) -> bool {
    frame.inputs.now.since(alert.at) < FRESH && frame.state.started.is_some_and(|started| alert.at > started)
}

fn nothing(frame: &Frame) -> String {
    let sites = &frame.inputs.snapshot.sites;
    let Some(first) = sites.first() else { return "No alerts so far.".to_owned() };
    let threshold = figures::exact_percent(first.rule.threshold.ppm());
    let mut text = if frame.state.digest.one_rule {
        let window = time_text::span(first.rule.window);
        format!("No alerts so far. A site alerts when at most {threshold} of its checks in {window} succeed")
    } else {
        "No alerts so far. A site alerts when its availability falls to its threshold".to_owned()
    };
    if let Some(at) = frame.state.digest.judged_from.filter(|at| *at > frame.inputs.now) {
        text.push_str("; first judgement at ");
        text.push_str(&moment(frame, at));
    }
    text.push('.');
    text
}

fn moment(frame: &Frame, at: Timestamp) -> String {
    right(&time_text::clock(at, frame.inputs.zone), 8)
}

#[cfg(test)]
mod tests {
    use crate::tui::state::UiState;
    use ratatui::layout::Size;

    use super::*;
    use crate::tui::input::key::Key;
    use crate::tui::tests::fixtures;

    const SIZE: Size = Size { width: 80, height: 14 };

    fn pressed(keys: &str) -> UiState {
        let world = fixtures::storm(12);
        let mut state = fixtures::state();
        state.settle(&world.inputs(), SIZE);
        for c in keys.chars() {
            let key = match c {
                '\n' => Key::Enter,
                '\x1b' => Key::Esc,
                c => Key::Char(c),
            };
            state.act(&key, &world.inputs(), SIZE);
        }
        state
    }

    #[test]
    fn enter_opens_the_site_of_an_alert_and_esc_leads_back_and_never_in_a_circle() {
        // The fifth open one is of the site api.
        let opened = pressed("ajjjj\n");
        assert_eq!((opened.place, opened.cursor.as_deref()), (Page::Site, Some("api")));
        assert_eq!(pressed("ajjjj\n\x1b").place, Page::Alerts);
        assert_eq!(pressed("ajjjj\n\x1b\x1b").place, Page::Overview);
        assert_eq!(pressed("\najjjj\n").place, Page::Site);
        assert_eq!(pressed("\najjjj\n\x1b").place, Page::Overview);
        assert_eq!(pressed("a\n").place, Page::Alerts, "a site that is gone cannot be opened");
    }

    #[test]
    fn the_cursor_is_seen_wherever_it_goes() {
        let world = fixtures::storm(12);
        for steps in 0..30 {
            for keys in ["j".repeat(steps), format!("jjjjj\n{}", "j".repeat(steps)), format!("G{}", "k".repeat(steps))]
            {
                let state = pressed(&format!("a{keys}"));
                let screen = crate::tui::view(&world.inputs(), &state, SIZE);
                let pointed = |line: &Line| line.spans().iter().any(|span| span.role == Role::Cursor);
                assert!(screen.lines.iter().any(pointed), "{keys:?}: {}", screen.text());
            }
        }
    }
}
