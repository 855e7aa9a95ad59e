//! Distributions of durations that only grow: those of rollups, periods and chart cells.
//!
//! An `hdrhistogram` at two significant digits. Sliding windows, which must retire values, count in the same buckets
//! but in counters of their own ([`super::window`], `docs/decisions/0013-hdrhistogram.md`).
//!
//! Bounds: durations from 0 to [`HIGHEST`]; longer ones count as that. 2^32 values per bucket, then it saturates.
//! Cost: 12 KiB once a value is recorded, nothing before.

use std::fmt;

/// The longest duration with a bucket of its own, µs: ten minutes, the longest timeout that can be set.
pub const HIGHEST: u32 = 600_000_000;

/// Significant decimal digits, which give 128 buckets per octave.
const DIGITS: u8 = 2;

/// Buckets of half an octave: a bucket is at most 1/128 of its values wide.
const HALF_BITS: u32 = 7;
const FULL: u32 = 1 << (HALF_BITS + 1);

/// Counts of durations in µs by bucket.
#[derive(Clone, Default, PartialEq)]
pub struct Histogram(Option<hdrhistogram::Histogram<u32>>);

/// Counts are integers, so equality is reflexive.
impl Eq for Histogram {}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.buckets()).finish()
    }
}

impl Histogram {
    /// Records each of `values`, µs.
    pub fn record_all(&mut self, values: &[u32]) {
        if values.is_empty() {
            return;
        }
        let counts = self.counts();
        for &value in values {
            counts.saturating_record(value.min(HIGHEST).into());
        }
    }

    /// Records `count` values in the bucket of `value`, µs.
    pub fn record_n(&mut self, value: u32, count: u32) {
        if count > 0 {
            self.counts().saturating_record_n(value.min(HIGHEST).into(), count);
        }
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        let Some(others) = &other.0 else { return };
        match &mut self.0 {
            Some(counts) => counts.add(others).expect("all histograms have the same bounds"),
            none => *none = Some(others.clone()),
        }
    }

    /// The values at these percentiles, whole percents of `1..=100`: the upper end of the bucket that holds the
    /// ⌈percent · count / 100⌉-th smallest value, so at most 1/128 above it. `None` without values.
    #[must_use]
    pub fn percentiles<const N: usize>(&self, percents: [u8; N]) -> Option<[u32; N]> {
        let counts = self.0.as_ref()?;
        Some(percents.map(|percent| narrow(counts.value_at_quantile(f64::from(percent) / 100.0))))
    }

    /// The upper end of each bucket that is not empty, ascending, µs, and its count.
    ///
    /// Cost: the buckets between the smallest and the largest value; the crate's own iterator visits all below them, too.
    pub fn buckets(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().flat_map(|counts| {
            let indexes = index_of(narrow(counts.min()))..=index_of(narrow(counts.max()));
            let bucket = |value: u32| (value, counts.count_at(value.into()));
            indexes.map(move |index| bucket(highest_of(index))).filter(|(_, count)| *count > 0)
        })
    }

    /// The counts for tools that read `HdrHistogram`'s formats; `None` without values.
    #[must_use]
    pub const fn as_hdr(&self) -> Option<&hdrhistogram::Histogram<u32>> {
        self.0.as_ref()
    }

    fn counts(&mut self) -> &mut hdrhistogram::Histogram<u32> {
        self.0.get_or_insert_with(|| {
            hdrhistogram::Histogram::new_with_bounds(1, HIGHEST.into(), DIGITS).expect("the bounds are valid")
        })
    }
}

/// A value of a bucket, which the bounds keep below 2^30.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The index of the bucket of `value`, which is also its place in the stored form and in `HdrHistogram`'s.
#[inline]
pub(crate) const fn index_of(value: u32) -> usize {
    let octave = u32::BITS - HALF_BITS - 1 - (value | (FULL - 1)).leading_zeros();
    ((octave << HALF_BITS) + (value >> octave)) as usize
}

const fn octave_of(index: usize) -> usize {
    (index >> HALF_BITS).saturating_sub(1)
}

/// The smallest value of bucket `index`.
#[allow(
    clippy::cast_possible_truncation,
    reason = "indexes in use are at most that of HIGHEST, so values are below 2^30"
)]
const fn lowest_of(index: usize) -> u32 {
    let octave = octave_of(index);
    ((index - (octave << HALF_BITS)) << octave) as u32
}

/// The largest value of bucket `index`.
pub(crate) const fn highest_of(index: usize) -> u32 {
    lowest_of(index) + (1 << octave_of(index)) - 1
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Microseconds over all octaves, some too large, some often the same.
    pub fn values() -> impl Strategy<Value = u32> {
        prop_oneof![
            4 => (0u32..30, any::<u32>()).prop_map(|(octave, bits)| (1 << octave) | bits & ((1 << octave) - 1)),
            2 => 990u32..1_010,
            1 => 0u32..3,
            1 => HIGHEST - 5..=u32::MAX,
        ]
    }

    pub fn of(values: &[u32]) -> Histogram {
        let mut histogram = Histogram::default();
        histogram.record_all(values);
        histogram
    }

    proptest! {
        #[test]
        fn percentiles_are_within_one_percent_of_sorting(mut values in prop::collection::vec(values(), 0..300)) {
            let found = of(&values).percentiles([1, 50, 90, 95, 99, 100]);
            values.sort_unstable();
            prop_assert_eq!(found.is_none(), values.is_empty());
            for (percent, value) in [1, 50, 90, 95, 99, 100].into_iter().zip(found.into_iter().flatten()) {
                let exact = values[(percent * values.len()).div_ceil(100) - 1].min(HIGHEST);
                prop_assert!(value >= exact && value - exact <= exact / 100, "p{}: {} for {}", percent, value, exact);
            }
        }

        /// The ranks of the percentiles that are shown are exact for any count.
        #[test]
        fn no_rank_is_lost_to_rounding(count in 1u32..1 << 30) {
            for percent in [50u8, 90, 95, 99] {
                let rank = (u64::from(percent) * u64::from(count)).div_ceil(100);
                let below = u32::try_from(rank).unwrap();
                let mut histogram = Histogram::default();
                histogram.record_n(1, below - 1);
                histogram.record_n(2, 1);
                histogram.record_n(3, count - below);
                prop_assert_eq!(histogram.percentiles([percent]), Some([2]), "p{} of {}", percent, count);
            }
        }

        #[test]
        fn merging_is_recording_both(left in prop::collection::vec(values(), 0..99), right in prop::collection::vec(values(), 0..99)) {
            let mut merged = of(&left);
            merged.merge(&of(&right));
            let both: Vec<u32> = left.iter().chain(&right).copied().collect();
            prop_assert_eq!(&merged, &of(&both));
            let mut again = Histogram::default();
            merged.buckets().for_each(|(value, count)| again.record_n(value, count));
            prop_assert_eq!(again, merged);
        }
    }

    #[test]
    fn buckets_cover_all_values_once_and_are_those_of_hdrhistogram() {
        let mut next = 0;
        for index in 0..=index_of(HIGHEST) {
            let (lowest, highest) = (lowest_of(index), highest_of(index));
            assert_eq!(lowest, next);
            assert_eq!((index_of(lowest), index_of(highest)), (index, index));
            assert!((highest - lowest) * 128 <= lowest);
            assert_eq!(of(&[lowest]).buckets().collect::<Vec<_>>(), [(highest, 1)]);
            next = highest + 1;
        }
        assert!(next > HIGHEST);
    }
}
