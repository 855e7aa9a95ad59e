//! The samples of one site over consecutive time, summed up: a rollup, and the figures that depend on their order.
//!
//! An hour, a day or the edge of a period has such figures; those of consecutive times are appended, and the result has
//! the figures of all their samples: counts, sums, maxima, distributions, the longest outage, the gaps in monitoring,
//! and the two ends that coverage needs.
//!
//! Invariants: for samples in order, [`PeriodFigures::append`] over any partition equals the whole (property-tested).
//! The rollup does not depend on the order.
//! Bounds: the [`Holes::KEPT`] longest gaps are listed, the others counted.

use std::cmp::Reverse;
use std::time::Duration;

use crate::model::{Flags, Sample, Timeframe, Timestamp};
use crate::stats::coverage::{Oldest, coverage};
use crate::stats::{Cadence, Counts, Rollup, Summary, Unmade};

use super::outages::Outages;

/// Samples of one site, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeriodFigures {
    /// The figures that do not depend on the order.
    pub rollup: Rollup,
    /// The first sample.
    pub oldest: Option<Oldest>,
    /// The latest due time.
    pub newest_due: Option<Timestamp>,
    /// The time of the last sample.
    pub last_at: Option<Timestamp>,
    /// Times in which every check failed.
    pub outages: Outages,
    /// Times without monitoring.
    pub holes: Holes,
}

/// A time without monitoring: from one check to the start of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The check before it.
    pub since: Timestamp,
    /// The start of the check after it.
    pub until: Timestamp,
}

/// The longest holes of a stretch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holes {
    /// The longest ones, longest first; of equal ones the earlier first.
    pub longest: Vec<Gap>,
    /// The others.
    pub more: u64,
}

impl Holes {
    /// Holes that are kept.
    pub const KEPT: usize = 5;

    pub(super) fn note(&mut self, hole: Gap) {
        let rank = |hole: &Gap| (Reverse(hole.until.since(hole.since)), hole.since);
        let place = self.longest.partition_point(|kept| rank(kept) < rank(&hole));
        self.longest.insert(place, hole);
        if self.longest.len() > Self::KEPT {
            self.longest.pop();
            self.more += 1;
        }
    }

    fn append(&mut self, later: &Self) {
        self.more += later.more;
        for hole in &later.longest {
            self.note(*hole);
        }
    }
}

impl PeriodFigures {
    /// Adds the next sample. `before` is the time of the sample before these; without one the site was not monitored
    /// before the first sample, which is no gap.
    pub fn admit(&mut self, sample: &Sample, before: Option<Timestamp>) {
        self.admit_all(std::slice::from_ref(sample), before);
    }

    /// Adds the next samples, like [`PeriodFigures::admit`] for each.
    pub fn admit_all(&mut self, samples: &[Sample], before: Option<Timestamp>) {
        self.rollup.admit_all(samples);
        let Some(first) = samples.first() else { return };
        self.oldest.get_or_insert_with(|| Oldest::from(first));
        self.newest_due = self.newest_due.max(samples.iter().map(Cadence::due).max());
        for sample in samples {
            if sample.flags.has(Flags::AFTER_HOLE) {
                self.outages.interrupt();
                if let Some(since) = self.last_at.or(before) {
                    self.holes.note(Gap { since, until: sample.started() });
                }
            }
            self.outages.admit(sample.at, sample.outcome());
            self.last_at = Some(sample.at);
        }
    }

    /// Appends the figures that follow.
    pub fn append(&mut self, later: &Self) {
        self.rollup.merge(&later.rollup);
        self.outages.append(&later.outages);
        self.holes.append(&later.holes);
        self.oldest = self.oldest.or(later.oldest);
        self.newest_due = self.newest_due.max(later.newest_due);
        self.last_at = later.last_at.or(self.last_at);
    }

    /// Adds the figures of the same period from another place. Of times without monitoring and of outages in a row, which would have
    /// to hold at all places, nothing is known then.
    pub fn pool(&mut self, other: &Self) {
        self.rollup.merge(&other.rollup);
        (self.outages, self.holes) = (Outages::default(), Holes::default());
        self.oldest = match (self.oldest, other.oldest) {
            (Some(one), Some(other)) if other.due < one.due => Some(other),
            (one, other) => one.or(other),
        };
        self.newest_due = self.newest_due.max(other.newest_due);
        self.last_at = self.last_at.max(other.last_at);
    }

    /// All figures of `(since, until]`, with the due checks that its samples do not account for if the cadence of the
    /// site is known. `begins` is the due time of the oldest check of which anything is kept; without it, time before
    /// the first sample counts only by whole intervals.
    #[must_use]
    pub fn summary(
        &self,
        (since, until): (Timestamp, Timestamp),
        cadence: Option<Cadence>,
        begins: Option<Timestamp>,
    ) -> Summary {
        let unmade = self.unmade((since, until), cadence, begins);
        self.rollup.summary(until, Timeframe::new(until.since(since)), unmade)
    }

