//! Knows how long a probe waited for its turn on the thread, which is no time of the site.
//!
//! The probes of a thread take turns, and a TLS handshake computes for a quarter of a millisecond: a thousand of them a second keep
//! events waiting that have long arrived. So each probe is polled with a waker of its own, which notes when the runtime knew of the
//! event, and the stopwatch leaves out the time from then to the poll. Only the poll in which a phase ends counts: what woke
//! a probe before need not have been the site.
//! Limits: the runtime looks for events between polls, so one that arrives during a poll is known at its end.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use crate::model::lock::lock;

/// The turns of one probe.
#[derive(Debug)]
pub(super) struct Turns {
    clock: fn() -> Instant,
    /// What the nanoseconds below are counted from.
    origin: Instant,
    /// The first wake since the last poll, or [`ASLEEP`].
    woken: AtomicU64,
    /// The wait before the present poll.
    from: AtomicU64,
    to: AtomicU64,
    /// Whose poll this is part of.
    task: Mutex<Waker>,
}

const ASLEEP: u64 = u64::MAX;

impl Turns {
    pub(super) fn new(clock: fn() -> Instant) -> Arc<Self> {
        Arc::new(Self {
            clock,
            origin: clock(),
            woken: AtomicU64::new(ASLEEP),
            from: AtomicU64::new(0),
            to: AtomicU64::new(0),
            task: Mutex::new(Waker::noop().clone()),
        })
    }

    /// Runs `work`, and notes what wakes it.
    pub(super) fn take<T>(self: Arc<Self>, mut work: impl Future<Output = T> + Unpin) -> impl Future<Output = T> {
        let waker = Waker::from(Arc::clone(&self));
        std::future::poll_fn(move |cx| {
            lock(&self.task).clone_from(cx.waker());
            self.begin();
            Pin::new(&mut work).poll(&mut Context::from_waker(&waker))
        })
    }

    /// How much of the time from `since` to `until` the probe waited for the present poll.
    pub(super) fn waited(&self, since: Instant, until: Instant) -> Duration {
        let [from, to] =
            [&self.from, &self.to].map(|at| self.origin + Duration::from_nanos(at.load(Ordering::Relaxed)));
        to.min(until).saturating_duration_since(from.max(since))
    }

    /// A poll begins.
    fn begin(&self) {
        let now = self.now();
        let woken = self.woken.swap(ASLEEP, Ordering::AcqRel);
        // The first poll, or one because of something else in the same task.
        self.from.store(woken.min(now), Ordering::Relaxed);
        self.to.store(now, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        let nanos = (self.clock)().saturating_duration_since(self.origin).as_nanos();
        u64::try_from(nanos).unwrap_or(ASLEEP).min(ASLEEP - 1)
    }
}

impl Wake for Turns {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.woken.load(Ordering::Acquire) == ASLEEP {
            let now = self.now();
            // Another thread may have been quicker.
            let _known = self.woken.compare_exchange(ASLEEP, now, Ordering::AcqRel, Ordering::Acquire);
        }
        lock(&self.task).wake_by_ref();
    }
}

/// A clock for tests of a thread, which set it.
#[cfg(test)]
pub(super) mod scripted {
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    thread_local! {
        static MILLIS: Cell<u64> = const { Cell::new(0) };
        #[allow(clippy::disallowed_methods, reason = "an origin for scripted time; no test looks at its value")]
        static ORIGIN: Instant = Instant::now();
    }

    /// The time of `millis`.
    pub(crate) fn instant(millis: u64) -> Instant {
        ORIGIN.with(|origin| *origin) + Duration::from_millis(millis)
    }

    /// The present time.
    pub(crate) fn now() -> Instant {
        instant(MILLIS.get())
    }

    /// It is `millis` now.
    pub(crate) fn at(millis: u64) {
        MILLIS.set(millis);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use tokio::sync::mpsc;

    use super::scripted::{at, instant};
    use super::*;
    use crate::model::{Micros, Phase};
    use crate::probe::stopwatch::Stopwatch;

    /// A phase that takes `events` of a server, each of which arrives and is polled for at these times: what is booked, ms.
    fn booked(events: usize, arrivals: &[(u64, u64)]) -> u64 {
        at(0);
        let mut watch = Stopwatch::new(scripted::now);
        let (sender, mut server) = mpsc::unbounded_channel();
        let turns = watch.turns();
        let mut probe = Box::pin(turns.take(Box::pin(async {
            watch.enter(Phase::Tls);
            for _ in 0..events {
                server.recv().await.expect("the server has not gone");
            }
            watch.enter(Phase::Transfer);
            watch.stop();
            watch.phases()
        })));
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(probe.as_mut().poll(cx).is_pending());
        for &(arrival, poll) in arrivals {
            at(arrival);
            sender.send(()).unwrap();
            at(poll);
            if let Poll::Ready(phases) = probe.as_mut().poll(cx) {
                assert_eq!(phases.get(Phase::Transfer), Some(Micros::ZERO));
                return phases.get(Phase::Tls).unwrap().get().into();
            }
        }
        panic!("the phase has not ended");
    }

    #[test]
    fn the_wait_for_the_poll_that_ends_a_phase_is_no_time_of_the_site() {
        for (events, arrivals, millis) in [
            (1, &[(10, 10)][..], 10),
            (1, &[(10, 60)], 10),
            // What woke it first was not what it waited for.
            (2, &[(10, 60), (100, 100)], 100),
            (2, &[(10, 60), (60, 70)], 60),
            (2, &[(10, 60), (100, 250)], 100),
        ] {
            assert_eq!(booked(events, arrivals), millis * 1_000, "{events} of {arrivals:?}");
        }
    }

    #[test]
    fn a_poll_without_a_wake_waited_for_nothing() {
        let turns = Turns::new(scripted::now);
        at(20);
        turns.begin();
        assert_eq!(turns.waited(instant(0), instant(20)), Duration::ZERO);
    }

    #[test]
    fn a_wait_counts_as_far_as_it_is_within_the_phase() {
        at(0);
        let turns = Turns::new(scripted::now);
        at(10);
        turns.wake_by_ref();
        at(30);
        turns.begin();
        for (since, until, waited) in [(0, 40, 20), (15, 40, 15), (0, 12, 2), (30, 40, 0), (0, 10, 0), (25, 20, 0)] {
            assert_eq!(
                turns.waited(instant(since), instant(until)),
                Duration::from_millis(waited),
                "{since} to {until}"
            );
        }
    }
}
