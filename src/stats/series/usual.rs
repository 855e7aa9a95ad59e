//! What is usual at an hour of the day: the response times of one site in the same hour of the past seven days.
//!
//! A reader of the store answers a [`UsualRequest`] with a [`Usual`]. Hours are those of the zone, so a change of its clocks
//! moves none. Too few days or checks have no figures, rather than misleading ones.

use std::sync::Arc;
use std::time::Duration;

use jiff::Span;
use jiff::tz::TimeZone;

use crate::model::{Phase, Timeframe, Timestamp};
use crate::stats::{PeriodFigures, Rollup, Unmade};

use super::HOUR;

/// Days that are looked at.
const DAYS: i32 = 7;
/// Days with checks that figures need, at least.
const DAYS_MIN: usize = 3;
/// Checks on all of them, at least.
const CHECKS_MIN: u64 = 20;

/// A request for what is usual at sites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsualRequest {
    /// Their names.
    pub sites: Vec<Arc<str>>,
    /// The hour of each day, latest first; ends exclusive.
    pub hours: Vec<(Timestamp, Timestamp)>,
}

impl UsualRequest {
    /// What is usual at the hour that holds `at`, on the seven days before that day.
    #[must_use]
    pub fn new(sites: Vec<Arc<str>>, at: Timestamp, zone: &TimeZone) -> Self {
        // Totals are kept of whole hours since the epoch.
        let micros = 3_600 * 1_000_000;
        let hour = Timestamp::from_micros(at.as_micros() / micros * micros);
        let local = hour.instant().to_zoned(zone.clone()).datetime();
        let start = |days: i32| {
            let start = zone.to_timestamp(local.checked_sub(Span::new().days(days)).ok()?).ok()?;
            let start = Timestamp::from_micros(u64::try_from(start.as_microsecond()).ok()?);
            Some((start, start.after(HOUR)))
        };
        Self { sites, hours: (1..=DAYS).filter_map(start).collect() }
    }
}

/// The times of the successful checks in the hours of a [`UsualRequest`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UsualTimes {
    /// Days on which there were any.
    pub days: usize,
    /// Mean time in each phase, µs.
    pub phases: [Option<f64>; Phase::ALL.len()],
    /// Mean response time, µs.
    pub avg: f64,
    /// 95th percentile of the response times, µs.
    pub p95: u32,
}

/// The stored answer to a [`UsualRequest`].
#[derive(Clone, Debug, PartialEq)]
pub struct Usual {
    /// The request.
    pub wanted: UsualRequest,
    /// Those of each site; none if too little is stored.
    pub times: Vec<Option<UsualTimes>>,
}

impl Usual {
    /// What is usual at the site `name`, if it is known.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&UsualTimes> {
        let place = self.wanted.sites.iter().position(|site| **site == *name)?;
        self.times.get(place)?.as_ref()
    }
}

impl UsualTimes {
    /// What these figures of the requested hours of a site tell; none if they are too few.
    #[must_use]
    pub fn of(hours: &[PeriodFigures]) -> Option<Self> {
        let mut sum = Rollup::default();
        let mut days = 0;
        for hour in hours.iter().filter(|hour| hour.rollup.totals.response.count > 0) {
            days += 1;
            sum.merge(&hour.rollup);
        }
        let summary = sum.summary(Timestamp::ZERO, Timeframe::new(Duration::ZERO), Unmade::default());
        let response = summary.response.filter(|times| days >= DAYS_MIN && times.count >= CHECKS_MIN);
        response.map(|times| Self { days, phases: summary.phase_means, avg: times.avg, p95: times.p95 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Micros, Observation, Phases, Sample};

    fn at(text: &str) -> Timestamp {
        let at: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_micros(u64::try_from(at.as_microsecond()).unwrap())
    }

    #[test]
    fn the_hours_are_those_of_the_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let hours = |now: &str| -> Vec<String> {
            let wanted = UsualRequest::new(vec!["api".into()], at(now), &berlin);
            assert!(wanted.hours.iter().all(|(since, until)| until.since(*since) == HOUR));
            wanted.hours.iter().map(|hour| hour.0.format(&TimeZone::UTC, "%d %H:%M")).collect()
        };
        assert_eq!(
            hours("2026-11-22T13:02:13Z"),
            ["21 13:00", "20 13:00", "19 13:00", "18 13:00", "17 13:00", "16 13:00", "15 13:00"]
        );
        // Summer time ended on the 25th: two in the afternoon was an hour earlier before.
        assert_eq!(
            hours("2026-10-27T13:59:59Z"),
            ["26 13:00", "25 13:00", "24 12:00", "23 12:00", "22 12:00", "21 12:00", "20 12:00"]
        );
    }

    fn hour(day: u64, checks: u64, ms: u32) -> PeriodFigures {
        let mut figures = PeriodFigures::default();
        for number in 0..checks {
            let mut observation = Observation::failed(Cause::Ok, "");
            observation.phases = Phases::NONE
                .with(Phase::Connect, Micros::new(2_000))
                .with(Phase::Processing, Micros::new(ms * 1_000 - 2_000));
            let at = Timestamp::from_secs(day * 86_400 + number * 60);
            let sample: Sample = observation.sample(at, Micros::ZERO, 0);
            figures.admit(&sample, None);
        }
        figures
    }

    #[test]
    fn the_days_are_summed_up_if_there_are_enough() {
        let of = UsualTimes::of;
        let times = of(&[hour(1, 10, 10), hour(2, 10, 20), hour(3, 0, 0), hour(4, 20, 40)]).unwrap();
        assert_eq!(times.days, 3);
        assert!((times.avg - 27_500.0).abs() < 1.0, "{times:?}");
        assert!(times.p95.abs_diff(40_000) <= 400, "{times:?}");
        assert_eq!((times.phases[1], times.phases[2]), (Some(2_000.0), None));
        assert_eq!(of(&[hour(1, 60, 10), hour(2, 60, 20)]), None, "two days");
        assert_eq!(of(&[hour(1, 6, 10), hour(2, 6, 20), hour(3, 6, 20)]), None, "eighteen checks");
        assert_eq!(of(&[]), None);
    }
}
