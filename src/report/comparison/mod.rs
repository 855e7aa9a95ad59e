//! A period beside an earlier one of the same length: `webmon stats --vs 7d`.
//!
//! Invariants: what a period lacks is left empty, never 0. JSON and CSV are public: names and order stay.

use std::io;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::model::figures;
use crate::stats::{Availability, Latency, Summary};

use super::lines::fitted::{Shape, aligned};
use super::lines::{Columns, folded_line};
use super::wording::{self, NONE};
use super::{Period, csv, json, time, utc};

const ROWS: &str = "event,time,site,since,until,before_since,before_until,checks,before_checks,availability,before_availability,\
                    response_time_ms_p50,before_response_time_ms_p50,response_time_ms_p95,before_response_time_ms_p95";

/// The site, then three columns a figure; the medians go first where there is little room.
const COLUMNS: Shape<'_> = Shape { lefts: &[0], drops: &[5, 4, 6, 8, 2], cuts: &[0], marked: None };

/// From this ratio on, with [`NOTABLE_MICROS`], a percentile is marked: as beside the phases of a site on the dashboard.
const NOTABLE: f64 = 1.5;
const NOTABLE_MICROS: u32 = 5_000;

/// One site in both periods.
#[derive(Clone, Copy, Debug)]
pub struct ComparedSite<'a> {
    /// Its name.
    pub site: &'a str,
    /// Its figures; `None` without a sample in the period.
    pub now: Option<&'a Summary>,
    /// Those of the earlier period.
    pub before: Option<&'a Summary>,
}

impl ComparedSite<'_> {
    fn availability(&self) -> [Option<Availability>; 2] {
        [self.now, self.before].map(|summary| summary.and_then(|summary| summary.availability))
    }

    fn times(&self, of: fn(&Latency) -> u32) -> [Option<u32>; 2] {
        [self.now, self.before].map(|summary| summary.and_then(|summary| summary.response.as_ref().map(of)))
    }
}

/// A row a site: each figure, the earlier one, and the change.
///
/// # Errors
/// The writer's.
pub fn table(
    out: &mut impl Columns,
    zone: &TimeZone,
    (period, before): (Period, Period),
    sites: &[ComparedSite<'_>],
) -> io::Result<()> {
    folded_line(out, &heading(zone, period, before))?;
    let heads = ["SITE", "AVAIL", "BEFORE", "CHANGE", "P50", "BEFORE", "CHANGE", "P95", "BEFORE", "CHANGE"];
    let rows: Vec<[String; 10]> = sites.iter().map(row).collect();
    aligned(out, &heads, COLUMNS, &rows)?;
    if rows.iter().flatten().any(|cell| cell.ends_with('!')) {
        folded_line(out, "  ! at least half as long again, and 5 ms more")?;
    }
    Ok(())
}

/// Both periods: with one offset if all of their ends have the same, else each with its own.
fn heading(zone: &TimeZone, period: Period, before: Period) -> String {
    let ends = [period.since, before.since, before.until];
    if ends.iter().all(|at| time::unlike(*at, period.until, zone).is_empty()) {
        let earlier = format!("{} – {}", time::minute(before.since, zone), time::minute(before.until, zone));
        let (from, to) = (time::minute(period.since, zone), time::minute(period.until, zone));
        return format!("{from} – {to} beside {earlier} {}", time::offset(period.until, zone));
    }
    let shown = |period: Period| time::period(period.since, period.until, zone);
    format!("{} beside {}", shown(period), shown(before))
}

fn row(site: &ComparedSite<'_>) -> [String; 10] {
    let [now, before] = site.availability();
    let share = |availability: Option<Availability>| {
        availability.map_or_else(|| NONE.to_owned(), |of| figures::percent(of.up, of.checks))
    };
    let points = match (now, before) {
        (Some(now), Some(before)) => {
            let points = (now.ratio() - before.ratio()) * 100.0;
            if points.abs() < 0.005 { "=".to_owned() } else { format!("{points:+.2}") }
        }
        _ => NONE.to_owned(),
    };
    let [p50, p95] = [|latency: &Latency| latency.p50, |latency: &Latency| latency.p95].map(|of| times(site.times(of)));
    let [[p50, p50_before, p50_change], [p95, p95_before, p95_change]] = [p50, p95];
    [site.site.to_owned(), share(now), share(before), points, p50, p50_before, p50_change, p95, p95_before, p95_change]
}

/// Both, and the change in percent: `+12%`, `+80%!`, `=`.
fn times([now, before]: [Option<u32>; 2]) -> [String; 3] {
    let time = |micros: Option<u32>| micros.map_or_else(|| NONE.to_owned(), |micros| figures::time(f64::from(micros)));
    let change = match (now, before) {
        (Some(now), Some(before)) if before > 0 => {
            let ratio = f64::from(now) / f64::from(before);
            let mark = if ratio >= NOTABLE && now - before >= NOTABLE_MICROS { "!" } else { "" };
            let percent = (ratio - 1.0) * 100.0;
            if percent.abs() < 0.5 { "=".to_owned() } else { format!("{percent:+.0}%{mark}") }
        }
        _ => NONE.to_owned(),
    };
    [time(now), time(before), change]
}

#[derive(Serialize)]
struct ComparisonObject<'a> {
    event: &'static str,
    time: String,
    site: &'a str,
    since: String,
    until: String,
    before_since: String,
    before_until: String,
    checks: u64,
    before_checks: u64,
    availability: Option<f64>,
    before_availability: Option<f64>,
    response_time_ms_p50: Option<f64>,
    before_response_time_ms_p50: Option<f64>,
    response_time_ms_p95: Option<f64>,
    before_response_time_ms_p95: Option<f64>,
}

