//! Where the time of a check goes, and what the checks were answered, over one view or the period of the chart.
//!
//! Phases are averages, because averages add up to the total and medians do not; they are drawn as a waterfall, each with
//! its own fill.

use crate::model::{Phase, Timestamp, figures};
use crate::stats::Summary;
use crate::stats::series::usual::UsualTimes;
use crate::tui::style::click::Click;
use crate::tui::style::line::{Line, cut};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;
use crate::tui::view::frame::Frame;
use crate::tui::view::table::rows::{NO_TIME, compared, partition};

use super::rule;

const LABEL: usize = 13;
/// From this many cells on there is room for what is usual beside the bars.
const WITH_USUAL: usize = 48;

fn tabs(frame: &Frame, name: &'static str, summary: &Summary) -> Line {
    let mut line = Line::of(Role::Strong, name);
    line.push(Role::Plain, " ·");
    if frame.state.chart.until().is_some() {
        line.push(Role::Plain, format!(" {}", time_text::span(summary.timeframe.length())));
        return line;
    }
    let shown = frame.state.sites.view().min(frame.tables.views.len().saturating_sub(1));
    for (i, view) in frame.tables.views.iter().enumerate() {
        line.push(Role::Plain, " ");
        let span = time_text::span(view.timeframe.length());
        let (role, text) =
            if i == shown { (Role::Cursor, format!("[{span}]")) } else { (Role::Plain, format!(" {span} ")) };
        line.button(role, text, Click::View(i));
    }
    line
}

/// The mean of each phase and what they add up to; beside it what is usual, if that is known.
pub fn phases(frame: &Frame, summary: &Summary, cells: usize) -> Vec<Line> {
    let count = summary.response.map_or(0, |latency| latency.count);
    let averages = match count {
        0 => "no data".to_owned(),
        _ => format!("averages of {}", time_text::counted(count, "successful check")),
    };
    let mut lines = vec![rule(tabs(frame, "Phases", summary), &averages, cells)];
    let usual = usual(frame).filter(|_| count > 0 && cells >= WITH_USUAL);
    if usual.is_some() {
        lines.push(Line::of(Role::Plain, format!("{:LABEL$}{:>7} {:>8} {:>6}", "", "NOW ", "USUAL ", "DIFF")));
    }
    let usual = usual.map(|(times, _)| times);
    let total: f64 = summary.phase_means.iter().flatten().sum();
    let mut before = 0.0;
    for (number, (phase, mean)) in Phase::ALL.into_iter().zip(summary.phase_means).enumerate() {
        let mut line = figures_of(phase.name(), mean);
        if let Some(times) = usual {
            compare(&mut line, mean, times.phases[number]);
        }
        if let Some(mean) = mean {
            let room = cells.saturating_sub(line.width() + 3);
            line.extend(bar(frame, phase, (before / total, (before + mean) / total), room));
            before += mean;
        }
        lines.push(line);
    }
    let total = summary.response.map(|times| times.avg);
    let mut line = figures_of("total", total);
    if let Some(times) = usual {
        compare(&mut line, total, Some(times.avg));
    }
    if let Some(times) = summary.response {
        for (name, us) in [("p50", times.p50), ("p95", times.p95), ("p99", times.p99)] {
            let text = format!("  {name} {}", figures::time(f64::from(us)));
            let is_below = usual.is_some() && name == "p95";
            if line.width() + text.len() <= cells && !is_below {
                line.push(Role::Plain, text);
            }
        }
    }
    lines.push(line);
    if let Some((times, hour)) = self::usual(frame).filter(|_| usual.is_some()) {
        let p95 = summary.response.map(|times| f64::from(times.p95));
        let mut line = figures_of("p95", p95);
        compare(&mut line, p95, Some(f64::from(times.p95)));
        lines.push(line);
        let text = format!(" usual: {hour} on {} of the 7 days before", times.days);
        lines.push(Line::of(Role::Plain, cut(&text, cells)));
    }
    lines
}

/// What is usual at the hour that is shown, and that hour.
fn usual<'a>(frame: &Frame<'a>) -> Option<(&'a UsualTimes, String)> {
    let request = frame.state.usual_request(frame.inputs, frame.size)?;
    let known = frame.inputs.usual.filter(|known| known.wanted == request)?;
    let (since, until) = request.hours.first()?;
    let clock = |at: &Timestamp| at.format(frame.inputs.zone, "%H:%M");
    Some((known.times.first()?.as_ref()?, format!("{} – {}", clock(since), clock(until))))
}

/// A time in µs under its name.
fn figures_of(name: &str, mean: Option<f64>) -> Line {
    Line::of(Role::Plain, format!(" {name:<12}{}", time_or_dash(mean)))
}

fn time_or_dash(micros: Option<f64>) -> String {
    micros.map_or_else(|| NO_TIME.to_owned(), figures::time_cell)
}

/// Appends what is usual, and by how much the time differs from it.
fn compare(line: &mut Line, mean: Option<f64>, usual: Option<f64>) {
    line.push(Role::Plain, format!("  {}", time_or_dash(usual)));
    let (role, text) = match (mean, usual) {
        (Some(mean), Some(usual)) if usual > 0.0 => compared(mean, usual),
        _ => (Role::Plain, String::new()),
    };
    line.push(role, format!(" {text:>6}"));
}

/// The part of the whole that a phase takes, after a blank.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "cells are few"
)]
fn bar(frame: &Frame, phase: Phase, (from, to): (f64, f64), room: usize) -> Line {
    let (from, to) = (from * room as f64, to * room as f64);
    let mut line = Line::of(Role::Plain, " ".repeat(1 + from.floor() as usize));
    let length = ((to - from.floor()).round() as usize).max(1);
    line.push(Role::Phase(phase), frame.symbols().phase(phase).repeat(length));
    line
}

pub fn answers(frame: &Frame, summary: &Summary, cells: usize) -> Vec<Line> {
    let checks = summary.counts.checks();
    let count = time_text::counted(checks, "check");
    let mut title = Line::of(Role::Strong, "Answers");
    title.push(Role::Plain, format!(" · {}", time_text::span(summary.timeframe.length())));
    let mut lines = vec![rule(title, &count, cells)];
    let parts = partition(summary);
    if parts.is_empty() {
        lines.push(Line::of(Role::Plain, " none yet"));
    }
    let room = u64::try_from(cells.saturating_sub(28)).unwrap_or(0);
    for part in &parts {
        let role = if part.failed { Role::Fault } else { Role::Plain };
        let mut line = Line::of(role, format!(" {:<9} ", part.name));
        line.push(
            Role::Plain,
            format!("{:>6} {:>7}  ", figures::count(part.count), figures::percent(part.count, checks)),
        );
        let length = usize::try_from((part.count * room).div_ceil(checks.max(1))).unwrap_or(0);
        line.push(role, frame.symbols().pick("█", "#").repeat(length));
        lines.push(line);
    }
    lines
}
