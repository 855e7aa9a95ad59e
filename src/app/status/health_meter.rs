//! Computes the health of webmon itself once a second, from counters and reports.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::model::{ExportHealth, FleetHealth, Health, Notice, StoreHealth, Timestamp};
use crate::store::Flushed;

use super::counters::SchedulerCounters;

/// The span over which rates are taken and the largest lateness is shown.
const SPAN: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_secs(1);

/// A flush that has not returned for this long stops the signs of life to the service manager.
const STUCK: Duration = Duration::from_mins(1);

/// The store task's report about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// Whether samples are being saved.
    pub store: StoreHealth,
    /// Every report up to this ticket is on the disk.
    pub ticket: u64,
    /// See [`Flushed::decided`]; `None` before the first flush.
    pub decided: Option<Timestamp>,
    /// Samples that the store's readers or backlog lost, since the start.
    pub lost_samples: u64,
    /// Texts and alerts that it lost, since the start.
    pub lost_texts: u64,
    /// Notices for the user: the newest [`NOTICES`].
    pub notices: Vec<Notice>,
    /// Older ones.
    pub forgotten_notices: u64,
    /// When the flush began that has not returned, on the monotonic clock, once that is worth a word.
    pub stuck: Option<Duration>,
}

/// Notices that are kept.
const NOTICES: usize = 100;

impl StoreStatus {
    /// Takes over what a flush did.
    pub fn note(&mut self, flushed: Flushed) {
        self.store = flushed.health;
        self.ticket = self.ticket.max(flushed.ticket);
        self.decided = flushed.decided.or(self.decided);
        self.lost_samples += flushed.dropped;
        self.lost_texts += flushed.dropped_texts;
        flushed.notices.into_iter().for_each(|notice| self.tell(notice));
    }

    /// Adds `notice` for the dashboard and the output.
    pub fn tell(&mut self, notice: impl Into<Notice>) {
        self.notices.push(notice.into());
        let surplus = self.notices.len().saturating_sub(NOTICES);
        self.notices.drain(..surplus);
        self.forgotten_notices += surplus as u64;
    }
}

/// Makes a [`Health`] of counters, once a second.
#[derive(Debug)]
pub struct HealthMeter {
    gauges: Arc<SchedulerCounters>,
    keeping: watch::Receiver<StoreStatus>,
    export: Option<watch::Receiver<ExportHealth>>,
    fleet: Option<watch::Receiver<FleetHealth>>,
    marks: VecDeque<Mark>,
    lost_by_engine: u64,
    texts_lost_by_engine: u64,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Duration,
    finished: u64,
    late: Duration,
    stopped: Duration,
}

impl HealthMeter {
    /// A meter of `gauges` and of what the store's side reports.
    #[must_use]
    pub fn new(gauges: Arc<SchedulerCounters>, keeping: watch::Receiver<StoreStatus>) -> Self {
        let start = Mark { at: Duration::ZERO, finished: 0, late: Duration::ZERO, stopped: Duration::ZERO };
        Self {
            gauges,
            keeping,
            export: None,
            fleet: None,
            marks: VecDeque::from([start]),
            lost_by_engine: 0,
            texts_lost_by_engine: 0,
        }
    }

    /// Adds the health of an export.
    #[must_use]
    pub fn with(mut self, export: Option<watch::Receiver<ExportHealth>>) -> Self {
        self.export = export;
        self
    }

    /// The same of an export that begins later.
    #[cfg(feature = "nats")]
    pub fn attend_export(&mut self, export: Option<watch::Receiver<ExportHealth>>) {
        self.export = export;
    }

    /// Adds the health of a location.
    #[must_use]
    pub fn located(mut self, fleet: Option<watch::Receiver<FleetHealth>>) -> Self {
        self.fleet = fleet;
        self
    }

    /// Whether a flush takes so long that the program counts as broken, `now` after the start.
    #[must_use]
    pub fn is_stuck(&self, now: Duration) -> bool {
        self.keeping.borrow().stuck.is_some_and(|since| now.saturating_sub(since) >= STUCK)
    }

    /// Counts samples that the engine's readers lost.
    pub fn lost(&mut self, samples: u64) {
        self.lost_by_engine += samples;
    }

    /// Counts texts that the engine lost.
    pub fn lost_texts(&mut self, texts: u64) {
        self.texts_lost_by_engine += texts;
    }

