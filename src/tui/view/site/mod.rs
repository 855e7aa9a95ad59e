//! The page of a site: the figures of every view, the chart, the phases and answers of one view, the distribution of
//! response times, the last check and the alerts.
//!
//! From 100 columns on, two regions stand side by side. The body is a list of lines that scrolls; the chart takes the height
//! that the others leave.

pub(crate) mod chart;
mod last_check;
mod locations;
mod objective;
mod phases;
mod plot;
mod reading;
mod ticks;

use crate::engine::snapshot::SiteSnapshot;
use crate::model::{Timestamp, figures};
use crate::stats::Summary;
use crate::tui::keymap::Action;
use crate::tui::page::Page;
use crate::tui::state::chart_range::SCALE;
use crate::tui::state::site_list::trouble_since;
use crate::tui::style::click::Click;
use crate::tui::style::line::{Line, cut, right, safe, short_name, width};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;

use super::chrome::past;
use super::chrome::selection::selected;
use super::frame::Frame;
use super::table::rows::{NO_TIME, coverage, marked};
use chart::Chart;

/// No body is longer than this.
pub const LINES_MAX: usize = 200;
/// The tallest drawing of a chart.
const ROWS_MAX: usize = 40;
/// Lines of alerts that the chart leaves room for.
const ALERTS_SEEN: usize = 5;
const TWO_COLUMNS: usize = 100;
const LABEL: usize = 10;

/// The first line: the site and its state.
pub fn header(frame: &Frame) -> Line {
    let clock = past::clock(frame);
    let mut line = Line::default();
    line.button(Role::Plain, frame.back(Page::Site), Click::Press(Action::Back));
    let Some(site) = selected(frame) else { return line };
    let (role, mark) = frame.mark(site.state);
    let began = trouble_since(site);
    let since = if site.is_older && began == site.since {
        time_text::more_than(frame.inputs.now.since(began))
    } else {
        frame.since(began)
    };
    let state = format!(" {} {since}", site.state.name());
    let fixed = line.width() + width(mark) + width(&state) + clock.width() + 5;
    let room = frame.width().saturating_sub(fixed);
    let name = cut(short_name(&site.name), room);
    let left = room.saturating_sub(width(&name));
    line.push(Role::Strong, name);
    if width(&site.url) < left && site.url != site.name {
        line.push(Role::Plain, "  ");
        line.push(Role::Link, safe(&site.url).into_owned());
    }
    line.push(Role::Plain, "  ");
    line.push(role, mark);
    line.push(Role::Plain, state);
    line.pad_to(frame.width().saturating_sub(clock.width()));
    line.extend(clock);
    line
}

/// The body: `height` lines of it, and whether there are more below.
pub fn lines(frame: &Frame, height: usize) -> (Vec<Line>, bool) {
    let body = body(frame, height);
    let top = first(frame, &body, height);
    let more = body.len() > top + height;
    let mut lines: Vec<Line> = body.into_iter().skip(top).take(height).collect();
    lines.resize(height, Line::default());
    (lines, more)
}

/// The first line shown.
fn first(frame: &Frame, body: &[Line], height: usize) -> usize {
    frame.state.nav.top().min(body.len().saturating_sub(height))
}

/// All lines on a screen that shows `height` of them.
fn body(frame: &Frame, height: usize) -> Vec<Line> {
    let Some(site) = selected(frame) else {
        return vec![Line::of(Role::Plain, " this site is no longer monitored")];
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
    body.extend(locations::lines(frame, site));
    body.extend(last_check::changed(frame, site));
    body.extend(objective::lines(frame, site));
    let chart = Chart::of(frame, site);
    let mut below = Vec::new();
    if let Some(summary) = shown {
        let (phases, answers) = (phases::phases, phases::answers);
        below.extend(beside(frame, |cells| phases(frame, summary, cells), |cells| answers(frame, summary, cells)));
    }
    below.extend(beside(
        frame,
        |cells| chart::distribution(frame, &chart.series, cells),
        |cells| last_check::last_check(frame, site, cells),
    ));
    let alerts = last_check::alerts_of(frame, site, &chart);
    let others = body.len() + chart.height(frame, site) + below.len() + alerts.len().min(ALERTS_SEEN);
    let charted = chart.lines(frame, site, least_rows(frame).max(height.saturating_sub(others)).min(ROWS_MAX));
    body.extend(charted.into_iter().map(|line| line.doing(Click::Chart)));
    body.extend(below);
    body.extend(alerts);
    body
}

/// The rows of a drawing where the other regions leave none.
fn least_rows(frame: &Frame) -> usize {
    let height = if frame.plan.below > 0 { frame.plan.below } else { usize::from(frame.size.height) };
    (height.saturating_sub(24) / 2 + 5).min(10)
}

/// Where the cell of the chart in column `column` of the screen begins.
pub fn cell_at(frame: &Frame, column: usize) -> Option<Timestamp> {
    let scope = Chart::of(frame, selected(frame)?).scope;
    let cell = column.checked_sub(SCALE).filter(|cell| *cell < scope.cells)?;
    Some(scope.start(cell))
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

/// The chart of `site` below the overview: `height` lines.
pub fn preview(frame: &Frame, site: &SiteSnapshot, height: usize) -> Vec<Line> {
    let chart = Chart::of(frame, site);
    let (role, mark) = frame.mark(site.state);
    let mut name = Line::of(role, mark);
    name.push(Role::Strong, format!(" {}", cut(&site.name, frame.width().saturating_sub(24))));
    let mut lines = vec![rule(name, &format!("{} more", frame.key(Action::Open)), frame.width())];
    let rows = height.saturating_sub(lines.len() + chart.height(frame, site));
    lines.extend(chart.lines(frame, site, rows));
    lines.truncate(height);
    lines
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
    let has_coverage = rows.iter().any(|(summary, _)| !coverage(summary).is_empty());
    let coverage_cell = |text: &str| if has_coverage { format!(" {}", right(text, 4)) } else { String::new() };
    let fixed = LABEL + 8 + 1 + 4 + 1 + 6;
    let room = frame.width().saturating_sub(fixed) / 8;
    let shown: Vec<&Pick> = picks.iter().filter(|(_, rank, _)| *rank < room).collect();
    let every = format!("every {}, timeout {}", time_text::span(site.interval), time_text::span(site.timeout));
    let mut title = Line::of(Role::Strong, "Figures");
    if frame.state.sites.is_frozen() {
        title.push(Role::Plain, " · ");
        let text = format!("FROZEN ({})", frame.key(Action::ToggleFreeze));
        title.button(Role::Mode, text, Click::Press(Action::ToggleFreeze));
    }
    let mut head =
        Line::of(Role::Plain, format!("{:LABEL$}{:>8}{} {:>6}", "", "AVAIL", coverage_cell("COV"), "CHECKS"));
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
            format!("{}{} {checks:>6}", right(&marked(summary, is_exact), 8), coverage_cell(&coverage(summary))),
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
