//! Where the objective of a site stands, from the store: totals of days and hours and, at edges, single checks.
//!
//! Maintenance is left out. Law: the figures equal a recomputation over the single checks (property-tested). The monitor and the
//! commands read them here, so at the same instant they are the same.

use crate::alert::SloRule;
use crate::alert::kept::incident::Silence;
use crate::alert::maintenance::{LeftOut, Maintenance, Span};
use crate::alert::objective::{BURN_WINDOWS, ObjectiveFigures, Standing, Tally, window_start};
use crate::model::{SiteId, Timestamp};
use crate::stats::Cadence;
use crate::store::{Moment, StoreError};

use super::remaining::{Coarse, Remaining, remaining};

/// A site with an objective.
#[derive(Clone, Copy, Debug)]
pub struct Objective<'a> {
    /// The number of the site.
    pub id: SiteId,
    /// Its name.
    pub site: &'a str,
    /// Its group.
    pub group: Option<&'a str>,
    /// Its objective.
    pub rule: SloRule,
    /// How often it is checked.
    pub cadence: Cadence,
}

/// When there was maintenance.
#[derive(Clone, Copy, Debug)]
pub struct Maintained<'a> {
    /// The windows of the file.
    pub windows: &'a [Maintenance],
    /// The silences of the store.
    pub silences: &'a [Silence],
}

impl Maintained<'_> {
    /// What is left out of `period` for the site of this name and group.
    #[must_use]
    pub fn of(&self, site: (&str, Option<&str>), period: Span) -> LeftOut {
        LeftOut::of(site, period, self.windows, self.silences)
    }
}

/// The figures of `objective` up to `until`, exclusive.
///
/// # Errors
/// Those of the database are the outer ones.
pub fn standing(
    moment: &Moment,
    objective: &Objective<'_>,
    maintained: &Maintained<'_>,
    until: Timestamp,
) -> Result<Result<ObjectiveFigures, Coarse>, StoreError> {
    let Objective { id, site, group, rule, cadence } = *objective;
    let since = until.before(rule.period);
    let starts = BURN_WINDOWS.map(|window| window_start(until, window));
    // A short period may begin after the longest window.
    let left_out = maintained.of((site, group), (since.min(starts[3]), until));
    let whole = match remaining(moment, id, (since, until), &left_out, Some(cadence))? {
        Ok(whole) => whole,
        Err(coarse) => return Ok(Err(coarse)),
    };
    let (mut windows, mut sum, mut is_exact, mut end) =
        ([Tally::default(); 4], Tally::default(), whole.is_exact, until);
    for (window, start) in windows.iter_mut().zip(starts) {
        let slice = match remaining(moment, id, (start, end), &left_out, Some(cadence))? {
            Ok(slice) => slice,
            Err(coarse) => return Ok(Err(coarse)),
        };
        (sum, end) = (sum.plus(tally(&slice)), start);
        is_exact &= slice.is_exact;
        *window = sum;
    }
    let coverage = whole.parts.summary((since, until)).coverage;
    let left_out = left_out.length((since, until));
    let watched = until.since(since).saturating_sub(left_out).mul_f64(coverage.unwrap_or(0.0));
    let first = whole.spans.first().map_or(since, |span| span.0);
    Ok(Ok(ObjectiveFigures {
        standing: Standing::new(rule, tally(&whole), watched, windows),
        since,
        until,
        coverage,
        is_exact,
        left_out,
        begins: whole.stretch().begins(first, Some(cadence), whole.begins),
        in_time: None,
    }))
}

