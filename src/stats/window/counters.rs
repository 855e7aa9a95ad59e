//! The counters of the distributions of all sliding windows of a site, of one quantity, window by window.
//!
//! They have the buckets of [`crate::stats::histogram`]. Counters have 16 bits and lie in pages of a quarter of an
//! octave, created when first needed: a site whose latencies stay within a few octaves takes a few hundred bytes
//! instead of 12 KiB per window. A counter above 65,535 carries into a sparse list. An emptied page is reused before a
//! new one is created, so memory follows the widest window, not the history. A page holds all windows, eight buckets of
//! one next to the same eight of the next: a value looks up its page once, and for up to four windows its counters fit
//! 64 bytes.
//!
//! Invariants: a value is removed from a window only after it was added.
//! Bounds: values from 0 to [`HIGHEST`]. A page exists for all windows once one of them needs it.

use crate::stats::histogram::{HIGHEST, highest_of, index_of};

const PAGE: usize = 32;
const PAGES: usize = 96;
/// Counters that a scan skips at once.
const EIGHT: usize = 8;
const EIGHTS: usize = PAGE / EIGHT;

const _: () = assert!(index_of(HIGHEST) < PAGES * PAGE);
const _: () = assert!(PAGES < u8::MAX as usize);

/// Counters of eight buckets of one window, aligned so that those of four windows span at most two cache lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(16))]
struct Eight([u16; EIGHT]);

/// Counts by bucket and window.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    windows: usize,
    /// Per page of the layout: 0 while it does not exist, otherwise one more than its position in `eights`, in pages.
    table: [u8; PAGES],
    /// Page by page; within a page, for each eight buckets, the counters of every window.
    eights: Vec<Eight>,
    /// Multiples of 65,536 per (index, window), ascending; nearly always empty.
    carries: Vec<((u16, u16), u64)>,
}

impl Counters {
    /// Empty counters of this many windows.
    pub(crate) const fn new(windows: usize) -> Self {
        Self { windows, table: [0; PAGES], eights: Vec::new(), carries: Vec::new() }
    }

    /// Increments bucket `index` of every window.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "its one caller is a loop in which the call costs as much as the counting")]
    pub(crate) fn raise_all(&mut self, index: usize) {
        let first = self.reach(index);
        for (window, Eight(counters)) in self.eights[first..][..self.windows].iter_mut().enumerate() {
            let counter = &mut counters[index % EIGHT];
            *counter = counter.wrapping_add(1);
            if *counter == 0 {
                return self.raise_from(window, first, index);
            }
        }
    }

    /// Decrements bucket `index` of `window`.
    #[inline]
    pub(crate) fn lower(&mut self, index: usize, window: usize) {
        let at = self.first_of(index).wrapping_add(window);
        let counter = &mut self.eights.get_mut(at).expect(NOT_ADDED).0[index % EIGHT];
        let before = *counter;
        *counter = before.wrapping_sub(1);
        if before == 0 {
            self.borrow(index, window);
        }
    }

    /// Clears all windows. Keeps the pages: later values are often much like earlier ones.
    pub(crate) fn clear(&mut self) {
        self.eights.fill(Eight::default());
        self.carries.clear();
    }

    /// The counters of `window` that are not zero, by index, ascending.
    #[cfg(test)]
    pub(crate) fn of(&self, window: usize) -> impl Iterator<Item = (usize, u64)> {
        self.existing()
            .flat_map(move |(page, place)| (0..EIGHTS).map(move |eight| (page, place, eight)))
            .flat_map(move |(page, place, eight)| {
                let counters = (page * PAGE + eight * EIGHT..).zip(&self.eight(place, eight, window).0);
                counters.map(move |(index, &low)| (index, u64::from(low) + self.carried(index, window)))
            })
            .filter(|&(_, count)| count != 0)
    }

