//! Tables for a terminal: stored samples, statistics of a period, alerts.
//!
//! Columns are aligned by terminal cells, two blanks apart, without a frame; the last column is free text and never cut.
//! [`Samples`] is written row by row, because a period may hold millions: its widths depend on the names only. The other tables
//! are small, and measured as a whole.

use std::io;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::alert::kept::telling::{Heard, Telling};
use crate::alert::{AlertRecord, AlertState};
use crate::model::time::duration;
use crate::model::{Cause, Phase, Status, Timestamp, figures};
use crate::stats::Latency;

use super::objects::phase_micros;
use super::wording::{self, NONE};
use super::{Period, SampleRecord, StatsRecord, time};

/// Longest name that a column makes room for; a longer one pushes its own line to the right.
const NAME_MAX: usize = 40;

/// Cells of an outlet's name beside others.
const OUTLET_MAX: usize = 16;

/// Most sites in a sentence.
const NAMED_MAX: usize = 3;

/// Before the result of a sample that counts as unknown.
const MASKED: char = '?';

const DAY: Duration = Duration::from_hours(24);

/// A table of samples, written row by row.
#[derive(Clone, Debug)]
pub struct Samples {
    zone: TimeZone,
    /// The head of the time column, with the offsets of the zone.
    time: String,
    name_width: usize,
}

impl Samples {
    /// A table for samples of the sites `names` in the period `shown`, in local times of `zone`.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>, zone: TimeZone, shown: Period) -> Self {
        let name_width = names.into_iter().map(wording::cells).max().unwrap_or(0).clamp(4, NAME_MAX);
        let time = time_head(shown.since, shown.until, &zone);
        Self { zone, time, name_width }
    }

    /// The line of column heads.
    ///
    /// # Errors
    /// The writer's.
    pub fn header(&self, out: &mut impl io::Write) -> io::Result<()> {
        let times = ["TOTAL", "RESOLVE", "CONNECT", "TLS", "PROCESS", "TRANSFER"].map(str::to_owned);
        self.line(out, ([&self.time, "SITE", "RESULT", "CODE"], ' '), &times, "DETAIL")
    }

    /// What the mark of samples that count as unknown means.
    ///
    /// # Errors
    /// The writer's.
    pub fn masked(out: &mut impl io::Write) -> io::Result<()> {
        wording::line(out, &format!("  {MASKED} counts as unknown: this machine's network was out"))
    }

    /// One sample; a failed one shows its cause and its detail, one that counts as unknown a mark.
    ///
    /// # Errors
    /// The writer's.
    pub fn row(&self, out: &mut impl io::Write, record: &SampleRecord<'_>) -> io::Result<()> {
        let sample = record.sample;
        let result = if sample.cause == Cause::Ok { "up" } else { sample.cause.name() };
        let code = sample.status.map_or_else(|| NONE.to_owned(), |status: Status| status.get().to_string());
        let [resolve, connect, tls, processing, transfer] = phase_micros(&sample.phases).map(time_or_none);
        let times = [time_or_none(Some(sample.total().get())), resolve, connect, tls, processing, transfer];
        let time = time::millisecond(sample.at, &self.zone);
        let mark = if record.masked == Some(true) { MASKED } else { ' ' };
        self.line(out, ([&time, record.site, result, &code], mark), &times, record.detail.unwrap_or_default())
    }

    fn line(
        &self,
        out: &mut impl io::Write,
        ([time, site, result, code], mark): ([&str; 4], char),
        times: &[String; Phase::ALL.len() + 1],
        detail: &str,
    ) -> io::Result<()> {
        let site = wording::left(site, self.name_width);
        let times: Vec<String> = times.iter().map(|time| wording::right(time, 8)).collect();
        // As wide as the longest cause.
        let line = format!("{time:<23}  {site} {mark}{result:<19}  {code:>4}  {}  {detail}", times.join("  "));
        wording::line(out, line.trim_end())
    }
}

/// The heading of a table of statistics.
#[derive(Clone, Copy, Debug)]
pub struct Heading<'a> {
    /// The period.
    pub period: Period,
    /// Whether its start is a duration back from now, which is then named.
    pub back_from_now: bool,
    /// The store's path.
    pub store: &'a str,
}

