//! A leap of the system's clock.

use std::time::Duration;

use crate::model::Timestamp;

/// A leap of the clock, forward or back.
#[derive(Clone, Copy, Debug)]
pub struct Leap {
    /// Its length.
    pub by: Duration,
    /// Whether it went back.
    pub is_back: bool,
    /// The old clock was wrong by `by` from this time on.
    pub since: Timestamp,
    /// The time after it.
    pub now: Timestamp,
}

impl Leap {
    /// Converts `at` to the new clock; at most now.
    #[must_use]
    pub fn retold(&self, at: Timestamp) -> Timestamp {
        let moved = if self.is_back { at.before(self.by) } else { at.after(self.by) };
        if at >= self.since { moved.min(self.now) } else { at.min(self.now) }
    }

    /// Converts a future time that was chosen at `set` to the new clock: afterwards it is not further away than it was then, also
    /// if it was chosen by yet another clock.
    #[must_use]
    pub fn retold_wait(&self, until: Timestamp, set: Timestamp) -> Timestamp {
        if until == Timestamp::MAX {
            return until;
        }
        self.retold_until(until, set).min(self.now.after(until.since(set)))
    }

    /// Converts a future time that was chosen at `set` to the new clock.
    #[must_use]
    pub fn retold_until(&self, until: Timestamp, set: Timestamp) -> Timestamp {
        match () {
            () if set < self.since || until == Timestamp::MAX => until,
            () if self.is_back => until.before(self.by),
            () => until.after(self.by),
        }
    }
}
