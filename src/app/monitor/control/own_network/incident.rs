//! The incident of webmon about its network: one for all realms, from the first outage that is told until none lasts.
//!
//! Invariant: it is closed once, with a message about every outage that people were, or should have been, told of.

use jiff::tz::TimeZone;

use crate::alert::network::{NetworkChange, NetworkState};
use crate::alert::{Alert, AlertState, RuleKind};
use crate::model::{OWN_NAME, Timestamp};
use crate::report::network::sentences;

/// See the module.
pub struct NetworkIncident {
    zone: TimeZone,
    /// How outages ended since it was opened; `None` while it is closed.
    over: Option<Vec<NetworkChange>>,
}

impl NetworkIncident {
    /// Closed. Messages show times in `zone`.
    pub const fn new(zone: TimeZone) -> Self {
        Self { zone, over: None }
    }

    /// Continues one that an earlier run left open.
    pub fn resume(&mut self) {
        self.over.get_or_insert_default();
    }

    /// An outage that began with `change` is told.
    pub fn tell(&mut self, change: NetworkChange) -> Alert {
        self.over.get_or_insert_default();
        let begun = NetworkChange { state: NetworkState::Offline, ..change };
        alert(change.since, AlertState::Breached, sentences(&[begun], &self.zone))
    }

    /// An outage that was told is over.
    pub fn note_end(&mut self, change: NetworkChange) {
        self.over.get_or_insert_default().push(change);
    }

    /// Closes it, if it is open.
    pub fn close(&mut self, now: Timestamp) -> Option<Alert> {
        let over = self.over.take()?;
        let end = |change: &NetworkChange| match change.state {
            NetworkState::Online { until, .. } => until,
            NetworkState::Offline | NetworkState::Refuted => change.at,
        };
        let text = if over.is_empty() { UNKNOWN_END.to_owned() } else { sentences(&over, &self.zone) };
        Some(alert(over.iter().map(end).max().unwrap_or(now), AlertState::Cleared, text))
    }
}

fn alert(at: Timestamp, state: AlertState, text: String) -> Alert {
    Alert::own(OWN_NAME.into(), RuleKind::Network, state, text, at)
}

/// Where a run ended between the end of an outage and its message, or the clock was set to before its start.
const UNKNOWN_END: &str = "the outage of the network is over; when it ended is not known.";
