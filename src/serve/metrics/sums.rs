//! What is counted of one site for ever: the sums behind its series.
//!
//! Invariants: the sums of any samples equal those of their rollup, however they are parted (property-tested), so counters that
//! go on from stored rollups never go back. A duration is counted where the end of its cell in [`Histogram`] lies, because a
//! rollup keeps no more: a boundary holds only durations of at most its value, and misses those less than 1 % below it.

use crate::model::{Cause, Outcome, Phase, Sample};
use crate::stats::histogram::{HIGHEST, Histogram, highest_of, index_of};
use crate::stats::{Rollup, Totals};

/// Upper ends of the buckets of response times, µs.
pub const BOUNDS: [u32; 11] =
    [5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000];

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteSums {
    /// Checks that found the site up.
    pub up: u64,
    /// Checks that found it down.
    pub down: u64,
    /// Checks that say nothing about it.
    pub unknown: u64,
    /// Due checks that were never started.
    pub skipped: u64,
    /// Checks by cause, in the order of [`Cause::ALL`]; `ok` stays 0.
    pub causes: [u64; Cause::ALL.len()],
    /// Response times by bucket, each on its own; the last one is above all bounds.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// Their sum, µs.
    pub response_micros: u64,
    /// Times in each phase of the same checks, µs.
    pub phase_micros: [u64; Phase::ALL.len()],
}

/// The bucket of a duration of `micros`.
fn bucket_of(micros: u32) -> usize {
    let end = highest_of(index_of(micros.min(HIGHEST)));
    BOUNDS.iter().position(|&bound| end <= bound).unwrap_or(BOUNDS.len())
}

impl Default for SiteSums {
    fn default() -> Self {
        Self::NONE
    }
}

impl SiteSums {
    /// Those of a site without a check.
    pub const NONE: Self = Self {
        up: 0,
        down: 0,
        unknown: 0,
        skipped: 0,
        causes: [0; Cause::ALL.len()],
        buckets: [0; BOUNDS.len() + 1],
        response_micros: 0,
        phase_micros: [0; Phase::ALL.len()],
    };

    /// The sums of `rollup`.
    #[must_use]
    pub fn of(rollup: &Rollup) -> Self {
        let Totals { counts, tally, response, phases, .. } = &rollup.totals;
        let mut sums = Self {
            up: counts.up,
            down: counts.down,
            unknown: counts.unknown,
            skipped: counts.skipped,
            response_micros: response.micros,
            phase_micros: phases.map(|phase| phase.micros),
            ..Self::default()
        };
        for (cause, _, count) in tally.iter().filter(|(cause, ..)| *cause != Cause::Ok) {
            sums.causes[place(cause)] += count;
        }
        sums.count_all(&rollup.response);
        sums
    }

    fn count_all(&mut self, responses: &Histogram) {
        for (end, count) in responses.buckets() {
            self.buckets[bucket_of(end)] += u64::from(count);
        }
    }

    /// Adds `sample`, as it counts.
    pub fn add(&mut self, sample: &Sample) {
        match sample.outcome() {
            Outcome::Up => self.up += 1,
            Outcome::Down => self.down += 1,
            Outcome::Unknown => self.unknown += 1,
        }
        self.skipped += u64::from(sample.skipped);
        if sample.cause != Cause::Ok {
            self.causes[place(sample.cause)] += 1;
        }
        if sample.cause.is_timed() {
            let micros = sample.total().get();
            self.buckets[bucket_of(micros)] += 1;
            self.response_micros += u64::from(micros);
            for (sum, phase) in self.phase_micros.iter_mut().zip(Phase::ALL) {
                *sum += sample.phases.get(phase).map_or(0, |micros| u64::from(micros.get()));
            }
        }
    }

    /// Response times that were counted.
    #[must_use]
    pub fn timed(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

fn place(cause: Cause) -> usize {
    Cause::ALL.iter().position(|other| *other == cause).expect("all causes are listed")
}

/// How late checks started, since the start of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LateSums {
    /// By bucket, each on its own; the last one is above all bounds.
    pub buckets: [u64; LateSums::BOUNDS.len() + 1],
    /// Their sum, µs.
    pub micros: u64,
}

impl LateSums {
    /// Upper ends of the buckets, µs.
    pub const BOUNDS: [u32; 7] = [100, 1_000, 5_000, 25_000, 100_000, 500_000, 2_500_000];

    /// Adds a check that started so late, µs.
    pub fn add(&mut self, micros: u32) {
        let bucket = Self::BOUNDS.iter().position(|&bound| micros <= bound).unwrap_or(Self::BOUNDS.len());
        self.buckets[bucket] += 1;
        self.micros += u64::from(micros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::window::tests::samples;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_sums_of_samples_are_those_of_their_rollup_and_the_rest(samples in samples(0..200), cut in 0usize..200) {
            let (rolled, rest) = samples.split_at(cut.min(samples.len()));
            let mut sums = SiteSums::of(&rolled.iter().collect());
            for sample in rest {
                sums.add(sample);
            }
            let mut naive = SiteSums::default();
            for sample in &samples {
                naive.add(sample);
            }
            prop_assert_eq!(&sums, &naive);
            prop_assert_eq!(&sums, &SiteSums::of(&samples.iter().collect()));
            prop_assert_eq!(sums.up + sums.down + sums.unknown, samples.len() as u64);
            let failures: u64 = sums.causes.iter().sum();
            prop_assert_eq!(failures, sums.down + sums.unknown);
        }

        /// A boundary holds nothing above it, and misses at most what is within 1/128 below it.
        #[test]
        fn a_bucket_is_right_within_the_resolution(micros in 0u32..20_000_000) {
            let bucket = bucket_of(micros);
            if let Some(&bound) = BOUNDS.get(bucket) {
                prop_assert!(micros <= bound);
            }
            if let Some(&below) = bucket.checked_sub(1).and_then(|below| BOUNDS.get(below)) {
                prop_assert!(micros > below - below / 128, "{} is not in the bucket of {}", micros, below);
            }
        }
    }

    #[test]
    fn lateness_is_counted_in_its_bucket() {
        let mut late = LateSums::default();
        for micros in [0, 100, 101, 3_000_000] {
            late.add(micros);
        }
        assert_eq!((late.buckets, late.micros), ([2, 1, 0, 0, 0, 0, 0, 1], 3_000_201));
    }
}