    /// The health at `now` (time since the start), once a second.
    #[allow(clippy::cast_precision_loss, reason = "a rate, shown with one decimal")]
    pub fn read(&mut self, now: Duration) -> Option<Health> {
        if now.saturating_sub(self.marks.back()?.at) < STEP {
            return None;
        }
        let (late, stopped) = (self.gauges.take_late_max(), self.gauges.take_stopped());
        self.marks.push_back(Mark { at: now, finished: self.gauges.finished_total(), late, stopped });
        while self.marks.len() > 2 && now.saturating_sub(self.marks[1].at) >= SPAN {
            self.marks.pop_front();
        }
        let (first, last) = (self.marks.front()?, self.marks.back()?);
        let span = last.at.saturating_sub(first.at).as_secs_f64();
        let keeping = self.keeping.borrow();
        let (due, tardy) = self.gauges.due_total();
        Some(Health {
            checks: last.finished,
            checks_per_second: (last.finished - first.finished) as f64 / span,
            in_flight: self.gauges.in_flight(),
            late: self.marks.iter().skip(1).map(|mark| mark.late).max().unwrap_or_default(),
            stopped: self.marks.iter().skip(1).map(|mark| mark.stopped).max().unwrap_or_default(),
            skipped: self.gauges.skipped_total(),
            due,
            tardy,
            lost_samples: keeping.lost_samples + self.lost_by_engine,
            lost_texts: keeping.lost_texts + self.texts_lost_by_engine + self.gauges.lost_texts_total(),
            offline_since: None,
            closed_proxy: None,
            own_outage: None,
            store: keeping.store.clone(),
            export: self.export.as_ref().map(|export| export.borrow().clone()),
            fleet: self.fleet.as_ref().map(|fleet| fleet.borrow().clone()),
            hub: None,
            failing_outlets: Vec::new(),
            notices: keeping.notices.clone(),
            forgotten_notices: keeping.forgotten_notices,
            watching: None,
            narration: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_cover_the_last_ten_seconds() {
        let gauges = Arc::new(SchedulerCounters::default());
        let (_sender, keeping) = watch::channel(StoreStatus::default());
        let mut meter = HealthMeter::new(Arc::clone(&gauges), keeping);
        let mut last = None;
        for second in 1..=30u64 {
            for _ in 0..if second <= 20 { 2 } else { 5 } {
                gauges.started(Duration::from_millis(second));
                gauges.finished();
            }
            last = meter.read(Duration::from_secs(second));
            assert_eq!(meter.read(Duration::from_secs(second)), None, "once a second");
        }
        let health = last.unwrap();
        assert!((health.checks_per_second - 5.0).abs() < 1e-9);
        assert_eq!(health.late, Duration::from_millis(30));
        assert_eq!(health.in_flight, 0);
    }

    #[test]
    fn a_stop_is_told_for_ten_seconds() {
        let gauges = Arc::new(SchedulerCounters::default());
        let (_sender, keeping) = watch::channel(StoreStatus::default());
        let mut meter = HealthMeter::new(Arc::clone(&gauges), keeping);
        gauges.note_stop(Duration::from_secs(2));
        let told: Vec<u64> =
            (1..=13).map(|second| meter.read(Duration::from_secs(second)).unwrap().stopped.as_secs()).collect();
        assert_eq!(told, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0]);
    }

    #[test]
    fn a_flush_that_does_not_return_for_a_minute_is_a_fault_of_the_program() {
        let (sender, keeping) = watch::channel(StoreStatus::default());
        let meter = HealthMeter::new(Arc::new(SchedulerCounters::default()), keeping);
        assert!(!meter.is_stuck(Duration::from_hours(1)));
        sender.send_modify(|keeping| keeping.stuck = Some(Duration::from_secs(100)));
        assert!(!meter.is_stuck(Duration::from_millis(159_999)));
        assert!(meter.is_stuck(Duration::from_secs(160)));
        sender.send_modify(|keeping| keeping.stuck = None);
        assert!(!meter.is_stuck(Duration::from_secs(161)));
    }

    #[test]
    fn notices_are_bounded_and_none_is_forgotten_uncounted() {
        let mut keeping = StoreStatus::default();
        for number in 0..NOTICES + 7 {
            keeping.note(Flushed { notices: vec![number.to_string()], ..Flushed::default() });
        }
        assert_eq!(keeping.notices.len(), NOTICES);
        assert_eq!(keeping.forgotten_notices, 7);
        assert_eq!(keeping.notices.first().map(|notice| &**notice), Some("7"));
    }
}
