//! The share of due checks that were made.
//!
//! Coverage = checks ÷ (checks + due checks without a result). A due check lacks a result if this machine could not
//! make it (`local`), if it was never started, which the next sample records (`skipped`), or if it should have ended by
//! now and no sample has followed (the *open gap* at the end).
//!
//! Due times are `due − interval, due − 2·interval, …` before a sample whose due time is start − late. Each belongs to
//! the window in which it lies, so only those skipped checks of the oldest sample count that lie inside, and a gap that
//! began before the window is clipped to it. A due check counts as missing once it has had no result for an interval,
//! in which it may start, plus a timeout. In the window of a running monitor, time before the first sample is no gap;
//! the dashboard shows how much of the window it has seen. In a period of the store it is a gap like any other; if the
//! data of a site begin inside the period, even part of an interval before them counts as one missed check.
//!
//! Bounds: where probes of one site overlapped, skipped checks are placed to within the overlap.

use std::time::Duration;

use crate::model::time::duration::micros;
use crate::model::{Sample, Timestamp};

use super::Counts;

/// How often a site is due and how long a probe may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// Time between due checks.
    pub interval: Duration,
    /// Longest duration of a whole probe.
    pub timeout: Duration,
}

/// The facts about the oldest sample of a window that coverage needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// When it was due.
    pub due: Timestamp,
    /// Due checks before it that were never started.
    pub skipped: u32,
}

impl From<&Sample> for Oldest {
    fn from(sample: &Sample) -> Self {
        Self { due: Cadence::due(sample), skipped: sample.skipped }
    }
}

/// Due checks at the two ends of a window that its samples alone do not account for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unmade {
    /// Skipped checks of the oldest sample that were due before the window.
    pub outside: u64,
    /// Due checks inside the window that should have a result by now and have none.
    pub open: u64,
    /// Due checks inside the window before the first stored sample.
    pub before: u64,
}

impl Cadence {
    /// Longer silence is more than a missed check: three intervals and a timeout.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.interval * 3 + self.timeout
    }

    /// When `sample` was due.
    #[must_use]
    pub fn due(sample: &Sample) -> Timestamp {
        sample.started().minus(sample.late)
    }

    /// Corrections for the window `(cutoff, as_of]`: `oldest` is the first sample in it, `newest_due` the latest due
    /// time of all samples so far; `None` without samples.
    #[must_use]
    pub fn unmade(
        &self,
        (cutoff, as_of): (Timestamp, Timestamp),
        oldest: Option<Oldest>,
        newest_due: Option<Timestamp>,
    ) -> Unmade {
        let interval = micros(self.interval).max(1);
        let outside = oldest.map_or(0, |oldest| {
            let inside = (micros(oldest.due.since(cutoff)).saturating_sub(1)) / interval;
            u64::from(oldest.skipped).saturating_sub(inside)
        });
        let open = newest_due.map_or(0, |newest| {
            let ended = micros(as_of.before(self.timeout + self.interval).since(newest)) / interval;
            let before = micros(cutoff.since(newest)) / interval;
            ended.saturating_sub(before)
        });
        Unmade { outside, open, before: 0 }
    }

    /// Due checks after `cutoff` that were neither made nor skipped before `oldest`, the first sample since then: the
    /// site was not monitored yet, or its data were removed. `begins` is the due time of the oldest check of which
    /// anything is kept; if it is after `cutoff`, no earlier check covers the rest of an interval.
    #[must_use]
    pub fn before(&self, cutoff: Timestamp, oldest: Option<Oldest>, begins: Option<Timestamp>) -> u64 {
        let interval = micros(self.interval).max(1);
        let due = |oldest: Oldest| {
            let length = micros(oldest.due.since(cutoff));
            let is_first = begins.is_some_and(|begins| begins > cutoff);
            if is_first { length.div_ceil(interval) } else { length.saturating_sub(1) / interval }
        };
        oldest.map_or(0, |oldest| due(oldest).saturating_sub(u64::from(oldest.skipped)))
    }
}

impl Unmade {
    /// `counts` with the skipped checks inside the window, including the open gap.
    #[must_use]
    pub const fn adjust(&self, mut counts: Counts) -> Counts {
        counts.skipped = counts.skipped.saturating_sub(self.outside) + self.open + self.before;
        counts
    }
}

