//! The page of a site: the figures of every view, the chart, the phases and answers of one view, the distribution of
//! response times, the last check and the alerts.
//!
//! Phases are averages, because averages add up to the total and medians do not; they are drawn as a waterfall, each
//! with its own fill. From 100 columns on, two regions stand side by side. The body is a list of lines that scrolls.

pub(crate) mod chart;
mod objective;
use std::ops::Range;

use crate::alert::AlertState;
use crate::engine::snapshot::SiteSnapshot;
use crate::model::{Cause, Phase, figures};
use crate::stats::Summary;
use crate::tui::state::site_list::{certificate_days, warned_days};
use crate::tui::style::line::{Line, cut, right, safe, short_name, width};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;

use super::alerts;
use super::chrome::selection::selected;
use super::frame::Frame;
use super::table::rows::{NO_TIME, coverage, marked, note, partition, trouble_since};

/// No body is longer than this.
pub const LINES_MAX: usize = 200;
const ALERTS_MAX: usize = 40;
const TWO_COLUMNS: usize = 100;
const LABEL: usize = 10;

/// The first line: the site and its state.
pub fn header(frame: &Frame) -> Line {
    let clock = frame.clock(frame.inputs.now);
    let back = if frame.width() < 60 { " ‹ " } else { " ‹ overview  " };
    let mut line = Line::of(Role::Plain, back);
    let Some(site) = selected(frame) else { return line };
    let (role, mark) = frame.mark(site.state);
    let began = trouble_since(site);
    let since = if site.is_older && began == site.since {
        time_text::more_than(frame.inputs.now.since(began))
    } else {
        frame.since(began)
    };
    let state = format!(" {} {since}", site.state.name());
    let fixed = line.width() + width(mark) + width(&state) + clock.len() + 5;
    let room = frame.width().saturating_sub(fixed);
    let name = cut(short_name(&site.name), room);
    let left = room.saturating_sub(width(&name));
    line.push(Role::Strong, name);
    if width(&site.url) < left && site.url != site.name {
        line.push(Role::Plain, format!("  {}", safe(&site.url)));
    }
    line.push(Role::Plain, "  ");
    line.push(role, mark);
    line.push(Role::Plain, state);
    line.pad_to(frame.width().saturating_sub(clock.len()));
    line.push(Role::Plain, clock);
    line
}

/// The body: `height` lines of it, and whether there are more below.
pub fn lines(frame: &Frame, height: usize) -> (Vec<Line>, bool) {
    let (body, _) = body(frame);
    let top = first(frame, &body, height);
    let more = body.len() > top + height;
    let mut lines: Vec<Line> = body.into_iter().skip(top).take(height).collect();
    lines.resize(height, Line::default());
    (lines, more)
}

/// Whether line `row` of a body of `height` lines belongs to the chart.
pub fn is_chart(frame: &Frame, height: usize, row: usize) -> bool {
    let (body, chart) = body(frame);
    row < height && chart.contains(&(first(frame, &body, height) + row))
}

/// The first line shown.
fn first(frame: &Frame, body: &[Line], height: usize) -> usize {
    frame.state.nav.top().min(body.len().saturating_sub(height))
}

/// All lines, and which of them are the chart.
fn body(frame: &Frame) -> (Vec<Line>, Range<usize>) {
    let Some(site) = selected(frame) else {
        return (vec![Line::of(Role::Plain, " this site is no longer monitored")], 0..0);
    };
    let index = frame.state.focus(frame.inputs);
    let rows = frame.tables.views.iter().filter_map(|view| view.rows.get(index?));
    let mut rows: Vec<(&Summary, bool)> = rows.map(|row| (&row.summary, row.is_exact)).collect();
    let mut shown = rows.get(frame.state.sites.view()).or(rows.first()).map(|(summary, _)| *summary);
    if let Some(history) = chart::history(frame) {
        if !history.wanted.live {
            rows.clear();
            shown = Some(&history.summary);
        }
        rows.push((&history.summary, history.is_exact));
    }
    let mut body = figures_of_views(frame, site, &rows);
    body.extend(objective::lines(frame, site));
    let (chart, series) = chart::lines(frame, site);
    let charted = body.len()..body.len() + chart.len();
    body.extend(chart);
    if let Some(summary) = shown {
        body.extend(beside(frame, |cells| phases(frame, summary, cells), |cells| answers(frame, summary, cells)));
    }
    body.extend(beside(
        frame,
        |cells| chart::distribution(frame, &series, cells),
        |cells| last_check(frame, site, cells),
    ));
    body.extend(alerts_of(frame, site));
    (body, charted)
}

/// The first line of a region: `left`, a rule, and `right` if there is room.
pub fn rule(left: Line, right: &str, cells: usize) -> Line {
    let mut line = Line::of(Role::Dim, "── ");
    line.extend(left);
    line.push(Role::Plain, " ");
    if !right.is_empty() && line.width() + width(right) + 6 <= cells {
        line.rule_to(cells - width(right) - 4);
        line.push(Role::Plain, format!(" {right} "));
    }
    line.rule_to(cells);
    line
}

