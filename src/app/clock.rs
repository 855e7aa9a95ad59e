//! The only place that reads a clock.
//!
//! Wall time is read once, at the start, and from then on runs with the monotonic clock: a step of the wall clock
//! neither empties nor doubles a window. A suspend is different: the machine was away and the monotonic clock
//! stood still (Linux), so [`Clock::absorb_suspend`] moves the wall forward by just that long and says so; what
//! lies between is a hole in observation. Every program that keeps a clock for long has to call it, the scheduler where
//! there is one. Invariant: [`Clock::now`] goes back by [`Clock::follow`] only.
//!
//! A clock that was set is different, too: a machine without one of its own starts years behind and is put right after the
//! start. [`Clock::look`] compares the two, and what two looks in a row find is to be followed ([`Clock::follow`]):
//! forward at once, and what lies between is a hole; backwards together with everything that was made by the old time, which
//! is why the scheduler does it between two probes. The decision is docs/decisions/0002-clock-that-was-set.md.
//!
//! The monotonic side is tokio's, which tests pause and advance. Limits: suspends are noticed on Linux only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::model::Timestamp;

/// Shorter differences between the two system clocks are noise of reading them one after the other.
const SUSPEND_MIN: Duration = Duration::from_secs(1);

/// Two looks in a row that find the system's clock so far ahead: it was set, for NTP slews what is less.
const AHEAD_MIN: Duration = Duration::from_secs(3);

/// The same for one that is behind. A start may be ahead of it by as much as this, for the sake of what is stored.
const BEHIND_MIN: Duration = AHEAD_MAX;

/// Between two looks at the system's clock.
pub const LOOK: Duration = Duration::from_secs(1);

/// That the system's clock was set, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSet {
    /// It is ahead of ours.
    Forward(Duration),
    /// It is behind ours.
    Back(Duration),
}

impl ClockSet {
    /// `at`, told by the clock before, as the clock tells it now.
    #[must_use]
    pub fn moved(self, at: Timestamp) -> Timestamp {
        match self {
            Self::Forward(by) => at.after(by),
            Self::Back(by) => at.before(by),
        }
    }
}

/// What was found by the looks before; see [`Clock::look`].
#[derive(Debug, Default)]
pub struct Looks {
    last: Option<Duration>,
    ahead: bool,
    behind: bool,
}

/// A handle to the program's clock; clones share it.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Anchor>);

#[derive(Debug)]
struct Anchor {
    wall: Timestamp,
    monotonic: Instant,
    /// Time spent suspended before the start, µs since boot.
    asleep_before: u64,
    /// Time spent suspended since the start and absorbed, µs.
    asleep: AtomicU64,
    /// By how much it followed the system's clock since the start, µs: forward, and back.
    forward: AtomicU64,
    back: AtomicU64,
    /// The time when it began to tell time as it does now.
    anchored: AtomicU64,
    /// Suspends that a test makes up, µs.
    #[cfg(test)]
    made_up: AtomicU64,
}

impl Clock {
    /// A clock that starts at the system's time, or at `at_least` if that is later (a stored sample may be
    /// slightly ahead of a clock that was corrected).
    #[must_use]
    pub fn start(at_least: Timestamp) -> Self {
        Self::start_at(wall().max(at_least))
    }

