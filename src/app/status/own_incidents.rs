//! Finds the incidents of webmon itself in its health: a store that does not save, and checks that start late.
//!
//! Invariants: each incident opens once and clears once. Bounds: a mark per [`MARK`] of [`WINDOW`].

use std::collections::VecDeque;
use std::time::Duration;

use crate::alert::{Alert, AlertState, RuleKind};
use crate::model::{Health, OWN_NAME, StoreHealth, Timestamp};

/// The time over which late checks are counted.
const WINDOW: Duration = Duration::from_mins(10);

/// Between two marks.
const MARK: Duration = Duration::from_secs(10);

/// One check in so many may be late.
const SHARE: u64 = 100;

/// Fewer late checks are a coincidence.
const TARDY_MIN: u64 = 3;

/// See the module.
#[derive(Debug)]
pub struct OwnIncidents {
    is_store_open: bool,
    is_lateness_open: bool,
    marks: VecDeque<Mark>,
}

/// Sums since the start of the program.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Duration,
    due: u64,
    tardy: u64,
}

impl OwnIncidents {
    /// Continues with those that are breached.
    #[must_use]
    pub fn new(is_breached: impl Fn(RuleKind) -> bool) -> Self {
        let [is_store_open, is_lateness_open] = [RuleKind::Store, RuleKind::Lateness].map(is_breached);
        Self { is_store_open, is_lateness_open, marks: VecDeque::from([Mark { at: Duration::ZERO, due: 0, tardy: 0 }]) }
    }

    /// What `health` says at `now`, `elapsed` after the start.
    pub fn look(&mut self, health: &Health, elapsed: Duration, now: Timestamp) -> Vec<Alert> {
        let store = match &health.store {
            StoreHealth::NotSaving { reason, .. } => Some(format!("not saving: {reason}.")),
            _ => None,
        };
        let lateness = self.lateness(health, elapsed);
        let found = [
            (RuleKind::Store, &mut self.is_store_open, store, "saving again."),
            (RuleKind::Lateness, &mut self.is_lateness_open, lateness, "checks start on time again."),
        ];
        let change = |(rule, is_open, reason, over): (RuleKind, &mut bool, Option<String>, &str)| {
            let was_open = std::mem::replace(is_open, reason.is_some());
            let (state, text) = match (was_open, reason) {
                (false, Some(reason)) => (AlertState::Breached, reason),
                (true, None) => (AlertState::Cleared, over.to_owned()),
                _ => return None,
            };
            Some(Alert::own(OWN_NAME.into(), rule, state, text, now))
        };
        found.into_iter().filter_map(change).collect()
    }

    fn lateness(&mut self, health: &Health, elapsed: Duration) -> Option<String> {
        let newest = Mark { at: elapsed, due: health.due, tardy: health.tardy };
        if self.marks.back().is_none_or(|last| elapsed.saturating_sub(last.at) >= MARK) {
            self.marks.push_back(newest);
        }
        while self.marks.len() > 1 && elapsed.saturating_sub(self.marks[1].at) >= WINDOW {
            self.marks.pop_front();
        }
        let oldest = self.marks.front().copied().unwrap_or(newest);
        let (due, tardy) = (newest.due.saturating_sub(oldest.due), newest.tardy.saturating_sub(oldest.tardy));
        (tardy >= TARDY_MIN && tardy * SHARE > due).then(|| {
            let minutes = WINDOW.as_secs() / 60;
            format!("{tardy} of {due} checks in {minutes}m started late or never: this machine cannot keep up.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_795_340_000);

    fn told(own: &mut OwnIncidents, health: &Health, second: u64) -> Vec<(RuleKind, AlertState)> {
        let elapsed = Duration::from_secs(second);
        let alerts = own.look(health, elapsed, START.after(elapsed));
        alerts.iter().map(|alert| (alert.rule, alert.state)).collect()
    }

    #[test]
    fn a_store_that_does_not_save_opens_once_and_clears_once() {
        let not = StoreHealth::NotSaving { since: START, reason: "disk full".to_owned() };
        let mut own = OwnIncidents::new(|_| false);
        let (well, unwell) = (Health::default(), Health { store: not, ..Health::default() });
        assert_eq!(told(&mut own, &well, 1), []);
        assert_eq!(told(&mut own, &unwell, 2), [(RuleKind::Store, AlertState::Breached)]);
        assert_eq!(told(&mut own, &unwell, 3), []);
        assert_eq!(told(&mut own, &well, 4), [(RuleKind::Store, AlertState::Cleared)]);
        assert_eq!(told(&mut own, &well, 5), []);
        // A restart continues with what was open.
        let mut own = OwnIncidents::new(|rule| rule == RuleKind::Store);
        assert_eq!(told(&mut own, &unwell, 1), []);
        assert_eq!(told(&mut own, &well, 2), [(RuleKind::Store, AlertState::Cleared)]);
    }

    #[test]
    fn more_than_one_late_check_in_a_hundred_is_an_incident_until_they_leave_the_window() {
        let mut own = OwnIncidents::new(|_| false);
        let (mut changes, mut tardy) = (Vec::new(), 0);
        // One check a second; a tenth of them is late for two minutes from the 1,000th on.
        for second in 0..2_400 {
            tardy += u64::from((1_000..1_120).contains(&second) && second % 10 == 0);
            let health = Health { due: second, tardy, ..Health::default() };
            changes.extend(told(&mut own, &health, second).into_iter().map(|(_, state)| (second, state)));
        }
        let [(opened, AlertState::Breached), (cleared, AlertState::Cleared)] = changes[..] else {
            panic!("{changes:?}")
        };
        // The seventh of 600; at most six are in the window again.
        assert_eq!(opened, 1_060);
        assert!((1_640..=1_670).contains(&cleared), "{cleared}");
    }

    #[test]
    fn a_few_late_checks_of_few_are_a_coincidence() {
        let mut own = OwnIncidents::new(|_| false);
        assert_eq!(told(&mut own, &Health { due: 10, tardy: 2, ..Health::default() }, 100), []);
        let opened = told(&mut own, &Health { due: 10, tardy: 3, ..Health::default() }, 101);
        assert_eq!(opened, [(RuleKind::Lateness, AlertState::Breached)]);
    }
}
