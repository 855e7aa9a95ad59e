//! The table of a backtest, and the lines below it.

use std::io;

use jiff::tz::TimeZone;

use crate::backtest::{Incident, Overlap, Score};
use crate::model::Timestamp;
use crate::model::time::duration;
use crate::report::lines::fitted::{Shape, aligned};
use crate::report::lines::{Columns, folded_line};
use crate::report::wording::{self, NONE};
use crate::report::{Period, time};

use super::{BacktestHeading, ListedIncident, RuleResult, SiteResult, Suggestion};

/// The columns of one set of rules, and of two.
const ONE: Shape<'_> = Shape { lefts: &[0], drops: &[5, 1], cuts: &[0], marked: None };
const TWO: Shape<'_> = Shape { lefts: &[0], drops: &[9, 5, 6, 2, 1], cuts: &[0], marked: None };

/// The heading and the table.
///
/// # Errors
/// The writer's.
pub fn table(
    out: &mut impl Columns,
    zone: &TimeZone,
    heading: &BacktestHeading<'_>,
    sites: &[SiteResult<'_>],
) -> io::Result<()> {
    let Period { since, until } = heading.period;
    let checks = wording::grouped(sites.iter().map(|site| site.checks).sum());
    let count = wording::plural(sites.len() as u64, "site");
    let shown = time::period(since, until, zone);
    let rules = match heading.b {
        Some(b) => format!("A: {} · B: {b}", heading.a),
        None => format!("rules: {}", heading.a),
    };
    folded_line(out, &format!("{shown} · {count} · {checks} checks · {rules}"))?;
    let outages = format!("OUTAGES ≥ {}", duration::format(heading.least));
    let cells = |of: &RuleResult<'_>| {
        [of.incidents.to_string(), of.messages.to_string(), found_after(of.score), of.score.short.to_string()]
    };
    if heading.b.is_none() {
        let heads = ["SITE", &outages, "INCIDENTS", "MESSAGES", "FOUND AFTER", "SHORT"];
        let rows: Vec<[String; 6]> = sites
            .iter()
            .map(|site| {
                let [incidents, messages, after, short] = cells(&site.a);
                [site.site.to_owned(), site.outages.to_string(), incidents, messages, after, short]
            })
            .collect();
        return aligned(out, &heads, ONE, &rows);
    }
    let heads = [
        "SITE",
        &outages,
        "A: INCIDENTS",
        "MESSAGES",
        "FOUND AFTER",
        "SHORT",
        "B: INCIDENTS",
        "MESSAGES",
        "FOUND AFTER",
        "SHORT",
    ];
    let rows: Vec<[String; 10]> = sites
        .iter()
        .map(|site| {
            let b = site.b.as_ref().map_or_else(|| [NONE; 4].map(str::to_owned), cells);
            let both = cells(&site.a).into_iter().chain(b);
            let row: Vec<String> = [site.site.to_owned(), site.outages.to_string()].into_iter().chain(both).collect();
            row.try_into().expect("two cells, and four of each set of rules")
        })
        .collect();
    aligned(out, &heads, TWO, &rows)
}

/// `28s/41s`: median and maximum; what was missed behind it.
fn found_after(score: &Score) -> String {
    let found = match (score.median(), score.longest()) {
        (Some(median), Some(longest)) => {
            format!("{}/{}", duration::format_short(median), duration::format_short(longest))
        }
        _ => NONE.to_owned(),
    };
    match score.missed {
        0 => found,
        missed => format!("{found}, {missed} missed"),
    }
}

/// How often incidents of both rules coincide, and the messages of each in groups.
///
/// # Errors
/// The writer's.
pub fn overlap(out: &mut impl Columns, overlap: &Overlap) -> io::Result<()> {
    let Overlap { only_a, only_b, both } = overlap;
    folded_line(out, &format!("only A {only_a} · only B {only_b} · both {both}"))
}

/// How many messages there are where an outlet groups them.
///
/// # Errors
/// The writer's.
pub fn in_groups(out: &mut impl Columns, a: usize, b: Option<usize>) -> io::Result<()> {
    let b = b.map_or_else(String::new, |b| format!(" · B {b}"));
    folded_line(out, &format!("messages of an outlet that groups them: A {a}{b}"))
}

/// `▼ A blog  2026-11-28 09:12:25 → 09:13:05  40s  3 of 12 failed  (dns_timeout)`.
///
/// # Errors
/// The writer's.
pub fn incident(out: &mut impl Columns, zone: &TimeZone, end: Timestamp, of: &ListedIncident<'_>) -> io::Result<()> {
    let Incident { rule, opened, closed, availability, cause } = of.incident;
    // The heading has the offset of the end.
    let offset = |at: Timestamp| time::unlike(at, end, zone);
    let until = closed
        .map_or_else(|| "still open".to_owned(), |closed| format!("{}{}", time::clock(closed, zone), offset(closed)));
    let judged = availability.map_or_else(
        || rule.name().to_owned(),
        |judged| format!("{} of {} failed", judged.checks - judged.up, judged.checks),
    );
    let cause = cause.map_or_else(String::new, |cause| format!("  ({})", cause.name()));
    let only = match of.in_both {
        Some(false) => format!("only {} ", of.rules),
        Some(true) => format!("both, {} ", of.rules),
        None => String::new(),
    };
    let length = duration::format_short(of.incident.length(end));
    let begun = format!("{}{}", time::second(*opened, zone), offset(*opened));
    folded_line(out, &format!("▼ {only}{}  {begun} → {until}  {length}  {judged}{cause}", of.site))
}

/// How many incidents are not listed; nothing if none.
///
/// # Errors
/// The writer's.
pub fn more_incidents(out: &mut impl Columns, more: usize) -> io::Result<()> {
    match more {
        0 => Ok(()),
        more => folded_line(out, &format!("{} more; -v lists all", wording::plural(more as u64, "incident"))),
    }
}

/// `api: alert: { threshold: 90%, window: 5m }   12 messages instead of 71, the 4 outages found after 1m35s at most`.
///
/// # Errors
/// The writer's.
pub fn suggestion(out: &mut impl Columns, of: &Suggestion<'_>) -> io::Result<()> {
    let ((messages, now), (outages, after)) = (of.messages, of.found);
    let outages = wording::plural(outages as u64, "outage");
    let (messages, after) = (wording::plural(messages as u64, "message"), duration::format_short(after));
    folded_line(
        out,
        &format!("{}: {}   {messages} instead of {now}, the {outages} found after {after} at most", of.site, of.yaml),
    )
}

/// `api: latency: { p95: 800ms }   4 incidents`.
///
/// # Errors
/// The writer's.
pub fn latency(out: &mut impl Columns, site: &str, yaml: &str, incidents: usize) -> io::Result<()> {
    folded_line(out, &format!("{site}: {yaml}   {}", wording::plural(incidents as u64, "incident")))
}

/// A sentence about one site.
///
/// # Errors
/// The writer's.
pub fn remark(out: &mut impl Columns, site: &str, remark: &str) -> io::Result<()> {
    folded_line(out, &format!("{site}: {remark}"))
}
