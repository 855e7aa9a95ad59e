//! A histogram that can forget: the distribution of the durations of a sliding window.
//!
//! **Idea.** The bucket layout of `HdrHistogram` (Gil Tene) at two significant digits: each octave of values has 128
//! counters, so a bucket is at most 1/128 of its value wide. There, removing one value means subtracting a whole
//! histogram; here, a value is recorded and forgotten by one counter each. Counters have 16 bits and live in pages of
//! one cache line, a quarter of an octave each, made when first needed: a site whose latencies stay within a few
//! octaves takes a few hundred bytes in place of 12 KiB. A counter that passes 65,535 carries into a sparse list of
//! higher bits. An emptied page is taken again before a new one is made, so memory follows the widest window, not the
//! history.
//!
//! **Invariants.** Same counts and same quantiles as `hdrhistogram` for the same values (property-tested). A value is
//! forgotten only after it was recorded.
//!
//! **Limits.** Microseconds from 0 to [`Histogram::HIGHEST`], ten minutes, the longest timeout that can be set; a
//! larger value counts as that one and is counted in [`Histogram::saturated`].

use std::fmt;

/// Counters of half a power of two: bucket width ≤ value / 128.
const HALF_BITS: u32 = 7;
const FULL: u32 = 1 << (HALF_BITS + 1);
const PAGE: usize = 32;
const PAGES: usize = 96;
const EIGHT: usize = 8;
const COUNTERS: usize = PAGES * PAGE;

const _: () = assert!(index_of(Histogram::HIGHEST) < COUNTERS);
const _: () = assert!(PAGES < u8::MAX as usize);

type Page = [u16; PAGE];

/// Counts of values in microseconds.
#[derive(Clone)]
pub struct Histogram {
    /// For each page of the layout: 0 while it does not exist, else one past its place in `pages`.
    table: [u8; PAGES],
    pages: Vec<Page>,
    /// Multiples of 65,536 of single counters, by index, ascending; nearly always empty.
    carries: Vec<(u16, u64)>,
    len: u64,
    saturated: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { table: [0; PAGES], pages: Vec::new(), carries: Vec::new(), len: 0, saturated: 0 }
    }
}

