//! A histogram that can forget: the distribution of the durations of a sliding window.
//!
//! **Idea.** The buckets are those of `HdrHistogram` (Gil Tene) at two significant digits. There, removing one value means
//! subtracting a whole histogram; here, a value is recorded and forgotten by one counter each (`Counters`, where the layout
//! and its memory are told).
//!
//! **Invariants.** Same counts and same quantiles as `hdrhistogram` for the same values (property-tested). A value is
//! forgotten only after it was recorded.
//!
//! **Limits.** Microseconds from 0 to [`Histogram::HIGHEST`], ten minutes, the longest timeout that can be set; a
//! larger value counts as that one and is counted in [`Histogram::saturated`].

pub(crate) mod counters;
pub mod hdr;
use std::fmt;

use counters::{Counters, highest_of, index_of, lowest_of};

/// Counts of values in microseconds.
#[derive(Clone)]
pub struct Histogram {
    counters: Counters,
    len: u64,
    saturated: u64,
}

/// The one side of the counters.
const SIDE: usize = 0;

impl Default for Histogram {
    fn default() -> Self {
        Self { counters: Counters::new(1), len: 0, saturated: 0 }
    }
}

impl Histogram {
    /// The largest value told apart: ten minutes, in µs.
    pub const HIGHEST: u32 = counters::HIGHEST;
    /// Significant digits.
    pub const DIGITS: u8 = 2;
    /// Counters of the layout.
    pub const COUNTERS: usize = counters::COUNTERS;
    /// Values that it holds at most: so that sums of counts, also of many histograms, stay far from overflowing.
    const MOST: u64 = 1 << 48;

    /// Values in it.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds no value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Values in it that were larger than [`Histogram::HIGHEST`].
    #[must_use]
    pub const fn saturated(&self) -> u64 {
        self.saturated
    }

    /// Bytes that it has on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.counters.heap_bytes()
    }

    /// Counts `value` µs in.
    #[inline]
    pub fn record(&mut self, value: u32) {
        self.len += 1;
        // A branch that is never taken costs less than counting zero.
        if value > Self::HIGHEST {
            self.saturated += 1;
        }
        self.counters.raise(index_of(value.min(Self::HIGHEST)), SIDE);
    }

    /// Counts `values` in, µs.
    #[inline]
    pub fn record_all(&mut self, values: &[u32]) {
        for &value in values {
            if value > Self::HIGHEST {
                self.saturated += 1;
            }
            self.counters.raise(index_of(value.min(Self::HIGHEST)), SIDE);
        }
        self.len += values.len() as u64;
    }

    /// Takes back one [`Histogram::record`] of the same value.
    #[inline]
    pub fn forget(&mut self, value: u32) {
        self.len -= 1;
        if value > Self::HIGHEST {
            self.saturated -= 1;
        }
        self.counters.lower(index_of(value.min(Self::HIGHEST)), SIDE);
    }

    /// Empties it; the memory stays.
    pub fn clear(&mut self) {
        self.counters.clear();
        self.len = 0;
        self.saturated = 0;
    }

    /// Counts everything of `other` in.
    pub fn merge(&mut self, other: &Self) {
        self.counters.merge(&other.counters);
        self.len += other.len;
        self.saturated += other.saturated;
    }

    /// The value at `quantile` in `0.0..=1.0`: the upper end of the bucket that holds the ⌈quantile · len⌉-th smallest
    /// value, so at most 1/128 above it; none without values. As `hdrhistogram` has it, but for quantile 0, which is
    /// the upper end of the first bucket here.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count below 2^52 times a share"
    )]
    pub fn quantile(&self, quantile: f64) -> Option<u32> {
        let rank = (quantile.clamp(0.0, 1.0) * self.len as f64).ceil() as u64;
        self.counters.values_at(SIDE, self.len, [rank]).map(|[value]| value)
    }

    /// The values at these percentiles, ascending, whole percents of `1..=100`, found in one pass with exact ranks.
    #[must_use]
    pub fn percentiles<const N: usize>(&self, percents: [u64; N]) -> Option<[u32; N]> {
        self.counters.percentiles(SIDE, self.len, percents)
    }

    /// Each bucket that is not empty, ascending: its smallest value, its largest, and how many values it holds.
    pub fn buckets(&self) -> impl Iterator<Item = (u32, u32, u64)> {
        self.counters().map(|(index, count)| (lowest_of(index), highest_of(index), count))
    }

    /// The histogram of these counters: each with its index below [`Histogram::COUNTERS`], ascending or not, and how many of
    /// the values were saturated. None when an index is too large, or more values than all are said to be saturated.
    #[must_use]
    pub fn from_counters(counters: impl IntoIterator<Item = (usize, u64)>, saturated: u64) -> Option<Self> {
        let mut histogram = Self::default();
        histogram.refill(counters, saturated).then_some(histogram)
    }

    /// Becomes the histogram of these counters, as [`Histogram::from_counters`] has it; the memory stays. Whether there is one.
    #[must_use]
    pub fn refill(&mut self, counters: impl IntoIterator<Item = (usize, u64)>, saturated: u64) -> bool {
        self.clear();
        for (index, count) in counters {
            if index >= Self::COUNTERS || self.len.checked_add(count).is_none_or(|len| len > Self::MOST) {
                return false;
            }
            self.add(index, count);
        }
        self.saturated = saturated;
        saturated <= self.len
    }

    /// The counters that are not zero, by index, ascending.
    pub fn counters(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counters.of(SIDE)
    }

    fn add(&mut self, index: usize, count: u64) {
        self.len += count;
        self.counters.add(index, SIDE, count);
    }
}

/// Equal counts, wherever the pages lie.
impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.saturated == other.saturated && self.counters().eq(other.counters())
    }
}

