//! Past alerts, open ones on top, then newest first: a region of the overview, and a screen of their own.
//!
//! A message is printed to the letter at every width; where it does not fit it goes on in the next line, indented.
//! Only the lines that are seen are made.

use std::time::Duration;

use crate::alert::{Alert, AlertState};
use crate::engine::snapshot::SiteState;
use crate::model::{Timestamp, figures};

use super::frame::Frame;
use super::line::{Line, Role, right, safe, width, wrap};
use super::rows::short_name;
use super::state::FRESH;
use super::words;

const DAY: Duration = Duration::from_hours(24);
/// From this width on times stand in a column of their own.
const WIDE: usize = 100;
/// `open 4m12s   `
const TIME_COLUMN: usize = 13;

/// The region of the overview: `height` lines with its title.
pub fn region(frame: &Frame, height: usize) -> Vec<Line> {
    let mut lines = Vec::with_capacity(height);
    if height > 0 {
        lines.push(title(frame, "a all"));
        fill(frame, &mut lines, &Run { from: frame.state.region_top, height, days: false });
    }
    lines
}

/// The screen: `height` lines with its title.
pub fn screen(frame: &Frame, height: usize) -> Vec<Line> {
    let mut lines = vec![title(frame, "newest first")];
    fill(frame, &mut lines, &Run { from: frame.state.alerts_top, height, days: true });
    lines
}

/// The newest alert as one line, while it is new: for screens that do not show alerts.
pub fn toast(frame: &Frame) -> Option<Line> {
    let newest = frame.inputs.alerts.last().filter(|alert| is_fresh(frame, alert))?;
    let mut line = mark(frame, newest);
    line.push(Role::Plain, " ");
    line.push(Role::Plain, super::line::cut(&newest.message, frame.width().saturating_sub(2)));
    Some(line.recast(Role::Fresh))
}

struct Run {
    from: usize,
    height: usize,
    /// With a line between days.
    days: bool,
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

fn fill(frame: &Frame, lines: &mut Vec<Line>, run: &Run) {
    if frame.inputs.alerts.is_empty() {
        let texts = wrap(&nothing(frame), frame.width(), 0);
        lines.extend(texts.into_iter().map(|text| Line::of(Role::Plain, text)));
    }
    let mut day = None;
    let index = &frame.state.alerts;
    for (place, &i) in index.listed.iter().enumerate().skip(run.from) {
        if lines.len() >= run.height {
            break;
        }
        let Some(alert) = frame.inputs.alerts.get(i) else { continue };
        let open = place < index.open;
        if run.days && !open {
            let of = words::day(alert.at, frame.inputs.now, frame.inputs.zone);
            if day.as_ref() != Some(&of) {
                lines.push(day_line(frame, &of));
                day = Some(of);
            }
        }
        lines.extend(entry(frame, alert, open));
    }
    lines.truncate(run.height);
    lines.resize(run.height, Line::default());
}

fn day_line(frame: &Frame, day: &str) -> Line {
    let mut line = Line::of(Role::Plain, "  ");
    line.rule_to(frame.width().saturating_sub(width(day) + 4));
    line.push(Role::Dim, format!(" {day} ──"));
    line
}

/// The lines of one alert.
pub fn entry(frame: &Frame, alert: &Alert, open: bool) -> Vec<Line> {
    let now = frame.inputs.now;
    let message = message(alert);
    let mut lines = Vec::new();
    if frame.width() >= WIDE {
        let time = if open {
            format!("open {}", words::running(now.since(alert.at)))
        } else {
            words::moment(alert.at, now, frame.inputs.zone)
        };
        let indent = 2 + TIME_COLUMN;
        for (i, text) in wrap(&message, frame.width() - indent, 0).into_iter().enumerate() {
            let mut line = if i == 0 { mark(frame, alert) } else { Line::of(Role::Plain, " ") };
            line.push(Role::Plain, " ");
            line.push(Role::Plain, if i == 0 { time.clone() } else { String::new() });
            line.pad_to(indent);
            line.push(Role::Plain, text);
            lines.push(line);
        }
    } else {
        for (i, text) in wrap(&message, frame.width().saturating_sub(2), 0).into_iter().enumerate() {
            let mut line = if i == 0 { mark(frame, alert) } else { Line::of(Role::Plain, " ") };
            line.push(Role::Plain, " ");
            line.push(Role::Plain, text);
            lines.push(line);
        }
        if open {
            lines.push(Line::of(Role::Plain, format!("  open for {}", words::running(now.since(alert.at)))));
        }
    }
    if is_fresh(frame, alert) {
        lines = lines.into_iter().map(|line| line.recast(Role::Fresh)).collect();
    }
    lines
}

fn message(alert: &Alert) -> String {
    match alert.state {
        AlertState::Down | AlertState::Up => safe(&alert.message).into_owned(),
        AlertState::Ended => format!("{} is no longer watched; its incident is closed", safe(short_name(&alert.site))),
    }
}

/// An alert that says up has the mark of what is up: `▲` is "failing" everywhere else.
fn mark(frame: &Frame, alert: &Alert) -> Line {
    let state = match alert.state {
        AlertState::Down => SiteState::Down,
        AlertState::Up => SiteState::Up,
        AlertState::Ended => SiteState::Paused,
    };
    let (role, mark) = frame.mark(state);
    Line::of(role, mark)
}

fn is_fresh(frame: &Frame, alert: &Alert) -> bool {
    frame.inputs.now.since(alert.at) < FRESH && frame.state.started.is_some_and(|started| alert.at > started)
}

fn nothing(frame: &Frame) -> String {
    let sites = &frame.inputs.snapshot.sites;
    let Some(first) = sites.first() else { return "No alerts so far.".to_owned() };
    let threshold = figures::percent(u64::from(first.rule.threshold.ppm()), 1_000_000).replace(".00%", "%");
    let mut text = if frame.state.digest.one_rule {
        let window = words::span(first.rule.window);
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
    right(&words::clock(at, frame.inputs.zone), 8)
}