fn tally(of: &Remaining) -> Tally {
    let counts = of.stretch().rollup.totals.counts;
    Tally { checks: counts.checks(), failed: counts.down }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::alert::maintenance::left_out::tests::silence_of;
    use crate::alert::maintenance::{Days, Schedule, clock_time};
    use crate::alert::{SiteSelector, Threshold};
    use crate::model::{Cause, Flags, Micros, Observation, Outcome, Sample};
    use crate::ring::Producer;
    use crate::store::{Archive, Keep, Options, Store, Writer};

    /// A whole day, UTC.
    const START: Timestamp = Timestamp::from_secs(20_000 * 86_400);
    const DAY: u64 = 86_400;
    const INTERVAL: Duration = Duration::from_mins(2);
    const CADENCE: Cadence = Cadence { interval: INTERVAL, timeout: Duration::from_secs(10) };

    fn at(secs: u64) -> Timestamp {
        START.after(Duration::from_secs(secs))
    }

    /// Five days of checks, of which some fail and some are not made.
    fn samples(failing: &[(u64, u64)], gaps: &[(u64, u64)]) -> Vec<Sample> {
        let within =
            |spans: &[(u64, u64)], tick: u64| spans.iter().any(|(from, length)| (*from..from + length).contains(&tick));
        let (mut all, mut skipped) = (Vec::new(), 0);
        for tick in 1..5 * DAY / 120 {
            if within(gaps, tick) {
                skipped += 1;
                continue;
            }
            let cause = match tick {
                _ if within(failing, tick) => Cause::Status,
                _ if tick.is_multiple_of(97) => Cause::Local,
                _ if tick.is_multiple_of(61) => Cause::Reset,
                _ => Cause::Ok,
            };
            let mut sample = Observation::failed(cause, "").sample(at(tick * 120 + tick % 7), Micros::ZERO, skipped);
            if skipped > 3 {
                sample.flags = sample.flags.with(Flags::AFTER_HOLE);
            }
            skipped = 0;
            all.push(sample);
        }
        all
    }

    fn stored(folder: &Path, samples: &[Sample], retention: Option<Duration>) -> (PathBuf, Writer) {
        let path = folder.join("webmon.redb");
        let options = Options { keep: Keep { retention, ..Keep::default() }, ..Options::default() };
        let store = Store::open(&path, &options, START).unwrap().store;
        let id = store.register(&["api".into()], START).unwrap()[0].id;
        let mut producer = Producer::new(8_000, 0);
        let mut writer = Writer::new(store, vec![(id, producer.ring().reader_at_head())]).unwrap();
        for samples in samples.chunks(400) {
            for sample in samples {
                producer.push(*sample);
            }
            writer.flush(samples[samples.len() - 1].at);
        }
        (path, writer)
    }

    fn window(from: &str, to: &str) -> Maintenance {
        let (from, to) = (clock_time(from).unwrap(), clock_time(to).unwrap());
        let schedule = Schedule::Every { days: Days::EACH, from, to };
        Maintenance {
            schedule,
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            sites: SiteSelector::of(["api"]),
            reason: None,
        }
    }

    fn silence(from: u64, until: u64) -> Silence {
        silence_of(at(from), at(until), true)
    }

    fn objective(period: Duration) -> Objective<'static> {
        let rule = SloRule { target: Threshold::from_ppm(995_000).unwrap(), period };
        Objective { id: SiteId(0), site: "api", group: None, rule, cadence: CADENCE }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn figures_are_a_recomputation_over_the_single_checks(
            failing in prop::collection::vec((0u64..3_600, 1u64..90), 0..6),
            gaps in prop::collection::vec((0u64..3_600, 1u64..200), 0..3),
            clocks in prop::collection::vec((0u8..24, 0u8..60, 0u8..24), 0..3),
            silences in prop::collection::vec((0..5 * DAY, 1u64..50_000), 0..3),
            days in 1u64..8, until in 4 * DAY..6 * DAY,
        ) {
            let (folder, samples) = (tempfile::tempdir().unwrap(), samples(&failing, &gaps));
            let (path, _writer) = stored(folder.path(), &samples, None);
            let windows: Vec<Maintenance> = clocks.iter().map(|(h, m, to)| window(&format!("{h:02}:{m:02}"), &format!("{to:02}:30"))).collect();
            let silences: Vec<Silence> = silences.into_iter().map(|(from, length)| silence(from, from + length)).collect();
            let (archive, until) = (Archive::open(&path).unwrap(), at(until));
            let objective = objective(Duration::from_hours(24 * days));
            let maintained = Maintained { windows: &windows, silences: &silences };
            let found = standing(&archive.moment().unwrap(), &objective, &maintained, until).unwrap().unwrap();

            let is_in = |sample: &&Sample| {
                !windows.iter().any(|window| window.covers(sample.at))
                    && !silences.iter().any(|silence| silence.from <= sample.at && sample.at < silence.until)
            };
            let count = |since: Timestamp| {
                let judged = samples.iter().filter(is_in).filter(|sample| since <= sample.at && sample.at < until);
                let judged: Vec<Outcome> = judged.map(Sample::outcome).filter(|outcome| *outcome != Outcome::Unknown).collect();
                let failed = judged.iter().filter(|outcome| **outcome == Outcome::Down).count();
                Tally { checks: judged.len() as u64, failed: failed as u64 }
            };
            let since = until.before(objective.rule.period);
            prop_assert_eq!((found.since, found.standing.tally, found.is_exact), (since, count(since), true));
            for burn in found.standing.burns {
                let minute = (until.as_micros() - 1) / 60_000_000 + 1;
                let since = Timestamp::from_micros(minute * 60_000_000).before(burn.window);
                prop_assert_eq!(burn.tally, count(since), "{:?}", burn.window);
            }
            let minutes = (0..24 * 60 * days).filter(|minute| {
                let now = since.after(Duration::from_secs(minute * 60));
                windows.iter().any(|window| window.covers(now)) || silences.iter().any(|silence| silence.from <= now && now < silence.until)
            });
            let (walked, length) = (minutes.count() as u64 * 60, found.left_out.as_secs());
            prop_assert!(walked.abs_diff(length) <= 60 * 40, "{} s, {} s", walked, length);
        }
    }

    #[test]
    fn without_single_checks_an_edge_within_an_hour_is_refused_and_one_between_hours_is_not() {
        let (folder, samples) = (tempfile::tempdir().unwrap(), samples(&[(1_000, 20)], &[]));
        let (path, _writer) = stored(folder.path(), &samples, Some(Duration::from_hours(80)));
        let archive = Archive::open(&path).unwrap();
        // The single checks of the first day are gone; the totals of its hours are kept.
        let find = |clock: (&str, &str), days: u64| {
            let (windows, objective) = ([window(clock.0, clock.1)], objective(Duration::from_hours(24 * days)));
            standing(
                &archive.moment().unwrap(),
                &objective,
                &Maintained { windows: &windows, silences: &[] },
                at(5 * DAY),
            )
            .unwrap()
        };
        let count = |span: std::ops::Range<u64>| {
            let within =
                samples.iter().filter(|sample| sample.outcome() != Outcome::Unknown && at(span.start) <= sample.at);
            within.filter(|sample| sample.at < at(span.end)).count() as u64
        };
        // 03:00 to 04:00 UTC.
        let whole = find(("05:00", "06:00"), 5).unwrap();
        let out: u64 = (0..5).map(|day| count(day * DAY + 3 * 3_600..day * DAY + 4 * 3_600)).sum();
        assert!(whole.is_exact && whole.left_out == Duration::from_hours(5));
        assert_eq!(whole.standing.tally.checks, count(0..5 * DAY) - out);
        assert!(find(("05:00", "05:30"), 5).is_err());
        assert!(find(("05:00", "05:30"), 2).is_ok(), "what is kept is read");
        // The start of the period alone is rounded, as it is in other figures.
        let archive = Archive::open(&path).unwrap();
        let (windows, objective) = ([window("05:00", "06:00")], objective(Duration::from_hours(5 * 24)));
        let maintained = Maintained { windows: &windows, silences: &[] };
        let rounded =
            standing(&archive.moment().unwrap(), &objective, &maintained, at(5 * DAY + 1_000)).unwrap().unwrap();
        assert!(!rounded.is_exact);
    }
}
