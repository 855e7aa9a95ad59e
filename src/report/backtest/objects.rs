//! A backtest for scripts: JSON lines, and CSV with the fields of the first kind.

use std::io;
use std::time::Duration;

use serde::Serialize;

use crate::backtest::Incident;
use crate::model::text::clean;
use crate::model::{Cause, Timestamp};
use crate::report::{Period, csv, json, time, wording};

use super::{ListedIncident, RuleResult, SiteResult, Suggestion};

const ROWS: &str = "event,time,site,rules,since,until,checks,outages,found,missed,found_after_ms_p50,found_after_ms_max,\
                    incidents,messages,short";

/// `event: backtest`: one site under one set of rules. The order is public.
#[derive(Serialize)]
struct ResultObject<'a> {
    event: &'static str,
    time: String,
    site: &'a str,
    rules: &'a str,
    since: String,
    until: String,
    checks: u64,
    outages: usize,
    found: usize,
    missed: usize,
    found_after_ms_p50: Option<u64>,
    found_after_ms_max: Option<u64>,
    incidents: usize,
    messages: usize,
    short: usize,
}

/// `event: backtest_incident`. The order is public.
#[derive(Serialize)]
struct IncidentObject<'a> {
    event: &'static str,
    time: String,
    site: &'a str,
    rules: &'a str,
    rule: &'static str,
    until: Option<String>,
    length_ms: u64,
    checks: Option<u64>,
    failed: Option<u64>,
    cause: Option<&'static str>,
    in_both: Option<bool>,
}

/// `event: backtest_suggestion`. The order is public.
#[derive(Serialize)]
struct SuggestionObject<'a> {
    event: &'static str,
    time: String,
    site: &'a str,
    yaml: &'a str,
    messages: Option<usize>,
    messages_now: Option<usize>,
    outages: Option<usize>,
    found_after_ms_max: Option<u64>,
    incidents: Option<usize>,
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// The objects of one site, one for each set of rules.
fn objects<'a>(period: Period, of: &SiteResult<'a>) -> impl Iterator<Item = ResultObject<'a>> {
    let (site, checks, outages) = (of.site, of.checks, of.outages);
    let results = [("A", Some(of.a)), ("B", of.b)].into_iter().filter_map(|(rules, result)| Some((rules, result?)));
    results.map(move |(rules, RuleResult { incidents, messages, score })| ResultObject {
        event: "backtest",
        time: time::utc(period.until),
        site,
        rules,
        since: time::utc(period.since),
        until: time::utc(period.until),
        checks,
        outages,
        found: score.found_after.len(),
        missed: score.missed,
        found_after_ms_p50: score.median().map(millis),
        found_after_ms_max: score.longest().map(millis),
        incidents,
        messages,
        short: score.short,
    })
}

/// `backtest` objects of one site.
///
/// # Errors
/// The writer's.
pub fn json_site(out: &mut impl io::Write, period: Period, of: &SiteResult<'_>) -> io::Result<()> {
    objects(period, of).try_for_each(|object| json::line(out, &object))
}

/// A `backtest_incident` object.
///
/// # Errors
/// The writer's.
pub fn json_incident(out: &mut impl io::Write, end: Timestamp, of: &ListedIncident<'_>) -> io::Result<()> {
    let Incident { rule, opened, closed, availability, cause } = of.incident;
    json::line(
        out,
        &IncidentObject {
            event: "backtest_incident",
            time: time::utc(*opened),
            site: of.site,
            rules: of.rules,
            rule: rule.name(),
            until: closed.map(time::utc),
            length_ms: millis(of.incident.length(end)),
            checks: availability.map(|judged| judged.checks),
            failed: availability.map(|judged| judged.checks - judged.up),
            cause: cause.map(Cause::name),
            in_both: of.in_both,
        },
    )
}

/// A `backtest_suggestion` object of the availability rule.
///
/// # Errors
/// The writer's.
pub fn json_suggestion(out: &mut impl io::Write, at: Timestamp, of: &Suggestion<'_>) -> io::Result<()> {
    json::line(
        out,
        &SuggestionObject {
            event: "backtest_suggestion",
            time: time::utc(at),
            site: of.site,
            yaml: of.yaml,
            messages: Some(of.messages.0),
            messages_now: Some(of.messages.1),
            outages: Some(of.found.0),
            found_after_ms_max: Some(millis(of.found.1)),
            incidents: None,
        },
    )
}

/// A `backtest_suggestion` object of a rule of latency.
///
/// # Errors
/// The writer's.
pub fn json_latency(
    out: &mut impl io::Write,
    at: Timestamp,
    site: &str,
    yaml: &str,
    incidents: usize,
) -> io::Result<()> {
    json::line(
        out,
        &SuggestionObject {
            event: "backtest_suggestion",
            time: time::utc(at),
            site,
            yaml,
            messages: None,
            messages_now: None,
            outages: None,
            found_after_ms_max: None,
            incidents: Some(incidents),
        },
    )
}

/// The header of [`csv_site`] lines.
///
/// # Errors
/// The writer's.
pub fn csv_header(out: &mut impl io::Write) -> io::Result<()> {
    wording::line(out, ROWS)
}

/// The rows of one site.
///
/// # Errors
/// The writer's.
pub fn csv_site(out: &mut impl io::Write, period: Period, of: &SiteResult<'_>) -> io::Result<()> {
    let site = clean(of.site);
    objects(period, &SiteResult { site: &site, ..*of }).try_for_each(|object| csv::row(out, object))
}
