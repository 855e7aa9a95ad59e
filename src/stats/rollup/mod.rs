//! The figures of a closed span (an hour, a day) as a value that can be stored and added up.
//!
//! Invariants: [`Rollup::merge`] is associative and commutative, and a merge over any partition of a set of samples
//! equals the rollup of the whole, because it holds only integer sums, maxima and bucket counts (property-tested).
//! Bounds: skipped checks count where their sample lies, also if the gap began before the span.

pub mod outages;
pub mod parts;
pub mod period;
use crate::model::{Sample, Timeframe, Timestamp};

use super::window::{PERCENTS, latency};
use super::{Histogram, Summary, Totals, Unmade};

/// Counts, sums, maxima and distributions of a set of samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// Counts, sums, codes and causes.
    pub totals: Totals,
    /// The longest response time of the successful and slow checks, µs; 0 without any.
    pub response_max: u32,
    /// The longest time to first byte of the same samples, µs; 0 without any.
    pub ttfb_max: u32,
    /// Response times of the same samples.
    pub response: Histogram,
    /// Times to first byte of the same samples.
    pub ttfb: Histogram,
}

impl Rollup {
    /// Adds `sample`; order does not matter.
    pub fn admit(&mut self, sample: &Sample) {
        self.admit_all(std::slice::from_ref(sample));
    }

    /// Adds a batch of samples; shared fields are counted once per run.
    pub fn admit_all(&mut self, samples: &[Sample]) {
        let Self { totals, response_max, ttfb_max, response: responses, ttfb: ttfbs } = self;
        totals.admit(samples, |response, ttfb| {
            responses.record_all(response);
            *response_max = response.iter().fold(*response_max, |max, &micros| max.max(micros));
            ttfbs.record_all(ttfb);
            *ttfb_max = ttfb.iter().fold(*ttfb_max, |max, &micros| max.max(micros));
        });
    }

    /// Adds the figures of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.totals.merge(&other.totals);
        self.response_max = self.response_max.max(other.response_max);
        self.ttfb_max = self.ttfb_max.max(other.ttfb_max);
        self.response.merge(&other.response);
        self.ttfb.merge(&other.ttfb);
    }

    /// All figures, as those of a window of `timeframe` at `as_of`.
    #[must_use]
    pub fn summary(&self, as_of: Timestamp, timeframe: Timeframe, unmade: Unmade) -> Summary {
        let latencies = [
            latency(self.response.percentiles(PERCENTS), self.response_max, self.totals.response),
            latency(self.ttfb.percentiles(PERCENTS), self.ttfb_max, self.totals.ttfb),
        ];
        self.totals.summary((as_of, timeframe), unmade, latencies)
    }
}

impl<'a> FromIterator<&'a Sample> for Rollup {
    fn from_iter<I: IntoIterator<Item = &'a Sample>>(samples: I) -> Self {
        let mut rollup = Self::default();
        for sample in samples {
            rollup.admit(sample);
        }
        rollup
    }
}

#[cfg(test)]
mod tests {
    use super::super::window::tests::{model, samples};
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const YEAR: Timeframe = Timeframe::new(Duration::from_hours(24 * 365));

    proptest! {
        /// For any samples and any way of parting them: merged in any order and grouping, the whole.
        #[test]
        fn merging_a_partition_in_any_order_is_the_whole(samples in samples(0..150), parts in prop::collection::vec(0usize..5, 150)) {
            let whole: Rollup = samples.iter().collect();
            let part = |wanted: usize| -> Rollup {
                samples.iter().zip(&parts).filter(|&(_, &part)| part == wanted).map(|(sample, _)| sample).collect()
            };
            let merged = |order: &[usize]| {
                let mut sum = Rollup::default();
                for &i in order {
                    sum.merge(&part(i));
                }
                sum
            };
            prop_assert_eq!(&merged(&[0, 1, 2, 3, 4]), &whole);
            prop_assert_eq!(&merged(&[3, 0, 4, 2, 1]), &whole);
            let (mut left, right) = (merged(&[0, 1]), merged(&[2, 3, 4]));
            left.merge(&right);
            prop_assert_eq!(&left, &whole);
        }

        /// The figures of a rollup are those of the naive model over its samples.
        #[test]
        fn its_summary_is_that_of_its_samples(samples in samples(0..150)) {
            let rollup: Rollup = samples.iter().collect();
            let as_of = samples.last().map_or(Timestamp::from_secs(1), |sample| sample.at);
            model(&samples, as_of, YEAR, Unmade::default()).check(&rollup.summary(as_of, YEAR, Unmade::default()))?;
        }
    }
}