    /// The values at these percentiles, ascending whole percents of `1..=100`, of a window that holds `count` values:
    /// the upper end of the bucket of each rank. `None` without values.
    pub(crate) fn percentiles<const N: usize>(&self, window: usize, count: u64, percents: [u8; N]) -> Option<[u32; N]> {
        if count == 0 {
            return None;
        }
        let ranks = percents.map(|percent| (u64::from(percent) * count).div_ceil(100));
        let mut values = [0; N];
        let mut found = 0;
        let mut below = 0;
        for (page, place) in self.existing() {
            // A page, then eight counters at a time: sums, which compile to vector instructions, skip most of them.
            let page_sum: u32 = (0..EIGHTS).map(|eight| sum(self.eight(place, eight, window))).sum();
            let page_sum = below + u64::from(page_sum) + self.carried_in(page * PAGE, PAGE, window);
            if ranks[found] > page_sum {
                below = page_sum;
                continue;
            }
            for eight in 0..EIGHTS {
                let first = page * PAGE + eight * EIGHT;
                let counters = self.eight(place, eight, window);
                let eight_sum = below + u64::from(sum(counters)) + self.carried_in(first, EIGHT, window);
                if ranks[found] > eight_sum {
                    below = eight_sum;
                    continue;
                }
                for (index, &low) in (first..).zip(&counters.0) {
                    below += u64::from(low) + self.carried(index, window);
                    while ranks[found] <= below {
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

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.eights.capacity() * size_of::<Eight>() + self.carries.capacity() * size_of::<((u16, u16), u64)>()
    }

    /// Position of the counter of bucket `index` for window 0; out of range while its page does not exist.
    #[inline]
    fn first_of(&self, index: usize) -> usize {
        // Zero, a missing page, wraps to one before the first; adding any eight and any window keeps it out of range.
        let place = usize::from(self.table[index / PAGE]).wrapping_sub(1);
        place.wrapping_mul(EIGHTS).wrapping_add(index % PAGE / EIGHT).wrapping_mul(self.windows)
    }

    /// Like `first_of`, but creates a missing page.
    #[inline]
    fn reach(&mut self, index: usize) -> usize {
        let first = self.first_of(index);
        if first < self.eights.len() {
            return first;
        }
        self.open(index)
    }

    /// The existing pages in order: number and position.
    #[inline]
    fn existing(&self) -> impl Iterator<Item = (usize, usize)> {
        // Eight entries at a time, because nearly all are zero.
        let eights = self.table.as_chunks::<EIGHT>().0.iter().enumerate();
        eights.filter(|(_, eight)| u64::from_ne_bytes(**eight) != 0).flat_map(|(group, eight)| {
            let places = (group * EIGHT..).zip(eight).filter(|&(_, &n)| n != 0);
            places.map(|(page, &n)| (page, usize::from(n) - 1))
        })
    }

    #[inline]
    fn eight(&self, place: usize, eight: usize, window: usize) -> &Eight {
        &self.eights[(place * EIGHTS + eight) * self.windows + window]
    }

    #[inline]
    fn carried(&self, index: usize, window: usize) -> u64 {
        if self.carries.is_empty() {
            return 0;
        }
        self.carry_at(index, window).map_or(0, |at| self.carries[at].1 << 16)
    }

    /// The carried part of `len` counters from `first` on.
    #[inline]
    fn carried_in(&self, first: usize, len: usize, window: usize) -> u64 {
        if self.carries.is_empty() {
            return 0;
        }
        (first..first + len).map(|index| self.carried(index, window)).sum()
    }

    fn carry_at(&self, index: usize, window: usize) -> Result<usize, usize> {
        self.carries.binary_search_by_key(&key(index, window), |&(key, _)| key)
    }

    /// Finishes [`Counters::raise_all`] from `window` on, whose counter has just overflowed.
    #[cold]
    fn raise_from(&mut self, window: usize, first: usize, index: usize) {
        self.carry(index, window, 1);
        for other in window + 1..self.windows {
            let counter = &mut self.eights[first + other].0[index % EIGHT];
            *counter = counter.wrapping_add(1);
            if *counter == 0 {
                self.carry(index, other, 1);
            }
        }
    }

    #[cold]
    fn carry(&mut self, index: usize, window: usize, by: u64) {
        match self.carry_at(index, window) {
            Ok(at) => self.carries[at].1 += by,
            Err(at) => self.carries.insert(at, (key(index, window), by)),
        }
    }

    #[cold]
    fn borrow(&mut self, index: usize, window: usize) {
        let at = self.carry_at(index, window).expect(NOT_ADDED);
        self.carries[at].1 -= 1;
        if self.carries[at].1 == 0 {
            self.carries.remove(at);
        }
    }

    /// Creates the page of bucket `index`, in place of one that is empty in all windows if there is any.
    #[cold]
    #[inline(never)]
    fn open(&mut self, index: usize) -> usize {
        let page = index / PAGE;
        let eights = EIGHTS * self.windows;
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
            // One page: doubling would waste as much again in each of ten thousand sites.
            self.eights.reserve_exact(eights);
        }
        self.eights.resize(self.eights.len() + eights, Eight::default());
        self.table[page] = u8::try_from(self.eights.len() / eights).expect("PAGES fits a byte");
        self.first_of(index)
    }
}

const NOT_ADDED: &str = "a value is removed only after it was added";

fn key(index: usize, window: usize) -> (u16, u16) {
    let narrow = |number| u16::try_from(number).expect("below PAGES * PAGE, and there are few windows");
    (narrow(index), narrow(window))
}

#[inline]
fn sum(eight: &Eight) -> u32 {
    eight.0.iter().map(|&counter| u32::from(counter)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::histogram;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Values that share few buckets of few pages, so that pages are emptied and reused.
    fn values() -> impl Strategy<Value = u32> {
        prop_oneof![3 => 0u32..400, 2 => (0u32..30).prop_map(|octave| 1 << octave), 1 => 0..=HIGHEST]
    }

    proptest! {
        /// Model: one map from bucket to count per window.
        #[test]
        fn each_window_counts_on_its_own(
            windows in 1usize..5,
            acts in prop::collection::vec((values(), any::<prop::sample::Index>(), 0u8..5), 1..200),
        ) {
            let mut counters = Counters::new(windows);
            let mut held: Vec<Vec<usize>> = vec![Vec::new(); windows];
            for (value, pick, act) in acts {
                let (window, index) = (usize::from(act) % windows, index_of(value));
                if act < 3 {
                    counters.raise_all(index);
                    for held in &mut held {
                        held.push(index);
                    }
                } else if !held[window].is_empty() {
                    let count = held[window].len();
                    counters.lower(held[window].swap_remove(pick.index(count)), window);
                }
            }
            for (window, held) in held.iter().enumerate() {
                let mut model: BTreeMap<usize, u64> = BTreeMap::new();
                for &index in held {
                    *model.entry(index).or_default() += 1;
                }
                prop_assert_eq!(counters.of(window).collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
                let mut sorted = held.clone();
                sorted.sort_unstable();
                let at = |percent: usize| highest_of(sorted[(sorted.len() * percent).div_ceil(100) - 1]);
                let expected = (!sorted.is_empty()).then(|| [at(1), at(50), at(99)]);
                prop_assert_eq!(counters.percentiles(window, sorted.len() as u64, [1, 50, 99]), expected);
            }
        }

        /// For any order of additions and removals: the counts and quantiles of `hdrhistogram` over what is left, and
        /// within 1 % of the exact order statistics.
        #[test]
        fn they_agree_with_hdrhistogram_and_with_sorting(
            acts in prop::collection::vec((histogram::tests::values(), any::<prop::sample::Index>(), 0u8..3), 1..300),
        ) {
            let mut counters = Counters::new(1);
            let mut left: Vec<u32> = Vec::new();
            for (value, pick, act) in acts {
                if act == 0 && !left.is_empty() {
                    counters.lower(index_of(left.swap_remove(pick.index(left.len()))), 0);
                } else {
                    left.push(value.min(HIGHEST));
                    counters.raise_all(index_of(value.min(HIGHEST)));
                }
            }
            let hdr = histogram::tests::of(&left);
            let counts: Vec<(u32, u64)> = counters.of(0).map(|(index, count)| (highest_of(index), count)).collect();
            prop_assert_eq!(counts, hdr.buckets().map(|(value, count)| (value, count.into())).collect::<Vec<_>>());
            left.sort_unstable();
            for percent in 1..=100 {
                let found = counters.percentiles(0, left.len() as u64, [percent]);
                prop_assert_eq!(found.is_none(), left.is_empty());
                if let Some([value]) = found {
                    let exact = left[(usize::from(percent) * left.len()).div_ceil(100) - 1];
                    prop_assert!(value >= exact && value - exact <= exact / 100, "p{}: {} for {}", percent, value, exact);
                }
            }
            for percents in [[50, 90], [95, 99]] {
                prop_assert_eq!(counters.percentiles(0, left.len() as u64, percents), hdr.percentiles(percents));
            }
        }
    }

    #[test]
    #[should_panic(expected = "removed only after it was added")]
    fn removing_what_was_never_added_is_a_fault() {
        let mut counters = Counters::new(1);
        counters.raise_all(1);
        counters.lower(index_of(7_000_000), 0);
    }

    #[test]
    fn a_counter_widens_in_each_window_on_its_own() {
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
        for (window, count) in [(0, 10), (1, 70_000), (2, 140_000)] {
            assert_eq!(counters.of(window).collect::<Vec<_>>(), [(1, 1), (index, count)]);
            assert_eq!(counters.percentiles(window, count + 1, [100]), Some([highest_of(index)]));
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

    /// Memory follows what is held, not what was ever held: an emptied page is reused.
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
}
