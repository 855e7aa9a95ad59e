//! Where objectives stand: a table, JSON lines, CSV.
//!
//! Invariants: a site without an objective, or of which no figures can be given, is named with the reason. JSON and CSV are
//! public: names and order stay.

use std::io;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::alert::objective::{Burn, ObjectiveFigures, Standing};
use crate::model::text::clean;
use crate::model::time::duration;
use crate::model::{Timestamp, figures};

use super::lines::fitted::{Shape, aligned};
use super::lines::{Columns, folded_line};
use super::wording::{self, NONE};
use super::{csv, json, time};

const ROWS: &str = "event,time,site,target,over,since,until,availability,coverage,checks,down,budget_checks,budget_ms,spent,\
                    left_checks,left_ms,burn_1h,burn_6h,burn_1d,burn_3d,burning,maintenance_ms,exact,data_since";

/// The columns of objectives.
const SLO: Shape<'_> = Shape { lefts: &[0], drops: &[13, 12, 5, 4, 8, 11, 10, 6, 2, 7], cuts: &[0], marked: None };

/// What there is to say about the objective of one site.
#[derive(Clone, Copy, Debug)]
pub enum Objective<'a> {
    /// Its figures.
    Figures(&'a ObjectiveFigures),
    /// It has none.
    None,
    /// It cannot be told, for this reason.
    Untold(&'a str),
}

/// One site.
#[derive(Clone, Copy, Debug)]
pub struct SloRecord<'a> {
    /// Its name.
    pub site: &'a str,
    /// Its objective.
    pub objective: Objective<'a>,
}

/// The objectives of `records` as of `until`: a heading, a row for each, and what is to be known of the others.
///
/// # Errors
/// The writer's.
pub fn table(
    out: &mut impl Columns,
    zone: &TimeZone,
    (until, store): (Timestamp, &str),
    records: &[SloRecord<'_>],
) -> io::Result<()> {
    let of = |record: &SloRecord<'_>| match record.objective {
        Objective::Figures(figures) => Some(*figures),
        _ => None,
    };
    let known: Vec<(&str, ObjectiveFigures)> =
        records.iter().filter_map(|record| Some((record.site, of(record)?))).collect();
    let count = wording::plural(known.len() as u64, "objective");
    let (at, offset) = (time::minute(until, zone), time::offset(until, zone));
    folded_line(out, &format!("{at} {offset} · {count} · {store}"))?;
    if !known.is_empty() {
        let heads = [
            "SITE", "TARGET", "OVER", "AVAIL", "COV", "CHECKS", "FAILED", "BUDGET", "SPENT", "LEFT", "BURN 1h", "6h",
            "1d", "3d",
        ];
        let rows: Vec<[String; 14]> = known.iter().map(|(site, figures)| row(site, figures)).collect();
        aligned(out, &heads, SLO, &rows)?;
    }
    for (site, figures) in &known {
        remarks(out, zone, until, (site, figures))?;
    }
    if known.iter().any(|(_, figures)| figures.standing.burns.iter().any(|burn| burn.is_burning)) {
        folded_line(out, "  ! burns: at or above the threshold of its alert rule (14.4, 6, 3 and 1 for 30 days)")?;
    }
    if known.iter().any(|(_, figures)| !figures.is_exact) {
        folded_line(out, "  ≈ rounded to a whole hour or day at an edge whose single checks are no longer kept")?;
    }
    for record in records {
        if let Objective::Untold(reason) = record.objective {
            folded_line(out, &format!("  {}: {reason}", record.site))?;
        }
    }
    without(out, records)
}

/// What the row of a site leaves open.
fn remarks(
    out: &mut impl Columns,
    zone: &TimeZone,
    until: Timestamp,
    (site, of): (&str, &ObjectiveFigures),
) -> io::Result<()> {
    if let Some(begins) = of.begins {
        // The heading has the offset of the end.
        let (at, offset) = (time::second(begins, zone), time::unlike(begins, until, zone));
        folded_line(out, &format!("  {site}: data since {at}{offset}"))?;
    }
    if !of.left_out.is_zero() {
        let left_out = duration::format_seconds(of.left_out);
        folded_line(out, &format!("  {site}: {left_out} of maintenance left out"))?;
    }
    Ok(())
}