impl Histogram {
    /// The largest value told apart: ten minutes, in µs.
    pub const HIGHEST: u32 = 600_000_000;
    /// Significant digits.
    pub const DIGITS: u8 = 2;
    /// Counters of the layout.
    pub const COUNTERS: usize = COUNTERS;
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
        self.pages.capacity() * size_of::<Page>() + self.carries.capacity() * size_of::<(u16, u64)>()
    }

    /// Counts `value` µs in.
    #[inline]
    pub fn record(&mut self, value: u32) {
        self.record_at(Place::of(value));
    }

    /// As [`Histogram::record`], when the place of the value is known, because other histograms take it too.
    #[inline]
    pub(super) fn record_at(&mut self, place: Place) {
        self.len += 1;
        // A branch that is never taken costs less than counting zero.
        if place.saturated {
            self.saturated += 1;
        }
        self.raise(place.index);
    }

    /// Takes back one [`Histogram::record`] of the same value.
    #[inline]
    pub fn forget(&mut self, value: u32) {
        let Place { index, saturated } = Place::of(value);
        self.len -= 1;
        if saturated {
            self.saturated -= 1;
        }
        let place = usize::from(self.table[index / PAGE]).wrapping_sub(1);
        let counter = &mut self.pages.get_mut(place).expect(FORGOTTEN)[index % PAGE];
        let before = *counter;
        *counter = before.wrapping_sub(1);
        if before == 0 {
            self.borrow(index);
        }
    }

    #[inline]
    fn raise(&mut self, index: usize) {
        // Zero, a page that does not exist, becomes a place that does not exist: one check for both.
        let mut place = usize::from(self.table[index / PAGE]).wrapping_sub(1);
        if place >= self.pages.len() {
            place = self.open(index / PAGE);
        }
        let counter = &mut self.pages[place][index % PAGE];
        *counter = counter.wrapping_add(1);
        if *counter == 0 {
            self.carry(index, 1);
        }
    }

    /// Empties it; the pages stay.
    pub fn clear(&mut self) {
        self.table = [0; PAGES];
        self.pages.clear();
        self.carries.clear();
        self.len = 0;
        self.saturated = 0;
    }

    /// Counts everything of `other` in.
    pub fn merge(&mut self, other: &Self) {
        for (index, count) in other.counters() {
            self.add(index, count);
        }
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
        self.values_at([rank]).map(|[value]| value)
    }

    /// The values at these percentiles, ascending, whole percents of `1..=100`, found in one pass with exact ranks.
    #[must_use]
    pub fn percentiles<const N: usize>(&self, percents: [u64; N]) -> Option<[u32; N]> {
        self.values_at(percents.map(|percent| (percent * self.len).div_ceil(100)))
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
        for (index, count) in counters {
            if index >= COUNTERS || histogram.len.checked_add(count)? > Self::MOST {
                return None;
            }
            histogram.add(index, count);
        }
        histogram.saturated = saturated;
        (saturated <= histogram.len).then_some(histogram)
    }

    /// The counters that are not zero, by index, ascending.
    pub fn counters(&self) -> impl Iterator<Item = (usize, u64)> {
        self.existing()
            .flat_map(move |(page, counters)| {
                let counters = (page * PAGE..).zip(counters);
                counters.map(move |(index, &low)| (index, u64::from(low) + self.carried(index)))
            })
            .filter(|&(_, count)| count != 0)
    }

    /// The upper ends of the buckets at these ranks, which ascend and count from 1 (0 is taken for 1).
    fn values_at<const N: usize>(&self, ranks: [u64; N]) -> Option<[u32; N]> {
        if self.len == 0 {
            return None;
        }
        let mut values = [0; N];
        let mut found = 0;
        let mut below = 0;
        for (page, counters) in self.existing() {
            let sum = below + self.sum(page * PAGE, counters);
            if ranks[found] > sum {
                below = sum;
                continue;
            }
            // Eight at a time: most of a page is passed over by sums, which the compiler makes of vectors.
            for (group, eight) in counters.as_chunks::<EIGHT>().0.iter().enumerate() {
                let first = page * PAGE + group * EIGHT;
                let sum = below + self.sum(first, eight);
                if ranks[found] > sum {
                    below = sum;
                    continue;
                }
                for (index, &low) in (first..).zip(eight) {
                    below += u64::from(low) + self.carried(index);
                    while ranks[found].max(1) <= below {
                        values[found] = highest_of(index);
                        found += 1;
                        if found == N {
                            return Some(values);
                        }
                    }
                }
            }
        }
        unreachable!("a rank is at most the number of values, and every value is in a page")
    }

    /// The pages that exist, by number, ascending.
    #[inline]
    fn existing(&self) -> impl Iterator<Item = (usize, &Page)> {
        // Eight entries at a time, as nearly all are zero.
        let eights = self.table.as_chunks::<EIGHT>().0.iter().enumerate();
        eights.filter(|(_, eight)| u64::from_ne_bytes(**eight) != 0).flat_map(|(group, eight)| {
            let places = (group * EIGHT..).zip(eight).filter(|&(_, &n)| n != 0);
            places.map(|(page, &n)| (page, &self.pages[usize::from(n) - 1]))
        })
    }

    /// The counts of `counters`, of which the first has this index.
    #[inline]
    fn sum(&self, first: usize, counters: &[u16]) -> u64 {
        let low: u32 = counters.iter().map(|&counter| u32::from(counter)).sum();
        if self.carries.is_empty() {
            return u64::from(low);
        }
        let held = first..first + counters.len();
        let carried = self.carries.iter().filter(|&&(index, _)| held.contains(&usize::from(index)));
        u64::from(low) + carried.map(|&(_, carry)| carry << 16).sum::<u64>()
    }

    #[inline]
    fn carried(&self, index: usize) -> u64 {
        if self.carries.is_empty() {
            return 0;
        }
        self.carry_at(index).map_or(0, |at| self.carries[at].1 << 16)
    }

    fn carry_at(&self, index: usize) -> Result<usize, usize> {
        self.carries.binary_search_by_key(&index, |&(at, _)| usize::from(at))
    }

    #[cold]
    fn carry(&mut self, index: usize, by: u64) {
        match self.carry_at(index) {
            Ok(at) => self.carries[at].1 += by,
            Err(at) => self.carries.insert(at, (u16::try_from(index).expect("below COUNTERS"), by)),
        }
    }

    #[cold]
    fn borrow(&mut self, index: usize) {
        let at = self.carry_at(index).expect(FORGOTTEN);
        self.carries[at].1 -= 1;
        if self.carries[at].1 == 0 {
            self.carries.remove(at);
        }
    }

    fn add(&mut self, index: usize, count: u64) {
        self.len += count;
        let page = match self.table[index / PAGE] {
            0 => self.open(index / PAGE),
            n => usize::from(n) - 1,
        };
        let counter = &mut self.pages[page][index % PAGE];
        let sum = u64::from(*counter) + count;
        *counter = u16::try_from(sum & 0xffff).expect("masked");
        if sum >> 16 != 0 {
            self.carry(index, sum >> 16);
        }
    }

    /// Makes page `page` of the layout exist, in the place of an empty one if there is any.
    #[cold]
    fn open(&mut self, page: usize) -> usize {
        let empty = (0..PAGES).find(|&other| match self.table[other] {
            0 => false,
            n => self.sum(other * PAGE, &self.pages[usize::from(n) - 1]) == 0,
        });
        let place = if let Some(other) = empty {
            std::mem::take(&mut self.table[other])
        } else {
            if self.pages.len() == self.pages.capacity() {
                // By one: doubling would hold as much again, in each of some ten thousand histograms.
                self.pages.reserve_exact(1);
            }
            self.pages.push([0; PAGE]);
            u8::try_from(self.pages.len()).expect("PAGES fits a byte")
        };
        self.table[page] = place;
        usize::from(place) - 1
    }
}

