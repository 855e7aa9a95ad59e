//! The clock of the place at which a site is checked, which may differ from that of the steps.
//!
//! Invariant: a step, whatever it does with a site, does it at the time which that clock shows, since its checks have the times of that
//! clock. Times of the step itself, such as `as_of`, stay those of the step.

use std::time::Duration;

use crate::model::time::leap::Leap;
use crate::model::{Location, Timestamp};

use super::{Observed, Scratch, SiteTracker};

impl SiteTracker {
    /// Where it is checked, if not here.
    pub(in crate::engine) fn location(&self) -> Option<&Location> {
        self.shown.place.location()
    }

    /// The time that the clock there shows at `now`.
    #[inline]
    pub(super) fn there(&self, now: Timestamp) -> Timestamp {
        shifted(now, self.ahead)
    }

    /// When that clock shows `at`.
    #[inline]
    pub(super) fn here(&self, at: Timestamp) -> Timestamp {
        if at == Timestamp::ZERO || at == Timestamp::MAX { at } else { shifted(at, -self.ahead) }
    }

    /// That clock is ahead by so many µs. If it goes back thereby, everything begins with what was checked by then.
    pub(in crate::engine) fn set_ahead(
        &mut self,
        ahead: i64,
        now: Timestamp,
        (scratch, met): (&mut Scratch, &mut Observed),
    ) {
        let before = std::mem::replace(&mut self.ahead, ahead);
        if ahead < before {
            let leap = Leap { by: Duration::ZERO, is_back: true, since: Timestamp::MAX, now };
            self.move_back(None, &leap, (scratch, met));
            self.changed = true;
        }
    }
}

/// `at`, and so many µs later.
#[inline]
pub(super) fn shifted(at: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_add_signed(by))
}
