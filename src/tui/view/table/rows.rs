//! The row of a site in a view.

use std::time::Duration;

use crate::engine::snapshot::{Row, SiteSnapshot, SiteState};
use crate::model::time::duration::format_short;
use crate::model::{Cause, Place, Timestamp, figures};
use crate::stats::change::is_noticed;
use crate::stats::{Answer, Availability, Latency, Summary};
use crate::tui::arrangement::sort::SortKey;
use crate::tui::incident_marks;
use crate::tui::keymap::Action;
use crate::tui::past_words;
use crate::tui::state::listed::RowKind;
use crate::tui::state::overview_facts::is_incomplete;
use crate::tui::state::site_list::{incident_since, trouble_since, warned_days};
use crate::tui::style::click::Click;
use crate::tui::style::line::{Line, cut, cut_middle, right, short_name, width};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;
use crate::tui::view::frame::Frame;

use super::columns::{ColumnWidths, INDENT};
use super::{heartbeat, votes};
use crate::tui::arrangement::column::Column;

/// A dash under the decimal point of the times.
pub const NO_TIME: &str = "    –  ";

/// The head of a table.
pub fn head(columns: &ColumnWidths, timeframe: &str) -> Line {
    let mut line = Line::default();
    // The marks are those of the states.
    line.button(Role::Plain, " ", Click::Sort(SortKey::State));
    for &(column, cells) in columns {
        line.push(Role::Plain, " ");
        let text = match column {
            Column::Bar => heartbeat::axis(timeframe, cells),
            _ if column.is_left() => format!("{:<cells$}", column.head()),
            _ => right(column.head(), cells),
        };
        let role = if column == Column::Bar { Role::Dim } else { Role::Plain };
        match column.sort_key() {
            Some(key) => line.button(role, text, Click::Sort(key)),
            None => line.push(role, text),
        }
    }
    line
}

pub fn row(frame: &Frame, columns: &ColumnWidths, (site, kind): (&SiteSnapshot, RowKind), row: &Row) -> Line {
    let (role, mark) = frame.mark(site.state);
    let mut line = Line::of(role, mark);
    let counts = &row.summary.counts;
    let is_empty = counts.checks() + counts.unknown == 0;
    let blank = is_empty.then(|| why_blank(frame, site)).flatten();
    let mut end = 1;
    for &(column, cells) in columns {
        line.pad_to(end);
        line.push(Role::Plain, " ");
        end += 1 + cells;
        if column == Column::Site {
            line.extend(name(frame, (site, kind), cells, columns));
        } else if let Some(why) = &blank {
            line.push(Role::Dim, cut(why, frame.width().saturating_sub(line.width())));
            return line;
        } else {
            line.extend(cell(frame, column, cells, site, row));
        }
    }
    line
}

/// Why a row without checks shows no figures, if it does not.
fn why_blank(frame: &Frame, site: &SiteSnapshot) -> Option<String> {
    let first = || match site.place {
        Place::Everywhere => "no location has sent a check yet".to_owned(),
        Place::Here | Place::At { .. } => {
            format!("first result within {}", time_text::span(site.interval + site.timeout))
        }
    };
    past_words::no_checks(frame.inputs, &site.name).or_else(|| (site.state == SiteState::New).then(first))
}

fn cell(frame: &Frame, column: Column, cells: usize, site: &SiteSnapshot, row: &Row) -> Line {
    let summary = &row.summary;
    let time = |latency: &Option<Latency>, pick: fn(&Latency) -> f64| {
        let text = latency.as_ref().map_or_else(|| NO_TIME.to_owned(), |latency| figures::time_cell(pick(latency)));
        Line::of(Role::Plain, text)
    };
    match column {
        Column::Site => Line::default(),
        Column::Locations => votes::cell(site, cells),
        Column::Since => Line::of(Role::Plain, right(&since(frame, site), cells)),
        Column::Availability => Line::of(Role::Plain, right(&marked(summary, row.is_exact), cells)),
        Column::Coverage => Line::of(Role::Plain, right(&coverage(summary), cells)),
        Column::Average => time(&summary.response, |latency| latency.avg),
        Column::P50 => time(&summary.response, |latency| f64::from(latency.p50)),
        Column::P90 => time(&summary.response, |latency| f64::from(latency.p90)),
        Column::P95 => time(&summary.response, |latency| f64::from(latency.p95)),
        Column::Difference => difference(frame, site, summary, cells),
        Column::P99 => time(&summary.response, |latency| f64::from(latency.p99)),
        Column::Max => time(&summary.response, |latency| f64::from(latency.max)),
        Column::Ttfb => time(&summary.ttfb, |latency| latency.avg),
        Column::TtfbMax => time(&summary.ttfb, |latency| f64::from(latency.max)),
        Column::Codes => codes(summary, cells),
        Column::Certificate => {
            let days = warned_days(site, frame.inputs.now).map_or_else(String::new, days_left);
            Line::of(Role::Warning, right(&days, cells))
        }
        Column::Budget => budget(frame, site, cells),
        Column::Bar => beats(frame, site, row, cells),
        Column::Note => Line::of(Role::Plain, cut(&note(frame, site), cells)),
    }
}

