//! Measures the time spent in each phase of one probe.
//!
//! The time between two calls belongs to exactly one phase or to none, so phases neither overlap nor leave a gap, and add up to
//! the response time. What the probe waited for its turn ([`Turns`]) belongs to none.
//! Invariant: a phase that was entered took place, even if it took no time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{Micros, Phase, Phases};

use super::turn::Turns;

/// Measures one probe by its clock.
#[derive(Debug)]
pub(super) struct Stopwatch {
    clock: fn() -> Instant,
    activity: Activity,
    phases: Phases,
    turns: Arc<Turns>,
}

#[derive(Clone, Copy, Debug)]
enum Activity {
    None,
    Phase(Phase, Instant),
    Waiting(Waiting),
}

/// The event for which a probe waits off the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// A lookup in flight must end. Since when, and how many lookups had an answer by then.
    Lookup(Instant, u64),
    /// A TLS handshake in flight must end.
    Handshake,
}

impl Stopwatch {
    /// A stopwatch that does not run yet.
    pub(super) fn new(clock: fn() -> Instant) -> Self {
        Self { clock, activity: Activity::None, phases: Phases::NONE, turns: Turns::new(clock) }
    }

    /// The turns in which the probe must run.
    pub(super) fn turns(&self) -> Arc<Turns> {
        Arc::clone(&self.turns)
    }

    /// Spends the time in `phase` from now on.
    pub(super) fn enter(&mut self, phase: Phase) {
        let now = (self.clock)();
        self.book(now);
        self.activity = Activity::Phase(phase, now);
    }

    /// Spends the time in no phase from now on.
    pub(super) fn stop(&mut self) {
        if self.phase().is_some() {
            self.book((self.clock)());
        }
        self.activity = Activity::None;
    }

    /// Spends the time in no phase from now on, because the probe waits for a permit.
    pub(super) fn wait_for(&mut self, waiting: Waiting) {
        self.stop();
        self.activity = Activity::Waiting(waiting);
    }

    /// Stops now, or at `at` if that is past: the delay of a late timer is not the site's time.
    pub(super) fn stop_by(&mut self, at: Instant) {
        if self.phase().is_some() {
            self.stop_at((self.clock)().min(at));
        }
    }

    /// Stops as of `then`.
    pub(super) fn stop_at(&mut self, then: Instant) {
        self.book(then);
        self.activity = Activity::None;
    }

    /// The present phase.
    pub(super) fn phase(&self) -> Option<Phase> {
        if let Activity::Phase(phase, _) = self.activity { Some(phase) } else { None }
    }

    pub(super) fn waiting(&self) -> Option<Waiting> {
        if let Activity::Waiting(waiting) = self.activity { Some(waiting) } else { None }
    }

    /// The time booked so far: up to the last change of phase.
    pub(super) fn phases(&self) -> Phases {
        self.phases
    }

    /// Forgets everything since `phases`, and stops.
    pub(super) fn go_back(&mut self, phases: Phases) {
        self.activity = Activity::None;
        self.phases = phases;
    }

    /// Books `spent` for the present phase instead of the time since it was entered: it was measured closer to the work.
    pub(super) fn book_measured(&mut self, spent: Duration) {
        if let Activity::Phase(phase, since) = &mut self.activity {
            self.phases.add(*phase, Micros::from_duration(spent));
            *since = (self.clock)();
        }
    }

    fn book(&mut self, now: Instant) {
        if let Activity::Phase(phase, since) = self.activity {
            let spent = now.saturating_duration_since(since).saturating_sub(self.turns.waited(since, now));
            self.phases.add(phase, Micros::from_duration(spent));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::turn::scripted::{at, now};

    #[test]
    fn every_moment_belongs_to_one_phase_or_to_none() {
        let mut watch = Stopwatch::new(now);
        at(5);
        watch.enter(Phase::Connect);
        at(12);
        watch.stop();
        at(100);
        watch.enter(Phase::Tls);
        at(103);
        watch.enter(Phase::Connect);
        at(104);
        watch.stop();
        watch.stop();
        let millis = |phase| watch.phases().get(phase).map(|us| us.get() / 1_000);
        assert_eq!(millis(Phase::Connect), Some(8));
        assert_eq!(millis(Phase::Tls), Some(3));
        assert_eq!(millis(Phase::Resolve), None);
        assert_eq!(watch.phases().total(), Micros::new(11_000));
    }

    #[test]
    fn a_phase_can_end_before_that_is_known() {
        let mut watch = Stopwatch::new(now);
        at(0);
        watch.enter(Phase::Transfer);
        at(5);
        let decided = now();
        at(50);
        watch.stop_at(decided);
        assert_eq!((watch.phase(), watch.phases().total()), (None, Micros::new(5_000)));
    }

    #[test]
    fn a_phase_that_was_begun_took_place() {
        let mut watch = Stopwatch::new(now);
        watch.enter(Phase::Transfer);
        assert_eq!(watch.phase(), Some(Phase::Transfer));
        watch.stop();
        assert_eq!(watch.phases().get(Phase::Transfer), Some(Micros::ZERO));
    }

    #[test]
    fn what_was_of_no_account_is_forgotten() {
        let mut watch = Stopwatch::new(now);
        at(0);
        watch.enter(Phase::Connect);
        at(5);
        watch.stop();
        let before = watch.phases();
        watch.enter(Phase::Processing);
        at(50);
        watch.go_back(before);
        assert_eq!((watch.phase(), watch.phases().total()), (None, Micros::new(5_000)));
    }

    #[test]
    fn a_time_measured_nearer_to_the_work_replaces_what_passed() {
        let mut watch = Stopwatch::new(now);
        at(0);
        watch.enter(Phase::Resolve);
        at(50);
        watch.book_measured(Duration::from_millis(20));
        at(53);
        watch.stop();
        assert_eq!(watch.phases().get(Phase::Resolve), Some(Micros::new(23_000)));
    }
}
