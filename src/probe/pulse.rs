//! Tells whether the process ran all the time that a probe took.
//!
//! A stopped process (SIGSTOP, a frozen guest) measures itself: an answer in the socket seems late by as long, and a deadline
//! passes that the site could not meet. So a timer beats while probes are in flight; if a beat is late by more than [`STALL`],
//! no probe ran meanwhile. On a busy machine that may have another reason. The kernel counts for each thread how long it ran
//! and how long it waited for a processor ([`Spent`]); neither grows while the process is stopped. Time that the kernel accounts
//! for is only lost: the check counts, unless the loss is so large that a timeout says nothing about the site.
//!
//! One probe in flight keeps the beat for all; the next one takes over when it ends. Each probe looks at the clock once more at
//! its end, because after a stop it may run before the beat does.
//! Bounds: a stop shorter than [`STALL`] stays in the figures. Where the kernel does not account for threads, a beat that is
//! late by [`STOP_MIN`] is a stop.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::model::lock::lock;

const BEAT: Duration = Duration::from_millis(50);

/// A beat that is later than this was missed.
const STALL: Duration = Duration::from_millis(240);

/// A beat that is later than this is a stop where the kernel does not account for threads.
const STOP_MIN: Duration = Duration::from_secs(1);

/// The kernel's accounts of a thread since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// On a processor.
    pub running: Duration,
    /// Waiting for one.
    pub waiting: Duration,
}

impl Spent {
    /// Of the calling thread; none where the kernel does not tell. Costs a system call: each thread keeps its file open.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn of_thread() -> Option<Self> {
        use std::fs::File;
        use std::os::unix::fs::FileExt as _;

        thread_local! {
            static ACCOUNT: Option<File> = File::open("/proc/thread-self/schedstat").ok();
        }
        // Three numbers of up to twenty digits.
        let mut text = [0; 64];
        let read = ACCOUNT.try_with(|account| account.as_ref()?.read_at(&mut text, 0).ok()).ok()??;
        let text = std::str::from_utf8(text.get(..read)?).ok()?;
        let mut nanos = text.split_ascii_whitespace().map(|word| word.parse().map(Duration::from_nanos));
        let (running, waiting) = (nanos.next()?.ok()?, nanos.next()?.ok()?);
        // A kernel that does not account reports 0 for a running thread.
        (!running.is_zero()).then_some(Self { running, waiting })
    }

    /// Of the calling thread; none where the kernel does not tell.
    #[cfg(not(target_os = "linux"))]
    #[must_use]
    pub fn of_thread() -> Option<Self> {
        None
    }
}

/// Whether a thread that was due to run `missed` ago was stopped with the process; otherwise it ran or waited for a processor
/// between `before` and `now`.
#[must_use]
pub fn is_stop(missed: Duration, before: Option<Spent>, now: Option<Spent>) -> bool {
    match before.zip(now) {
        Some((before, now)) => {
            let running = now.running.saturating_sub(before.running);
            let waiting = now.waiting.saturating_sub(before.waiting);
            missed.saturating_sub(running + waiting) > STALL
        }
        None => missed > STOP_MIN,
    }
}

/// Time in which a probe could not run, for reasons of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Absence {
    /// The process was stopped.
    pub(super) stopped: Duration,
    /// The process was stopped, waited for a processor, or was busy with something else.
    pub(super) lost: Duration,
}

impl Absence {
    fn since(self, before: Self) -> Self {
        Self { stopped: self.stopped.saturating_sub(before.stopped), lost: self.lost.saturating_sub(before.lost) }
    }
}

/// One for all probes of a thread.
pub(super) struct Pulse {
    clock: fn() -> Instant,
    spent: fn() -> Option<Spent>,
    state: Mutex<PulseState>,
    /// The probe that keeps the beat holds it.
    lead: tokio::sync::Mutex<()>,
}

struct PulseState {
    probes: usize,
    /// When the next beat is due.
    next: Instant,
    /// As of the last beat.
    spent: Option<Spent>,
    /// In all, since the first probe.
    absence: Absence,
}

impl Pulse {
    /// Beats by `clock`, and asks `spent` what the kernel accounts for.
    pub(super) fn new(clock: fn() -> Instant, spent: fn() -> Option<Spent>) -> Self {
        let state = PulseState { probes: 0, next: clock(), spent: None, absence: Absence::default() };
        Self { clock, spent, state: Mutex::new(state), lead: tokio::sync::Mutex::new(()) }
    }

    /// Listens from now on, for a probe that begins.
    pub(super) fn listen(&self) -> PulseListener<'_> {
        let mut state = lock(&self.state);
        if state.probes == 0 {
            // Without a probe there was no beat to miss.
            (state.next, state.spent) = ((self.clock)() + BEAT, (self.spent)());
        } else {
            state.note_beat(self);
        }
        state.probes += 1;
        PulseListener { pulse: self, before: state.absence }
    }

    /// Beats, once no other probe does.
    async fn beat(&self) -> std::convert::Infallible {
        let _lead = self.lead.lock().await;
        loop {
            let next = lock(&self.state).next;
            sleep_until(next.into()).await;
            lock(&self.state).note_beat(self);
        }
    }
}

