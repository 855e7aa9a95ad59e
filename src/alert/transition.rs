//! A change of a rule's verdict, and the open incidents that outlive a run.

use std::time::Duration;

use crate::alert::{AlertState, Locations, Reading, RuleKind};
use crate::model::Timestamp;
use crate::stats::Availability;

/// A change of a rule's verdict, to be announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The rule.
    pub rule: RuleKind,
    /// The instant of the verdict: that of a check, or that at which the rule's window became covered.
    pub at: Timestamp,
    /// Down, up, breached, cleared; ended only for a rule that was removed.
    pub state: AlertState,
    /// The start of the incident: `at` if it opens one.
    pub since: Timestamp,
    /// `at − since`; `None` if it opens an incident, or goes on with one.
    pub downtime: Option<Duration>,
    /// The availability that was judged; `None` for other rules.
    pub availability: Option<Availability>,
    /// What another rule judged.
    pub reading: Option<Reading>,
    /// The votes of several locations, if it rests on them.
    pub locations: Option<Locations>,
}

/// An incident of a site that an earlier run left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingIncident {
    /// The rule that was breached.
    pub rule: RuleKind,
    /// The `at` of the alert that opened it.
    pub since: Timestamp,
    /// What its last alert said.
    pub reading: Option<Reading>,
}

impl Transition {
    /// A breach of `rule` at `at`, in the incident that began at `since`.
    pub(crate) const fn breached(rule: RuleKind, at: Timestamp, since: Timestamp, reading: Reading) -> Self {
        let state = AlertState::Breached;
        Self { rule, at, state, since, downtime: None, availability: None, reading: Some(reading), locations: None }
    }

    /// The end of a breach of `rule` that began at `since`.
    pub(crate) const fn cleared(rule: RuleKind, at: Timestamp, since: Timestamp, reading: Reading) -> Self {
        let downtime = Some(at.since(since));
        Self {
            rule,
            at,
            state: AlertState::Cleared,
            since,
            downtime,
            availability: None,
            reading: Some(reading),
            locations: None,
        }
    }

    /// The end, at `at`, of an incident whose rule was removed.
    #[must_use]
    pub const fn ended(rule: RuleKind, since: Timestamp, at: Timestamp) -> Self {
        let downtime = Some(at.since(since));
        Self { rule, at, state: AlertState::Ended, since, downtime, availability: None, reading: None, locations: None }
    }
}
