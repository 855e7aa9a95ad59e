//! Room for many rings in one piece, which no memory stands behind before something is written to it.
//!
//! **Idea.** A ring is as long as its horizon and empty at the start: a thousand sites checked every second have 150 MB of
//! slots and need none of them yet. The system gives pages that read as zero when they are first written to, but an
//! allocator asks it for such pages only where much is wanted at once. Pieces the size of a ring come out of memory that
//! it has, and are filled with zeros there and then: pages that nobody needs yet, at a microsecond or more each.
//!
//! **Invariants.** Rings get stretches that do not overlap, each once. A slot that was never written holds zeros.
//!
//! **Limits.** A slab is given back as a whole, when the last ring in it is gone; whoever makes rings that come and go one by
//! one gives each a slab of its own. What the first write to a page costs, about a microsecond, a push then pays,
//! once in a hundred.

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

    /// `len` slots that nobody else has; elsewhere, if they are not here any more.
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

    /// All of it.
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

/// Slots that read as zero, from an allocator that may know of memory which does already.
#[cfg(not(all(test, webmon_loom)))]
fn zeroed(slots: usize) -> Box<[Slot]> {
    use std::alloc::{Layout, handle_alloc_error};
    use zerocopy::FromZeros as _;

    <[Slot]>::new_box_zeroed_with_elems(slots)
        .unwrap_or_else(|_| handle_alloc_error(Layout::array::<Slot>(slots).unwrap_or(Layout::new::<Slot>())))
}

/// Loom's atomics have to be made one by one.
#[cfg(all(test, webmon_loom))]
fn zeroed(slots: usize) -> Box<[Slot]> {
    (0..slots).map(|_| std::array::from_fn(|_| super::AtomicU64::new(0))).collect()
}
