//! The timer of the scheduler, and a guard that keeps tokio's driver from needless wake-ups.
//!
//! The driver remembers when it has to wake next, and a new timer for an earlier time makes it wake itself by a write. Just
//! after the alarm has fired it remembers nothing, or a time far away, so the deadline of each probe that starts then would
//! cost such a write. The guard is a timer shortly after the alarm, so that the driver remembers it instead.
//! Invariants: the guard is later than the alarm and dropped before it fires.

use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

use super::due_time::STEP;

/// See the module.
pub struct WakeTimer {
    alarm: Pin<Box<Sleep>>,
    guard: Pin<Box<Sleep>>,
}

impl WakeTimer {
    /// A timer for `at`. Panics outside a runtime with time enabled.
    pub fn new(at: Instant) -> Self {
        Self { alarm: Box::pin(sleep_until(at)), guard: Box::pin(sleep_until(at + STEP)) }
    }

    /// Moves it to `at`.
    pub fn set(&mut self, at: Instant) {
        if self.alarm.deadline() == at {
            return;
        }
        self.alarm.as_mut().reset(at);
        // A new timer, because the driver would still wake for the old time of a delayed one.
        let guarded = at + STEP;
        self.guard.set(sleep_until(guarded));
        self.guard.as_mut().reset(guarded);
    }

    /// Waits until it fires; returns at once if it has fired since it was set.
    pub async fn rung(&mut self) {
        self.alarm.as_mut().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::clock::Clock;
    use crate::model::Timestamp;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn it_rings_when_it_was_set_for_last() {
        let clock = Clock::start_at(Timestamp::ZERO);
        let after = |millis| clock.instant(Duration::from_millis(millis));
        let mut alarm = WakeTimer::new(after(0));
        alarm.rung().await;
        for (set, rings) in [(&[20][..], 20), (&[20], 20), (&[40, 900], 900), (&[5_000, 1_000], 1_000), (&[7], 1_000)] {
            for millis in set {
                alarm.set(after(*millis));
            }
            alarm.rung().await;
            assert_eq!(clock.monotonic(), Duration::from_millis(rings), "{set:?}");
        }
    }
}
