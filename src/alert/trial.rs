//! A trial of another availability rule on the stored checks of one site: what is asked for, and what came of it.
//!
//! It says which alerts would have been sent in the past, compared with the rule that holds. Nothing is changed by it.

use std::sync::Arc;
use std::time::Duration;

use crate::model::time::duration;
use crate::model::{Cause, Timestamp, figures};

use super::Rule;

/// What to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialRequest {
    /// The site.
    pub site: Arc<str>,
    /// Time between its checks.
    pub interval: Duration,
    /// The rule that holds.
    pub current: Rule,
    /// Another rule.
    pub tried: Rule,
    /// The end of the period, exclusive.
    pub until: Timestamp,
}

impl TrialRequest {
    /// What to write in sites.yaml to get the tried rule: threshold, window, and recover if it is there or was there.
    #[must_use]
    pub fn yaml(&self) -> String {
        let Rule { threshold, window, recover, .. } = self.tried;
        let recover = match (recover, self.current.recover) {
            (Some(recover), _) => format!(", recover: {}", figures::exact_percent(recover.ppm())),
            (None, Some(_)) => ", recover: off".to_owned(),
            (None, None) => String::new(),
        };
        let threshold = figures::exact_percent(threshold.ppm());
        format!("alert: {{ threshold: {threshold}, window: {}{recover} }}", duration::format(window))
    }
}

/// An incident of either rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialIncident {
    /// When it opened; by the current rule, if that has it.
    pub opened: Timestamp,
    /// When it closed; `None` if it was open at the end.
    pub closed: Option<Timestamp>,
    /// Whether the current rule has one at that time.
    pub is_current: bool,
    /// Whether the tried rule has one at that time.
    pub is_tried: bool,
    /// The cause of the newest failed check at its start.
    pub cause: Option<Cause>,
}

/// What one rule would have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrialCount {
    /// Incidents that opened.
    pub incidents: usize,
    /// Messages, after calm and without what was muted by silences, maintenance or a parent.
    pub messages: usize,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The first stored check of the period.
    pub since: Timestamp,
    /// Checks that were judged.
    pub checks: u64,
    /// Of the current rule.
    pub current: TrialCount,
    /// Of the tried rule.
    pub tried: TrialCount,
    /// The incidents of both, by their start.
    pub incidents: Vec<TrialIncident>,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialAnswer {
    /// The request.
    pub request: TrialRequest,
    /// What came of it, or why nothing did.
    pub trial: Result<Trial, Arc<str>>,
}
