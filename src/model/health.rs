//! The health of webmon itself, which the dashboard's header and the headless warnings report.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::time::duration::format_short;
use super::{HubHealth, Timestamp};

/// The state of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreHealth {
    /// There is none (`--no-store`, ad hoc URLs).
    #[default]
    Off,
    /// Every sample up to the last flush is on disk.
    Ok {
        /// Bytes in use.
        bytes: u64,
    },
    /// Commits fail; samples wait in a bounded backlog.
    NotSaving {
        /// Since when.
        since: Timestamp,
        /// Why.
        reason: String,
    },
}

/// The state of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportState {
    /// The server accepted the last request, or there was none yet.
    #[default]
    Ok,
    /// The server did not answer or is unavailable; the exporter retries.
    Retrying,
    /// The server rejects points until a user acts, for instance on the credentials; the exporter retries nevertheless.
    Blocked,
}

impl ExportState {
    /// The public name: `ok`, `retrying`, `blocked`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Retrying => "retrying",
            Self::Blocked => "blocked",
        }
    }
}

/// The health of the export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportHealth {
    /// The target, without secrets.
    pub sink: Arc<str>,
    /// Its state.
    pub state: ExportState,
    /// The time of the oldest sample that was read and is not acknowledged.
    pub oldest: Option<Timestamp>,
    /// Points that the server accepted since the first export to this target.
    pub sent: u64,
    /// Points that it rejected since then.
    pub rejected: u64,
    /// Samples that left the store before they could be sent, since then.
    pub skipped: u64,
    /// The last error and its time, kept after recovery.
    pub error: Option<(Timestamp, String)>,
}

impl ExportHealth {
    /// How far the export is behind at `now`.
    #[must_use]
    pub fn lag(&self, now: Timestamp) -> Duration {
        self.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest))
    }
}

/// How what a location sends to its hubs gets on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FleetState {
    /// The server takes the frames.
    #[default]
    Ok,
    /// There is no connection.
    Unconnected {
        /// Since when.
        since: Timestamp,
        /// Why not, if that is known.
        reason: Option<String>,
    },
    /// There is a connection, and no frame is acknowledged.
    Unanswered {
        /// Since when.
        since: Timestamp,
        /// What the server said instead.
        reason: Option<String>,
    },
}

impl FleetState {
    /// The public name: `ok`, `no_server`, `no_answer`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unconnected { .. } => "no_server",
            Self::Unanswered { .. } => "no_answer",
        }
    }

    /// Since when it is not as it should be, and why.
    #[must_use]
    pub fn fault(&self) -> Option<(Timestamp, Option<&str>)> {
        match self {
            Self::Ok => None,
            Self::Unconnected { since, reason } | Self::Unanswered { since, reason } => {
                Some((*since, reason.as_deref()))
            }
        }
    }
}

/// The health of a location in a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetHealth {
    /// Its name.
    pub location: Arc<str>,
    /// How it gets on.
    pub state: FleetState,
    /// Samples that are stored and not acknowledged, as far as that is known.
    pub waiting: u64,
    /// Samples that it still sends again because a hub lacks them.
    pub lacked: u64,
    /// Samples that were acknowledged since the start.
    pub sent: u64,
}

impl FleetHealth {
    /// What is not as it should be, as of `now`: `no NATS server for 4m00s, 21000 samples wait`.
    #[must_use]
    pub fn trouble(&self, now: Timestamp) -> Option<String> {
        let (since, reason) = self.state.fault()?;
        let (what, unknown) = match self.state {
            FleetState::Unconnected { .. } => ("no NATS server", ""),
            _ => ("no answer from NATS", "; is the disk of the server full?"),
        };
        let why = reason.map_or_else(|| unknown.to_owned(), |reason| format!(": {reason}"));
        let (span, waiting) = (format_short(now.since(since)), self.waiting);
        let samples = if waiting == 1 { "sample waits" } else { "samples wait" };
        Some(format!("{what} for {span}, {waiting} {samples}{why}"))
    }

    /// Why a dashboard over the fleet gets nothing new, as of `now`: `no NATS server for 4m00s: connection refused`.
    #[must_use]
    pub fn unheard(&self, now: Timestamp) -> Option<String> {
        let (since, reason) = self.state.fault()?;
        let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        Some(format!("no NATS server for {}{why}", format_short(now.since(since))))
    }
}

/// An outlet whose last request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutletHealth {
    /// Its key.
    pub key: Arc<str>,
    /// Since when it fails.
    pub since: Timestamp,
    /// Why its last request failed, without secrets.
    pub reason: String,
    /// Messages that wait for it.
    pub waiting: usize,
}

/// What a dashboard shows that does not check sites by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watched {
    /// The store of another process, which takes orders.
    #[default]
    Store,
    /// The store of this process, a hub.
    Hub,
    /// A fleet, of which this process only reads what is sent: no orders can be given.
    Fleet,
}

