//! Tables for a terminal: stored samples, statistics of a period, alerts.
//!
//! Columns are aligned by terminal cells, two blanks apart, without a frame; the last column is free text and never cut.
//! [`Samples`] is written row by row, because a period may hold millions: its widths depend on the names only. The other tables
//! are small, and measured as a whole.

use std::io;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::alert::kept::telling::{Heard, Telling};
use crate::alert::{AlertRecord, AlertState, RuleKind};
use crate::model::text::DETAIL_MAX;
use crate::model::time::duration;
use crate::model::{Cause, Status, Timestamp, figures};
use crate::stats::Latency;

use super::lines::fitted::{CELL_MAX, Layout, Shape, aligned};
use super::lines::wrap::cut;
use super::lines::{Columns, folded_line};
use super::objects::phase_micros;
use super::wording::{self, NONE};
use super::{Period, SampleRecord, StatsRecord, time};

/// Cells of an outlet's name beside others.
const OUTLET_MAX: usize = 16;

/// Most cells of a detail in a terminal.
const DETAIL: usize = DETAIL_MAX;

/// Before the result of a sample that counts as unknown.
const MASKED: char = '?';

/// The columns of statistics: percentiles go before counts, the codes are cut before the name.
const STATS: Shape<'_> =
    Shape { lefts: &[0, 12], drops: &[11, 9, 7, 10, 5, 3, 2, 6, 4, 8], cuts: &[12, 0], marked: None };

/// The columns of alerts. A message repeats time and site.
const ALERTS: Shape<'_> = Shape { lefts: &[0, 1, 2, 3], drops: &[], cuts: &[3, 1], marked: None };
const ALERTS_TOLD: Shape<'_> = Shape { lefts: &[0, 1, 2, 3, 4], drops: &[3], cuts: &[4, 1], marked: None };

/// The columns of samples: the phases go first.
const SAMPLES: Shape<'_> = Shape { lefts: &[0, 1, 2, 10], drops: &[9, 5, 8, 6, 7], cuts: &[10, 1], marked: Some(2) };

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
        let name_width = names.into_iter().map(wording::cells).max().unwrap_or(0).clamp(4, CELL_MAX);
        let time = time_head(shown.since, shown.until, &zone);
        Self { zone, time, name_width }
    }

    /// The line of column heads.
    ///
    /// # Errors
    /// The writer's.
    pub fn header(&self, out: &mut impl Columns) -> io::Result<()> {
        let mut heads =
            ["", "SITE", " RESULT", "CODE", "TOTAL", "RESOLVE", "CONNECT", "TLS", "PROCESS", "TRANSFER", "DETAIL"];
        heads[0] = &self.time;
        self.line(out, &heads)
    }

    /// What the mark of samples that count as unknown means.
    ///
    /// # Errors
    /// The writer's.
    pub fn masked(out: &mut impl Columns) -> io::Result<()> {
        folded_line(out, &format!("  {MASKED} counts as unknown: this machine's network was out"))
    }

    /// One sample; a failed one shows its cause and its detail, one that counts as unknown a mark.
    ///
    /// # Errors
    /// The writer's.
    pub fn row(&self, out: &mut impl Columns, record: &SampleRecord<'_>) -> io::Result<()> {
        let sample = record.sample;
        let result = if sample.cause == Cause::Ok { "up" } else { sample.cause.name() };
        let code = sample.status.map_or_else(|| NONE.to_owned(), |status: Status| status.get().to_string());
        let [resolve, connect, tls, processing, transfer] = phase_micros(&sample.phases).map(time_or_none);
        let total = time_or_none(Some(sample.total().get()));
        let time = time::millisecond(sample.at, &self.zone);
        let mark = if record.masked == Some(true) { MASKED } else { ' ' };
        let result = format!("{mark}{result}");
        let detail = record.detail.unwrap_or_default();
        let cells =
            [&time, record.site, &result, &code, &total, &resolve, &connect, &tls, &processing, &transfer, detail];
        self.line(out, &cells)
    }

    fn line(&self, out: &mut impl Columns, cells: &[&str; 11]) -> io::Result<()> {
        let time = 8;
        let detail = out.columns().map_or(0, |_| DETAIL);
        // The result is as wide as a mark and the longest cause.
        let widths = [23, self.name_width, 20, 4, time, time, time, time, time, time, detail];
        Layout::new(SAMPLES, widths, out.columns()).line(out, cells)
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
    /// Whether figures are over several locations.
    pub has_locations: bool,
}

