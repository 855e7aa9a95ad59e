//! The atomics of the ring: std's, or loom's in a model-checking build (`--cfg webmon_loom`, tests only).
//!
//! Loom explores every interleaving and every value that the memory model allows. The orderings and the bound that carry
//! the ring's argument are functions here, so that a model can weaken one of them (a *mutant*) and must then fail: a
//! model that passes with a mutant proves nothing. In every other build they are constants.

#[cfg(not(all(test, webmon_loom)))]
mod chosen {
    pub use std::sync::atomic::{AtomicU64, Ordering, fence};

    /// Orders the claim of a slot before every word stored into it.
    #[inline]
    pub fn fence_after_claim() {
        fence(Ordering::Release);
    }

    /// Orders every word loaded before the second load of the claims.
    #[inline]
    pub fn fence_before_recheck() {
        fence(Ordering::Acquire);
    }

    /// For the store that publishes a finished sample.
    pub const fn publish() -> Ordering {
        Ordering::Release
    }

    /// For the load by which a reader learns which samples are finished.
    pub const fn observe() -> Ordering {
        Ordering::Acquire
    }

    /// The oldest number whose slot no claim up to `claimed` can have begun to overwrite.
    pub const fn oldest_intact(claimed: u64, capacity: u64) -> u64 {
        claimed.saturating_sub(capacity)
    }
}

#[cfg(all(test, webmon_loom))]
mod chosen {
    use std::cell::Cell;

    pub use ::loom::sync::atomic::{AtomicU64, Ordering, fence};

    /// A deliberate fault.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Mutant {
        None,
        /// No fence between the claim and the words.
        ClaimFenceDropped,
        /// No fence between the words and the second load of the claims.
        RecheckFenceDropped,
        /// Publishing does not release the words.
        PublishRelaxed,
        /// Observing does not acquire the words.
        ObserveRelaxed,
        /// The check for intact samples is off by one.
        CapacityOffByOne,
    }

    thread_local! {
        // Loom runs all threads of a model on the thread that started it, so this affects exactly one model.
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
