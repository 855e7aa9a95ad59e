//! Counters of the schedulers, which the control loop reads without synchronization.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::model::time::duration;

/// Counters and gauges that the network threads and the control thread share. All are relaxed, because they are independent.
#[derive(Debug, Default)]
pub struct SchedulerCounters {
    finished: AtomicU64,
    in_flight: AtomicUsize,
    late_max: AtomicU64,
    skipped: AtomicU64,
    due: AtomicU64,
    tardy: AtomicU64,
    stopped: AtomicU64,
    lost_texts: AtomicU64,
    runs_by: NextRuns,
    stepped: AtomicU64,
    is_ending: AtomicBool,
}

/// When each scheduler wants to run again, µs on the monotonic clock.
#[derive(Debug)]
struct NextRuns(Box<[AtomicU64]>);

impl NextRuns {
    fn of(threads: usize) -> Self {
        Self(std::iter::repeat_with(AtomicU64::default).take(threads).collect())
    }
}

impl Default for NextRuns {
    fn default() -> Self {
        Self::of(1)
    }
}

impl SchedulerCounters {
    /// The counters of the schedulers of so many network threads; those of one are the default.
    #[must_use]
    pub fn of(threads: usize) -> Self {
        Self { runs_by: NextRuns::of(threads), ..Self::default() }
    }

    /// A probe started, `late` after it was due.
    pub fn started(&self, late: Duration) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.late_max.fetch_max(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// A probe ended.
    pub fn finished(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    /// A probe was aborted and is not a check.
    pub fn abandoned(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// `n` due checks were never started.
    pub fn skip(&self, n: u32) {
        self.skipped.fetch_add(u64::from(n), Ordering::Relaxed);
    }

    /// `due` checks were due, and this machine started `tardy` of them late or never.
    pub fn note_due(&self, due: u64, tardy: u64) {
        self.due.fetch_add(due, Ordering::Relaxed);
        self.tardy.fetch_add(tardy, Ordering::Relaxed);
    }

    /// The sums of [`SchedulerCounters::note_due`], since the start.
    pub fn due_total(&self) -> (u64, u64) {
        (self.due.load(Ordering::Relaxed), self.tardy.load(Ordering::Relaxed))
    }

    /// The process was stopped for this long.
    pub fn note_stop(&self, stopped: Duration) {
        self.stopped.fetch_max(u64::try_from(stopped.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The longest stop of the process since the last call.
    pub fn take_stopped(&self) -> Duration {
        Duration::from_micros(self.stopped.swap(0, Ordering::Relaxed))
    }

    /// Texts did not fit a queue or a join.
    pub fn lose_texts(&self, texts: u64) {
        self.lost_texts.fetch_add(texts, Ordering::Relaxed);
    }

    /// The scheduler of network thread `thread` wants to run again at that time on the monotonic clock, or whenever it is woken.
    pub fn note_run(&self, thread: usize, runs_by: Option<Duration>) {
        let micros = runs_by.map_or(u64::MAX, duration::micros);
        self.runs_by.0[thread].store(micros, Ordering::Relaxed);
    }

    /// By how much the latest scheduler is late to run at `now`.
    pub fn overdue(&self, now: Duration) -> Duration {
        let first = self.runs_by.0.iter().map(|runs_by| runs_by.load(Ordering::Relaxed)).min();
        now.saturating_sub(Duration::from_micros(first.unwrap_or(u64::MAX)))
    }

    /// The engine stepped at `now` on the monotonic clock.
    pub fn note_step(&self, now: Duration) {
        self.stepped.store(duration::micros(now), Ordering::Relaxed);
    }

    /// How long ago at `now` the engine stepped, or the start was.
    pub fn since_step(&self, now: Duration) -> Duration {
        now.saturating_sub(Duration::from_micros(self.stepped.load(Ordering::Relaxed)))
    }

    /// The monitor is stopping.
    pub fn note_ending(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// Whether the monitor is stopping.
    pub fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// Whether a check was due.
    pub fn has_begun(&self) -> bool {
        self.due.load(Ordering::Relaxed) > 0
    }

    /// Finished probes, since the start.
    pub fn finished_total(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Probes in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The largest lateness since the last call.
    pub fn take_late_max(&self) -> Duration {
        Duration::from_micros(self.late_max.swap(0, Ordering::Relaxed))
    }

    /// Skipped checks, since the start.
    pub fn skipped_total(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Lost texts, since the start.
    pub fn lost_texts_total(&self) -> u64 {
        self.lost_texts.load(Ordering::Relaxed)
    }
}
