//! The exact maximum of sliding windows over one stream, without scanning it.
//!
//! **Idea.** A value that is followed by one at least as large can never be the maximum again, so only the values that
//! are larger than everything after them are kept: a queue that falls from front to back. The maximum of the values
//! since any one is the first that is kept from there on, so one queue serves every window that ends at the head of the
//! stream. Each value enters and leaves at most once: O(1) amortised; a maximum is a binary search. This is the
//! "ascending minima" algorithm (R. Harter) turned round; D. Lemire, "Streaming maximum-minimum filter using no more than
//! three comparisons per element" (2006), has the proof.
//!
//! **Invariants.** Values in the queue fall strictly. Values are numbered from 0 as they come.
//!
//! **Limits.** At most 2^31 values between the oldest kept and the newest. A random window of n values keeps about ln n
//! of them; one that only ever falls keeps all, 8 bytes each.

use std::collections::VecDeque;

/// The maximum since any of the values that were not dropped yet.
#[derive(Clone, Debug, Default)]
pub struct Peak {
    /// Number (modulo 2^32) and value.
    falling: VecDeque<(u32, u32)>,
    arrived: u32,
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

    /// Nobody will ask for what came before value number `number`, counted modulo 2^32.
    #[inline]
    pub fn drop_before(&mut self, number: u32) {
        while self.falling.front().is_some_and(|&(first, _)| before(first, number)) {
            self.falling.pop_front();
        }
    }

    /// The largest value from number `number` on, counted modulo 2^32; none when nothing came since.
    #[must_use]
    pub fn max_since(&self, number: u32) -> Option<u32> {
        let at = self.falling.partition_point(|&(kept, _)| before(kept, number));
        self.falling.get(at).map(|&(_, value)| value)
    }

    /// Bytes that it has on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.falling.capacity() * size_of::<(u32, u32)>()
    }
}

const fn before(number: u32, other: u32) -> bool {
    number.wrapping_sub(other) > u32::MAX / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// For any values and any places from which to look, also across the end of the numbers.
        #[test]
        fn it_is_the_maximum_since_any_value_that_was_kept(
            values in prop::collection::vec((0u32..20, 0usize..6), 0..200), wrapped: bool,
        ) {
            let first = if wrapped { u32::MAX - 50 } else { 0 };
            let mut peak = Peak { arrived: first, ..Peak::default() };
            let mut all: Vec<u32> = Vec::new();
            let mut dropped = 0;
            for (value, drop) in values {
                peak.admit(value);
                all.push(value);
                dropped = (dropped + drop / 3).min(all.len());
                let number = |at: usize| first.wrapping_add(u32::try_from(at).unwrap());
                peak.drop_before(number(dropped));
                for from in dropped..=all.len() {
                    prop_assert_eq!(peak.max_since(number(from)), all[from..].iter().copied().max());
                }
                prop_assert!(peak.falling.len() <= all.len() - dropped);
            }
        }
    }
}