    /// The checks of that summary, and its coverage.
    #[must_use]
    pub fn counts(
        &self,
        period: (Timestamp, Timestamp),
        cadence: Option<Cadence>,
        begins: Option<Timestamp>,
    ) -> (Counts, Option<f64>) {
        let counts = self.unmade(period, cadence, begins).adjust(self.rollup.totals.counts);
        (counts, coverage(&counts))
    }

    fn unmade(
        &self,
        (since, until): (Timestamp, Timestamp),
        cadence: Option<Cadence>,
        begins: Option<Timestamp>,
    ) -> Unmade {
        let mut unmade =
            cadence.map_or(Unmade::default(), |cadence| cadence.unmade((since, until), self.oldest, self.newest_due));
        unmade.before = self.before(since, cadence, begins);
        unmade
    }

    /// All figures of the window `(since, as_of]` of a running monitor: as in [`crate::stats::Windows`], time before
    /// the first sample is no gap.
    #[must_use]
    pub fn window(&self, (since, as_of): (Timestamp, Timestamp), cadence: Cadence) -> Summary {
        let unmade = cadence.unmade((since, as_of), self.oldest, self.newest_due);
        self.rollup.summary(as_of, Timeframe::new(as_of.since(since)), unmade)
    }

    /// Due checks since then before the first sample.
    pub(super) fn before(&self, since: Timestamp, cadence: Option<Cadence>, begins: Option<Timestamp>) -> u64 {
        match cadence.or_else(|| self.usual()) {
            Some(cadence) => cadence.before(since, self.oldest, begins),
            // A single check does not reveal the interval, only that there was none before it.
            None => u64::from(self.oldest.is_some() && begins.is_some_and(|begins| begins > since)),
        }
    }

    /// The cadence of a site that is not configured, estimated from the distance of its samples.
    fn usual(&self) -> Option<Cadence> {
        let counts = &self.rollup.totals.counts;
        let oldest = self.oldest?;
        let due = counts.checks() + counts.unknown + counts.skipped.saturating_sub(u64::from(oldest.skipped));
        let apart = self.newest_due?.since(oldest.due) / u32::try_from(due.checked_sub(1)?).ok()?.max(1);
        (!apart.is_zero()).then_some(Cadence { interval: apart, timeout: Duration::ZERO })
    }

    /// Where the data begin, if that is after `since`: all stored data begin there, or the first sample is more than a
    /// missed check after `since`.
    #[must_use]
    pub fn begins(&self, since: Timestamp, cadence: Option<Cadence>, begins: Option<Timestamp>) -> Option<Timestamp> {
        let is_first = begins.is_some_and(|begins| begins > since);
        let allowed =
            if is_first { Duration::ZERO } else { cadence.map_or(Duration::ZERO, |cadence| cadence.silence()) };
        let oldest = self.oldest.filter(|oldest| oldest.due.since(since) > allowed)?;
        (self.before(since, cadence, begins) > 0).then_some(oldest.due)
    }

    /// Adds the gap from the last sample to `until`, if that is more than a missed check.
    pub fn end(&mut self, until: Timestamp, cadence: Cadence) {
        if let Some(since) = self.last_at.filter(|last| until.since(*last) > cadence.silence()) {
            self.holes.note(Gap { since, until });
        }
    }

    /// The gaps in the period from `since` on, clipped to it, by time.
    #[must_use]
    pub fn holes_since(&self, since: Timestamp) -> Vec<Gap> {
        let inside = |hole: &Gap| Gap { since: hole.since.max(since), ..*hole };
        let mut holes: Vec<Gap> =
            self.holes.longest.iter().map(inside).filter(|hole| hole.since < hole.until).collect();
        holes.sort_by_key(|hole| hole.since);
        holes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Micros, Observation, Phase};
    use crate::stats::window::tests::samples;
    use proptest::prelude::*;