impl<'a> ComparisonObject<'a> {
    fn of((period, before): (Period, Period), site: &'a str, of: &ComparedSite<'_>) -> Self {
        let checks = |summary: Option<&Summary>| summary.map_or(0, |summary| summary.counts.checks());
        let [availability, before_availability] = of.availability().map(|of| of.map(Availability::ratio));
        let millis = |times: [Option<u32>; 2]| times.map(|micros| micros.map(|micros| f64::from(micros) / 1e3));
        let [p50, before_p50] = millis(of.times(|latency| latency.p50));
        let [p95, before_p95] = millis(of.times(|latency| latency.p95));
        Self {
            event: "comparison",
            time: utc(period.until),
            site,
            since: utc(period.since),
            until: utc(period.until),
            before_since: utc(before.since),
            before_until: utc(before.until),
            checks: checks(of.now),
            before_checks: checks(of.before),
            availability,
            before_availability,
            response_time_ms_p50: p50,
            before_response_time_ms_p50: before_p50,
            response_time_ms_p95: p95,
            before_response_time_ms_p95: before_p95,
        }
    }
}

/// One JSON object.
///
/// # Errors
/// The writer's.
pub fn object(out: &mut impl io::Write, periods: (Period, Period), site: &ComparedSite<'_>) -> io::Result<()> {
    json::line(out, &ComparisonObject::of(periods, site.site, site))
}

/// The header of [`record`] lines.
///
/// # Errors
/// The writer's.
pub fn header(out: &mut impl io::Write) -> io::Result<()> {
    wording::line(out, ROWS)
}