/// The statistics of a stored period: a heading, then one row per site.
///
/// # Errors
/// The writer's.
pub fn stats(
    out: &mut impl io::Write,
    zone: &TimeZone,
    heading: &Heading<'_>,
    records: &[StatsRecord<'_>],
) -> io::Result<()> {
    let Period { since, until } = heading.period;
    let past = if heading.back_from_now { format!("past {} · ", span(until.since(since))) } else { String::new() };
    let (from, to) = (time::minute(since, zone), time::minute(until, zone));
    let (before, offset) = (time::offset(since, zone), time::offset(until, zone));
    let from = if before == offset { from } else { format!("{from} {before}") };
    let sites = wording::plural(u64::try_from(records.len()).expect("a number of sites fits 64 bits"), "site");
    wording::line(out, &format!("{past}{from} – {to} {offset} · {sites} · {}", heading.store))?;

    let heads =
        ["SITE", "AVAIL", "COV", "CHECKS", "DOWN", "OUTAGE", "AVG", "P50", "P95", "P99", "MAX", "TTFB", "CODES"];
    let rows: Vec<[String; 13]> = records.iter().map(stats_row).collect();
    aligned(out, &heads, &[0, 12], &rows)?;
    if records.iter().any(|record| record.stored.is_some_and(|stored| !stored.is_exact)) {
        wording::line(out, "  ≈ rounded to a whole hour or day at an edge whose single checks are no longer kept")?;
    }
    Ok(())
}

/// The first data of sites that have none at the beginning: `  blog: data since 2026-11-22 10:00:00`, or one line if it is
/// the same second for all.
///
/// # Errors
/// The writer's.
pub fn begins(out: &mut impl io::Write, zone: &TimeZone, records: &[StatsRecord<'_>]) -> io::Result<()> {
    let begins = |record: &StatsRecord<'_>| Some(time::second(record.stored?.begins?, zone));
    let times: Vec<Option<String>> = records.iter().map(begins).collect();
    match times.split_first() {
        Some((Some(first), others)) if !others.is_empty() && others.iter().all(|time| time.as_ref() == Some(first)) => {
            wording::line(out, &format!("  data since {first}"))
        }
        _ => records.iter().zip(times).try_for_each(|(record, time)| match time {
            Some(time) => wording::line(out, &format!("  {}: data since {time}", record.site)),
            None => Ok(()),
        }),
    }
}

/// A gap in the observation of a site: `  blog: not observed 02:10:00 – 04:19:40 (webmon did not run, or the clock was set)`.
/// If `shown`, the period of the table, exceeds a day, times have a date.
///
/// # Errors
/// The writer's.
pub fn hole(out: &mut impl io::Write, zone: &TimeZone, site: &str, hole: Period, shown: Period) -> io::Result<()> {
    let time = if shown.until.since(shown.since) > DAY { time::second } else { time::clock };
    let (from, to) = (time(hole.since, zone), time(hole.until, zone));
    wording::line(out, &format!("  {site}: not observed {from} – {to} (webmon did not run, or the clock was set)"))
}

/// The number of gaps that are not listed.
///
/// # Errors
/// The writer's.
pub fn more_holes(out: &mut impl io::Write, site: &str, more: u64) -> io::Result<()> {
    wording::line(out, &format!("  {site}: {more} more holes, shorter ones"))
}

/// How much maintenance of a site is left out: `  api: 3h of maintenance left out (2 times)`.
///
/// # Errors
/// The writer's.
pub fn left_out(out: &mut impl io::Write, site: &str, times: usize, length: Duration) -> io::Result<()> {
    let (length, times) = (duration::format_seconds(length), wording::plural(times as u64, "time"));
    match length.as_str() {
        "0s" => wording::line(out, &format!("  {site}: no maintenance in this period")),
        length => wording::line(out, &format!("  {site}: {length} of maintenance left out ({times})")),
    }
}

/// The text instead of an empty table of the sites `of`, or of all if that is empty. `begins` is the time of their oldest
/// stored sample.
///
/// # Errors
/// The writer's.
pub fn nothing(
    out: &mut impl io::Write,
    zone: &TimeZone,
    of: &[String],
    period: Period,
    begins: Option<Timestamp>,
) -> io::Result<()> {
    let since = time::minute(period.since, zone);
    let period = match period.until {
        crate::model::Timestamp::MAX => format!("since {since} ({})", time::offset(period.since, zone)),
        until => {
            let offsets = time::offsets(period.since, until, zone);
            format!("between {since} and {} ({offsets})", time::minute(until, zone))
        }
    };
    let begins = begins.map(|begins| time::minute(begins, zone));
    let said = match (of, begins) {
        ([], None) => format!("no samples {period}; the store is empty"),
        ([], Some(begins)) => format!("no samples {period}; the store begins at {begins}"),
        (of, None) => format!("the store has no samples of {}", names(of)),
        (of, Some(begins)) => format!("no samples of {} {period}; the first is from {begins}", names(of)),
    };
    wording::line(out, &said)
}

/// The first [`NAMED_MAX`] names, and the number of the others.
fn names(of: &[String]) -> String {
    let shown = of.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match of.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The alert history, one per line, with verbatim messages.
///
/// # Errors
/// The writer's.
pub fn alerts(out: &mut impl io::Write, zone: &TimeZone, alerts: &[AlertRecord], telling: &Telling) -> io::Result<()> {
    if alerts.is_empty() {
        return wording::line(out, "no alerts");
    }
    let row = |alert: &AlertRecord| {
        let message = if alert.state == AlertState::Ended { closed(alert, zone) } else { alert.message.clone() };
        [time::second(alert.at, zone), alert.site.to_string(), alert.state.name().to_owned(), message]
    };
    let (first, last) = alerts.iter().fold((alerts[0].at, alerts[0].at), |(first, last), alert| {
        // The end of an incident also has the time of its start.
        (first.min(alert.since).min(alert.at), last.max(alert.at))
    });
    let time = time_head(first, last, zone);
    if telling.is_empty() {
        let rows: Vec<[String; 4]> = alerts.iter().map(row).collect();
        return aligned(out, &[&time, "SITE", "STATE", "MESSAGE"], &[0, 1, 2, 3], &rows);
    }
    let told_row = |alert: &AlertRecord| {
        let [at, site, state, message] = row(alert);
        [at, site, state, told(alert, telling.of(alert), zone), message]
    };
    let rows: Vec<[String; 5]> = alerts.iter().map(told_row).collect();
    aligned(out, &[&time, "SITE", "STATE", "TOLD", "MESSAGE"], &[0, 1, 2, 3, 4], &rows)
}

/// `ops 12:03:05`, with the date if that is another than the alert's; of several `12 by 12:03:09`, or `11 of 12, mail waits`.
fn told(alert: &AlertRecord, heard: &[Heard], zone: &TimeZone) -> String {
    let time = |at: Timestamp| {
        let is_same = time::date(at, zone) == time::date(alert.at, zone);
        if is_same { time::clock(at, zone) } else { time::second(at, zone) }
    };
    let waiting: Vec<&str> = heard.iter().filter(|(_, at)| at.is_none()).map(|(outlet, _)| &**outlet).collect();
    let (all, told) = (heard.len(), heard.len() - waiting.len());
    let last = heard.iter().filter_map(|(_, at)| *at).max();
    match (heard, &waiting[..]) {
        ([], _) => NONE.to_owned(),
        ([(outlet, Some(at))], _) => format!("{} {}", named(outlet), time(*at)),
        ([_], [outlet]) => format!("{} waits", named(outlet)),
        (_, []) => format!("{all} by {}", last.map_or_else(String::new, time)),
        (_, [outlet]) => format!("{told} of {all}, {} waits", named(outlet)),
        (_, several) => format!("{told} of {all}, {} wait", several.len()),
    }
}

/// An outlet in a column that others share.
fn named(outlet: &str) -> String {
    if wording::cells(outlet) <= OUTLET_MAX {
        return outlet.to_owned();
    }
    let mut short = String::new();
    for c in outlet.chars() {
        short.push(c);
        if OUTLET_MAX <= wording::cells(&short) {
            short.pop();
            break;
        }
    }
    short + "…"
}

/// The head of a column of local times: `TIME (+01:00)`.
fn time_head(from: Timestamp, to: Timestamp, zone: &TimeZone) -> String {
    format!("TIME ({})", time::offsets(from, to, zone))
}

fn stats_row(record: &StatsRecord<'_>) -> [String; 13] {
    let summary = record.summary;
    let figure = |of: fn(&Latency) -> f64| {
        summary.response.as_ref().map_or_else(|| NONE.to_owned(), |latency| figures::time(of(latency)))
    };
    let ttfb = summary.ttfb.as_ref().map_or_else(|| NONE.to_owned(), |latency| figures::time(latency.avg));
    let outage = record.stored.and_then(|stored| stored.longest_outage);
    [
        record.site.to_owned(),
        wording::availability_of(summary, record.stored.is_none_or(|stored| stored.is_exact)),
        wording::coverage(summary),
        wording::grouped(summary.counts.checks()),
        wording::grouped(summary.counts.down),
        outage.map_or_else(|| NONE.to_owned(), |outage| lasted(outage.length())),
        figure(|latency| latency.avg),
        figure(|latency| f64::from(latency.p50)),
        figure(|latency| f64::from(latency.p95)),
        figure(|latency| f64::from(latency.p99)),
        figure(|latency| f64::from(latency.max)),
        ttfb,
        wording::answers_worst_first(&summary.answers),
    ]
}

fn closed(alert: &AlertRecord, zone: &TimeZone) -> String {
    let down = alert.downtime.map_or_else(String::new, |downtime| format!(" ({})", duration::format_seconds(downtime)));
    format!("{NONE} no longer watched; was down since {}{down}", time::second(alert.since, zone))
}

fn time_or_none(micros: Option<u32>) -> String {
    micros.map_or_else(|| NONE.to_owned(), |micros| figures::time(f64::from(micros)))
}

/// `24 h`, `7 d`, `10 min` if that is exact, else the canonical form.
fn span(length: Duration) -> String {
    let secs = length.as_secs();
    if length.subsec_nanos() > 0 || secs == 0 {
        return duration::format(length);
    }
    match secs {
        _ if secs.is_multiple_of(86_400) && secs > 86_400 => format!("{} d", secs / 86_400),
        _ if secs.is_multiple_of(3_600) => format!("{} h", secs / 3_600),
        _ if secs.is_multiple_of(60) && secs < 3_600 => format!("{} min", secs / 60),
        _ => duration::format(length),
    }
}

/// Writes `heads` and `rows`; each column is as wide as its widest cell, and those in `lefts` are left-aligned.
pub(super) fn aligned<const N: usize>(
    out: &mut impl io::Write,
    heads: &[&str; N],
    lefts: &[usize],
    rows: &[[String; N]],
) -> io::Result<()> {
    let mut widths = heads.map(wording::cells);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = wording::cells(cell).min(NAME_MAX).max(*width);
        }
    }
    let print = |out: &mut _, cells: &[&str; N]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(widths)
            .enumerate()
            .map(
                |(i, (cell, width))| {
                    if lefts.contains(&i) { wording::left(cell, width) } else { wording::right(cell, width) }
                },
            )
            .collect();
        wording::line(out, padded.join("  ").trim_end())
    };
    print(out, heads)?;
    for row in rows {
        print(out, &row.each_ref().map(String::as_str))?;
    }
    Ok(())
}

