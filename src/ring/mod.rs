//! The lock-free ring of one site: a single writer, many readers, each with its own cursor.
//!
//! The writer never waits and never looks at readers: it overwrites the oldest sample. A reader copies the samples it
//! has not seen and then checks, once per batch, how much of the copy was overwritten meanwhile; it drops and counts
//! that part. This is a sequence lock over a ring. It needs no `unsafe`: a slot is five relaxed atomics, so a torn read
//! is a wrong value and not undefined behaviour.
//!
//! Samples are numbered; number *n* lives in slot *n* mod capacity. Only the writer writes the two counters: `claimed`,
//! one past the last number whose slot it may have begun to fill, and `published`, one past the last whose slot is full.
//!
//! ```text
//! writer                                    reader
//!   claimed   := n + 1      relaxed           p := published            acquire      (1)
//!   fence                   release  (a)      copy the slots of [cursor, p)  relaxed
//!   words of slot n         relaxed           fence                     acquire      (2)
//!   published := n + 1      release  (b)      c := claimed              relaxed
//!                                             keep the numbers >= c − capacity
//! ```
//!
//! - *Nothing unfinished is read*: (b) → (1) makes every word of every number below `p` visible.
//! - *Nothing overwritten is kept*: if one word that the reader copied for number *i* stems from a later lap
//!   *n ≥ i + capacity*, then fence (a), before that word was stored, synchronises with fence (2), after it was loaded;
//!   so `c ≥ n + 1`, hence `i < c − capacity`, and *i* is dropped.
//!
//! This is Boehm's reading of the seqlock ("Can seqlocks get along with programming language memory models?", 2012), as
//! in crossbeam's `SeqLock`; that one needs `unsafe` for its plain data. The models in `ring::loom` explore it.
//!
//! Invariants: one writer, by type: [`Producer`] is not `Clone` and pushes by `&mut`. Its `next_seq` is a plain field, so
//! that no model mistakes it for shared state. `lost` is exact: delivered + lost = numbers passed.
//!
//! Bounds: the capacity is the requested one, not a power of two, and never changes. A reader that is lapped while it
//! copies loses the overwritten samples; a reader of a one-slot ring sees at most one sample. Both sides are wait-free.

mod atomics;
mod slab;

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Cause, Packed, Sample, Timestamp};

use atomics::{AtomicU64, Ordering};
use slab::SlotRange;

pub use slab::Slab;

type Slot = [AtomicU64; Sample::WORDS];

/// The samples of one site, as far back as the capacity reaches.
#[derive(Debug)]
pub struct Ring {
    claimed: AtomicU64,
    published: AtomicU64,
    first_seq: u64,
    slots: SlotRange,
}

/// The one writer of a ring.
#[derive(Debug)]
pub struct Producer {
    ring: Arc<Ring>,
    next_seq: u64,
    slot: usize,
}

/// A reader with its own cursor. A clone continues from the same position independently.
#[derive(Clone, Debug)]
pub struct Reader {
    ring: Arc<Ring>,
    next_seq: u64,
    /// The slot of `next_seq`, carried along: a division would dominate a short drain.
    slot: usize,
    /// `at` of the sample under the cursor; [`Timestamp::ZERO`] while unknown.
    next_at: Timestamp,
}

/// The result of one drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// The number of the first appended sample, or of the next one when none was appended.
    pub first_seq: u64,
    /// Samples before `first_seq` that were overwritten before this reader reached them.
    pub lost: u64,
}

/// Bytes per sample in a ring.
pub const SLOT_BYTES: usize = size_of::<Slot>();

/// The capacity with which a ring reaches `horizon` back: one sample per due check, the probes that may be in flight
/// (⌈timeout / interval⌉ + 1), and 5 %. At least 1.
#[must_use]
pub fn capacity_for(horizon: Duration, interval: Duration, timeout: Duration) -> usize {
    let interval = interval.as_micros().max(1);
    let due = horizon.as_micros().div_ceil(interval);
    let in_flight = timeout.as_micros().div_ceil(interval) + 1;
    usize::try_from(due + in_flight + due.div_ceil(20)).unwrap_or(usize::MAX)
}

impl Producer {
    /// Creates a ring of `capacity` samples (at least 1) whose first sample gets number `first_seq`.
    #[must_use]
    pub fn new(capacity: usize, first_seq: u64) -> Self {
        Self::within(&mut Slab::new(capacity.max(1)), capacity, first_seq)
    }

