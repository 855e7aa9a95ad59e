//! The only place that reads a clock.
//!
//! Wall time is read once, at the start, and then advances with the monotonic clock, so that a step of the wall clock neither
//! empties nor doubles a window. Two events need more:
//!
//! - A suspend, during which the monotonic clock stands still (Linux): [`Clock::absorb_suspend`] moves the wall time forward
//!   by its length. The time between is a gap in observation. The scheduler, or else the owner of the clock, must call it.
//! - A clock that was set, as on a machine that starts years behind: [`Clock::look`] reports it once two looks agree, and
//!   [`Clock::follow`] applies it. Forward leaves a gap; backwards the scheduler moves all times of its state between two
//!   probes. See docs/decisions/0002-clock-that-was-set.md.
//!
//! Invariants: only [`Clock::follow`] moves [`Clock::now`] back. The monotonic side is tokio's, which tests pause and advance.
//! Bounds: suspends are noticed on Linux only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::model::{Moment, Timestamp};

/// Smaller differences between the two system clocks come from reading them one after the other.
const SUSPEND_MIN: Duration = Duration::from_secs(1);

/// Lead of the system clock that counts as set, if two looks agree; NTP slews smaller ones.
const AHEAD_MIN: Duration = Duration::from_secs(3);

/// Lag of the system clock that counts as set; a start may be ahead of it by as much, for the sake of stored samples.
const BEHIND_MIN: Duration = AHEAD_MAX;

/// Time between two looks at the system clock.
pub const LOOK: Duration = Duration::from_secs(1);

/// A change of the system clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSet {
    /// It is ahead of ours by this much.
    Forward(Duration),
    /// It is behind ours by this much.
    Back(Duration),
}

impl ClockSet {
    /// `at`, a time of the clock before the change, on the clock after it.
    #[must_use]
    pub fn moved(self, at: Timestamp) -> Timestamp {
        match self {
            Self::Forward(by) => at.after(by),
            Self::Back(by) => at.before(by),
        }
    }
}

/// The results of previous looks; see [`Clock::look`].
#[derive(Debug, Default)]
pub struct Looks {
    last: Option<Duration>,
    ahead: bool,
    behind: bool,
}

/// A handle to the clock of the program; clones share it.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Anchor>);

#[derive(Debug)]
struct Anchor {
    wall: Timestamp,
    monotonic: Instant,
    /// Time spent suspended before the start, µs since boot.
    #[cfg(not(test))]
    asleep_before: u64,
    /// Time spent suspended since the start and absorbed, µs.
    asleep: AtomicU64,
    /// Changes of the system clock followed since the start, µs: forward, and back.
    forward: AtomicU64,
    back: AtomicU64,
    /// The time of the last change, or the start.
    anchored: AtomicU64,
    /// Suspends that a test simulates, µs.
    #[cfg(test)]
    made_up: AtomicU64,
}

impl Clock {
    /// A clock that starts at the system time, or at `at_least` if that is later: a stored sample may be slightly ahead of a
    /// clock that was corrected.
    #[must_use]
    pub fn start(at_least: Timestamp) -> Self {
        Self::start_at(wall().max(at_least))
    }