/// The duration of an outage, from its first failed check to the next successful one: never nothing.
fn lasted(outage: Duration) -> String {
    if outage.as_secs() == 0 { "<1s".to_owned() } else { duration::format_short(outage) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::alert::kept::row::Told;
    use crate::model::text::is_harmful;
    use crate::model::{Micros, Phases, Sample};
    use crate::report::Stored;
    use crate::report::tests::fixtures;
    use crate::report::tests::fixtures::{at, empty_summary, ended, hostile, printed, summary, zone};
    use crate::stats::{Outage, Summary};

    fn record<'a>(site: &'a str, sample: &'a Sample, detail: Option<&'a str>) -> SampleRecord<'a> {
        SampleRecord { site, seq: Some(1), sample, detail, address: None, masked: Some(false) }
    }

    #[test]
    fn samples_are_aligned_and_failures_say_why() {
        let failed = fixtures::sample();
        let refused = Sample {
            phases: Phases::NONE.with(Phase::Connect, Micros::new(1_240_000)),
            cause: Cause::ConnectRefused,
            status: None,
            ..failed
        };
        let good = Sample { cause: Cause::Ok, status: Some(fixtures::status(200)), ..failed };
        let shown = Period { since: failed.at, until: failed.at };
        let table = Samples::new(["api", "日本語"], zone(), shown);
        let text = printed(|out| {
            table.header(out)?;
            table.row(out, &record("api", &failed, Some("503 Service Unavailable")))?;
            table.row(out, &record("日本語", &refused, Some("connection refused")))?;
            table.row(out, &SampleRecord { masked: Some(true), ..record("api", &refused, None) })?;
            table.row(out, &record("api", &good, None))?;
            Samples::masked(out)
        });
        assert_eq!(
            text,
            "\
TIME (+01:00)            SITE    RESULT               CODE     TOTAL   RESOLVE   CONNECT       TLS   PROCESS  TRANSFER  DETAIL
2026-11-22 10:00:00.123  api     status                503   5.53 ms   0.31 ms   0.12 ms         –   5.02 ms   0.08 ms  503 Service Unavailable
2026-11-22 10:00:00.123  日本語  connect_refused         –    1.24 s         –    1.24 s         –         –         –  connection refused
2026-11-22 10:00:00.123  api    ?connect_refused         –    1.24 s         –    1.24 s         –         –         –
2026-11-22 10:00:00.123  api     up                    200   5.53 ms   0.31 ms   0.12 ms         –   5.02 ms   0.08 ms
  ? counts as unknown: this machine's network was out
"
        );
    }

    #[test]
    fn no_cause_is_wider_than_its_column() {
        assert!(Cause::ALL.iter().all(|cause| cause.name().len() <= 19));
    }

    #[test]
    fn sites_without_data_at_the_beginning_say_since_when_there_is_some() {
        let period = Period { since: at("2026-10-22T13:02:00Z"), until: at("2026-11-22T13:02:00Z") };
        let (late, later) = (Some(at("2026-11-22T12:39:00Z")), Some(at("2026-11-22T12:50:00Z")));
        for (begun, told) in [
            (&[None, None][..], ""),
            (&[late, late], "  data since 2026-11-22 13:39:00\n"),
            (&[late], "  0: data since 2026-11-22 13:39:00\n"),
            (&[None, late], "  1: data since 2026-11-22 13:39:00\n"),
            (&[late, later], "  0: data since 2026-11-22 13:39:00\n  1: data since 2026-11-22 13:50:00\n"),
        ] {
            let summary = summary();
            let stored = |begins| Some(Stored { period, is_exact: true, longest_outage: None, begins, left_out: None });
            let record = |(site, &begins): (&'static str, _)| StatsRecord {
                site,
                state: None,
                summary: &summary,
                stored: stored(begins),
            };
            let records: Vec<StatsRecord<'_>> = ["0", "1"].into_iter().zip(begun).map(record).collect();
            assert_eq!(printed(|out| begins(out, &zone(), &records)), told);
        }
    }

    #[test]
    fn statistics_have_a_heading_and_a_row_a_site() {
        let period = Period { since: at("2026-11-21T13:02:00Z"), until: at("2026-11-22T13:02:00Z") };
        let (full, empty, part) = (summary(), empty_summary(), Summary { coverage: Some(0.9171), ..summary() });
        let records =
            [("api", &full), ("shop-checkout", &part), ("old", &full), ("new", &empty)].map(|(site, summary)| {
                StatsRecord {
                    site,
                    state: None,
                    summary,
                    stored: Some(Stored {
                        period,
                        is_exact: site != "old",
                        longest_outage: (site == "api")
                            .then_some(Outage { since: period.since, until: at("2026-11-21T13:08:10Z") }),
                        begins: None,
                        left_out: None,
                    }),
                }
            });
        let heading = Heading { period, back_from_now: true, store: "webmon.redb" };
        assert_eq!(
            printed(|out| stats(out, &zone(), &heading, &records)),
            "\
past 24 h · 2026-11-21 14:02 – 2026-11-22 14:02 +01:00 · 4 sites · webmon.redb
SITE             AVAIL   COV  CHECKS  DOWN  OUTAGE      AVG      P50      P95      P99      MAX     TTFB  CODES
api             98.33%  100%      60     1   6m10s  5.10 ms  5.00 ms  6.20 ms  9.00 ms  9.00 ms  5.00 ms  503×1 200×59
shop-checkout  ~98.33%   91%      60     1       –  5.10 ms  5.00 ms  6.20 ms  9.00 ms  9.00 ms  5.00 ms  503×1 200×59
old            ≈98.33%  100%      60     1       –  5.10 ms  5.00 ms  6.20 ms  9.00 ms  9.00 ms  5.00 ms  503×1 200×59
new                  –     –       0     0       –        –        –        –        –        –        –
  ≈ rounded to a whole hour or day at an edge whose single checks are no longer kept
"
        );
    }

    #[test]
    fn periods_are_named_as_people_do() {
        for (secs, text) in [
            (86_400, "24 h"),
            (604_800, "7 d"),
            (600, "10 min"),
            (3_600, "1 h"),
            (5_400, "1h30m"),
            (45, "45s"),
            (0, "0s"),
        ] {
            assert_eq!(span(Duration::from_secs(secs)), text);
        }
    }

    #[test]
    fn holes_and_empty_periods_are_said_in_words() {
        let day = Period { since: at("2026-11-21T13:02:00Z"), until: at("2026-11-22T13:02:00Z") };
        let night = Period { since: at("2026-11-22T01:10:00Z"), until: at("2026-11-22T03:19:40Z") };
        assert_eq!(
            printed(|out| hole(out, &zone(), "blog", night, day)),
            "  blog: not observed 02:10:00 – 04:19:40 (webmon did not run, or the clock was set)\n"
        );
        let week = Period { since: at("2026-11-15T13:02:00Z"), ..day };
        assert_eq!(
            printed(|out| hole(out, &zone(), "blog", night, week)),
            "  blog: not observed 2026-11-22 02:10:00 – 2026-11-22 04:19:40 (webmon did not run, or the clock was set)\n"
        );
        assert_eq!(printed(|out| more_holes(out, "bl\u{202e}og", 3)), "  bl\u{fffd}og: 3 more holes, shorter ones\n");
        assert_eq!(
            printed(|out| nothing(out, &zone(), &[], day, Some(at("2026-11-20T08:12:00Z")))),
            "no samples between 2026-11-21 14:02 and 2026-11-22 14:02 (+01:00); the store begins at 2026-11-20 09:12\n"
        );
        assert!(printed(|out| nothing(out, &zone(), &[], day, None)).ends_with("; the store is empty\n"));
        // A store with samples of other sites is not empty, and begins with them.
        let off = ["off".to_owned()];
        assert_eq!(printed(|out| nothing(out, &zone(), &off, day, None)), "the store has no samples of off\n");
        assert_eq!(
            printed(|out| nothing(out, &zone(), &off, day, Some(at("2026-11-20T08:12:00Z")))),
            "no samples of off between 2026-11-21 14:02 and 2026-11-22 14:02 (+01:00); the first is from 2026-11-20 09:12\n"
        );
        let many: Vec<String> = (1..=5).map(|site| format!("s{site}")).collect();
        assert!(
            printed(|out| nothing(out, &zone(), &many, day, None))
                .starts_with("the store has no samples of s1, s2, s3 and 2 more")
        );
    }

    #[test]
    fn tables_across_a_change_of_the_clocks_name_both_offsets() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let period = Period { since: at("2026-10-20T12:00:00Z"), until: at("2026-11-20T12:00:00Z") };
        let heading = Heading { period, back_from_now: false, store: "webmon.redb" };
        let text = printed(|out| stats(out, &berlin, &heading, &[]));
        assert!(text.starts_with("2026-10-20 14:00 +02:00 – 2026-11-20 13:00 +01:00 · "), "{text}");
        let text = printed(|out| Samples::new(["api"], berlin.clone(), period).header(out));
        assert!(text.starts_with("TIME (+02:00/+01:00)     SITE  RESULT"), "{text}");
        let text = printed(|out| nothing(out, &berlin, &[], period, None));
        assert!(text.contains("2026-11-20 13:00 (+02:00/+01:00); "), "{text}");
        let mut old = fixtures::alert();
        old.facts.at = period.since;
        let text = printed(|out| alerts(out, &berlin, &[old, fixtures::alert()], &Telling::default()));
        assert!(text.starts_with("TIME (+02:00/+01:00)  SITE  STATE"), "{text}");
    }

    #[test]
    fn outlets_that_have_heard_and_will_are_a_column() {
        let mut alert = fixtures::alert();
        alert.facts.incident = Some(7);
        let told = |second| Told { at: alert.at.after(Duration::from_secs(second)), closed: None };
        let telling = Telling::new(&[], &[(("ops".into(), 7), told(3)), (("mail".into(), 7), told(86_400))]);
        let text = printed(|out| alerts(out, &zone(), &[alert, ended()], &telling));
        let cells = |text: &str| -> Vec<String> {
            text.lines()
                .map(|line| line.split("  ").filter(|cell| !cell.is_empty()).nth(3).unwrap().trim().to_owned())
                .collect()
        };
        assert_eq!(cells(&text), ["TOLD", "2 by 2026-11-23 10:00:00", "–"]);
    }

    /// However many outlets there are, the column is narrow, and the message begins at one place.
    #[test]
    fn the_column_of_outlets_stays_narrow() {
        let mut alert = fixtures::alert();
        alert.facts.incident = Some(7);
        let heard =
            |outlet: &str, at: Option<u64>| (outlet.into(), at.map(|secs| alert.at.after(Duration::from_secs(secs))));
        let many = |count: usize| (0..count).map(|n| heard(&format!("outlet-of-a-long-name-{n:02}"), Some(n as u64)));
        for (heard, said) in [
            (vec![], "–"),
            (vec![heard("ops", Some(3))], "ops 10:00:03"),
            (vec![heard("mail", None)], "mail waits"),
            (many(12).collect(), "12 by 10:00:11"),
            (many(11).chain([heard("mail", None)]).collect(), "11 of 12, mail waits"),
            (many(2).chain([heard("a", None), heard("b", None)]).collect(), "2 of 4, 2 wait"),
            (
                many(1).chain([heard("ops:somebody@a-long-domain.example", None)]).collect(),
                "1 of 2, ops:somebody@a-… waits",
            ),
        ] {
            let told = told(&alert, &heard, &zone());
            assert_eq!(told, said);
            assert!(wording::cells(&told) <= NAME_MAX);
        }
    }

    #[test]
    fn alerts_show_their_message_to_the_letter() {
        assert_eq!(
            printed(|out| alerts(out, &zone(), &[fixtures::alert(), ended()], &Telling::default())),
            "\
TIME (+01:00)        SITE  STATE  MESSAGE
2026-11-22 10:00:00  api   down   Website api is down. availability=79.17%, time=2026-11-22T10:00:00+01:00
2026-11-22 11:05:00  api   ended  – no longer watched; was down since 2026-11-22 10:00:00 (1h4m59s)
"
        );
        assert_eq!(printed(|out| alerts(out, &zone(), &[], &Telling::default())), "no alerts\n");
    }

    proptest! {
        #[test]
        fn no_name_or_detail_breaks_a_row(name in hostile(), detail in hostile()) {
            let sample = fixtures::sample();
            let summary = summary();
            let period = Period { since: Timestamp::ZERO, until: Timestamp::MAX };
            let text = printed(|out| {
                Samples::new([&*name], zone(), period).row(out, &record(&name, &sample, Some(&detail)))?;
                let mut alert = AlertRecord { message: detail.clone(), ..fixtures::alert() };
                alert.facts.site = name.as_str().into();
                alerts(out, &zone(), &[alert], &Telling::default())?;
                let heading = Heading { period, back_from_now: false, store: &detail };
                stats(out, &zone(), &heading, &[StatsRecord { site: &name, state: None, summary: &summary, stored: None }])
            });
            prop_assert_eq!(text.chars().filter(|&c| c == '\n').count(), 6);
            prop_assert!(!text.chars().any(|c| c != '\n' && is_harmful(c)), "{text:?}");
        }
    }
}
