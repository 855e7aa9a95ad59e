//! `/healthz` and `/readyz`: whether webmon is alive, and whether it does its work.
//!
//! Alive is what a supervisor restarts for: scheduler and engine turn. A full disk is no reason to restart, so it makes webmon
//! unready only.

use std::time::Duration;

/// A part that has not turned for longer is stuck.
const STUCK: Duration = Duration::from_secs(5);

/// What is known of a running monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VitalSigns {
    /// By how much the scheduler is behind the time at which it wanted to turn.
    pub scheduler_overdue: Duration,
    /// Since when the engine has not stepped.
    pub since_step: Duration,
    /// Whether a check was started.
    pub has_begun: bool,
    /// Whether it is stopping.
    pub is_ending: bool,
    /// Why results are not saved, if they should be.
    pub not_saving: Option<String>,
}

impl VitalSigns {
    /// Why it is not alive.
    #[must_use]
    pub fn ailment(&self) -> Option<String> {
        let part = |name: &str, since: Duration| {
            (since > STUCK).then(|| format!("{name} has not turned for {} s", since.as_secs()))
        };
        part("the scheduler", self.scheduler_overdue).or(part("the engine", self.since_step))
    }

    /// Why it does not do its work.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        if self.is_ending {
            return Some("stopping".to_owned());
        }
        if !self.has_begun {
            return Some("starting".to_owned());
        }
        let not_saving = self.not_saving.as_ref().map(|reason| format!("not saving: {reason}"));
        self.ailment().or(not_saving)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> VitalSigns {
        VitalSigns {
            scheduler_overdue: Duration::ZERO,
            since_step: Duration::from_millis(250),
            has_begun: true,
            is_ending: false,
            not_saving: None,
        }
    }

    #[test]
    fn alive_is_not_ready() {
        assert_eq!((sound().ailment(), sound().obstacle()), (None, None));
        let full = VitalSigns { not_saving: Some("disk full".to_owned()), ..sound() };
        assert_eq!((full.ailment(), full.obstacle().as_deref()), (None, Some("not saving: disk full")));
        let young = VitalSigns { has_begun: false, ..sound() };
        assert_eq!((young.ailment(), young.obstacle().as_deref()), (None, Some("starting")));
        let leaving = VitalSigns { is_ending: true, ..sound() };
        assert_eq!((leaving.ailment(), leaving.obstacle().as_deref()), (None, Some("stopping")));
    }

    #[test]
    fn what_does_not_turn_is_named() {
        for (secs, is_stuck) in [(5, false), (6, true)] {
            let since = Duration::from_secs(secs);
            let scheduler = VitalSigns { scheduler_overdue: since, ..sound() };
            let engine = VitalSigns { since_step: since, ..sound() };
            assert_eq!(scheduler.ailment().is_some_and(|why| why.contains("the scheduler")), is_stuck);
            assert_eq!(engine.ailment().is_some_and(|why| why.contains("the engine has not turned for 6 s")), is_stuck);
            assert_eq!(engine.obstacle().is_some(), is_stuck);
        }
    }
}
