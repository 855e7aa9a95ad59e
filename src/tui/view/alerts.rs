//! Alerts: a region of the overview, and a page of its own with a cursor and a filter. Open ones come first, then the
//! newest; a burst is one line.
//!
//! Invariant: a message is shown to the letter at every width, wrapped and indented where it is too long.

use std::time::Duration;

use crate::alert::{AlertRecord, AlertState};
use crate::engine::snapshot::SiteState;
use crate::model::figures;
use crate::tui::keymap::Action;
use crate::tui::page::Page;
use crate::tui::state::alert_lines::{TIME_COLUMN, WIDE, texts};
use crate::tui::state::alert_list::AlertEntry;
use crate::tui::state::alert_lists::ListWindow;
use crate::tui::style::click::Click;
use crate::tui::style::line::{Line, cut, short_name, width, wrap};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;

use super::frame::Frame;

const DAY: Duration = Duration::from_hours(24);
/// Names in the line of a burst; a terminal has no room for more.
const NAMES_MAX: usize = 40;

/// The region of the overview: `height` lines with its title.
pub fn region(frame: &Frame, height: usize) -> Vec<Line> {
    if height == 0 {
        return Vec::new();
    }
    let title = format!("{} all", frame.key(Action::Alerts));
    let lines = list(frame, &title, (&frame.state.alerts.region(), Click::InRegion), height);
    // What is no alert opens them all.
    let all = |line: Line| if line.area().is_some() { line } else { line.doing(Click::Press(Action::Alerts)) };
    lines.into_iter().map(all).collect()
}

/// The page: `height` lines with its title.
pub fn page(frame: &Frame, height: usize) -> Vec<Line> {
    list(frame, "newest first", (&frame.state.alerts.page(), Click::Alert), height)
}

/// The newest alert as one line while it is new, for pages that do not show alerts.
pub fn toast(frame: &Frame) -> Option<Line> {
    let newest = frame.inputs.alerts.last().filter(|alert| is_new(frame, alert))?;
    let mut line = mark(frame, newest);
    line.push(Role::Plain, " ");
    line.push(Role::Plain, cut(&newest.message, frame.width().saturating_sub(2)));
    Some(line.in_role(Role::Fresh))
}

fn title(frame: &Frame, right: &str) -> Line {
    let (alerts, state) = (frame.inputs.alerts, &frame.state.alerts);
    let count = |count: usize| figures::count(count as u64);
    let recent = alerts.len() - alerts.partition_point(|alert| alert.at <= frame.inputs.now.before(DAY));
    let mut line = Line::of(Role::Dim, "── ");
    line.push(Role::Strong, "Alerts");
    let mut parts = Vec::new();
    if !state.filter().trim().is_empty() && frame.state.nav.page() == Page::Alerts {
        line.push(Role::Plain, " · ");
        line.push(Role::Mode, cut(&format!("/{}", state.filter()), 24));
        parts.push(format!("{} found", count(state.page().list.count)));
    }
    let open = state.region().list.open;
    if open > 0 {
        parts.push(format!("{} open", count(open)));
    }
    if !alerts.is_empty() {
        parts.push(format!("{} in 24 h", count(recent)));
        if alerts.len() > recent {
            parts.push(format!("{} stored", count(alerts.len())));
        }
    }
    for part in parts {
        if line.width() + 3 + part.len() + 2 <= frame.width() {
            line.push(Role::Plain, format!(" · {part}"));
        }
    }
    line.push(Role::Plain, " ");
    if line.width() + width(right) + 6 <= frame.width() {
        line.rule_to(frame.width() - width(right) - 4);
        line.push(Role::Plain, format!(" {right} "));
        line.push(Role::Dim, "──");
    } else {
        line.rule_to(frame.width());
    }
    line
}

/// `height` lines; a click on those of an entry does what `click` makes of its place in the list.
fn list(frame: &Frame, right: &str, (shown, click): (&ListWindow, fn(usize) -> Click), height: usize) -> Vec<Line> {
    let mut lines = vec![title(frame, right)];
    if shown.list.listed.is_empty() {
        let text = if frame.inputs.alerts.is_empty() {
            nothing(frame, height.saturating_sub(1))
        } else {
            format!("no alert matches \"{}\" · {} clears", frame.state.alerts.filter(), frame.key(Action::Back))
        };
        lines.extend(wrap(&text, frame.width(), 0).into_iter().map(|text| Line::of(Role::Plain, text)));
    }
    let mut day = None;
    for (at, entry) in shown.list.listed.iter().enumerate().skip(shown.top) {
        if lines.len() >= height {
            break;
        }
        let Some(alert) = frame.inputs.alerts.get(entry.newest()) else { continue };
        if shown.cursor.is_some() && !entry.is_open() {
            let day_of = Some(time_text::day(alert.at, frame.inputs.now, frame.inputs.zone));
            if day != day_of {
                lines.extend(day_of.as_ref().map(|day| day_line(frame, day)));
                day = day_of;
            }
        }
        let first = lines.len();
        let drawn = match entry {
            AlertEntry::One { open, .. } => self::entry(frame, alert, *open),
            AlertEntry::Burst { members, open, unfolded, .. } => vec![burst(frame, members, *open, *unfolded)],
        };
        lines.extend(drawn.into_iter().map(|line| line.doing(click(at))));
        if shown.cursor == Some(at) {
            lines[first] = std::mem::take(&mut lines[first]).with_cursor(frame.width());
        }
    }
    lines.resize(height, Line::default());
    lines
}

