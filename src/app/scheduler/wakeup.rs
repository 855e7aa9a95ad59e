//! Who wakes a scheduler when a probe lands: nobody, if it wakes by itself in a moment.
//!
//! At a thousand checks a second a scheduler has something to start every few milliseconds. Being woken for each
//! landing as well would double its turns, and each turn costs a look at everything that it waits for. So a probe that
//! lands rings only when the scheduler would otherwise sleep for longer than [`PATIENCE`]; what landed meanwhile is
//! collected then. When it landed was noted before.
//!
//! Scheduler and probes share a thread, so any ordering of the one atomic will do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::app::clock::Clock;

use super::due_time::STEP;

/// How long what has landed may lie: from one step of the plan to the next, as timers resolve it.
const PATIENCE: Duration = STEP.saturating_add(Duration::from_millis(1));

/// A scheduler's bell; see the module.
#[derive(Debug, Default)]
pub struct Wakeup {
    /// When the scheduler wakes by itself, µs on its clock.
    wakes: AtomicU64,
    rung: Notify,
}

impl Wakeup {
    /// The scheduler will wake by itself at `wakes`, or not at all.
    pub fn expect(&self, wakes: Option<Duration>) {
        let wakes = wakes.and_then(|wakes| u64::try_from(wakes.as_micros()).ok());
        self.wakes.store(wakes.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Until somebody rang.
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

/// Rings when it is dropped: a probe that panics or is given up lands as well.
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
