//! The samples that leave a window, taken in step with those that enter it.

use crate::model::time::duration;
use crate::model::{Packed, Timestamp};
use std::time::Duration;

/// A span in microseconds, so that no sample costs a conversion of a `Duration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(u64);

impl Span {
    pub(super) fn of(span: Duration) -> Self {
        Self(duration::micros(span))
    }

    pub(super) const fn twice(self) -> Self {
        Self(self.0.saturating_mul(2))
    }

    pub(super) const fn micros(self) -> u64 {
        self.0
    }

    /// This span after `at`.
    pub(super) const fn after(self, at: Timestamp) -> Timestamp {
        Timestamp::from_micros(at.as_micros().saturating_add(self.0))
    }

    /// The last instant outside a window of this span as of `as_of`.
    pub(super) const fn cutoff(self, as_of: Timestamp) -> Timestamp {
        Timestamp::from_micros(as_of.as_micros().saturating_sub(self.0))
    }
}

/// Samples that leave a window of one call, oldest first.
#[derive(Debug)]
pub(super) struct Expiry<'a>(&'a [Packed]);

impl<'a> Expiry<'a> {
    pub(super) const fn new(expired: &'a [Packed]) -> Self {
        Self(expired)
    }

    /// All that are left, which stay.
    pub(super) const fn left(&self) -> &'a [Packed] {
        self.0
    }

    /// Takes those at `cutoff` or before.
    pub(super) fn until(&mut self, cutoff: Timestamp) -> &'a [Packed] {
        let end = self.0.iter().position(|sample| sample.at() > cutoff).unwrap_or(self.0.len());
        let (gone, rest) = self.0.split_at(end);
        self.0 = rest;
        gone
    }

    /// Takes the rest.
    pub(super) fn rest(&mut self) -> &'a [Packed] {
        std::mem::take(&mut self.0)
    }
}
