//! The numbers of incidents and messages, which outlets take as keys: none is ever given to a second one.
//!
//! Messages go out even if a full disk cannot store them, and so do their numbers. Numbers are reserved on the disk in blocks, half a
//! block ahead, so that a start after that begins above all of them. A clean end gives back what it did not use.

use super::change::{Change, ChangeKey, Counter, Record};

/// Numbers in a block.
const BLOCK: u64 = 1_000;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    counter: Counter,
    next: u64,
    /// A start begins here, once that is stored.
    reserved: u64,
}

impl Numbers {
    /// The numbers of `counter` from 1 on.
    #[must_use]
    pub const fn new(counter: Counter) -> Self {
        Self { counter, next: 1, reserved: 1 }
    }

    /// Goes on with `next`, as it was stored, above `known`, the highest number of a record.
    pub fn restore(&mut self, next: u64, known: Option<u64>) {
        self.next = next.max(known.map_or(1, |known| known.saturating_add(1)));
        self.reserved = self.next;
    }

    /// The next number.
    pub fn take(&mut self, changes: &mut Vec<Change>) -> u64 {
        let number = self.next;
        self.next = number.saturating_add(1);
        self.reserve(changes);
        number
    }

    /// Reserves another block if half of the last one is used.
    pub fn reserve(&mut self, changes: &mut Vec<Change>) {
        if self.next.saturating_add(BLOCK / 2) > self.reserved {
            self.reserved = self.next.saturating_add(BLOCK);
            changes.push((ChangeKey::Next(self.counter), Some(Record::Next(self.reserved))));
        }
    }

    /// Gives back the unused numbers. A number taken after that reserves a block anew.
    pub fn release(&mut self, changes: &mut Vec<Change>) {
        if self.reserved != self.next {
            self.reserved = self.next;
            changes.push((ChangeKey::Next(self.counter), Some(Record::Next(self.next))));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Runs that the disk serves or not, and that end cleanly or not.
        #[test]
        fn no_number_is_given_twice_while_the_disk_is_full_for_half_a_block(
            runs in prop::collection::vec((0u64..2_000, 0..=BLOCK / 2, any::<bool>()), 1..8),
        ) {
            let (mut stored, mut last) = (0, 0);
            for (saved, unsaved, is_clean) in runs {
                let mut numbers = Numbers::new(Counter::Row);
                numbers.restore(stored, None);
                let mut changes = Vec::new();
                numbers.reserve(&mut changes);
                let mut keep = |changes: &mut Vec<Change>| {
                    if let Some((_, Some(Record::Next(next)))) = changes.drain(..).next_back() {
                        stored = next;
                    }
                };
                keep(&mut changes);
                for count in 0..saved + unsaved {
                    let number = numbers.take(&mut changes);
                    prop_assert!(number > last, "{} after {}", number, last);
                    last = number;
                    if count < saved {
                        keep(&mut changes);
                    }
                }
                if is_clean && unsaved == 0 {
                    numbers.release(&mut changes);
                    keep(&mut changes);
                    prop_assert_eq!(stored, last + 1, "nothing is left out after a clean end");
                }
            }
        }
    }

    /// The number that earlier versions stored was the next one.
    #[test]
    fn a_store_of_an_earlier_version_goes_on_with_its_next_number() {
        let mut numbers = Numbers::new(Counter::Incident);
        numbers.restore(7, Some(6));
        assert_eq!(numbers.take(&mut Vec::new()), 7);
        numbers.restore(0, Some(12));
        assert_eq!(numbers.take(&mut Vec::new()), 13, "without one, above what is there");
    }
}