    /// A clock that starts at `wall`, independent of the system time.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start_at(wall: Timestamp) -> Self {
        Self(Arc::new(Anchor {
            wall,
            monotonic: Instant::now(),
            #[cfg(not(test))]
            asleep_before: asleep_since_boot(),
            asleep: AtomicU64::new(0),
            forward: AtomicU64::new(0),
            back: AtomicU64::new(0),
            anchored: AtomicU64::new(wall.as_micros()),
            #[cfg(test)]
            made_up: AtomicU64::new(0),
        }))
    }

    /// The current wall time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.wall_at(self.monotonic())
    }

    /// Time since the start without suspends, which schedules use.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn monotonic(&self) -> Duration {
        Instant::now().saturating_duration_since(self.0.monotonic)
    }

    /// The tokio instant of `monotonic`, to sleep until.
    #[must_use]
    pub fn instant(&self, monotonic: Duration) -> Instant {
        self.0.monotonic + monotonic
    }

    /// The wall time of `monotonic`.
    #[must_use]
    pub fn wall_at(&self, monotonic: Duration) -> Timestamp {
        let [forward, back] =
            [&self.0.forward, &self.0.back].map(|by| Duration::from_micros(by.load(Ordering::Relaxed)));
        self.0.wall.after(monotonic).after(self.asleep()).after(forward).before(back)
    }

    /// The present by both clocks. The steady one shows what this one would if it had never been set.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let monotonic = self.monotonic();
        Moment { steady: self.0.wall.after(monotonic).after(self.asleep()), wall: self.wall_at(monotonic) }
    }

    /// The sum of all forward changes since the start.
    #[must_use]
    pub fn set_forward(&self) -> Duration {
        Duration::from_micros(self.0.forward.load(Ordering::Relaxed))
    }

    /// The time of the last change, or the start. Earlier times may be wrong by any amount.
    #[must_use]
    pub fn anchored(&self) -> Timestamp {
        Timestamp::from_micros(self.0.anchored.load(Ordering::Relaxed))
    }

    /// Compares this clock with `wall`, the system time, at most once per [`LOOK`]; returns a change that two looks confirm.
    pub fn look(&self, wall: Timestamp, looks: &mut Looks) -> Option<ClockSet> {
        let elapsed = self.monotonic();
        if looks.last.is_some_and(|last| elapsed < last + LOOK) {
            return None;
        }
        looks.last = Some(elapsed);
        let ours = self.now();
        // A suspend that is not absorbed yet is not a change.
        let ahead = wall.since(ours).saturating_sub(self.unabsorbed());
        let behind = ours.since(wall);
        let was_ahead = std::mem::replace(&mut looks.ahead, ahead > AHEAD_MIN);
        let was_behind = std::mem::replace(&mut looks.behind, behind > BEHIND_MIN);
        let set = match () {
            () if looks.ahead && was_ahead => ClockSet::Forward(ahead),
            () if looks.behind && was_behind => ClockSet::Back(behind),
            () => return None,
        };
        (looks.ahead, looks.behind) = (false, false);
        Some(set)
    }

    /// Applies a change that [`Clock::look`] returned.
    pub fn follow(&self, set: ClockSet) {
        let (so_far, by) = match set {
            ClockSet::Forward(by) => (&self.0.forward, by),
            ClockSet::Back(by) => (&self.0.back, by),
        };
        so_far.fetch_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.0.anchored.store(self.now().as_micros(), Ordering::Relaxed);
    }

    /// Time since the start including suspends, unaffected by changes of the system clock.
    #[must_use]
    pub fn running(&self) -> Duration {
        self.monotonic() + self.asleep()
    }

    /// Absorbed suspend time since the start.
    #[must_use]
    pub fn asleep(&self) -> Duration {
        Duration::from_micros(self.0.asleep.load(Ordering::Relaxed))
    }

    /// If the machine was suspended, moves the wall time forward and returns for how long. Of several threads that notice the
    /// same suspend, one moves it; the others read [`Clock::asleep`].
    #[must_use]
    pub fn absorb_suspend(&self) -> Option<Duration> {
        let (absorbed, slept) = (self.0.asleep.load(Ordering::Relaxed), self.slept());
        let new = Duration::from_micros(slept.saturating_sub(absorbed));
        if new < SUSPEND_MIN {
            return None;
        }
        self.0.asleep.compare_exchange(absorbed, slept, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        Some(new)
    }

    /// Whether the machine was suspended since the last [`Clock::absorb_suspend`].
    #[must_use]
    pub fn has_slept(&self) -> bool {
        self.unabsorbed() >= SUSPEND_MIN
    }

    /// Suspend time since the start that is not absorbed.
    fn unabsorbed(&self) -> Duration {
        Duration::from_micros(self.slept()).saturating_sub(self.asleep())
    }

    /// Suspend time since the start, µs.
    #[cfg(not(test))]
    fn slept(&self) -> u64 {
        asleep_since_boot().saturating_sub(self.0.asleep_before)
    }

    /// Suspend time since the start, µs: only what a test simulates, because the machine under it may really sleep.
    #[cfg(test)]
    fn slept(&self) -> u64 {
        self.0.made_up.load(Ordering::Relaxed)
    }

    /// Simulates a suspend that ends now.
    #[cfg(test)]
    pub fn suspend(&self, by: Duration) {
        self.0.made_up.fetch_add(u64::try_from(by.as_micros()).unwrap(), Ordering::Relaxed);
    }
}

/// The system's wall time.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::ZERO.after(since)
}

/// The system's monotonic clock, for the phases of a probe.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn stopwatch() -> std::time::Instant {
    std::time::Instant::now()
}

/// CPU time of the calling thread, where the system reports it: the cost of work on a busy machine, too.
#[cfg(unix)]
pub const THREAD_TIME: Option<fn() -> Duration> = Some(|| {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(at.tv_sec.cast_unsigned(), u32::try_from(at.tv_nsec).unwrap_or_default())
});

/// CPU time of the calling thread, where the system reports it: the cost of work on a busy machine, too.
#[cfg(not(unix))]
pub const THREAD_TIME: Option<fn() -> Duration> = None;