const FORGOTTEN: &str = "a value is forgotten only after it was recorded";

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

/// Where a value is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    index: usize,
    saturated: bool,
}

impl Place {
    /// Of `value` µs.
    #[inline]
    pub(super) fn of(value: u32) -> Self {
        Self { index: index_of(value.min(Histogram::HIGHEST)), saturated: value > Histogram::HIGHEST }
    }
}

#[inline]
pub(super) const fn index_of(value: u32) -> usize {
    let octave = u32::BITS - HALF_BITS - 1 - (value | (FULL - 1)).leading_zeros();
    ((octave << HALF_BITS) + (value >> octave)) as usize
}

const fn octave_of(index: usize) -> usize {
    (index >> HALF_BITS).saturating_sub(1)
}

#[allow(clippy::cast_possible_truncation, reason = "an index is below COUNTERS, so its values are below 2^30")]
const fn lowest_of(index: usize) -> u32 {
    let octave = octave_of(index);
    ((index - (octave << HALF_BITS)) << octave) as u32
}

const fn highest_of(index: usize) -> u32 {
    lowest_of(index) + (1 << octave_of(index)) - 1
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
            let mut reverse = of(&right);
            reverse.merge(&of(&left));
            let both: Vec<u32> = left.iter().chain(&right).copied().collect();
            prop_assert_eq!(&merged, &of(&both));
            prop_assert_eq!(merged, reverse);
        }

        /// Memory follows what is held, not what was ever held: an emptied page is taken again.
        #[test]
        fn a_wandering_latency_takes_no_more_pages_than_a_window_needs(start in 0u32..8) {
            let mut histogram = Histogram::default();
            let values: Vec<u32> = (0..400).map(|i| 300 << ((start + i / 40) % 20)).collect();
            for (i, &value) in values.iter().enumerate() {
                histogram.record(value);
                if i >= 10 {
                    histogram.forget(values[i - 10]);
                }
            }
            prop_assert!(histogram.pages.len() <= 3, "{} pages", histogram.pages.len());
        }
    }

    #[test]
    fn buckets_cover_all_values_once_and_are_narrow() {
        let mut next = 0;
        for index in 0..=index_of(Histogram::HIGHEST) {
            assert_eq!(lowest_of(index), next);
            assert_eq!((index_of(lowest_of(index)), index_of(highest_of(index))), (index, index));
            assert!((highest_of(index) - lowest_of(index)) * 128 <= lowest_of(index));
            next = highest_of(index) + 1;
        }
        assert!(next > Histogram::HIGHEST);
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
        assert_eq!(Histogram::from_hdr(&twice.to_hdr()).unwrap(), twice);
        assert_eq!(twice.len(), 400_004);
        for _ in 0..199_999 {
            histogram.forget(5_000);
        }
        assert_eq!(histogram, of(&[10, 5_000, 9_000]));
        assert!(histogram.carries.is_empty());
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
