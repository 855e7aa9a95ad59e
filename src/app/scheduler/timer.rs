//! When a scheduler wakes by itself: one timer that is set again and again, and a second one that never does anything.
//!
//! tokio's driver remembers when it has to wake next. A timer that is set for an earlier time than that makes it write to
//! itself, in case it sleeps already; and having just fired the alarm, it remembers nothing or something far away, so that
//! every probe of that moment, with the timer of its deadline, costs such a write and the turn that answers it. Hence the
//! guard: a timer a little behind the alarm, which is what is remembered while the probes start. It is dropped before its
//! time, and nobody waits for it. Invariant: the guard is later than the alarm, so that nothing wakes for it.

use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

use super::due_time::STEP;

/// See the module.
pub struct WakeTimer {
    alarm: Pin<Box<Sleep>>,
    guard: Pin<Box<Sleep>>,
}

impl WakeTimer {
    /// An alarm that is set for `at`. Within a runtime with time enabled.
    pub fn new(at: Instant) -> Self {
        Self { alarm: Box::pin(sleep_until(at)), guard: Box::pin(sleep_until(at + STEP)) }
    }

    /// Sets it for `at` and nothing else.
    pub fn set(&mut self, at: Instant) {
        if self.alarm.deadline() == at {
            return;
        }
        self.alarm.as_mut().reset(at);
        // A new one: one that is put off stays where it was in the driver, which then wakes to find that out.
        let guarded = at + STEP;
        self.guard.set(sleep_until(guarded));
        self.guard.as_mut().reset(guarded);
    }

    /// Until it rings; at once if it has rung since it was set.
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