/// The statistics of a stored period: a heading, then one row per site.
///
/// # Errors
/// The writer's.
pub fn stats(
    out: &mut impl Columns,
    zone: &TimeZone,
    heading: &Heading<'_>,
    records: &[StatsRecord<'_>],
) -> io::Result<()> {
    let Period { since, until } = heading.period;
    let past = if heading.back_from_now { format!("past {} · ", span(until.since(since))) } else { String::new() };
    let shown = time::period(since, until, zone);
    let sites = wording::plural(u64::try_from(records.len()).expect("a number of sites fits 64 bits"), "site");
    folded_line(out, &format!("{past}{shown} · {sites} · {}", heading.store))?;

    let heads =
        ["SITE", "AVAIL", "COV", "CHECKS", "DOWN", "OUTAGE", "AVG", "P50", "P95", "P99", "MAX", "TTFB", "CODES"];
    let rows: Vec<[String; 13]> = records.iter().map(stats_row).collect();
    aligned(out, &heads, STATS, &rows)?;
    if records.iter().any(|record| record.stored.is_some_and(|stored| !stored.is_exact)) {
        let over = "  ≈ a location may yet send checks of the period, or single checks at an edge are no longer kept";
        if heading.has_locations {
            return folded_line(out, over);
        }
        folded_line(out, "  ≈ rounded to a whole hour or day at an edge whose single checks are no longer kept")?;
    }
    Ok(())
}

/// The alert history, one per line, with verbatim messages.
///
/// # Errors
/// The writer's.
pub fn alerts(out: &mut impl Columns, zone: &TimeZone, alerts: &[AlertRecord], telling: &Telling) -> io::Result<()> {
    if alerts.is_empty() {
        return folded_line(out, "no alerts");
    }
    let row = |alert: &AlertRecord| {
        let is_grown = alert.state == AlertState::Ended && alert.rule == RuleKind::Partial && has_grown(alert, alerts);
        let state = if is_grown { "grown" } else { alert.state.name() };
        let message = match alert.state {
            AlertState::Ended if is_grown => grown(alert, zone),
            AlertState::Ended => closed(alert, zone),
            _ => alert.message.clone(),
        };
        [time::second(alert.at, zone), alert.site.to_string(), state.to_owned(), message]
    };
    let (first, last) = alerts.iter().fold((alerts[0].at, alerts[0].at), |(first, last), alert| {
        // The end of an incident also has the time of its start.
        (first.min(alert.since).min(alert.at), last.max(alert.at))
    });
    let time = time_head(first, last, zone);
    if telling.is_empty() {
        let rows: Vec<[String; 4]> = alerts.iter().map(row).collect();
        return aligned(out, &[&time, "SITE", "STATE", "MESSAGE"], ALERTS, &rows);
    }
    let told_row = |alert: &AlertRecord| {
        let [at, site, state, message] = row(alert);
        [at, site, state, told(alert, telling.of(alert), zone), message]
    };
    let rows: Vec<[String; 5]> = alerts.iter().map(told_row).collect();
    aligned(out, &[&time, "SITE", "STATE", "TOLD", "MESSAGE"], ALERTS_TOLD, &rows)
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
        ([(outlet, Some(at))], _) => format!("{} {}", cut(outlet, OUTLET_MAX), time(*at)),
        ([_], [outlet]) => format!("{} waits", cut(outlet, OUTLET_MAX)),
        (_, []) => format!("{all} by {}", last.map_or_else(String::new, time)),
        (_, [outlet]) => format!("{told} of {all}, {} waits", cut(outlet, OUTLET_MAX)),
        (_, several) => format!("{told} of {all}, {} wait", several.len()),
    }
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

/// Whether an outage took the place of this partial one.
fn has_grown(alert: &AlertRecord, alerts: &[AlertRecord]) -> bool {
    alerts.iter().any(|other| (other.at, &other.site, other.state) == (alert.at, &alert.site, AlertState::Down))
}

fn grown(alert: &AlertRecord, zone: &TimeZone) -> String {
    let partly = alert.downtime.map_or_else(String::new, |partly| format!(" ({})", duration::format_seconds(partly)));
    format!("{NONE} grown into an outage; was partly down since {}{partly}", time::second(alert.since, zone))
}

fn closed(alert: &AlertRecord, zone: &TimeZone) -> String {
    let down = alert.downtime.map_or_else(String::new, |downtime| format!(" ({})", duration::format_seconds(downtime)));
    let since = time::second(alert.since, zone);
    if alert.rule == RuleKind::Partial {
        return format!("{NONE} no longer only partly down; was so since {since}{down}");
    }
    let was = match alert.rule {
        RuleKind::Latency => "too long",
        RuleKind::Certificate => "about to expire",
        RuleKind::SloFast | RuleKind::SloSlow => "spent too fast",
        _ => "down",
    };
    let what = alert.rule.aspect().map_or_else(String::new, |aspect| format!("{aspect} "));
    format!("{NONE} {what}no longer watched; was {was} since {since}{down}")
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
    use crate::model::{Micros, Phase, Phases, Sample};
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
                    votes: None,
                }
            });
        let heading = Heading { period, back_from_now: true, store: "webmon.redb", has_locations: false };
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
    fn tables_across_a_change_of_the_clocks_name_both_offsets() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let period = Period { since: at("2026-10-20T12:00:00Z"), until: at("2026-11-20T12:00:00Z") };
        let heading = Heading { period, back_from_now: false, store: "webmon.redb", has_locations: false };
        let text = printed(|out| stats(out, &berlin, &heading, &[]));
        assert!(text.starts_with("2026-10-20 14:00 +02:00 – 2026-11-20 13:00 +01:00 · "), "{text}");
        let text = printed(|out| Samples::new(["api"], berlin.clone(), period).header(out));
        assert!(text.starts_with("TIME (+02:00/+01:00)     SITE  RESULT"), "{text}");
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
            assert!(wording::cells(&told) <= CELL_MAX);
        }
    }

    #[test]
    fn the_end_of_a_rule_is_not_that_of_its_site() {
        let words =
            |rule| closed(&AlertRecord { facts: crate::alert::Alert { rule, ..ended().facts }, ..ended() }, &zone());
        let was = |rule| words(rule).split(" since ").next().unwrap().to_owned();
        assert_eq!(was(RuleKind::Availability), "– no longer watched; was down");
        assert_eq!(was(RuleKind::Latency), "– response time no longer watched; was too long");
        assert_eq!(was(RuleKind::Certificate), "– certificate no longer watched; was about to expire");
        assert_eq!(was(RuleKind::SloFast), "– error budget no longer watched; was spent too fast");
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
                let heading = Heading { period, back_from_now: false, store: &detail, has_locations: false };
                stats(out, &zone(), &heading, &[StatsRecord { site: &name, state: None, summary: &summary, stored: None, votes: None }])
            });
            prop_assert_eq!(text.chars().filter(|&c| c == '\n').count(), 6);
            prop_assert!(!text.chars().any(|c| c != '\n' && is_harmful(c)), "{text:?}");
        }
    }
}