/// By how much a time differs from what is usual, at most six cells.
pub fn compared(time: f64, usual: f64) -> (Role, String) {
    let percent = ((time / usual - 1.0) * 100.0).clamp(-100.0, 9_999.0);
    (if is_noticed(time, usual) { Role::Warning } else { Role::Plain }, format!("{percent:+.0}%"))
}

/// By how much the 95th percentile differs from that of the same hour on the seven days before.
fn difference(frame: &Frame, site: &SiteSnapshot, summary: &Summary, cells: usize) -> Line {
    let usual = frame.inputs.usual.and_then(|usual| usual.of(&site.name)).filter(|times| times.p95 > 0);
    let (role, text) = match (summary.response, usual) {
        (Some(now), Some(usual)) => compared(f64::from(now.p95), f64::from(usual.p95)),
        _ => (Role::Plain, String::new()),
    };
    Line::of(role, right(&text, cells))
}

/// What is left of the error budget: `49.85%`, `!12.00%` while it burns, `missed` after that; `?` if it cannot be told.
fn budget(frame: &Frame, site: &SiteSnapshot, cells: usize) -> Line {
    if !site.has_objective() {
        return Line::default();
    }
    if frame.inputs.past.is_some() {
        return Line::of(Role::Dim, right("–", cells));
    }
    let known = frame.inputs.objectives.iter().find(|known| known.site == site.name);
    let standing = match known.map(|known| &known.figures) {
        None => return Line::of(Role::Dim, right("…", cells)),
        Some(Err(_)) => return Line::of(Role::Dim, right("?", cells)),
        Some(Ok(known)) => &known.standing,
    };
    let is_burning = standing.burns.iter().any(|burn| burn.is_burning);
    let (role, text) = match standing.left_ppm() {
        None => (Role::Dim, "–".to_owned()),
        Some(..0) => (Role::Fault, "missed".to_owned()),
        Some(left) if is_burning => (Role::Warning, format!("!{}", figures::share(left))),
        Some(left) => (Role::Plain, figures::share(left)),
    };
    Line::of(role, right(&text, cells))
}

fn name(frame: &Frame, (site, kind): (&SiteSnapshot, RowKind), cells: usize, columns: &ColumnWidths) -> Line {
    let has_column = columns.iter().any(|(column, _)| *column == Column::Certificate);
    let suffix = match warned_days(site, frame.inputs.now) {
        Some(days) if !has_column => format!(" (cert {})", days_left(days)),
        _ => String::new(),
    };
    let marks = incident_marks::marks(frame.inputs, site, frame.symbols());
    let indent = indent(frame, site, kind);
    let name = match (kind, site.place.location()) {
        (RowKind::Location, Some(location)) => location.name(),
        _ => short_name(&site.name),
    };
    let room = cells.saturating_sub(indent + width(&suffix) + width(&marks));
    let mut line = Line::of(Role::Plain, " ".repeat(indent));
    line.push(Role::Plain, cut_middle(name, room));
    line.push(Role::Strong, marks);
    line.push(Role::Warning, suffix);
    line
}

/// The cells before a name: a member stands under its group, a location under its site.
fn indent(frame: &Frame, site: &SiteSnapshot, kind: RowKind) -> usize {
    let is_member = frame.state.sites.groups.is_on() && site.group.is_some();
    INDENT * (usize::from(is_member) + usize::from(kind == RowKind::Location))
}

/// The days left of a certificate in at most four cells.
fn days_left(days: i64) -> String {
    if days < 0 { "exp".to_owned() } else { format!("{days}d") }
}

fn since(frame: &Frame, site: &SiteSnapshot) -> String {
    let since = frame.inputs.now.since(trouble_since(site));
    if site.is_older && trouble_since(site) == site.since { time_text::more_than(since) } else { format_short(since) }
}

/// Availability in at most eight cells: `~` where checks are missing.
pub fn availability(availability: Option<Availability>, incomplete: bool) -> String {
    let Some(availability) = availability else { return "–".to_owned() };
    let percent = figures::percent(availability.up, availability.checks);
    if incomplete { format!("~{percent}") } else { percent }
}

/// The same with `≈` where the figures come from hourly totals.
pub fn marked(summary: &Summary, is_exact: bool) -> String {
    if is_exact {
        availability(summary.availability, is_incomplete(summary))
    } else {
        format!("≈{}", availability(summary.availability, false))
    }
}

/// Coverage; empty if it is full.
pub fn coverage(summary: &Summary) -> String {
    summary.coverage.filter(|_| is_incomplete(summary)).map_or_else(String::new, figures::whole_percent)
}

fn beats(frame: &Frame, site: &SiteSnapshot, row: &Row, cells: usize) -> Line {
    let mut line = Line::default();
    for cell in heartbeat::cells(&row.beats, cells, site.interval, site.policies.availability.threshold) {
        line.join(Role::Beat(cell), frame.symbols().beat(cell));
    }
    line
}

