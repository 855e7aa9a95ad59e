//! Counters of the buckets of distributions that lie side by side: of one histogram, or of the same quantity in every window
//! of a site.
//!
//! **Idea.** The bucket layout of `HdrHistogram` (Gil Tene) at two significant digits: each octave of values has 128
//! counters, so a bucket is at most 1/128 of its value wide. Counters have 16 bits and live in pages, a quarter of an octave
//! each, made when first needed: a site whose latencies stay within a few octaves takes a few hundred bytes in place of
//! 12 KiB. A counter that passes 65,535 carries into a sparse list of higher bits. An emptied page is taken again before a
//! new one is made, so memory follows the widest window, not the history.
//!
//! What arrives is counted on every side, so one page holds all sides, eight buckets of one beside the same eight of the
//! next: a value finds its page once, and for up to four sides its counters are in 64 bytes.
//!
//! **Invariants.** A value is lowered on a side only after it was raised there.
//!
//! **Limits.** Values from 0 to [`HIGHEST`]. A page exists for all sides once one of them needs it.

/// The largest value told apart: ten minutes, in µs.
pub(crate) const HIGHEST: u32 = 600_000_000;
/// Counters of the layout.
pub(crate) const COUNTERS: usize = PAGES * PAGE;

/// Counters of half a power of two: bucket width ≤ value / 128.
const HALF_BITS: u32 = 7;
const FULL: u32 = 1 << (HALF_BITS + 1);
const PAGE: usize = 32;
const PAGES: usize = 96;
/// Counters that are passed over at once.
const EIGHT: usize = 8;
const EIGHTS: usize = PAGE / EIGHT;

const _: () = assert!(index_of(HIGHEST) < COUNTERS);
const _: () = assert!(PAGES < u8::MAX as usize);

/// Counters of eight buckets of one side. Aligned, so that those of four sides share a cache line or two at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(16))]
struct Eight([u16; EIGHT]);

/// Counts by bucket and side.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    sides: usize,
    /// For each page of the layout: 0 while it does not exist, else one past its place in `eights`, in pages.
    table: [u8; PAGES],
    /// Page after page; in each, for every eight buckets, those of every side.
    eights: Vec<Eight>,
    /// Multiples of 65,536 of single counters, by index and side, ascending; nearly always empty.
    carries: Vec<((u16, u16), u64)>,
}

impl Counters {
    /// Nothing counted on any of so many sides.
    pub(crate) const fn new(sides: usize) -> Self {
        Self { sides, table: [0; PAGES], eights: Vec::new(), carries: Vec::new() }
    }

    /// Counts one more in bucket `index` on `side`.
    #[inline]
    pub(crate) fn raise(&mut self, index: usize, side: usize) {
        let at = self.first_of(index).wrapping_add(side);
        let Some(Eight(counters)) = self.eights.get_mut(at) else { return self.add(index, side, 1) };
        let counter = &mut counters[index % EIGHT];
        *counter = counter.wrapping_add(1);
        if *counter == 0 {
            self.carry(index, side, 1);
        }
    }