fn figures_of_views(frame: &Frame, site: &SiteSnapshot, rows: &[(&Summary, bool)]) -> Vec<Line> {
    type Pick = (&'static str, usize, fn(&Summary) -> Option<f64>);
    // In their order on the screen, each with its rank: where there is little room, higher ones go first.
    let picks: [Pick; 8] = [
        ("AVG", 0, |summary| summary.response.map(|latency| latency.avg)),
        ("P50", 1, |summary| summary.response.map(|latency| f64::from(latency.p50))),
        ("P90", 7, |summary| summary.response.map(|latency| f64::from(latency.p90))),
        ("P95", 2, |summary| summary.response.map(|latency| f64::from(latency.p95))),
        ("P99", 6, |summary| summary.response.map(|latency| f64::from(latency.p99))),
        ("MAX", 3, |summary| summary.response.map(|latency| f64::from(latency.max))),
        ("TTFB", 4, |summary| summary.ttfb.map(|latency| latency.avg)),
        ("TTFB MX", 5, |summary| summary.ttfb.map(|latency| f64::from(latency.max))),
    ];
    let fixed = LABEL + 8 + 1 + 4 + 1 + 6;
    let room = frame.width().saturating_sub(fixed) / 8;
    let shown: Vec<&Pick> = picks.iter().filter(|(_, rank, _)| *rank < room).collect();
    let every = format!("every {}, timeout {}", time_text::span(site.interval), time_text::span(site.timeout));
    let mut title = Line::of(Role::Strong, "Figures");
    if frame.state.sites.is_frozen() {
        title.push(Role::Plain, " · ");
        title.push(Role::Mode, "FROZEN (f)");
    }
    let mut head = Line::of(Role::Plain, format!("{:LABEL$}{:>8} {:>4} {:>6}", "", "AVAIL", "COV", "CHECKS"));
    for (name, ..) in &shown {
        head.push(Role::Plain, format!(" {name:>7}"));
    }
    let mut lines = vec![rule(title, &every, frame.width()), head];
    for &(summary, is_exact) in rows {
        let span = cut(&format!(" {}", time_text::span(summary.timeframe.length())), LABEL);
        let checks = figures::count(summary.counts.checks());
        let mut line = Line::of(Role::Plain, span);
        line.pad_to(LABEL);
        line.push(
            Role::Plain,
            format!("{} {} {checks:>6}", right(&marked(summary, is_exact), 8), right(&coverage(summary), 4)),
        );
        for (.., pick) in &shown {
            line.push(
                Role::Plain,
                format!(" {}", pick(summary).map_or_else(|| NO_TIME.to_owned(), figures::time_cell)),
            );
        }
        lines.push(line);
    }
    lines
}

/// Two regions side by side, or one above the other on a narrow terminal.
fn beside(frame: &Frame, left: impl Fn(usize) -> Vec<Line>, right: impl Fn(usize) -> Vec<Line>) -> Vec<Line> {
    if frame.width() < TWO_COLUMNS {
        let mut lines = left(frame.width());
        lines.extend(right(frame.width()));
        return lines;
    }
    let half = frame.width() / 2;
    let (left, right) = (left(half - 1), right(frame.width() - half - 1));
    (0..left.len().max(right.len()))
        .map(|i| {
            let mut line = left.get(i).cloned().unwrap_or_default().fit(half - 1);
            line.pad_to(half + 1);
            line.extend(right.get(i).cloned().unwrap_or_default());
            line
        })
        .collect()
}

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
        if i == shown {
            line.push(Role::Cursor, format!("[{span}]"));
        } else {
            line.push(Role::Plain, format!(" {span} "));
        }
    }
    line
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "cells are few"
)]
fn phases(frame: &Frame, summary: &Summary, cells: usize) -> Vec<Line> {
    let count = summary.response.map_or(0, |latency| latency.count);
    let averages = match count {
        0 => "no data".to_owned(),
        _ => format!("averages of {}", time_text::counted(count, "successful check")),
    };
    let mut lines = vec![rule(tabs(frame, "Phases", summary), &averages, cells)];
    let total: f64 = summary.phase_means.iter().flatten().sum();
    let room = cells.saturating_sub(23) as f64;
    let mut before = 0.0;
    for (phase, mean) in Phase::ALL.into_iter().zip(summary.phase_means) {
        let mut line = Line::of(Role::Plain, format!(" {:<12}", phase.name()));
        let Some(mean) = mean else {
            line.push(Role::Plain, NO_TIME);
            lines.push(line);
            continue;
        };
        line.push(Role::Plain, format!("{} ", figures::time_cell(mean)));
        let (from, to) = (before / total * room, (before + mean) / total * room);
        before += mean;
        line.pad_to(line.width() + from.floor() as usize);
        let length = ((to - from.floor()).round() as usize).max(1);
        line.push(Role::Phase(phase), frame.symbols().phase(phase).repeat(length));
        lines.push(line);
    }
    let mut line = Line::of(Role::Plain, format!(" {:<12}", "total"));
    let text = summary.response.map_or_else(
        || NO_TIME.to_owned(),
        |latency| {
            let mut text = figures::time_cell(latency.avg);
            for (name, us) in [("p50", latency.p50), ("p95", latency.p95), ("p99", latency.p99)] {
                let more = format!("  {name} {}", figures::time(f64::from(us)));
                if line.width() + text.len() + more.len() <= cells {
                    text.push_str(&more);
                }
            }
            text
        },
    );
    line.push(Role::Plain, text);
    lines.push(line);
    lines
}