/// The sites without an objective, in one line.
fn without(out: &mut impl Columns, records: &[SloRecord<'_>]) -> io::Result<()> {
    let is_without = |record: &&SloRecord<'_>| matches!(record.objective, Objective::None);
    let names: Vec<&str> = records.iter().filter(is_without).map(|record| record.site).collect();
    let example = "write for instance alert: { slo: 99.9% }";
    match names.len() {
        0 => Ok(()),
        all if all == records.len() => folded_line(out, &format!("no site has an objective; {example}")),
        1..=10 => folded_line(out, &format!("  without an objective: {}; {example}", names.join(", "))),
        more => folded_line(
            out,
            &format!("  without an objective: {} and {} more; {example}", names[..10].join(", "), more - 10),
        ),
    }
}

fn row(site: &str, of: &ObjectiveFigures) -> [String; 14] {
    let Standing { rule, tally, burns, .. } = &of.standing;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
    let available = (tally.checks > 0).then(|| figures::percent(tally.checks - tally.failed, tally.checks));
    let mark = if of.is_exact { "" } else { "≈" };
    let left = of.standing.left_ppm().map(|left| match left {
        0.. => format!("{} {}", figures::share(left), duration::format_seconds(of.standing.left())),
        _ => figures::share(left),
    });
    let [hour, quarter, day, three] = burns.map(|burn| burn_cell(&burn));
    [
        site.to_owned(),
        figures::exact_percent(rule.target.ppm()),
        duration::format(rule.period),
        or_none(available.map(|share| format!("{mark}{share}"))),
        or_none(of.coverage.map(figures::whole_percent)),
        wording::grouped(of.checks().checks),
        wording::grouped(of.checks().failed),
        duration::format_seconds(of.standing.budget()),
        or_none(of.standing.spent_ppm().map(|spent| figures::share(i64::try_from(spent).unwrap_or(i64::MAX)))),
        or_none(left),
        hour,
        quarter,
        day,
        three,
    ]
}

fn burn_cell(burn: &Burn) -> String {
    let mark = if burn.is_burning { "!" } else { "" };
    burn.rate_milli.map_or_else(|| NONE.to_owned(), |rate| format!("{mark}{}", figures::multiple(rate)))
}

/// `event: slo`. The order is public.
#[derive(Serialize)]
struct SloObject<'a> {
    event: &'static str,
    time: String,
    site: &'a str,
    target: Option<f64>,
    over: Option<String>,
    since: Option<String>,
    until: Option<String>,
    availability: Option<f64>,
    coverage: Option<f64>,
    checks: Option<u64>,
    down: Option<u64>,
    budget_checks: Option<f64>,
    budget_ms: Option<u64>,
    spent: Option<f64>,
    left_checks: Option<f64>,
    left_ms: Option<u64>,
    burn_1h: Option<f64>,
    burn_6h: Option<f64>,
    burn_1d: Option<f64>,
    burn_3d: Option<f64>,
    burning: Option<bool>,
    maintenance_ms: Option<u64>,
    exact: Option<bool>,
    data_since: Option<String>,
}

#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn thousandths(milli: i64) -> f64 {
    milli as f64 / 1e3
}