    /// Counts one more in bucket `index` on every side.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "it has one caller, a loop in which the call costs as much as the counting"
    )]
    pub(crate) fn raise_all(&mut self, index: usize) {
        let first = self.reach(index);
        for (side, Eight(counters)) in self.eights[first..][..self.sides].iter_mut().enumerate() {
            let counter = &mut counters[index % EIGHT];
            *counter = counter.wrapping_add(1);
            if *counter == 0 {
                return self.raise_from(side, first, index);
            }
        }
    }

    /// Takes back one in bucket `index` on `side`.
    #[inline]
    pub(crate) fn lower(&mut self, index: usize, side: usize) {
        let at = self.first_of(index).wrapping_add(side);
        let counter = &mut self.eights.get_mut(at).expect(FORGOTTEN).0[index % EIGHT];
        let before = *counter;
        *counter = before.wrapping_sub(1);
        if before == 0 {
            self.borrow(index, side);
        }
    }

    /// Counts `count` more in bucket `index` on `side`.
    #[inline(never)]
    pub(crate) fn add(&mut self, index: usize, side: usize, count: u64) {
        let first = self.reach(index);
        let counter = &mut self.eights[first + side].0[index % EIGHT];
        let sum = u64::from(*counter) + count;
        *counter = u16::try_from(sum & 0xffff).expect("masked");
        if sum >> 16 != 0 {
            self.carry(index, side, sum >> 16);
        }
    }

    /// Counts everything of `other` in, which has as many sides.
    pub(crate) fn merge(&mut self, other: &Self) {
        let eights = EIGHTS * self.sides;
        for (page, place) in other.existing() {
            let theirs = &other.eights[place * eights..][..eights];
            if theirs.iter().all(|eight| *eight == Eight::default()) {
                continue;
            }
            let first = self.reach(page * PAGE);
            for (at, theirs) in theirs.iter().enumerate() {
                let Eight(mine) = &mut self.eights[first + at];
                // Eight at a time; which of them became full is asked only when one did.
                let sums: [u16; EIGHT] = std::array::from_fn(|index| mine[index].wrapping_add(theirs.0[index]));
                *mine = sums;
                if sums.iter().zip(&theirs.0).map(|(sum, added)| u32::from(sum < added)).sum::<u32>() > 0 {
                    let (index, side) = (page * PAGE + at / self.sides * EIGHT, at % self.sides);
                    for offset in (0..EIGHT).filter(|&offset| sums[offset] < theirs.0[offset]) {
                        self.carry(index + offset, side, 1);
                    }
                }
            }
        }
        for &((index, side), by) in &other.carries {
            // A counter of a round number has a carry and nothing in its page.
            self.reach(usize::from(index));
            self.carry(usize::from(index), usize::from(side), by);
        }
    }

    /// Empties all sides; the memory stays, and so do the pages: who comes next is often much like who was here.
    pub(crate) fn clear(&mut self) {
        self.eights.fill(Eight::default());
        self.carries.clear();
    }

    /// The counters of `side` that are not zero, by index, ascending.
    pub(crate) fn of(&self, side: usize) -> impl Iterator<Item = (usize, u64)> {
        self.existing()
            .flat_map(move |(page, place)| (0..EIGHTS).map(move |eight| (page, place, eight)))
            .flat_map(move |(page, place, eight)| {
                let counters = (page * PAGE + eight * EIGHT..).zip(&self.eight(place, eight, side).0);
                counters.map(move |(index, &low)| (index, u64::from(low) + self.carried(index, side)))
            })
            .filter(|&(_, count)| count != 0)
    }

    /// The values at these percentiles of `side`, which holds `len` in all: ascending, whole percents of `1..=100`, found in
    /// one pass with exact ranks; none without values.
    pub(crate) fn percentiles<const N: usize>(&self, side: usize, len: u64, percents: [u64; N]) -> Option<[u32; N]> {
        self.values_at(side, len, percents.map(|percent| (percent * len).div_ceil(100)))
    }

    /// The upper ends of the buckets at these ranks of `side`, which holds `len` in all. Ranks ascend and count from 1 (0 is
    /// taken for 1).
    pub(crate) fn values_at<const N: usize>(&self, side: usize, len: u64, ranks: [u64; N]) -> Option<[u32; N]> {
        if len == 0 {
            return None;
        }
        let mut values = [0; N];
        let mut found = 0;
        let mut below = 0;
        for (page, place) in self.existing() {
            // A page and then eight at a time: most are passed over by sums, which the compiler makes of vectors.
            let page_sum: u32 = (0..EIGHTS).map(|eight| sum(self.eight(place, eight, side))).sum();
            let page_sum = below + u64::from(page_sum) + self.carried_in(page * PAGE, PAGE, side);
            if ranks[found] > page_sum {
                below = page_sum;
                continue;
            }
            for eight in 0..EIGHTS {
                let first = page * PAGE + eight * EIGHT;
                let counters = self.eight(place, eight, side);
                let eight_sum = below + u64::from(sum(counters)) + self.carried_in(first, EIGHT, side);
                if ranks[found] > eight_sum {
                    below = eight_sum;
                    continue;
                }
                for (index, &low) in (first..).zip(&counters.0) {
                    below += u64::from(low) + self.carried(index, side);
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

    /// Bytes that they have on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.eights.capacity() * size_of::<Eight>() + self.carries.capacity() * size_of::<((u16, u16), u64)>()
    }

    /// Where the counters of bucket `index` begin, those of side 0; out of reach while their page does not exist.
    #[inline]
    fn first_of(&self, index: usize) -> usize {
        // Zero, a page that does not exist, becomes one before the first, also with any eight and any side added.
        let place = usize::from(self.table[index / PAGE]).wrapping_sub(1);
        place.wrapping_mul(EIGHTS).wrapping_add(index % PAGE / EIGHT).wrapping_mul(self.sides)
    }

    /// The same, with the page made if it does not exist.
    #[inline]
    fn reach(&mut self, index: usize) -> usize {
        let first = self.first_of(index);
        if first < self.eights.len() {
            return first;
        }
        self.open(index)
    }

    /// The pages that exist, ascending: number and place.
    #[inline]
    fn existing(&self) -> impl Iterator<Item = (usize, usize)> {
        // Eight entries at a time, as nearly all are zero.
        let eights = self.table.as_chunks::<EIGHT>().0.iter().enumerate();
        eights.filter(|(_, eight)| u64::from_ne_bytes(**eight) != 0).flat_map(|(group, eight)| {
            let places = (group * EIGHT..).zip(eight).filter(|&(_, &n)| n != 0);
            places.map(|(page, &n)| (page, usize::from(n) - 1))
        })
    }

    #[inline]
    fn eight(&self, place: usize, eight: usize, side: usize) -> &Eight {
        &self.eights[(place * EIGHTS + eight) * self.sides + side]
    }

    #[inline]
    fn carried(&self, index: usize, side: usize) -> u64 {
        if self.carries.is_empty() {
            return 0;
        }
        self.carry_at(index, side).map_or(0, |at| self.carries[at].1 << 16)
    }

    /// What is carried of `len` counters from `first` on.
    #[inline]
    fn carried_in(&self, first: usize, len: usize, side: usize) -> u64 {
        if self.carries.is_empty() {
            return 0;
        }
        (first..first + len).map(|index| self.carried(index, side)).sum()
    }

    fn carry_at(&self, index: usize, side: usize) -> Result<usize, usize> {
        self.carries.binary_search_by_key(&key(index, side), |&(key, _)| key)
    }

    /// The rest of [`Counters::raise_all`], from `side` on, whose counter has just become full.
    #[cold]
    fn raise_from(&mut self, side: usize, first: usize, index: usize) {
        self.carry(index, side, 1);
        for other in side + 1..self.sides {
            let counter = &mut self.eights[first + other].0[index % EIGHT];
            *counter = counter.wrapping_add(1);
            if *counter == 0 {
                self.carry(index, other, 1);
            }
        }
    }

    #[cold]
    fn carry(&mut self, index: usize, side: usize, by: u64) {
        match self.carry_at(index, side) {
            Ok(at) => self.carries[at].1 += by,
            Err(at) => self.carries.insert(at, (key(index, side), by)),
        }
    }

    #[cold]
    fn borrow(&mut self, index: usize, side: usize) {
        let at = self.carry_at(index, side).expect(FORGOTTEN);
        self.carries[at].1 -= 1;
        if self.carries[at].1 == 0 {
            self.carries.remove(at);
        }
    }

    /// Makes the page of bucket `index` exist, in the place of one that is empty on all sides if there is any.
    #[cold]
    #[inline(never)]
    fn open(&mut self, index: usize) -> usize {
        let page = index / PAGE;
        let eights = EIGHTS * self.sides;
        let is_empty = |&(other, place): &(usize, usize)| {
            let held = other * PAGE..(other + 1) * PAGE;
            self.eights[place * eights..][..eights].iter().all(|eight| *eight == Eight::default())
                && !self.carries.iter().any(|&((index, _), _)| held.contains(&usize::from(index)))
        };
        let empty = self.existing().find(is_empty);
        if let Some((other, _)) = empty {
            self.table[page] = std::mem::take(&mut self.table[other]);
            return self.first_of(index);
        }
        if self.eights.len() == self.eights.capacity() {
            // By one page: doubling would hold as much again, in each of some ten thousand sites.
            self.eights.reserve_exact(eights);
        }
        self.eights.resize(self.eights.len() + eights, Eight::default());
        self.table[page] = u8::try_from(self.eights.len() / eights).expect("PAGES fits a byte");
        self.first_of(index)
    }
}

const FORGOTTEN: &str = "a value is forgotten only after it was recorded";

fn key(index: usize, side: usize) -> (u16, u16) {
    let narrow = |number| u16::try_from(number).expect("below COUNTERS, and there are few sides");
    (narrow(index), narrow(side))
}

#[inline]
fn sum(eight: &Eight) -> u32 {
    eight.0.iter().map(|&counter| u32::from(counter)).sum()
}

/// The bucket of `value`.
#[inline]
pub(crate) const fn index_of(value: u32) -> usize {
    let octave = u32::BITS - HALF_BITS - 1 - (value | (FULL - 1)).leading_zeros();
    ((octave << HALF_BITS) + (value >> octave)) as usize
}

const fn octave_of(index: usize) -> usize {
    (index >> HALF_BITS).saturating_sub(1)
}

/// The smallest value of bucket `index`.
#[allow(clippy::cast_possible_truncation, reason = "an index is below COUNTERS, so its values are below 2^30")]
pub(crate) const fn lowest_of(index: usize) -> u32 {
    let octave = octave_of(index);
    ((index - (octave << HALF_BITS)) << octave) as u32
}

/// The largest value of bucket `index`.
pub(crate) const fn highest_of(index: usize) -> u32 {
    lowest_of(index) + (1 << octave_of(index)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Values that meet in few buckets of few pages, so that pages are emptied and taken again.
    fn values() -> impl Strategy<Value = u32> {
        prop_oneof![3 => 0u32..400, 2 => (0u32..30).prop_map(|octave| 1 << octave), 1 => 0..=HIGHEST]
    }

    proptest! {
        /// The model: one map from bucket to count a side.
        #[test]
        fn each_side_counts_by_itself_what_all_were_given(
            sides in 1usize..5,
            acts in prop::collection::vec((values(), any::<prop::sample::Index>(), 0u8..5), 1..200),
        ) {
            let mut counters = Counters::new(sides);
            let mut held: Vec<Vec<usize>> = vec![Vec::new(); sides];
            for (value, pick, act) in acts {
                let (side, index) = (usize::from(act) % sides, index_of(value));
                if act < 3 {
                    counters.raise_all(index);
                    for held in &mut held {
                        held.push(index);
                    }
                } else if !held[side].is_empty() {
                    let count = held[side].len();
                    counters.lower(held[side].swap_remove(pick.index(count)), side);
                }
            }
            for (side, held) in held.iter().enumerate() {
                let mut model: BTreeMap<usize, u64> = BTreeMap::new();
                for &index in held {
                    *model.entry(index).or_default() += 1;
                }
                prop_assert_eq!(counters.of(side).collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
                let mut sorted = held.clone();
                sorted.sort_unstable();
                let at = |percent: usize| highest_of(sorted[(sorted.len() * percent).div_ceil(100) - 1]);
                let expected = (!sorted.is_empty()).then(|| [at(1), at(50), at(99)]);
                prop_assert_eq!(counters.percentiles(side, sorted.len() as u64, [1, 50, 99]), expected);
            }
        }
    }

    #[test]
    fn a_counter_widens_on_each_side_by_itself() {
        let mut counters = Counters::new(3);
        let index = index_of(5_000);
        for i in 0..140_000 {
            counters.raise_all(index);
            if i >= 10 {
                counters.lower(index, 0);
            }
            if i >= 70_000 {
                counters.lower(index, 1);
            }
        }
        counters.raise_all(index_of(1));
        for (side, count) in [(0, 10), (1, 70_000), (2, 140_000)] {
            assert_eq!(counters.of(side).collect::<Vec<_>>(), [(1, 1), (index, count)]);
            assert_eq!(counters.percentiles(side, count + 1, [100]), Some([highest_of(index)]));
        }
        for _ in 0..70_000 {
            counters.lower(index, 1);
        }
        for _ in 0..139_990 {
            counters.lower(index, 2);
        }
        assert_eq!(counters.of(1).collect::<Vec<_>>(), [(1, 1)]);
        assert_eq!((counters.of(2).collect::<Vec<_>>(), counters.carries.len()), (vec![(1, 1), (index, 10)], 0));
    }

    /// Memory follows what is held, not what was ever held: an emptied page is taken again.
    #[test]
    fn a_wandering_latency_takes_no_more_pages_than_a_window_needs() {
        for start in 0..8 {
            let mut counters = Counters::new(2);
            let indexes: Vec<usize> = (0..400).map(|i| index_of(300 << ((start + i / 40) % 20))).collect();
            for (i, &index) in indexes.iter().enumerate() {
                counters.raise_all(index);
                if i >= 10 {
                    counters.lower(indexes[i - 10], 0);
                    counters.lower(indexes[i - 10], 1);
                }
            }
            let pages = counters.eights.len() / (2 * EIGHTS);
            assert!(pages <= 3, "{pages} pages");
        }
    }

    #[test]
    fn buckets_cover_all_values_once_and_are_narrow() {
        let mut next = 0;
        for index in 0..=index_of(HIGHEST) {
            assert_eq!(lowest_of(index), next);
            assert_eq!((index_of(lowest_of(index)), index_of(highest_of(index))), (index, index));
            assert!((highest_of(index) - lowest_of(index)) * 128 <= lowest_of(index));
            next = highest_of(index) + 1;
        }
        assert!(next > HIGHEST);
    }
}
