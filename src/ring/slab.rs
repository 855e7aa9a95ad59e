//! One allocation for the slots of many rings; the system backs a page with memory when it is first written.
//!
//! A ring is as long as its horizon and empty at the start: a thousand sites checked every second have 150 MB of slots
//! and need none of them yet. The system hands out untouched zero pages, but an allocator asks it for them only in large
//! requests; a ring-sized request is served from the heap and zeroed on the spot, a microsecond or more per page.
//!
//! Invariants: the stretches of two rings never overlap. A slot that was never written holds zeros.
//!
//! Bounds: a slab is freed as a whole, with the last ring in it, so rings that come and go one at a time get a slab each.
//! Cost: about one push in a hundred pays for the first write to a page, about a microsecond.

use std::sync::Arc;

use super::Slot;

/// A piece of memory that rings are cut from.
#[derive(Debug)]
pub struct Slab {
    slots: Arc<Box<[Slot]>>,
    taken: usize,
}

/// The slots of one ring.
#[derive(Debug)]
pub(super) struct SlotRange {
    slab: Arc<Box<[Slot]>>,
    first: usize,
    len: usize,
}

impl Slab {
    /// Room for rings of `slots` samples together.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self { slots: Arc::new(zeroed(slots)), taken: 0 }
    }

    /// Takes `len` free slots, from a new allocation if this one has too few.
    pub(super) fn cut(&mut self, len: usize) -> SlotRange {
        if self.slots.len() - self.taken < len {
            return SlotRange { slab: Arc::new(zeroed(len)), first: 0, len };
        }
        let first = self.taken;
        self.taken += len;
        SlotRange { slab: Arc::clone(&self.slots), first, len }
    }
}

impl SlotRange {
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn slots(&self) -> &[Slot] {
        &self.slab[self.first..self.first + self.len]
    }

    /// The slot at `place`, which is below its length.
    #[inline]
    pub(super) fn at(&self, place: usize) -> &Slot {
        debug_assert!(place < self.len, "a ring keeps to its own slots");
        &self.slab[self.first + place]
    }
}

/// Zeroed slots; the allocator may have zero pages at hand.
#[cfg(not(all(test, webmon_loom)))]
fn zeroed(slots: usize) -> Box<[Slot]> {
    use std::alloc::{Layout, handle_alloc_error};
    use zerocopy::FromZeros as _;

    <[Slot]>::new_box_zeroed_with_elems(slots)
        .unwrap_or_else(|_| handle_alloc_error(Layout::array::<Slot>(slots).unwrap_or(Layout::new::<Slot>())))
}

/// Loom's atomics must be created one at a time.
#[cfg(all(test, webmon_loom))]
fn zeroed(slots: usize) -> Box<[Slot]> {
    (0..slots).map(|_| std::array::from_fn(|_| super::AtomicU64::new(0))).collect()
}
