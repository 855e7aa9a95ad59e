//! An announced change of a site's state: its facts, and the record of it that is stored and listed.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Location, Timestamp};
use crate::stats::Availability;

use super::{AlertState, Locations, Policies, Reading, Rule, RuleKind, Threshold, Transition};

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
    /// The rule's threshold at that time: of latency the percentile, of an objective its target, of a certificate that of
    /// availability.
    pub threshold: Threshold,
    /// The rule's window at that time: of an objective the long one, of a certificate how early it warns.
    pub window: Duration,
    /// The start of the incident: the time of the alert that opened it.
    pub since: Timestamp,
    /// From message to message; `None` for `down`.
    pub downtime: Option<Duration>,
    /// The locations that it rests on; `None` where one webmon judges by its own checks.
    pub locations: Option<Locations>,
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
    /// The alert that announces `transition` of `site`, judged by `policies`.
    #[must_use]
    pub fn new(site: Arc<str>, policies: &Policies, transition: &Transition) -> Self {
        let Transition { rule, at, state, since, downtime, availability, ref reading, ref locations } = *transition;
        let Rule { threshold, window, .. } = policies.availability;
        let (threshold, window) = match reading {
            Some(Reading::Latency { percentile, .. }) => {
                (percentile.threshold(), policies.latency.map_or(window, |latency| latency.window))
            }
            Some(Reading::Burn { target, long, .. }) => (*target, *long),
            Some(Reading::Certificate { .. }) => (threshold, policies.certificate.unwrap_or(window)),
            Some(Reading::Note(_) | Reading::Blind { .. } | Reading::Silent { .. }) | None => (threshold, window),
        };
        Self {
            at,
            site,
            state,
            rule,
            incident: None,
            reading: reading.clone(),
            availability,
            threshold,
            window,
            since,
            downtime,
            locations: locations.clone(),
        }
    }

    /// An alert about webmon itself: `rule` changed to `state` at `at`, as `text` says.
    #[must_use]
    pub fn own(site: Arc<str>, rule: RuleKind, state: AlertState, text: String, at: Timestamp) -> Self {
        let terms = Rule::default();
        let reading = Some(Reading::Note(text));
        Self { state, rule, reading, downtime: None, ..Self::ended(site, &terms, at, at) }
    }

    /// An alert about `location`, whose name takes the place of the site's: at `at` it had the trouble `reading` since `since`,
    /// or is back from it.
    #[must_use]
    pub fn of_location(
        location: &Location,
        state: AlertState,
        reading: Reading,
        (since, at): (Timestamp, Timestamp),
    ) -> Self {
        let (rule, terms) = (RuleKind::Location, Rule::default());
        let downtime = (!state.is_opening()).then(|| at.since(since));
        Self { state, rule, reading: Some(reading), downtime, ..Self::ended(location.name().into(), &terms, since, at) }
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
            locations: None,
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::alert::{LatencyRule, Percentile};

    /// An alert of the availability of `site`, without a message, that begins at `at`.
    pub fn record(site: &str, state: AlertState, at: Timestamp) -> AlertRecord {
        let rule = Rule::default();
        let facts = Alert { state, downtime: None, ..Alert::ended(site.into(), &rule, at, at) };
        AlertRecord { facts, message: String::new() }
    }

    const SITE: &str = "api";
    const SINCE: Timestamp = Timestamp::from_secs(1_000);

    #[test]
    fn an_alert_carries_its_transition_and_the_rule_of_its_time() {
        let transition = Transition {
            rule: RuleKind::Availability,
            at: Timestamp::from_secs(1_090),
            state: AlertState::Up,
            since: SINCE,
            downtime: Some(Duration::from_secs(90)),
            availability: Some(Availability { up: 9, checks: 10 }),
            reading: None,
            locations: Some(Locations::votes(3, 1, [])),
        };
        let alert = Alert::new(SITE.into(), &Policies::default(), &transition);
        assert_eq!((alert.at, alert.state, alert.downtime), (transition.at, transition.state, transition.downtime));
        assert_eq!((alert.threshold.ppm(), alert.window, alert.since), (800_000, Duration::from_mins(2), SINCE));
        assert_eq!((alert.availability, alert.rule), (transition.availability, RuleKind::Availability));
        assert_eq!(alert.locations, transition.locations);
    }

    #[test]
    fn an_alert_of_another_rule_carries_its_reading_and_its_own_window() {
        let (limit, window) = (Duration::from_millis(800), Duration::from_mins(10));
        let percentile = Percentile::P95;
        let policies = Policies {
            latency: Some(LatencyRule { percentile, limit, window, min_samples: 20 }),
            certificate: Some(Duration::from_hours(24 * 21)),
            ..Policies::default()
        };
        let target = Threshold::from_ppm(999_000).unwrap();
        let (long, short) = (Duration::from_hours(1), Duration::from_mins(5));
        for (rule, reading, threshold, window) in [
            (RuleKind::Latency, Reading::Latency { percentile, limit, slower: 2, answered: 20 }, 950_000, window),
            (RuleKind::SloFast, Reading::Burn { target, rate_milli: 15_000, long, short }, 999_000, long),
            (
                RuleKind::Certificate,
                Reading::Certificate { not_after: SINCE, days_left: 3 },
                800_000,
                Duration::from_hours(24 * 21),
            ),
        ] {
            let transition = Transition {
                rule,
                at: SINCE,
                state: AlertState::Breached,
                since: SINCE,
                downtime: None,
                availability: None,
                reading: Some(reading.clone()),
                locations: None,
            };
            let alert = Alert::new(SITE.into(), &policies, &transition);
            assert_eq!((alert.rule, alert.reading, alert.availability), (rule, Some(reading), None));
            assert_eq!((alert.threshold.ppm(), alert.window), (threshold, window));
        }
    }

    #[test]
    fn an_incident_that_ends_with_its_site_has_no_availability() {
        let alert = Alert::ended(SITE.into(), &Rule::default(), SINCE, Timestamp::from_secs(1_007));
        assert_eq!((alert.availability, alert.state.name()), (None, "ended"));
        assert_eq!(alert.downtime, Some(Duration::from_secs(7)));
    }
}
