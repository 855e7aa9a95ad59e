//! The exact maximum of a sliding window, without scanning it.
//!
//! **Idea.** A value that is followed by one at least as large can never be the maximum again, so only the values that
//! are larger than everything after them are kept: a queue that falls from front to back, whose front is the maximum.
//! Each value enters and leaves the queue at most once: O(1) amortised. This is the "ascending minima" algorithm (R.
//! Harter) turned round; D. Lemire, "Streaming maximum-minimum filter using no more than three comparisons per
//! element" (2006), has the proof.
//!
//! **Invariants.** Values leave in the order in which they came. Values in the queue fall strictly.
//!
//! **Limits.** At most 2^32 − 1 values at once. A random window of n values keeps about ln n of them; one that only
//! ever falls keeps all, 8 bytes each.

use std::collections::VecDeque;

/// The largest of the values that came and did not leave yet.
#[derive(Clone, Debug, Default)]
pub struct Peak {
    /// Ordinal (counted modulo 2^32) and value.
    falling: VecDeque<(u32, u32)>,
    arrived: u32,
    left: u32,
}

impl Peak {
    /// `value` comes.
    #[inline]
    pub fn admit(&mut self, value: u32) {
        while self.falling.back().is_some_and(|&(_, last)| last <= value) {
            self.falling.pop_back();
        }
        self.falling.push_back((self.arrived, value));
        self.arrived = self.arrived.wrapping_add(1);
    }

    /// The oldest value leaves; there must be one.
    #[inline]
    pub fn retire(&mut self) {
        debug_assert!(self.left != self.arrived, "a value leaves only after it came");
        if self.falling.front().is_some_and(|&(ordinal, _)| ordinal == self.left) {
            self.falling.pop_front();
        }
        self.left = self.left.wrapping_add(1);
    }

    /// The largest value; none when all have left.
    #[inline]
    #[must_use]
    pub fn max(&self) -> Option<u32> {
        self.falling.front().map(|&(_, value)| value)
    }

    /// All values leave.
    pub fn clear(&mut self) {
        self.falling.clear();
        self.left = self.arrived;
    }

    /// Bytes that it has on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.falling.capacity() * size_of::<(u32, u32)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_maximum_of_what_is_there(
            acts in prop::collection::vec(prop_oneof![3 => (0u32..20).prop_map(Some), 2 => Just(None)], 0..300),
            wrapped: bool,
        ) {
            let from = if wrapped { u32::MAX - 5 } else { 0 };
            let mut peak = Peak { arrived: from, left: from, ..Peak::default() };
            let mut there: Vec<u32> = Vec::new();
            for act in acts {
                match act {
                    Some(value) => {
                        peak.admit(value);
                        there.push(value);
                    }
                    None if there.is_empty() => peak.clear(),
                    None => {
                        peak.retire();
                        there.remove(0);
                    }
                }
                prop_assert_eq!(peak.max(), there.iter().copied().max());
                prop_assert!(peak.falling.len() <= there.len());
            }
        }
    }
}