/// Another process's monitor, seen through its store, or a fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watching {
    /// Its process ID, if known.
    pub process: Option<u32>,
    /// Whether it seems to be running.
    pub alive: bool,
    /// The instant up to which everything in the store is shown.
    pub until: Timestamp,
    /// When it last stored anything.
    pub stored: Option<Timestamp>,
    /// What is shown.
    pub of: Watched,
}

/// An outage of this machine's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnOutage {
    /// The start of the first check without an answer.
    pub since: Timestamp,
    /// The unrelated hosts, of which none answers.
    pub hosts: usize,
}

/// A proxy that cannot be reached, or refuses webmon: the checks through it say nothing of their sites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedProxy {
    /// Since when a check through it fails.
    pub since: Timestamp,
    /// The sites whose last check failed so, also by other proxies.
    pub sites: usize,
    /// Why, without secrets.
    pub reason: String,
}

/// Figures about webmon itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// Checks finished since the start.
    pub checks: u64,
    /// Checks finished per second, over the last ten seconds.
    pub checks_per_second: f64,
    /// Probes in flight now.
    pub in_flight: usize,
    /// The largest lateness of a start in the last ten seconds.
    pub late: Duration,
    /// The longest time in the last ten seconds in which the process was stopped; it makes starts late, too.
    pub stopped: Duration,
    /// Due checks that were never started, since the start.
    pub skipped: u64,
    /// Checks that were due since the start, other than those of a pause or a suspend.
    pub due: u64,
    /// Those of them that this machine started late or never.
    pub tardy: u64,
    /// Samples that a lagging reader lost, since the start.
    pub lost_samples: u64,
    /// Texts that did not fit their queue, since the start.
    pub lost_texts: u64,
    /// When the machine lost its last route to a network, while it has none.
    pub offline_since: Option<Timestamp>,
    /// The proxy through which sites cannot be checked now.
    pub closed_proxy: Option<ClosedProxy>,
    /// The outage of this machine's network that lasts, by what its hosts have in common.
    pub own_outage: Option<OwnOutage>,
    /// The store.
    pub store: StoreHealth,
    /// The export, if there is one.
    pub export: Option<ExportHealth>,
    /// What this location sends to its hubs, if it is one of a fleet.
    pub fleet: Option<FleetHealth>,
    /// The locations whose samples this hub gathers, if it is one.
    pub hub: Option<Arc<HubHealth>>,
    /// The outlets that cannot be notified now, by key.
    pub failing_outlets: Vec<OutletHealth>,
    /// The newest notices to the user (a file moved aside, a warning of sites.yaml), oldest first.
    pub notices: Vec<Notice>,
    /// How many older notices have left the list.
    pub forgotten_notices: u64,
    /// Under `webmon watch`: the monitor that is watched.
    pub watching: Option<Watching>,
    /// Under `webmon demo`: the current scene and where to look.
    pub narration: Option<String>,
}

/// A sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The part of webmon that it is about, as events of warnings name it.
    pub about: &'static str,
    /// The sentence.
    pub text: String,
}

impl Notice {
    /// One about the outlets of alerts.
    #[must_use]
    pub const fn of_outlets(text: String) -> Self {
        Self { about: "notify", text }
    }

    /// One about the registration of a domain.
    #[must_use]
    pub const fn of_domain(text: String) -> Self {
        Self { about: "domain", text }
    }

    /// One about the report of the status page.
    #[must_use]
    pub const fn of_report(text: String) -> Self {
        Self { about: "report", text }
    }
}

impl From<String> for Notice {
    /// One about webmon as a whole.
    fn from(text: String) -> Self {
        Self { about: "webmon", text }
    }
}

impl PartialEq<&str> for Notice {
    fn eq(&self, text: &&str) -> bool {
        self.text == *text
    }
}

impl Deref for Notice {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_says_what_is_wrong_and_what_waits() {
        let (since, now) = (Timestamp::from_secs(100), Timestamp::from_secs(340));
        let told = |state: FleetState, waiting| FleetHealth { state, waiting, ..FleetHealth::default() }.trouble(now);
        assert_eq!(told(FleetState::Ok, 3), None);
        let away = |reason: Option<&str>| FleetState::Unconnected { since, reason: reason.map(str::to_owned) };
        assert_eq!(told(away(None), 21_000).unwrap(), "no NATS server for 4m00s, 21000 samples wait");
        assert_eq!(told(away(Some("refused")), 1).unwrap(), "no NATS server for 4m00s, 1 sample waits: refused");
        let silent = |reason: Option<&str>| FleetState::Unanswered { since, reason: reason.map(str::to_owned) };
        let asked = "no answer from NATS for 4m00s, 2 samples wait; is the disk of the server full?";
        assert_eq!(told(silent(None), 2).unwrap(), asked);
        assert_eq!(
            told(silent(Some("no stream")), 0).unwrap(),
            "no answer from NATS for 4m00s, 0 samples wait: no stream"
        );
    }
}