/// The monotonic clock that the service manager uses; none on other systems.
#[cfg(target_os = "linux")]
#[must_use]
pub fn since_boot() -> Option<Duration> {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (secs, nanos) = (u64::try_from(at.tv_sec).ok()?, u32::try_from(at.tv_nsec).ok()?);
    Some(Duration::new(secs, nanos))
}

/// The monotonic clock that the service manager uses; none on other systems.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn since_boot() -> Option<Duration> {
    None
}

/// Suspend time since boot, µs.
#[cfg(all(not(test), target_os = "linux"))]
fn asleep_since_boot() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    let micros = |id| {
        let at = clock_gettime(id);
        at.tv_sec.cast_unsigned() * 1_000_000 + at.tv_nsec.cast_unsigned() / 1_000
    };
    // The difference is at most the truth, also if the thread waits for the processor between the two readings: a wait is no
    // suspend. The shortest of a few waits is taken.
    let readings = std::array::from_fn::<_, 3, _>(|_| [ClockId::Boottime, ClockId::Monotonic].map(micros));
    largest_difference(&readings)
}

/// Suspend time since boot of several readings of [boot time, monotonic time taken after it], µs.
#[cfg(target_os = "linux")]
fn largest_difference(readings: &[[u64; 2]]) -> u64 {
    readings.iter().map(|[boot, monotonic]| boot.saturating_sub(*monotonic)).max().unwrap_or(0)
}

#[cfg(all(not(test), not(target_os = "linux")))]
fn asleep_since_boot() -> u64 {
    0
}

/// Largest plausible lead of a stored sample over the clock: corrections are a few seconds.
pub const AHEAD_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn wall_time_runs_with_the_monotonic_clock() {
        let clock = Clock::start_at(Timestamp::from_secs(1_000));
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now(), Timestamp::from_secs(1_090));
        assert_eq!(clock.monotonic(), Duration::from_secs(90));
    }

    #[tokio::test(start_paused = true)]
    async fn two_looks_that_agree_move_it_and_one_does_not() {
        let clock = Clock::start_at(Timestamp::from_secs(1_000_000));
        let mut looks = Looks::default();
        let mut told = Vec::new();
        // The error of the system clock, second by second.
        for off in [0i64, 2, 10_800, 0, 10_800, 10_800, 10_800, -90, 10_800, -90, -90, -90, -94, -94, -97, -97, -97] {
            let real = 1_000_000 + clock.monotonic().as_secs();
            let set = clock.look(Timestamp::from_secs(real.checked_add_signed(off).unwrap()), &mut looks);
            if let Some(set) = set {
                let moved = set.moved(clock.now());
                clock.follow(set);
                assert_eq!((clock.now(), clock.anchored()), (moved, moved));
                let wall = Timestamp::from_secs(real.checked_add_signed(off).unwrap());
                assert!(moved.since(wall).max(wall.since(moved)) < Duration::from_millis(1));
                told.push((clock.monotonic().as_secs(), set));
            }
            tokio::time::advance(LOOK).await;
        }
        let [hours, back, little] = [10_800, 10_890, 7].map(Duration::from_secs);
        assert_eq!(told, [(5, ClockSet::Forward(hours)), (10, ClockSet::Back(back)), (15, ClockSet::Back(little))]);
        assert_eq!(clock.set_forward(), hours);
        let now = clock.moment();
        assert_eq!((now.steady, now.wall), (Timestamp::from_secs(1_000_000).after(clock.running()), clock.now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_suspend_is_absorbed_once_and_is_no_clock_that_was_set() {
        let clock = Clock::start_at(Timestamp::from_secs(1_000));
        let mut looks = Looks::default();
        clock.suspend(Duration::from_hours(8));
        for _ in 0..3 {
            assert_eq!(clock.look(Timestamp::from_secs(29_800), &mut looks), None);
            tokio::time::advance(LOOK).await;
        }
        assert!(clock.has_slept());
        assert_eq!(clock.absorb_suspend(), Some(Duration::from_hours(8)));
        assert_eq!((clock.absorb_suspend(), clock.has_slept()), (None, false));
        assert_eq!(clock.now(), Timestamp::from_secs(29_803));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_suspend_nothing_is_absorbed() {
        let clock = Clock::start_at(Timestamp::from_secs(1_000));
        assert_eq!(clock.absorb_suspend(), None);
        assert_eq!(clock.asleep(), Duration::ZERO);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_wait_between_two_readings_is_no_suspend() {
        let hour = 3_600_000_000;
        // Boot time and monotonic time, with waits of 20 s, 1 µs and none between them.
        assert_eq!(largest_difference(&[[5 * hour, 4 * hour + 20_000_000], [5 * hour + 9, 4 * hour + 10]]), hour - 1);
        assert_eq!(largest_difference(&[[7, 9], [8, 8]]), 0);
    }
}
