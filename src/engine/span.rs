//! The length of a window in microseconds, so that no step converts a `Duration` per window.

use crate::model::time::duration;
use crate::model::{Timeframe, Timestamp};
use crate::ring::Reader;

/// The length of a window, µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span(u64);

impl Span {
    pub(super) fn of(timeframe: Timeframe) -> Self {
        Self(duration::micros(timeframe.length()))
    }

    pub(super) const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// This span after `at`.
    #[inline]
    pub(super) const fn after(self, at: Timestamp) -> Timestamp {
        Timestamp::from_micros(at.as_micros().saturating_add(self.0))
    }

    /// The last instant that a window as of `as_of` does not include.
    #[inline]
    pub(super) const fn cutoff(self, as_of: Timestamp) -> Timestamp {
        Timestamp::from_micros(as_of.as_micros().saturating_sub(self.0))
    }

    /// When the sample under `tail` leaves the window; [`Timestamp::MAX`] while there is none.
    #[inline]
    pub(super) fn expiry(self, tail: &Reader, head: &Reader) -> Timestamp {
        match tail.next_at() {
            Some(at) => self.after(at),
            None if tail.next_seq() < head.next_seq() => Timestamp::ZERO,
            None => Timestamp::MAX,
        }
    }
}
