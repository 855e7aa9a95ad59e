//! The exact maximum of sliding windows over one stream, without scanning it.
//!
//! A value followed by one at least as large can never be the maximum again, so only values larger than everything
//! after them are kept: a queue that falls from front to back. The maximum since any value is the first kept from there
//! on, so one queue serves every window that ends at the head of the stream. This is the "ascending minima" algorithm
//! (R. Harter), mirrored; D. Lemire, "Streaming maximum-minimum filter using no more than three comparisons per
//! element" (2006), has the proof.
//!
//! Invariants: values in the queue fall strictly; values are numbered from 0 as they arrive. Dropped values keep their
//! room until they are half of the list: moving its beginning is cheaper than a ring.
//! Bounds: at most 2^31 values between the oldest kept and the newest. A random window of n values keeps about ln n;
//! one that only falls keeps all, 8 bytes each. Cost: each value enters and leaves at most once; a maximum is a binary
//! search.

/// The maximum since any value that was not dropped.
#[derive(Clone, Debug, Default)]
pub struct RunningMax {
    /// Number (modulo 2^32) and value. Those before `first` were dropped.
    falling: Vec<(u32, u32)>,
    first: usize,
    arrived: u32,
}

impl RunningMax {
    /// `values` come, oldest first.
    #[inline]
    pub fn admit_all(&mut self, values: &[u32]) {
        let kept = self.falling.len();
        let mut number = self.arrived.wrapping_add(u32::try_from(values.len()).expect("at most 2^31 at a time"));
        self.arrived = number;
        // From the newest back, so that one that falls behind a later one is never kept at all.
        let mut largest = None;
        for &value in values.iter().rev() {
            number = number.wrapping_sub(1);
            if largest.is_none_or(|largest| value > largest) {
                self.falling.push((number, value));
                largest = Some(value);
            }
        }
        let Some(largest) = largest else { return };
        self.falling[kept..].reverse();
        let fallen = self.falling[..kept].iter().rev().take_while(|&&(_, value)| value <= largest).count();
        self.falling.drain(kept - fallen..kept);
        self.first = self.first.min(kept - fallen);
    }

    /// Drops the values before number `number`, counted modulo 2^32.
    #[inline]
    pub fn drop_before(&mut self, number: u32) {
        while self.falling.get(self.first).is_some_and(|&(first, _)| before(first, number)) {
            self.first += 1;
        }
        if self.first > self.falling.len() / 2 {
            self.falling.drain(..self.first);
            self.first = 0;
        }
    }

    /// The largest value from number `number` on, counted modulo 2^32; `None` if there is none.
    #[must_use]
    pub fn max_since(&self, number: u32) -> Option<u32> {
        let at = self.falling.partition_point(|&(kept, _)| before(kept, number));
        self.falling.get(at).map(|&(_, value)| value)
    }

    /// Bytes on the heap.
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
            batches in prop::collection::vec((prop::collection::vec(0u32..20, 0..6), 0usize..6), 0..60), wrapped: bool,
        ) {
            let first = if wrapped { u32::MAX - 50 } else { 0 };
            let mut peak = RunningMax { arrived: first, ..RunningMax::default() };
            let mut all: Vec<u32> = Vec::new();
            let mut dropped = 0;
            for (values, drop) in batches {
                peak.admit_all(&values);
                all.extend(values);
                dropped = (dropped + drop / 2).min(all.len());
                let number = |at: usize| first.wrapping_add(u32::try_from(at).unwrap());
                peak.drop_before(number(dropped));
                for from in dropped..=all.len() {
                    prop_assert_eq!(peak.max_since(number(from)), all[from..].iter().copied().max());
                }
                prop_assert!(peak.falling.len() <= 2 * (all.len() - dropped) + 1);
            }
        }
    }
}