impl PulseState {
    /// Notes a beat, if it is due.
    fn note_beat(&mut self, pulse: &Pulse) {
        let now = (pulse.clock)();
        let Some(missed) = now.checked_duration_since(self.next) else { return };
        let spent = (pulse.spent)();
        if is_stop(missed, self.spent, spent) {
            self.absence.stopped += missed;
        }
        if missed > STALL {
            self.absence.lost += missed;
        }
        (self.spent, self.next) = (spent, now + BEAT);
    }
}

/// Listens for one probe, from its start to its end.
pub(super) struct PulseListener<'a> {
    pulse: &'a Pulse,
    before: Absence,
}

impl PulseListener<'_> {
    /// Awaits `work` while the pulse beats.
    pub(super) async fn run_with<T>(&self, work: impl Future<Output = T> + Unpin) -> T {
        tokio::select! {
            biased;
            done = work => done,
            never = self.pulse.beat() => match never {},
        }
    }

    /// The time up to now in which the probe could not run.
    pub(super) fn absence(&self) -> Absence {
        let mut state = lock(&self.pulse.state);
        state.note_beat(self.pulse);
        state.absence.since(self.before)
    }
}

impl Drop for PulseListener<'_> {
    fn drop(&mut self) {
        lock(&self.pulse.state).probes -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "the paused clock of the test")]
    fn clock() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// A kernel that does not account.
    const UNTOLD: fn() -> Option<Spent> = || None;
    /// A thread that never wanted a processor.
    const IDLE: fn() -> Option<Spent> = || Some(Spent::default());

    thread_local! {
        static BEGAN: Instant = clock();
    }

    /// A thread that has waited for a processor since.
    const STARVED: fn() -> Option<Spent> = || {
        let waiting = clock().saturating_duration_since(BEGAN.with(|began| *began));
        Some(Spent { running: Duration::ZERO, waiting })
    };

    /// The absence during `work`, which may take `timeout`.
    async fn by(pulse: &Pulse, timeout: Duration, work: impl Future<Output = ()>) -> Absence {
        let ear = pulse.listen();
        let _done = ear.run_with(std::pin::pin!(tokio::time::timeout(timeout, work))).await;
        ear.absence()
    }

    /// The absence for a stop of so many milliseconds, that long after the start.
    async fn heard(spent: fn() -> Option<Spent>, stop: u64, before: u64) -> Absence {
        BEGAN.with(|_| ());
        let pulse = Pulse::new(clock, spent);
        let work = async {
            tokio::time::sleep(Duration::from_millis(before)).await;
            tokio::time::advance(Duration::from_millis(stop)).await;
        };
        by(&pulse, Duration::from_secs(1), work).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_shows_whether_the_answer_or_the_deadline_comes_first() {
        for (stop, is_stop) in [(0, false), (100, false), (200, false), (300, true), (2_500, true), (20_000, true)] {
            for before in [0, 30, 70] {
                let absence = heard(IDLE, stop, before).await;
                assert_eq!(!absence.stopped.is_zero(), is_stop, "{stop} ms after {before} ms: {absence:?}");
            }
        }
        assert_eq!(heard(UNTOLD, 900, 30).await.stopped, Duration::ZERO);
        assert!(heard(UNTOLD, 2_500, 30).await.stopped > Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_machine_is_no_stop_but_its_time_is_lost() {
        for stop in [300, 2_500, 20_000] {
            let absence = heard(STARVED, stop, 30).await;
            assert_eq!(absence.stopped, Duration::ZERO, "{stop} ms");
            assert!(absence.lost + BEAT >= Duration::from_millis(stop), "{stop} ms: {absence:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_site_is_no_stop() {
        let pulse = Pulse::new(clock, IDLE);
        let slow = tokio::time::sleep(Duration::from_mins(1));
        assert_eq!(by(&pulse, Duration::from_secs(30), slow).await, Absence::default());
    }

    /// When the probe that keeps the beat ends, another one takes over; time between probes is not missed.
    #[tokio::test(start_paused = true)]
    async fn each_probe_hears_the_stops_of_its_own_time() {
        let pulse = Pulse::new(clock, IDLE);
        let far = Duration::from_hours(1);
        let millis = |millis| tokio::time::sleep(Duration::from_millis(millis));
        let stop = async {
            millis(500).await;
            tokio::time::advance(Duration::from_secs(2)).await;
            millis(10).await;
        };
        let (first, second, third) =
            tokio::join!(by(&pulse, far, millis(100)), by(&pulse, far, stop), by(&pulse, far, millis(400)));
        assert_eq!((first, third), (Absence::default(), Absence::default()));
        assert!(second.stopped > Duration::from_millis(1_900), "{second:?}");
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(by(&pulse, far, millis(100)).await, Absence::default());
        assert_eq!(lock(&pulse.state).probes, 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_says_what_a_thread_spent_or_nothing() {
        let Some(before) = Spent::of_thread() else { return };
        let after = Spent::of_thread().unwrap();
        assert!(after.running >= before.running && after.waiting >= before.waiting);
    }
}