fn whole(milli: u64) -> f64 {
    thousandths(i64::try_from(milli).unwrap_or(i64::MAX))
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

impl<'a> SloObject<'a> {
    #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    fn of(record: &SloRecord<'a>, at: Timestamp) -> Self {
        let known = match record.objective {
            Objective::Figures(figures) => Some(figures),
            _ => None,
        };
        let standing = known.map(|known| known.standing);
        let in_checks = standing.filter(|_| known.is_some_and(|known| known.in_time.is_none()));
        let burn = |place: usize| standing.and_then(|standing| standing.burns[place].rate_milli).map(whole);
        let (rule, tally) = (standing.map(|standing| standing.rule), standing.map(|standing| standing.tally));
        let tally = tally.filter(|tally| tally.checks > 0);
        Self {
            event: "slo",
            time: time::utc(at),
            site: record.site,
            target: rule.map(|rule| rule.target.ratio()),
            over: rule.map(|rule| duration::format(rule.period)),
            since: known.map(|known| time::utc(known.since)),
            until: known.map(|known| time::utc(known.until)),
            availability: tally.map(|tally| (tally.checks - tally.failed) as f64 / tally.checks as f64),
            coverage: known.and_then(|known| known.coverage).map(figures::four_decimals),
            checks: known.map(|known| known.checks().checks),
            down: known.map(|known| known.checks().failed),
            budget_checks: in_checks.map(|standing| whole(standing.budget_milli())),
            budget_ms: standing.map(|standing| millis(standing.budget())),
            spent: standing.and_then(|standing| standing.spent_ppm()).map(|spent| spent as f64 / 1e6),
            left_checks: in_checks.map(|standing| thousandths(standing.left_milli())),
            left_ms: standing.map(|standing| millis(standing.left())),
            burn_1h: burn(0),
            burn_6h: burn(1),
            burn_1d: burn(2),
            burn_3d: burn(3),
            burning: standing.map(|standing| standing.burns.iter().any(|burn| burn.is_burning)),
            maintenance_ms: known.map(|known| millis(known.left_out)),
            exact: known.map(|known| known.is_exact),
            data_since: known.and_then(|known| known.begins).map(time::utc),
        }
    }
}

/// One `slo` object as of `at`; without an objective, `target` and what follows are null.
///
/// # Errors
/// The writer's.
pub fn json(out: &mut impl io::Write, at: Timestamp, record: &SloRecord<'_>) -> io::Result<()> {
    json::line(out, &SloObject::of(record, at))
}

/// The header of [`csv()`] lines.
///
/// # Errors
/// The writer's.
pub fn csv_header(out: &mut impl io::Write) -> io::Result<()> {
    wording::line(out, ROWS)
}

