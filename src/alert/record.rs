//! An announced change of a site's state: its facts, and the record of it that is stored and listed.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::model::Timestamp;
use crate::stats::Availability;

use super::{AlertState, Percentile, Rule, RuleKind, Threshold, Transition};

/// The measured value that breached or cleared a rule other than availability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A percentile of the response times.
    Latency {
        /// Which percentile.
        percentile: Percentile,
        /// The largest acceptable value.
        limit: Duration,
        /// How many answered checks took longer, of how many.
        slower: u64,
        /// Answered checks in the window.
        answered: u64,
    },
    /// A certificate.
    Certificate {
        /// The end of its validity.
        not_after: Timestamp,
        /// Whole days until then, rounded down; negative once expired.
        days_left: i64,
    },
    /// An error budget.
    Burn {
        /// The objective.
        target: Threshold,
        /// How many times too fast the budget was spent over the long window, in thousandths.
        rate_milli: u64,
        /// The long window.
        long: Duration,
        /// The short window.
        short: Duration,
    },
    /// A fault of webmon itself, as a sentence.
    Note(String),
}

/// The facts of one transition of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The time of the verdict.
    pub at: Timestamp,
    /// The site's name.
    pub site: Arc<str>,
    /// The announced change.
    pub state: AlertState,
    /// The rule that changed.
    pub rule: RuleKind,
    /// The incident's number, unique in a store; `None` in alerts of earlier versions.
    pub incident: Option<u64>,
    /// The value that another rule than availability judged.
    pub reading: Option<Reading>,
    /// The judged availability; `None` for `ended` and for other rules.
    pub availability: Option<Availability>,
    /// The rule's threshold at that time.
    pub threshold: Threshold,
    /// The rule's window at that time.
    pub window: Duration,
    /// The start of the incident: the time of its `down`.
    pub since: Timestamp,
    /// From message to message; `None` for `down`.
    pub downtime: Option<Duration>,
}

/// An alert with its message, as it is stored, listed and printed. It reads like its facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRecord {
    /// The alert.
    pub facts: Alert,
    /// The message, to the letter, as the monitor worded it; empty for `ended`.
    pub message: String,
}

impl Deref for AlertRecord {
    type Target = Alert;

    fn deref(&self) -> &Alert {
        &self.facts
    }
}

impl Alert {
    /// The alert that announces `transition` of `site`, judged by `rule`.
    #[must_use]
    pub fn new(site: Arc<str>, rule: &Rule, transition: &Transition) -> Self {
        let Transition { at, state, availability, since, downtime } = *transition;
        let (threshold, window) = (rule.threshold, rule.window);
        Self {
            at,
            site,
            state,
            rule: RuleKind::Availability,
            incident: None,
            reading: None,
            availability: Some(availability),
            threshold,
            window,
            since,
            downtime,
        }
    }

    /// An alert about webmon itself: `rule` changed to `state` at `at`, as `text` says.
    #[must_use]
    pub fn own(site: Arc<str>, rule: RuleKind, state: AlertState, text: String, at: Timestamp) -> Self {
        let terms = Rule::default();
        let reading = Some(Reading::Note(text));
        Self { state, rule, reading, downtime: None, ..Self::ended(site, &terms, at, at) }
    }

    /// The silent end, at `at`, of an incident that began at `since`: its site is no longer watched.
    #[must_use]
    pub fn ended(site: Arc<str>, rule: &Rule, since: Timestamp, at: Timestamp) -> Self {
        Self {
            at,
            site,
            state: AlertState::Ended,
            rule: RuleKind::Availability,
            incident: None,
            reading: None,
            availability: None,
            threshold: rule.threshold,
            window: rule.window,
            since,
            downtime: Some(at.since(since)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = "api";
    const SINCE: Timestamp = Timestamp::from_secs(1_000);

    #[test]
    fn an_alert_carries_its_transition_and_the_rule_of_its_time() {
        let transition = Transition {
            at: Timestamp::from_secs(1_090),
            state: AlertState::Up,
            availability: Availability { up: 9, checks: 10 },
            since: SINCE,
            downtime: Some(Duration::from_secs(90)),
        };
        let alert = Alert::new(SITE.into(), &Rule::default(), &transition);
        assert_eq!((alert.at, alert.state, alert.downtime), (transition.at, transition.state, transition.downtime));
        assert_eq!((alert.threshold.ppm(), alert.window, alert.since), (800_000, Duration::from_mins(2), SINCE));
        assert_eq!(alert.availability, Some(transition.availability));
    }

    #[test]
    fn an_incident_that_ends_with_its_site_has_no_availability() {
        let alert = Alert::ended(SITE.into(), &Rule::default(), SINCE, Timestamp::from_secs(1_007));
        assert_eq!((alert.availability, alert.state.name()), (None, "ended"));
        assert_eq!(alert.downtime, Some(Duration::from_secs(7)));
    }
}
