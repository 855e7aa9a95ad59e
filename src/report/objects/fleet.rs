//! How a location of a fleet gets on, as JSON.

use crate::model::{FleetHealth, Timestamp};
use crate::report::time;

/// `event: fleet`.
#[derive(serde::Serialize)]
pub(in crate::report) struct FleetObject<'a> {
    event: &'static str,
    time: String,
    location: &'a str,
    state: &'static str,
    since: Option<String>,
    error: Option<&'a str>,
    waiting: u64,
    lacked: u64,
    sent: u64,
}

impl<'a> FleetObject<'a> {
    pub(in crate::report) fn of(fleet: &'a FleetHealth, now: Timestamp) -> Self {
        let fault = fleet.state.fault();
        Self {
            event: "fleet",
            time: time::utc(now),
            location: &fleet.location,
            state: fleet.state.name(),
            since: fault.map(|(since, _)| time::utc(since)),
            error: fault.and_then(|(_, reason)| reason),
            waiting: fleet.waiting,
            lacked: fleet.lacked,
            sent: fleet.sent,
        }
    }
}
