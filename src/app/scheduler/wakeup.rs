//! Wakes the scheduler when a probe finishes, unless its timer is about to fire anyway.
//!
//! At a thousand checks a second the scheduler starts a probe every few milliseconds anyway; a wake-up for each finished
//! probe would double the work of its loop. So a probe wakes it only if it would sleep longer than [`PATIENCE`]. The probe
//! notes its own end, so a later collection changes no figure. The scheduler and its probes share a thread, so relaxed
//! atomics suffice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::app::clock::Clock;

use super::due_time::STEP;

/// How long a finished probe may wait to be collected: one step of due times, and the resolution of timers.
const PATIENCE: Duration = STEP.saturating_add(Duration::from_millis(1));

/// See the module.
#[derive(Debug, Default)]
pub struct Wakeup {
    /// When the scheduler's timer fires, µs on its clock.
    wakes: AtomicU64,
    rung: Notify,
}

impl Wakeup {
    /// Notes when the scheduler's timer fires, if it is set.
    pub fn expect(&self, wakes: Option<Duration>) {
        let wakes = wakes.and_then(|wakes| u64::try_from(wakes.as_micros()).ok());
        self.wakes.store(wakes.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Waits until a probe wakes the scheduler.
    pub async fn rung(&self) {
        self.rung.notified().await;
    }

    fn ring(&self, now: Duration) {
        let by = u64::try_from((now + PATIENCE).as_micros()).unwrap_or(u64::MAX);
        if self.wakes.load(Ordering::Relaxed) > by {
            self.rung.notify_one();
        }
    }
}

/// Wakes the scheduler on drop, because a probe that panics or is aborted has finished as well.
pub struct WakeGuard {
    bell: Arc<Wakeup>,
    clock: Clock,
}

impl WakeGuard {
    /// Of `bell`, which goes by `clock`.
    pub fn new(bell: &Arc<Wakeup>, clock: Clock) -> Self {
        Self { bell: Arc::clone(bell), clock }
    }
}

impl Drop for WakeGuard {
    fn drop(&mut self) {
        self.bell.ring(self.clock.monotonic());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[tokio::test(start_paused = true)]
    async fn a_landing_rings_unless_the_scheduler_wakes_in_a_moment() {
        for (sleeps, rings) in [(Some(0), false), (Some(6_000), false), (Some(6_001), true), (None, true)] {
            let (bell, clock) = (Arc::new(Wakeup::default()), Clock::start_at(Timestamp::ZERO));
            tokio::time::advance(Duration::from_secs(1)).await;
            bell.expect(sleeps.map(|micros| clock.monotonic() + Duration::from_micros(micros)));
            drop(WakeGuard::new(&bell, clock));
            let heard = tokio::time::timeout(Duration::from_mins(1), bell.rung()).await.is_ok();
            assert_eq!(heard, rings, "{sleeps:?} µs");
        }
    }
}