    const CADENCE: Cadence = Cadence { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) };

    fn walked(samples: &[Sample], before: Option<Timestamp>) -> PeriodFigures {
        let mut stretch = PeriodFigures::default();
        for sample in samples {
            stretch.admit(sample, before);
        }
        stretch
    }

    proptest! {
        #[test]
        fn stretches_that_follow_each_other_add_up_to_the_whole(
            mut samples in samples(1..150), holes in prop::collection::vec(prop::bool::weighted(0.2), 150),
            cuts in prop::collection::vec(0usize..150, 0..5),
        ) {
            for (sample, after_hole) in samples.iter_mut().zip(holes) {
                if after_hole {
                    sample.flags = sample.flags.with(Flags::AFTER_HOLE);
                }
            }
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(samples.len())).collect();
            cuts.extend([0, samples.len()]);
            cuts.sort_unstable();
            let mut sum = PeriodFigures::default();
            for cut in cuts.windows(2) {
                let before = cut[0].checked_sub(1).map(|last| samples[last].at);
                let mut part = PeriodFigures::default();
                part.admit_all(&samples[cut[0]..cut[1]], before);
                prop_assert_eq!(&part, &walked(&samples[cut[0]..cut[1]], before));
                sum.append(&part);
            }
            prop_assert_eq!(sum, walked(&samples, None));
        }
    }

    fn sample(secs: u64, skipped: u32) -> Sample {
        let mut observation = Observation::failed(Cause::Ok, "");
        observation.phases.add(Phase::Connect, Micros::new(1_000));
        let mut sample = observation.sample(Timestamp::from_secs(secs), Micros::ZERO, skipped);
        if skipped > 2 {
            sample.flags = sample.flags.with(Flags::AFTER_HOLE);
        }
        sample
    }

    #[test]
    fn a_stop_and_the_silence_since_the_end_lower_the_coverage_and_are_told() {
        let mut stretch = walked(&[sample(1_000, 0), sample(1_010, 0), sample(1_020, 0), sample(1_120, 9)], None);
        let (since, until) = (Timestamp::from_secs(990), Timestamp::from_secs(1_235));
        stretch.end(until, CADENCE);
        let holes = stretch.holes_since(since);
        assert_eq!(holes.len(), 2);
        assert_eq!(holes[0].since, Timestamp::from_secs(1_020));
        assert_eq!(holes[1], Gap { since: Timestamp::from_secs(1_120), until });
        // 4 checks were made, 9 skipped, and 10 have not come since.
        assert_eq!(stretch.summary((since, until), Some(CADENCE), None).coverage, Some(4.0 / 23.0));
    }

    /// A store that is younger than the period, whether the configuration knows the site or not.
    #[test]
    fn time_before_the_first_sample_is_not_covered_and_it_is_told_since_when_there_is_data() {
        let samples: Vec<Sample> = (0..100).map(|n| sample(9_000 + 10 * n, 0)).collect();
        let stretch = walked(&samples, None);
        let (first, until) = (Cadence::due(&samples[0]), Timestamp::from_secs(9_995));
        for cadence in [Some(CADENCE), None] {
            let of = |since: u64, begins: Option<Timestamp>| {
                stretch.summary((Timestamp::from_secs(since), until), cadence, begins).coverage.unwrap()
            };
            let data_since =
                |since: u64, begins: Option<Timestamp>| stretch.begins(Timestamp::from_secs(since), cadence, begins);
            // Whether something before the period is kept or it is not known.
            for before in [Some(Timestamp::from_secs(0)), None] {
                assert!((of(0, before) - 0.1).abs() < 0.001, "{}", of(0, before));
                assert!((of(8_995, before) - 1.0).abs() < 1e-9);
                assert_eq!(data_since(0, before), Some(first));
                assert_eq!(data_since(8_995, before), None);
                assert_eq!(data_since(9_500, before), None);
            }
            assert!((of(0, Some(first)) - 0.1).abs() < 0.001, "{}", of(0, Some(first)));
            assert!((of(8_995, Some(first)) - 100.0 / 101.0).abs() < 1e-9, "{}", of(8_995, Some(first)));
            assert!((of(9_500, Some(first)) - 1.0).abs() < 1e-9);
            assert_eq!(data_since(0, Some(first)), Some(first));
            assert_eq!(data_since(8_995, Some(first)), Some(first));
            assert_eq!(data_since(9_500, Some(first)), None);
        }
    }

    /// One check of an interval that is as long as the period, or longer.
    #[test]
    fn a_site_that_was_checked_once_did_not_cover_the_time_before() {
        let stretch = walked(&[sample(9_000, 0)], None);
        let first = stretch.oldest.unwrap().due;
        let until = Timestamp::from_secs(9_003);
        let hourly = Cadence { interval: Duration::from_hours(1), timeout: Duration::from_secs(5) };
        for cadence in [Some(hourly), None] {
            for since in [until.before(Duration::from_hours(1)), until.before(Duration::from_mins(15))] {
                let coverage = stretch.summary((since, until), cadence, Some(first)).coverage;
                assert_eq!(
                    (coverage, stretch.begins(since, cadence, Some(first))),
                    (Some(0.5), Some(first)),
                    "{since:?}"
                );
                // A check before the period covers it up to this one.
                let older = Some(since.before(Duration::from_mins(50)));
                assert_eq!(stretch.summary((since, until), cadence, older).coverage, Some(1.0), "{since:?}");
                assert_eq!(stretch.begins(since, cadence, older), None, "{since:?}");
            }
        }
    }

    #[test]
    fn a_hole_is_shown_as_far_as_it_lies_in_the_period() {
        let stretch = walked(&[sample(1_120, 9)], Some(Timestamp::from_secs(500)));
        let shown = |since| stretch.holes_since(Timestamp::from_secs(since));
        assert_eq!(shown(100)[0].since, Timestamp::from_secs(500));
        assert_eq!(shown(900)[0].since, Timestamp::from_secs(900));
        assert!(shown(1_120).is_empty());
    }
}