/// One line, with the fields of [`json()`].
///
/// # Errors
/// The writer's.
pub fn csv(out: &mut impl io::Write, at: Timestamp, record: &SloRecord<'_>) -> io::Result<()> {
    let site = clean(record.site);
    csv::row(out, SloObject::of(&SloRecord { site: &site, ..*record }, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::objective::Tally;
    use crate::alert::{SloRule, Threshold};
    use crate::report::tests::fixtures::{at, printed, zone};

    const MONTH: Duration = Duration::from_hours(720);

    fn figures(failed: u64, recent: u64) -> ObjectiveFigures {
        let until = at("2026-11-22T13:02:00Z");
        let rule = SloRule { target: Threshold::from_ppm(999_000).unwrap(), period: MONTH };
        let recent = |checks: u64| Tally { checks, failed: recent };
        let tally = Tally { checks: 259_200, failed };
        ObjectiveFigures {
            standing: Standing::new(rule, tally, MONTH, [recent(360), recent(2_160), recent(8_640), recent(25_920)]),
            since: until.before(MONTH),
            until,
            coverage: Some(1.0),
            is_exact: true,
            left_out: Duration::ZERO,
            begins: None,
            in_time: None,
        }
    }

    #[test]
    fn a_table_says_what_is_left_and_who_has_no_objective() {
        let (good, spent) = (figures(130, 0), figures(400, 6));
        let spent = ObjectiveFigures { left_out: Duration::from_hours(3), is_exact: false, ..spent };
        let of = |site, objective| SloRecord { site, objective };
        let reason = "untold: the single checks around the maintenance are gone";
        let records = [
            of("api", Objective::Figures(&good)),
            of("shop", Objective::Figures(&spent)),
            of("blog", Objective::None),
            of("docs", Objective::Untold(reason)),
        ];
        let until = good.until;
        assert_eq!(
            printed(|out| table(out, &zone(), (until, "webmon.redb"), &records)),
            "\
2026-11-22 14:02 +01:00 · 2 objectives · webmon.redb
SITE  TARGET  OVER    AVAIL   COV   CHECKS  FAILED  BUDGET    SPENT           LEFT  BURN 1h    6h    1d    3d
api    99.9%   30d   99.95%  100%  259,200     130  43m12s   50.15%  49.85% 21m32s        0     0     0     0
shop   99.9%   30d  ≈99.85%  100%  259,200     400  43m12s  154.32%        -54.32%    !16.7  2.78  0.69  0.23
  shop: 3h of maintenance left out
  ! burns: at or above the threshold of its alert rule (14.4, 6, 3 and 1 for 30 days)
  ≈ rounded to a whole hour or day at an edge whose single checks are no longer kept
  docs: untold: the single checks around the maintenance are gone
  without an objective: blog; write for instance alert: { slo: 99.9% }
"
        );
        assert_eq!(
            printed(|out| table(out, &zone(), (until, "webmon.redb"), &records[2..3])),
            "2026-11-22 14:02 +01:00 · 0 objectives · webmon.redb\n\
             no site has an objective; write for instance alert: { slo: 99.9% }\n"
        );
    }

    #[test]
    fn data_that_begin_before_a_change_of_the_clock_have_its_offset() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (begins, shown) in [
            ("2026-10-25T00:30:00Z", "\n  api: data since 2026-10-25 02:30:00 +02:00\n"),
            ("2026-10-25T01:30:00Z", "\n  api: data since 2026-10-25 02:30:00\n"),
        ] {
            let known = ObjectiveFigures { begins: Some(at(begins)), ..figures(0, 0) };
            let record = SloRecord { site: "api", objective: Objective::Figures(&known) };
            let text = printed(|out| table(out, &berlin, (known.until, "webmon.redb"), &[record]));
            assert!(text.contains(shown), "{text}");
        }
    }

    #[test]
    fn csv_has_the_fields_of_json() {
        let known = figures(130, 6);
        for objective in [Objective::Figures(&known), Objective::None] {
            let record = SloRecord { site: "a\u{202e}pi", objective };
            let text = printed(|out| json(out, known.until, &record));
            let object: serde_json::Value = serde_json::from_str(&text).unwrap();
            let lines = printed(|out| csv_header(out).and_then(|()| csv(out, known.until, &record)));
            let (header, line) = lines.split_once('\n').unwrap();
            let names: Vec<&str> = header.split(',').collect();
            let cells: Vec<&str> = line.trim_end().split(',').collect();
            let places: Vec<usize> = names.iter().map(|name| text.find(&format!("\"{name}\":")).unwrap()).collect();
            assert!(places.is_sorted() && object.as_object().unwrap().len() == names.len(), "{text}");
            assert_eq!((names.len(), cells[2]), (cells.len(), "a\u{fffd}pi"));
            for (name, cell) in names.iter().zip(cells).filter(|(name, _)| **name != "site") {
                let expected = match &object[name] {
                    serde_json::Value::Null => String::new(),
                    serde_json::Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                assert_eq!(cell, expected, "{name}");
            }
        }
        let object: serde_json::Value = serde_json::from_str(&printed(|out| {
            json(out, known.until, &SloRecord { site: "api", objective: Objective::Figures(&known) })
        }))
        .unwrap();
        assert_eq!((object["budget_ms"].as_u64(), object["burn_1h"].as_f64()), (Some(2_592_000), Some(16.666)));
        assert_eq!((object["left_checks"].as_f64(), object["burning"].as_bool()), (Some(129.2), Some(true)));
    }
}
