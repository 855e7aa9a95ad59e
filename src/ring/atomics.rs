//! The atomics of the ring, and the only place that knows they can be loom's.
//!
//! Idea: in a model-checking build (`--cfg webmon_loom`, tests only) the same code runs on loom's atomics, which
//! explore every interleaving and every value that the memory model allows. The three orderings and the one
//! bound that carry the ring's argument are functions here, so that a model can weaken one of them (a *mutant*)
//! and must then fail: a model that passes with a mutant proves nothing. In every other build they are constants.

#[cfg(not(all(test, webmon_loom)))]
mod chosen {
    pub use std::sync::atomic::{AtomicU64, Ordering, fence};

    /// Orders the claim of a slot before every word written into it.
    #[inline]
    pub fn fence_after_claim() {
        fence(Ordering::Release);
    }

    /// Orders every word read before the second look at the claims.
    #[inline]
    pub fn fence_before_recheck() {
        fence(Ordering::Acquire);
    }

    /// Of the store that shows a finished sample to readers.
    pub const fn publish() -> Ordering {
        Ordering::Release
    }

    /// Of the load by which a reader learns what is finished.
    pub const fn observe() -> Ordering {
        Ordering::Acquire
    }

    /// The oldest number that no claim up to `claimed` can have begun to overwrite.
    pub const fn oldest_intact(claimed: u64, capacity: u64) -> u64 {
        claimed.saturating_sub(capacity)
    }
}

#[cfg(all(test, webmon_loom))]
mod chosen {
    use std::cell::Cell;

    pub use ::loom::sync::atomic::{AtomicU64, Ordering, fence};

    /// One deliberate fault.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Mutant {
        /// The code as it is.
        None,
        /// No fence between the claim and the words.
        ClaimFenceDropped,
        /// No fence between the words and the second look.
        RecheckFenceDropped,
        /// Publishing does not release the words.
        PublishRelaxed,
        /// Observing does not acquire the words.
        ObserveRelaxed,
        /// The check of what is intact is off by one.
        CapacityOffByOne,
    }

    thread_local! {
        // Loom runs all threads of one model on the thread that started it, so this reaches exactly one model.
        static MUTANT: Cell<Mutant> = const { Cell::new(Mutant::None) };
    }

    /// Runs `body` with `mutant` in place.
    pub fn with_mutant(mutant: Mutant, body: impl FnOnce()) {
        MUTANT.set(mutant);
        body();
        MUTANT.set(Mutant::None);
    }

    fn is(mutant: Mutant) -> bool {
        MUTANT.get() == mutant
    }

    pub fn fence_after_claim() {
        if !is(Mutant::ClaimFenceDropped) {
            fence(Ordering::Release);
        }
    }

    pub fn fence_before_recheck() {
        if !is(Mutant::RecheckFenceDropped) {
            fence(Ordering::Acquire);
        }
    }

    pub fn publish() -> Ordering {
        if is(Mutant::PublishRelaxed) { Ordering::Relaxed } else { Ordering::Release }
    }

    pub fn observe() -> Ordering {
        if is(Mutant::ObserveRelaxed) { Ordering::Relaxed } else { Ordering::Acquire }
    }

    pub fn oldest_intact(claimed: u64, capacity: u64) -> u64 {
        claimed.saturating_sub(capacity + u64::from(is(Mutant::CapacityOffByOne)))
    }
}

pub(super) use chosen::*;