/// Checks ÷ (checks + skipped + unknown), in `0.0..=1.0`; `None` if nothing was due.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub fn coverage(counts: &Counts) -> Option<f64> {
    let due = counts.checks() + counts.skipped + counts.unknown;
    (due > 0).then(|| counts.checks() as f64 / due as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Micros, Observation, Phase};
    use proptest::prelude::*;

    const CADENCE: Cadence = Cadence { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) };

    /// A sample that was due at `due`, started `late` after it and took `total`, all ms.
    fn sample(due: u64, late: u32, total: u32, skipped: u32) -> Sample {
        let mut observation = Observation::failed(Cause::Ok, "");
        observation.phases.add(Phase::Connect, Micros::new(total * 1_000));
        let at = Timestamp::from_micros((due + u64::from(late) + u64::from(total)) * 1_000);
        observation.sample(at, Micros::new(late * 1_000), skipped)
    }

    fn secs(n: u64) -> Timestamp {
        Timestamp::from_secs(n)
    }

    #[test]
    fn a_hole_that_began_before_the_window_counts_only_inside_it() {
        // Due at 1000 s; 50 skipped ones at 990, 980, … 500.
        let oldest = sample(1_000_000, 20, 30, 50);
        for (cutoff, inside) in [(400, 50), (500, 49), (895, 10), (980, 1), (989, 1), (990, 0), (999, 0), (1_000, 0)] {
            let unmade = CADENCE.unmade((secs(cutoff), secs(1_001)), Some(Oldest::from(&oldest)), Some(secs(1_000)));
            assert_eq!(unmade, Unmade { outside: 50 - inside, open: 0, before: 0 }, "window from {cutoff} s");
        }
    }

    #[test]
    fn the_open_gap_grows_only_when_a_check_can_no_longer_be_waiting_or_in_flight() {
        // A window of 600 s holds 60 due times; one is missing 15 s after it was due.
        for (as_of, open) in
            [(100, 0), (124, 0), (125, 1), (134, 1), (135, 2), (695, 58), (705, 59), (715, 59), (5_000, 58)]
        {
            let window = (secs(as_of).before(Duration::from_mins(10)), secs(as_of));
            assert_eq!(CADENCE.unmade(window, None, Some(secs(100))).open, open, "at {as_of} s");
        }
        assert_eq!(CADENCE.unmade((secs(0), secs(600)), None, None), Unmade::default(), "nothing was due yet");
    }

    #[test]
    fn time_before_the_first_sample_of_a_period_was_not_covered() {
        // Due at 1000 s.
        for (cutoff, skipped, before) in
            [(0, 0, 99), (990, 0, 0), (989, 0, 1), (995, 0, 0), (1_005, 0, 0), (0, 99, 0), (0, 40, 59), (500, 90, 0)]
        {
            let oldest = Oldest::from(&sample(1_000_000, 20, 30, skipped));
            let found = CADENCE.before(secs(cutoff), Some(oldest), None);
            assert_eq!(found, before, "since {cutoff} s, {skipped} skipped");
            let found = CADENCE.before(secs(cutoff), Some(oldest), Some(secs(cutoff)));
            assert_eq!(found, before, "something before {cutoff} s is kept, {skipped} skipped");
        }
        assert_eq!(CADENCE.before(secs(0), None, None), 0);
    }

    #[test]
    fn where_all_begins_in_the_period_a_part_of_an_interval_was_not_covered_either() {
        let oldest = Oldest::from(&sample(1_000_000, 20, 30, 0));
        for (cutoff, before) in [(0, 100), (980, 2), (985, 2), (990, 1), (999, 1), (1_000, 0), (1_005, 0)] {
            let found = CADENCE.before(secs(cutoff), Some(oldest), Some(oldest.due));
            assert_eq!(found, before, "since {cutoff} s");
        }
        let skipped = Oldest { skipped: 3, ..oldest };
        assert_eq!(CADENCE.before(secs(965), Some(skipped), Some(oldest.due)), 1);
    }

    proptest! {
        /// The model: write the due times down and count those in the window.
        #[test]
        fn it_counts_the_due_times_in_the_window(
            due in 0u64..2_000, skipped in 0u32..300, newest in 0u64..2_000, as_of in 1_000u64..3_000, span in 1u64..1_500,
        ) {
            let (cutoff, as_of) = (secs(as_of.saturating_sub(span)), secs(as_of));
            let oldest = sample(due * 1_000, 0, 0, skipped);
            let unmade = CADENCE.unmade((cutoff, as_of), Some(Oldest::from(&oldest)), Some(secs(newest)));
            let outside = (1..=u64::from(skipped)).filter(|&j| due * 1_000_000 <= cutoff.as_micros() + 10_000_000 * j).count();
            prop_assert_eq!(unmade.outside, outside as u64);
            let open = (1..400).map(|k| secs(newest + 10 * k)).filter(|&due| {
                due > cutoff && due.after(Duration::from_secs(15)) <= as_of
            });
            prop_assert_eq!(unmade.open, open.count() as u64);
        }
    }

    #[test]
    fn coverage_is_none_before_anything_was_due_and_zero_when_nothing_was_made() {
        let counts = |up, down, unknown, skipped| Counts { up, down, unknown, skipped };
        for (counts, expected) in [
            (counts(0, 0, 0, 0), None),
            (counts(0, 0, 0, 7), Some(0.0)),
            (counts(3, 1, 0, 0), Some(1.0)),
            (counts(3, 1, 2, 2), Some(0.5)),
        ] {
            assert_eq!(coverage(&counts), expected, "{counts:?}");
        }
    }
}