/// One line of CSV.
///
/// # Errors
/// The writer's.
pub fn record(out: &mut impl io::Write, periods: (Period, Period), site: &ComparedSite<'_>) -> io::Result<()> {
    let name = crate::model::text::clean(site.site);
    csv::row(out, ComparisonObject::of(periods, &name, site))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Cause, Micros, Observation, Phase, Timestamp};
    use crate::stats::PeriodFigures;

    const NOW: Timestamp = Timestamp::from_secs(1_795_255_200);

    fn summary(failed: u64, micros: u32) -> Summary {
        let mut figures = PeriodFigures::default();
        for number in 0..100 {
            let mut observation = Observation::failed(if number < failed { Cause::Reset } else { Cause::Ok }, "");
            observation.phases = observation.phases.with(Phase::Connect, Micros::new(micros));
            figures.admit(&observation.sample(NOW.before(Duration::from_secs(100 - number)), Micros::ZERO, 0), None);
        }
        figures.summary((NOW.before(Duration::from_mins(10)), NOW), None, None)
    }

    fn periods() -> (Period, Period) {
        let period = Period { since: NOW.before(Duration::from_hours(24)), until: NOW };
        let back = Duration::from_hours(7 * 24);
        (period, Period { since: period.since.before(back), until: period.until.before(back) })
    }

    #[test]
    fn a_row_has_both_figures_and_the_change_and_what_is_unknown_is_no_zero() {
        let (now, before) = (summary(10, 90_000), summary(0, 40_000));
        let both = ComparedSite { site: "api", now: Some(&now), before: Some(&before) };
        let cells = row(&both);
        assert_eq!(cells[..4], ["api", "90.00%", "100%", "-10.00"]);
        assert!(cells[6].starts_with('+') && cells[6].ends_with("%!"), "{cells:?}");
        assert_eq!(row(&ComparedSite { now: Some(&before), ..both })[1..4], ["100%", "100%", "="]);
        assert_eq!(row(&ComparedSite { now: Some(&before), ..both })[6], "=");
        let new = ComparedSite { site: "new", now: Some(&now), before: None };
        assert_eq!(row(&new)[2..4], [NONE, NONE]);
        let mut out = Vec::new();
        object(&mut out, periods(), &new).unwrap();
        let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&object["before_availability"], &object["availability"]), (&serde_json::Value::Null, &0.9.into()));
        assert_eq!((&object["checks"], &object["before_checks"]), (&100.into(), &0.into()));
    }

    #[test]
    fn each_period_has_its_own_offset_where_they_differ() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let back = |period: Period, days: u64| {
            let back = Duration::from_hours(days * 24);
            Period { since: period.since.before(back), until: period.until.before(back) }
        };
        let (period, before) = periods();
        assert_eq!(
            heading(&berlin, period, before),
            "2026-11-20 11:00 – 2026-11-21 11:00 beside 2026-11-13 11:00 – 2026-11-14 11:00 +01:00"
        );
        assert_eq!(
            heading(&berlin, period, back(period, 60)),
            "2026-11-20 11:00 – 2026-11-21 11:00 +01:00 beside 2026-09-21 12:00 – 2026-09-22 12:00 +02:00"
        );
        // The clock was set back on 25 October.
        assert_eq!(
            heading(&berlin, period, back(period, 27)),
            "2026-11-20 11:00 – 2026-11-21 11:00 +01:00 beside 2026-10-24 12:00 +02:00 – 2026-10-25 11:00 +01:00"
        );
    }

    #[test]
    fn the_lines_of_csv_have_the_columns_of_the_header_in_the_order_of_json() {
        let now = summary(1, 40_000);
        let site = ComparedSite { site: "a,b", now: Some(&now), before: Some(&now) };
        let (mut head, mut line, mut json) = (Vec::new(), Vec::new(), Vec::new());
        header(&mut head).unwrap();
        record(&mut line, periods(), &site).unwrap();
        object(&mut json, periods(), &site).unwrap();
        let [head, json] = [head, json].map(|bytes| String::from_utf8(bytes).unwrap());
        let places: Vec<usize> =
            head.trim_end().split(',').map(|name| json.find(&format!("\"{name}\":")).unwrap()).collect();
        assert!(places.is_sorted(), "{places:?}");
        let mut rows = csv_crate(&line);
        assert_eq!(rows.remove(0).len(), head.split(',').count());
    }

    fn csv_crate(line: &[u8]) -> Vec<Vec<String>> {
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(line);
        reader.records().map(|record| record.unwrap().iter().map(ToOwned::to_owned).collect()).collect()
    }
}