fn answers(frame: &Frame, summary: &Summary, cells: usize) -> Vec<Line> {
    let checks = summary.counts.checks();
    let count = time_text::counted(checks, "check");
    let mut lines = vec![rule(Line::of(Role::Strong, "Answers"), &count, cells)];
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

fn last_check(frame: &Frame, site: &SiteSnapshot, cells: usize) -> Vec<Line> {
    let Some(last) = &site.last else {
        return vec![rule(Line::of(Role::Strong, "Last check"), "", cells), Line::of(Role::Plain, " none yet")];
    };
    let sample = &last.sample;
    let mut title = Line::of(Role::Strong, "Last check");
    title.push(Role::Plain, format!(" · {}", frame.moment(sample.at)));
    if sample.cause != Cause::Ok {
        title.push(Role::Fault, format!(" · {}", sample.cause.name()));
    }
    let check = format!("check #{}", figures::count(last.seq));
    let mut lines = vec![rule(title, &check, cells)];
    let mut first = Vec::new();
    if sample.cause != Cause::Ok {
        first.push(note(frame, site));
    }
    if sample.cause != Cause::Status {
        first.extend(sample.status.map(|status| format!("status {}", status.get())));
    }
    first.push(figures::time(f64::from(sample.total().get())));
    first.push(figures::bytes(u64::from(sample.bytes)));
    if sample.redirects > 0 {
        first.push(format!("{} redirects", sample.redirects));
    }
    lines.push(Line::of(Role::Plain, cut(&format!(" {}", first.join(" · ")), cells)));
    let mut second = Vec::new();
    if let Some(address) = last.observation.as_ref().and_then(|observation| observation.address) {
        second.push(address.to_string());
    }
    second.extend(sample.http.name().map(|http| format!("HTTP/{http}")));
    second.extend(site.last_up.map(|at| format!("last up {}", frame.moment(at))));
    if !second.is_empty() {
        lines.push(Line::of(Role::Plain, cut(&format!(" {}", second.join(" · ")), cells)));
    }
    lines.extend(certificate(frame, site, cells));
    lines
}

fn certificate(frame: &Frame, site: &SiteSnapshot, cells: usize) -> Option<Line> {
    let certificate = site.last.as_ref()?.observation.as_ref()?.certificate.as_ref()?;
    let days = certificate_days(site, frame.inputs.now)?;
    let until = time_text::date(certificate.not_after, frame.inputs.zone);
    let faults: Vec<&str> = certificate.faults.iter().map(|fault| fault.name()).collect();
    let left = if days < 0 { "expired".to_owned() } else { format!("{days} days") };
    let mut text =
        format!(" certificate {} · {} · {left} ({until})", safe(&certificate.subject), safe(&certificate.issuer));
    if !faults.is_empty() {
        text = format!("{text} · {}", faults.join(", ").replace('_', " "));
    }
    let warned = warned_days(site, frame.inputs.now).is_some() || !faults.is_empty();
    let role = if warned { Role::Warning } else { Role::Plain };
    Some(Line::of(role, cut(&text, cells)))
}

fn alerts_of(frame: &Frame, site: &SiteSnapshot) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut count = 0;
    for alert in frame.inputs.alerts.iter().rev().filter(|alert| alert.site == site.name) {
        count += 1;
        if count <= ALERTS_MAX {
            let mut entry = alerts::entry(frame, alert, count == 1 && alert.state == AlertState::Down);
            if frame.state.chart.jumped() == Some(alert.at)
                && let Some(first) = entry.first_mut()
            {
                *first = std::mem::take(first).with_cursor();
            }
            lines.extend(entry);
        }
    }
    let shown = if count > ALERTS_MAX { format!("the newest {ALERTS_MAX} of {count}") } else { String::new() };
    lines.insert(0, rule(Line::of(Role::Strong, "Alerts of this site"), &shown, frame.width()));
    if count == 0 {
        lines.push(Line::of(Role::Plain, " none yet"));
    }
    lines
}