    /// As [`Producer::new`], with the slots in `slab` while it has room.
    #[must_use]
    pub fn within(slab: &mut Slab, capacity: usize, first_seq: u64) -> Self {
        let slots = slab.cut(capacity.max(1));
        let ring = Ring { claimed: AtomicU64::new(first_seq), published: AtomicU64::new(first_seq), first_seq, slots };
        let slot = ring.slot_of(first_seq);
        Self { ring: Arc::new(ring), next_seq: first_seq, slot }
    }

    /// Appends `sample` and returns its number; a full ring overwrites its oldest sample. Wait-free.
    #[inline]
    pub fn push(&mut self, sample: Sample) -> u64 {
        let seq = self.next_seq;
        let ring = &*self.ring;
        ring.claimed.store(seq + 1, Ordering::Relaxed);
        atomics::fence_after_claim();
        for (word, value) in ring.slots.at(self.slot).iter().zip(sample.to_words()) {
            word.store(value, Ordering::Relaxed);
        }
        ring.published.store(seq + 1, atomics::publish());
        self.next_seq = seq + 1;
        self.slot = ring.slot_after(self.slot);
        seq
    }

    /// The number of the next sample.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The ring, from which readers are made.
    #[must_use]
    pub const fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }
}

impl Ring {
    /// The most samples that it holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The number of the next sample: one past the last that is published.
    #[inline]
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.published.load(atomics::observe())
    }

    /// Its size with all slots, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(self.slots.slots())
    }

    /// A reader of the samples pushed from now on.
    #[must_use]
    pub fn reader_at_head(self: &Arc<Self>) -> Reader {
        self.reader_at(self.next_seq())
    }

    /// A reader of every sample that is still intact.
    #[must_use]
    pub fn reader_at_oldest(self: &Arc<Self>) -> Reader {
        let published = self.next_seq();
        self.reader_at(published.saturating_sub(self.capacity_u64()).max(self.first_seq))
    }

    /// A reader whose next sample is number `seq`, or the first one if `seq` is before it. Samples that are overwritten
    /// before it drains count as lost.
    #[must_use]
    pub fn reader_at(self: &Arc<Self>, seq: u64) -> Reader {
        let next_seq = seq.max(self.first_seq);
        Reader { ring: Arc::clone(self), next_seq, slot: self.slot_of(next_seq), next_at: Timestamp::ZERO }
    }

    fn capacity_u64(&self) -> u64 {
        self.slots.len() as u64
    }

    fn slot_of(&self, seq: u64) -> usize {
        usize::try_from(seq % self.capacity_u64())
            .expect("a remainder of the capacity is below it, and that is a usize")
    }

    #[inline]
    fn slot_after(&self, slot: usize) -> usize {
        if slot + 1 == self.slots.len() { 0 } else { slot + 1 }
    }

    /// `len` slots from `first` on, at most one lap: one run, or two where they wrap.
    #[inline]
    fn runs(&self, first: usize, len: u64) -> [&[Slot]; 2] {
        let len = usize::try_from(len).expect("at most a lap is asked for");
        let (before, from) = self.slots.slots().split_at(first);
        let straight = len.min(from.len());
        [&from[..straight], &before[..len - straight]]
    }

    /// The oldest number whose copy, made before this call, is whole.
    #[inline]
    fn intact_since(&self) -> u64 {
        atomics::fence_before_recheck();
        atomics::oldest_intact(self.claimed.load(Ordering::Relaxed), self.capacity_u64())
    }
}

impl Reader {
    /// Appends every published sample that this reader has not read.
    pub fn drain(&mut self, out: &mut Vec<Sample>) -> Drained {
        self.drain_before(Timestamp::MAX, out)
    }

    /// Appends the unread samples up to the last one with `at <= cutoff`; later ones stay. O(1), without touching the
    /// ring, while the next sample is known to be later. After a loss, samples with `at <= cutoff` may remain for the
    /// next call.
    #[inline]
    pub fn drain_before(&mut self, cutoff: Timestamp, out: &mut Vec<Sample>) -> Drained {
        self.drain_within(cutoff, u64::MAX, out)
    }

    /// As [`Reader::drain_before`], packed.
    #[inline]
    pub fn drain_packed_before(&mut self, cutoff: Timestamp, out: &mut Vec<Packed>) -> Drained {
        self.drain_within(cutoff, u64::MAX, out)
    }

    /// As [`Reader::drain_packed_before`], but never past the cursor of `leader`: a window retires only samples that it
    /// has admitted, even when one was published long after its `at`.
    #[inline]
    pub fn follow(&mut self, leader: &Self, cutoff: Timestamp, out: &mut Vec<Packed>) -> Drained {
        self.drain_within(cutoff, leader.next_seq, out)
    }