    /// A clock that starts at `wall`, whatever the system says.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start_at(wall: Timestamp) -> Self {
        Self(Arc::new(Anchor {
            wall,
            monotonic: Instant::now(),
            asleep_before: asleep_since_boot(),
            asleep: AtomicU64::new(0),
            forward: AtomicU64::new(0),
            back: AtomicU64::new(0),
            anchored: AtomicU64::new(wall.as_micros()),
            #[cfg(test)]
            made_up: AtomicU64::new(0),
        }))
    }

    /// Now, as wall time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.wall_at(self.monotonic())
    }

    /// Time since the start, not counting suspends: what schedules run on.
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

    /// By how much it was set forward since the start, all in all.
    #[must_use]
    pub fn set_forward(&self) -> Duration {
        Duration::from_micros(self.0.forward.load(Ordering::Relaxed))
    }

    /// The time when it began to tell time as it does now: what was told before may be wrong by any amount.
    #[must_use]
    pub fn anchored(&self) -> Timestamp {
        Timestamp::from_micros(self.0.anchored.load(Ordering::Relaxed))
    }

    /// Looks, once in [`LOOK`], whether the system's clock, which says `wall`, was set.
    pub fn look(&self, wall: Timestamp, looks: &mut Looks) -> Option<ClockSet> {
        let elapsed = self.monotonic();
        if looks.last.is_some_and(|last| elapsed < last + LOOK) {
            return None;
        }
        looks.last = Some(elapsed);
        let ours = self.now();
        // A suspend that is not absorbed yet is no clock that was set.
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

    /// Tells time from now on as the system's clock does, which was set so.
    pub fn follow(&self, set: ClockSet) {
        let (so_far, by) = match set {
            ClockSet::Forward(by) => (&self.0.forward, by),
            ClockSet::Back(by) => (&self.0.back, by),
        };
        so_far.fetch_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.0.anchored.store(self.now().as_micros(), Ordering::Relaxed);
    }

    /// Time since the start, suspends included, whatever the system's clock was set to.
    #[must_use]
    pub fn running(&self) -> Duration {
        self.monotonic() + self.asleep()
    }

    /// Time spent suspended since the start, as far as it was absorbed.
    #[must_use]
    pub fn asleep(&self) -> Duration {
        Duration::from_micros(self.0.asleep.load(Ordering::Relaxed))
    }

    /// Asks the system whether the machine slept; if it did, moves the wall forward and returns for how long.
    #[must_use]
    pub fn absorb_suspend(&self) -> Option<Duration> {
        let new = self.unabsorbed();
        if new < SUSPEND_MIN {
            return None;
        }
        self.0.asleep.fetch_add(u64::try_from(new.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        Some(new)
    }

    /// Whether the machine slept since the last [`Clock::absorb_suspend`].
    #[must_use]
    pub fn has_slept(&self) -> bool {
        self.unabsorbed() >= SUSPEND_MIN
    }

    /// Time spent suspended since the start that is not absorbed.
    fn unabsorbed(&self) -> Duration {
        let asleep = asleep_since_boot().saturating_sub(self.0.asleep_before);
        #[cfg(test)]
        let asleep = asleep + self.0.made_up.load(Ordering::Relaxed);
        Duration::from_micros(asleep).saturating_sub(self.asleep())
    }

    /// The machine was suspended for so long, and woke up now.
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

/// What the calling thread has had of the processor, where the system tells: what work took, however busy the machine is.
#[cfg(unix)]
pub const THREAD_TIME: Option<fn() -> Duration> = Some(|| {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(at.tv_sec.cast_unsigned(), u32::try_from(at.tv_nsec).unwrap_or_default())
});

/// What the calling thread has had of the processor, where the system tells: what work took, however busy the machine is.
#[cfg(not(unix))]
pub const THREAD_TIME: Option<fn() -> Duration> = None;

/// The system's monotonic clock as the service manager reads it; none where there is no such thing.
#[cfg(target_os = "linux")]
#[must_use]
pub fn since_boot() -> Option<Duration> {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (secs, nanos) = (u64::try_from(at.tv_sec).ok()?, u32::try_from(at.tv_nsec).ok()?);
    Some(Duration::new(secs, nanos))
}

/// The system's monotonic clock as the service manager reads it; none where there is no such thing.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn since_boot() -> Option<Duration> {
    None
}

/// µs that the machine has been suspended since it booted.
#[cfg(target_os = "linux")]
fn asleep_since_boot() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    let micros = |id| {
        let at = clock_gettime(id);
        at.tv_sec.cast_unsigned() * 1_000_000 + at.tv_nsec.cast_unsigned() / 1_000
    };
    let monotonic = micros(ClockId::Monotonic);
    micros(ClockId::Boottime).saturating_sub(monotonic)
}

#[cfg(not(target_os = "linux"))]
fn asleep_since_boot() -> u64 {
    0
}

/// How far a stored sample may be ahead of the clock and still be believed: clocks are corrected by seconds.
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
        // What the system's clock is off by, second by second.
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
}