/// How many checks had which result, failures first. Where there is little room: the most frequent failure and success,
/// and how many other results.
fn codes(summary: &Summary, cells: usize) -> Line {
    let parts = partition(summary);
    let all: Vec<&CodeCount> = parts.iter().collect();
    let line = joined(&all, 0);
    if line.width() <= cells {
        return line;
    }
    let failure = parts.iter().find(|part| part.failed);
    let success = parts.iter().find(|part| !part.failed);
    let both: Vec<&CodeCount> = failure.into_iter().chain(success).collect();
    let shortest = &both[..both.len().min(1)];
    for shown in [&both[..], shortest] {
        let line = joined(shown, parts.len() - shown.len());
        if line.width() <= cells {
            return line;
        }
    }
    Line::of(Role::Plain, cut(&joined(shortest, 0).text(), cells))
}

/// The checks with one result.
pub struct CodeCount {
    pub name: String,
    pub count: u64,
    pub failed: bool,
    pub red: bool,
}

/// The checks of a window by result, failures first.
pub fn partition(summary: &Summary) -> Vec<CodeCount> {
    let mut parts: Vec<CodeCount> = Vec::new();
    let mut failures = 0;
    for &(answer, count) in &summary.answers {
        let failed = failures < summary.counts.down;
        failures += count;
        let (name, red) = match answer {
            Answer::Code(status) => (status.get().to_string(), status.get() >= 400),
            // The check of a port without a status is good, too.
            Answer::Cause(cause) => (cause.word().to_owned(), cause != Cause::Ok),
        };
        match parts.iter_mut().find(|part| part.name == name && part.failed == failed) {
            Some(part) => part.count += count,
            None => parts.push(CodeCount { name, count, failed, red }),
        }
    }
    parts
}

fn joined(parts: &[&CodeCount], more: usize) -> Line {
    let mut line = Line::default();
    for part in parts {
        if line.width() > 0 {
            line.push(Role::Plain, " ");
        }
        let count = if part.count < 10_000 { part.count.to_string() } else { figures::count(part.count) };
        line.push(if part.red { Role::Fault } else { Role::Plain }, format!("{}×{count}", part.name));
    }
    if more > 0 {
        line.push(Role::Plain, format!(" +{more}"));
    }
    line
}

/// The reason for the state of a site, in words; empty if there is none.
pub fn note(frame: &Frame, site: &SiteSnapshot) -> String {
    if let Some(votes) = site.votes.filter(|_| !matches!(site.state, SiteState::Up | SiteState::New)) {
        let said = votes::words(frame, site, &votes);
        return if site.state == SiteState::Recovering {
            format!("{said}; down for {}", frame.since(incident_since(site)))
        } else {
            said
        };
    }
    match site.state {
        SiteState::Up | SiteState::New => String::new(),
        SiteState::Paused => match site.paused_until {
            Some(until) if until < Timestamp::MAX => {
                format!("paused until {}", frame.moment(until))
            }
            _ => format!("paused until resumed ({})", frame.key(Action::Pause)),
        },
        SiteState::Recovering => {
            format!("responding again, down for {}", frame.since(incident_since(site)))
        }
        SiteState::Down | SiteState::Failing | SiteState::Unknown => failure(frame, site),
    }
}

/// Whether a site is unknown because checks are overdue, rather than because of its last result.
pub fn is_silent(frame: &Frame, site: &SiteSnapshot) -> bool {
    let Some(last) = &site.last else { return false };
    let overdue = frame.inputs.now.since(last.sample.at) > site.interval * 3 + site.timeout;
    site.state == SiteState::Unknown && (overdue || last.sample.cause != Cause::Local)
}

fn failure(frame: &Frame, site: &SiteSnapshot) -> String {
    let Some(last) = &site.last else { return String::new() };
    if is_silent(frame, site) {
        return format!("no check for {}", frame.since(last.sample.at));
    }
    match &last.observation {
        Some(observation) if !observation.detail.is_empty() => {
            let slow = if last.sample.cause == Cause::Slow { "slow: " } else { "" };
            format!("{slow}{}", observation.detail)
        }
        _ => match last.sample.status {
            Some(status) if last.sample.cause == Cause::Status => format!("status {}", status.get()),
            _ if last.sample.cause == Cause::Local => "this machine could not check it".to_owned(),
            _ => last.sample.cause.name().replace('_', " "),
        },
    }
}

/// Whether figures of this age have missed a refresh.
pub fn is_stale(age: Duration, refresh: Duration) -> bool {
    age > refresh * 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixtures;

    #[test]
    fn a_good_check_without_a_status_is_no_fault() {
        let mut summary = fixtures::nine_sites().snapshot.views[0].rows[0].summary.clone();
        (summary.counts.down, summary.counts.up) = (2, 5);
        summary.answers = vec![(Answer::Cause(Cause::Body), 2), (Answer::Cause(Cause::Ok), 5)];
        let said = codes(&summary, 40);
        let roles: Vec<Role> = said.spans().iter().map(|span| span.role).collect();
        assert_eq!((said.text().as_str(), roles), ("body×2 ok×5", vec![Role::Fault, Role::Plain, Role::Plain]));
    }
}