/// `▸ 198 websites went down within 8 s: …`
fn burst(frame: &Frame, members: &[usize], open: bool, unfolded: bool) -> Line {
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
        AlertState::Down => "websites went down",
        AlertState::Up => "websites came up",
        AlertState::Ended if alerts.iter().any(|alert| alert.rule.aspect().is_some()) => "incidents were closed",
        AlertState::Ended => "websites were removed",
        AlertState::Breached => "websites breached a rule",
        AlertState::Cleared => "websites are clear of a rule",
    };
    let within = time_text::running(newest.at.since(oldest.at).max(Duration::from_secs(1)));
    let names: Vec<&str> = alerts.iter().map(|alert| short_name(&alert.site)).take(NAMES_MAX).collect();
    let text = format!("{arrow} {} {what} within {within}: {}", figures::count(alerts.len() as u64), names.join(", "));
    line.push(Role::Plain, cut(&text, frame.width().saturating_sub(line.width())));
    if is_new(frame, newest) { line.in_role(Role::Fresh) } else { line }
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
    for (i, text) in texts(frame.inputs, alert, open, frame.width()).into_iter().enumerate() {
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
        lines.push(Line::of(Role::Plain, format!("  open for {}", frame.since(alert.at))));
    }
    if is_new(frame, alert) {
        lines = lines.into_iter().map(|line| line.in_role(Role::Fresh)).collect();
    }
    lines
}

fn time_of(frame: &Frame, alert: &AlertRecord, open: bool) -> String {
    if open { format!("open {}", frame.since(alert.at)) } else { frame.moment(alert.at) }
}

/// The mark of the state that the alert reports: an alert that says up does not get `▲`, which means "failing".
fn mark(frame: &Frame, alert: &AlertRecord) -> Line {
    let (role, mark) = frame.mark(match alert.state {
        AlertState::Down => SiteState::Down,
        AlertState::Up | AlertState::Cleared => SiteState::Up,
        AlertState::Breached => SiteState::Failing,
        AlertState::Ended => SiteState::Paused,
    });
    Line::of(role, mark)
}

fn is_new(frame: &Frame, alert: &AlertRecord) -> bool {
    frame.state.timers.is_new(alert.at, frame.inputs.now)
}

/// Why there are no alerts, in at most `height` lines.
fn nothing(frame: &Frame, height: usize) -> String {
    const NONE: &str = "No alerts yet.";
    let Some(first) = frame.inputs.snapshot.sites.first() else { return NONE.to_owned() };
    let facts = &frame.state.sites.facts;
    let rule = if facts.one_rule {
        let rule = first.policies.availability;
        let (window, threshold) = (time_text::span(rule.window), rule.threshold.ppm());
        format!("availability over {window} is {} or less", figures::exact_percent(threshold))
    } else {
        "availability falls to its threshold".to_owned()
    };
    let from = facts.judged_from.filter(|at| *at > frame.inputs.now);
    let from = from.map_or_else(String::new, |at| format!(" First evaluation at {}.", frame.clock(at)));
    let rule = format!("{NONE} A site alerts when its {rule}.");
    let fits = |text: &String| wrap(text, frame.width(), 0).len() <= height.max(1);
    [format!("{rule}{from}"), rule, format!("{NONE}{from}")].into_iter().find(fits).unwrap_or_else(|| NONE.to_owned())
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
        let world = fixtures::burst(12);
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
    fn esc_never_leads_in_a_circle() {
        // The fifth open one is of the site api.
        for (keys, page) in [
            ("ajjjj\n", Page::Incident),
            ("ajjjj\n\n", Page::Site),
            ("ajjjj\n\n\x1b", Page::Incident),
            ("ajjjj\n\n\x1b\x1b", Page::Alerts),
            ("ajjjj\n\n\x1b\x1b\x1b", Page::Overview),
            ("ajjjjo", Page::Site),
            ("ajjjjo\x1b", Page::Alerts),
            ("ajjjjo\x1b\x1b", Page::Overview),
            ("\najjjjo", Page::Site),
            ("\najjjjo\x1b", Page::Overview),
            ("ajjjjoa\x1b", Page::Overview),
            ("ajjjj\na\x1b", Page::Overview),
            ("ajjjjoi", Page::Incident),
            ("ajjjjoi\x1b", Page::Site),
            ("ajjjj\n\ni\x1b", Page::Alerts),
        ] {
            let opened = pressed(keys);
            assert_eq!((opened.nav.page(), opened.sites.cursor()), (page, Some("api")), "{keys:?}");
        }
        assert_eq!(pressed("ao").nav.page(), Page::Alerts, "a site that is gone cannot be opened");
        assert_eq!(pressed("a\n").nav.page(), Page::Incident, "but its incident can");
        assert_eq!(pressed("a\n\n").nav.page(), Page::Incident);
    }

    #[test]
    fn the_cursor_is_always_shown() {
        let world = fixtures::burst(12);
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