    /// The ring that it reads.
    #[must_use]
    pub const fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// `at` of the sample under the cursor, if that sample ended a drain.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        (self.next_at > Timestamp::ZERO).then_some(self.next_at)
    }

    /// The sample under the cursor; `None` when it is not published yet or already overwritten.
    #[must_use]
    pub fn peek(&self) -> Option<Sample> {
        if self.ring.next_seq() <= self.next_seq {
            return None;
        }
        let sample = Sample::copied(self.ring.slots.at(self.slot));
        (self.ring.intact_since() <= self.next_seq).then_some(sample)
    }

    /// The number of the sample under the cursor.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    #[inline]
    fn drain_within<T: Copied>(&mut self, cutoff: Timestamp, limit: u64, out: &mut Vec<T>) -> Drained {
        if self.next_at > cutoff || self.next_seq >= limit {
            return Drained { first_seq: self.next_seq, lost: 0 };
        }
        self.copy_within(cutoff, limit, out)
    }

    fn copy_within<T: Copied>(&mut self, cutoff: Timestamp, limit: u64, out: &mut Vec<T>) -> Drained {
        let ring = &*self.ring;
        let published = ring.next_seq();
        if published <= self.next_seq {
            return Drained { first_seq: self.next_seq, lost: 0 };
        }
        let wanted = self.next_seq;
        let first = wanted.max(published.saturating_sub(ring.capacity_u64()));
        let slot = if first == wanted { self.slot } else { ring.slot_of(first) };
        let start = out.len();
        let mut later = Timestamp::ZERO;
        for run in ring.runs(slot, published.min(limit).saturating_sub(first)) {
            if run.is_empty() {
                break;
            }
            // Finding the end first makes the copy one straight loop into reserved space.
            let (within, after) = run.split_at(until(run, cutoff));
            out.extend(within.iter().map(T::copied));
            if let Some(next) = after.first() {
                later = at(next);
                break;
            }
        }
        let copied = out.len() - start;
        let end = first + copied as u64;
        let intact = ring.intact_since().max(first);
        if intact > end {
            // Even the sample that ended the copy may be torn, so the whole pass is void.
            out.truncate(start);
            self.next_seq = intact;
            self.slot = ring.slot_of(intact);
            self.next_at = Timestamp::ZERO;
        } else {
            if intact > first {
                let torn = usize::try_from(intact - first).expect("no more were copied than a Vec holds");
                out.drain(start..start + torn);
            }
            let capacity = ring.slots.len();
            self.next_seq = end;
            self.slot = if slot + copied >= capacity { slot + copied - capacity } else { slot + copied };
            self.next_at = later;
        }
        Drained { first_seq: intact, lost: intact - wanted }
    }
}

/// A reader's copy of a slot; garbage if the slot is being overwritten, which the reader checks afterwards.
trait Copied: Sized {
    fn copied(slot: &Slot) -> Self;
}

impl Copied for Sample {
    #[inline]
    fn copied(slot: &Slot) -> Self {
        Self::from_words(words(slot)).unwrap_or(TORN)
    }
}

impl Copied for Packed {
    #[inline]
    fn copied(slot: &Slot) -> Self {
        Self::from_words(words(slot))
    }
}

/// Counts the slots at the front of `run` with `at <= cutoff`: a linear scan of the first few, since few are usually due,
/// then steps that double.
///
/// A slot that is being overwritten may look later than it was, never earlier. So an end outside the torn slots is right,
/// and one among them is discarded with them.
#[inline]
fn until(run: &[Slot], cutoff: Timestamp) -> usize {
    const FEW: usize = 8;
    let is_within = |slot: &Slot| at(slot) <= cutoff;
    let few = run.len().min(FEW);
    if let Some(end) = run[..few].iter().position(|slot| !is_within(slot)) {
        return end;
    }
    let (mut known, mut step) = (few, FEW);
    while let Some(slot) = run.get(known + step - 1)
        && is_within(slot)
    {
        known += step;
        step *= 2;
    }
    known + run[known..run.len().min(known + step - 1)].partition_point(is_within)
}

/// `at` of the sample in `slot`; see [`until`] for slots that are being overwritten.
#[inline]
fn at(slot: &Slot) -> Timestamp {
    Packed::at_of(slot[0].load(Ordering::Relaxed))
}

#[inline]
fn words(slot: &Slot) -> [u64; Sample::WORDS] {
    std::array::from_fn(|word| slot[word].load(Ordering::Relaxed))
}

/// Stands for words in which two laps mixed; never delivered.
const TORN: Sample = Sample::bare(Timestamp::ZERO, Cause::Local);

#[cfg(test)]
#[cfg(webmon_loom)]
mod loom;
#[cfg(test)]
#[cfg(not(webmon_loom))]
mod tests;
