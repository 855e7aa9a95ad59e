//! How the system's clock was set.

use std::time::Duration;

use crate::model::Timestamp;

/// How the clock was set.
#[derive(Clone, Copy, Debug)]
pub struct Leap {
    /// By how much.
    pub by: Duration,
    /// Whether back.
    pub is_back: bool,
    /// What was told from then on, by the clock before, was wrong by so much.
    pub since: Timestamp,
    /// The time now.
    pub now: Timestamp,
}

impl Leap {
    /// `at`, as the clock tells it now; never later than now.
    #[must_use]
    pub fn retold(&self, at: Timestamp) -> Timestamp {
        let moved = if self.is_back { at.before(self.by) } else { at.after(self.by) };
        if at >= self.since { moved.min(self.now) } else { at.min(self.now) }
    }

    /// A time to come that was set at `set`, as the clock tells it now.
    #[must_use]
    pub fn retold_until(&self, until: Timestamp, set: Timestamp) -> Timestamp {
        match () {
            () if set < self.since || until == Timestamp::MAX => until,
            () if self.is_back => until.before(self.by),
            () => until.after(self.by),
        }
    }
}
