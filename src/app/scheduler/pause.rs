//! Periods without checks of a site while webmon runs: a pause, or a machine that cannot check.
//!
//! Invariants: either is a hole in observation if it is longer than two intervals.

use crate::model::{Outcome, Timestamp};

use super::RunningSite;

/// A pause of a site.
#[derive(Clone, Copy)]
pub(crate) struct Pause {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

impl RunningSite {
    /// Whether a check that is due at `now` is not to be made. A pause of more than two intervals is a hole.
    pub(crate) fn is_paused(&mut self, now: Timestamp) -> bool {
        let Some(pause) = self.pause else { return false };
        if now < pause.until {
            return true;
        }
        self.pause = None;
        self.after_hole |= now.since(pause.since) > 2 * self.site.interval;
        false
    }

    /// Going blind for longer than two intervals is a hole in observation like a stop: what failed before and what
    /// fails first afterwards are not to be judged together.
    pub(crate) fn note_blindness(&mut self, outcome: Outcome, at: Timestamp) {
        if outcome == Outcome::Unknown {
            self.blind_since.get_or_insert(at);
        } else if let Some(since) = self.blind_since.take() {
            self.after_hole |= at.since(since) > 2 * self.site.interval;
        }
    }
}
