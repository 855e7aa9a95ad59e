//! One announced change of a site's state, as it is stored, printed and sent.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::alert::rule::AlertState;
use crate::model::Timestamp;
use crate::stats::Availability;

use super::{Rule, Threshold, Transition, message};

/// One transition of the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// When it was found.
    pub at: Timestamp,
    /// The site's name.
    pub site: Arc<str>,
    /// What it announces.
    pub state: AlertState,
    /// The availability that was judged; none for `ended`.
    pub availability: Option<Availability>,
    /// The rule's threshold at that time.
    pub threshold: Threshold,
    /// The rule's window at that time.
    pub window: Duration,
    /// When the incident began: the time of its `down`.
    pub since: Timestamp,
    /// From message to message; none for `down`.
    pub downtime: Option<Duration>,
    /// The message, to the letter; empty for `ended`.
    pub message: String,
}

impl Alert {
    /// What is announced of `transition`; the message tells its time in `zone`.
    #[must_use]
    pub fn new(site: Arc<str>, rule: &Rule, transition: &Transition, zone: &TimeZone) -> Self {
        let Transition { at, state, availability, since, downtime } = *transition;
        let message = match state {
            AlertState::Down => message::down(&site, availability, at, zone),
            AlertState::Up => message::up(&site, availability, at, downtime.unwrap_or_else(|| at.since(since)), zone),
            AlertState::Ended => String::new(),
        };
        let (threshold, window) = (rule.threshold, rule.window);
        Self { at, site, state, availability: Some(availability), threshold, window, since, downtime, message }
    }

    /// The silent end, at `at`, of an incident that began at `since`: its site is no longer watched.
    #[must_use]
    pub fn ended(site: Arc<str>, rule: &Rule, since: Timestamp, at: Timestamp) -> Self {
        Self {
            at,
            site,
            state: AlertState::Ended,
            availability: None,
            threshold: rule.threshold,
            window: rule.window,
            since,
            downtime: Some(at.since(since)),
            message: String::new(),
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
        let alert = Alert::new(SITE.into(), &Rule::default(), &transition, &TimeZone::UTC);
        assert_eq!(
            alert.message,
            "Website api is up. availability=90.00%, time=1970-01-01T00:18:10+00:00, downtime=1m30s"
        );
        assert_eq!((alert.threshold.ppm(), alert.window, alert.since), (800_000, Duration::from_mins(2), SINCE));
        assert_eq!(alert.availability, Some(transition.availability));
    }

    #[test]
    fn an_incident_that_ends_with_its_site_says_nothing() {
        let alert = Alert::ended(SITE.into(), &Rule::default(), SINCE, Timestamp::from_secs(1_007));
        assert_eq!((alert.message.as_str(), alert.availability, alert.state.name()), ("", None, "ended"));
        assert_eq!(alert.downtime, Some(Duration::from_secs(7)));
    }
}