impl Eq for Histogram {}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.buckets().map(|(lowest, highest, count)| (lowest..=highest, count))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Microseconds over all octaves, some too large, some often the same.
    fn values() -> impl Strategy<Value = u32> {
        prop_oneof![
            4 => (0u32..30, any::<u32>()).prop_map(|(octave, bits)| (1 << octave) | bits & ((1 << octave) - 1)),
            2 => 990u32..1_010,
            1 => 0u32..3,
            1 => Histogram::HIGHEST - 5..=u32::MAX,
        ]
    }

    fn hdr_of(values: &[u32]) -> hdrhistogram::Histogram<u32> {
        let mut hdr = hdrhistogram::Histogram::new_with_bounds(1, u64::from(Histogram::HIGHEST), 2).unwrap();
        for &value in values {
            hdr.record(u64::from(value.min(Histogram::HIGHEST))).unwrap();
        }
        hdr
    }

    fn of(values: &[u32]) -> Histogram {
        let mut histogram = Histogram::default();
        for &value in values {
            histogram.record(value);
        }
        histogram
    }

    proptest! {
        /// Any multiset in any order of records and forgets: the same counts and quantiles as `hdrhistogram` has for
        /// what is left, and within 1 % of the exact order statistics.
        #[test]
        fn it_agrees_with_hdrhistogram_and_with_sorting(
            acts in prop::collection::vec((values(), any::<prop::sample::Index>(), 0u8..3), 1..300),
        ) {
            let mut histogram = Histogram::default();
            let mut left: Vec<u32> = Vec::new();
            for (value, pick, act) in acts {
                if act == 0 && !left.is_empty() {
                    histogram.forget(left.swap_remove(pick.index(left.len())));
                } else {
                    histogram.record(value);
                    left.push(value);
                }
            }
            let hdr = hdr_of(&left);
            prop_assert_eq!(histogram.to_hdr(), hdr.clone());
            prop_assert_eq!(Histogram::from_hdr(&hdr).unwrap().to_hdr(), hdr.clone());
            prop_assert_eq!(histogram.len(), left.len() as u64);
            prop_assert_eq!(histogram.saturated(), left.iter().filter(|&&v| v > Histogram::HIGHEST).count() as u64);
            left.sort_unstable();
            if left.is_empty() {
                prop_assert_eq!(histogram.quantile(0.5), None);
            }
            for (rank, &exact) in (1..).zip(&left) {
                let quantile = (f64::from(rank) - 0.5) / f64::from(u32::try_from(left.len()).unwrap());
                let value = histogram.quantile(quantile).unwrap();
                prop_assert_eq!(u64::from(value), hdr.value_at_quantile(quantile));
                let exact = exact.min(Histogram::HIGHEST);
                prop_assert!(value >= exact && value - exact <= exact / 100, "{} for {}", value, exact);
            }
            if let Some(found) = histogram.percentiles([1, 50, 90, 95, 99, 100]) {
                for (percent, value) in [1, 50, 90, 95, 99, 100].into_iter().zip(found) {
                    let exact = left[(percent * left.len()).div_ceil(100) - 1].min(Histogram::HIGHEST);
                    prop_assert!(value >= exact && value - exact <= exact / 100, "p{}: {} for {}", percent, value, exact);
                }
            }
        }

        #[test]
        fn merging_is_recording_both(left in prop::collection::vec(values(), 0..99), right in prop::collection::vec(values(), 0..99)) {
            let mut merged = of(&left);
            merged.merge(&of(&right));
            // Into one that was emptied, whose pages are those of other values.
            let mut reverse = of(&left);
            reverse.clear();
            reverse.record_all(&right);
            reverse.merge(&of(&left));
            let both: Vec<u32> = left.iter().chain(&right).copied().collect();
            prop_assert_eq!(&merged, &of(&both));
            prop_assert_eq!(merged, reverse);
        }
    }

    #[test]
    fn a_counter_widens_beyond_sixteen_bits_and_narrows_again() {
        let mut histogram = Histogram::default();
        for _ in 0..200_000 {
            histogram.record(5_000);
        }
        histogram.record(9_000);
        histogram.record(10);
        assert_eq!(histogram.buckets().map(|(_, _, count)| count).collect::<Vec<_>>(), [1, 200_000, 1]);
        assert_eq!(histogram.percentiles([50, 99]).unwrap(), [5_023, 5_023]);
        let mut twice = histogram.clone();
        twice.merge(&histogram);
        let mut once = Histogram::default();
        once.merge(&histogram);
        assert_eq!(once, histogram);
        // A counter that is a multiple of 65,536 has nothing in its page.
        let round = Histogram::from_counters([(300, 3 << 16)], 0).unwrap();
        once.merge(&round);
        assert_eq!((once.len(), once.counters().nth(1)), (histogram.len() + (3 << 16), Some((300, 3 << 16))));
        assert_eq!(Histogram::from_hdr(&twice.to_hdr()).unwrap(), twice);
        assert_eq!(twice.len(), 400_004);
        for _ in 0..199_999 {
            histogram.forget(5_000);
        }
        assert_eq!(histogram, of(&[10, 5_000, 9_000]));
    }

    #[test]
    #[should_panic(expected = "forgotten only after it was recorded")]
    fn forgetting_what_was_never_recorded_is_a_fault() {
        let mut histogram = of(&[1]);
        histogram.forget(7_000_000);
    }

    #[test]
    fn a_histogram_with_other_buckets_is_refused() {
        let hdr = hdrhistogram::Histogram::<u32>::new_with_bounds(1, 1_000_000, 3).unwrap();
        assert_eq!(Histogram::from_hdr(&hdr), Err(crate::stats::LayoutError { low: 1, digits: 3 }));
    }
}
