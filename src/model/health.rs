//! How webmon itself is: what the dashboard's header and the headless warnings say, filled by `app`.

use std::sync::Arc;
use std::time::Duration;

use super::Timestamp;

/// The state of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreHealth {
    /// Running without one (`--no-store`, ad hoc URLs).
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
        /// Why, in words.
        reason: String,
    },
}

/// How an export gets on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportState {
    /// The server took what it was sent last, or was not asked yet.
    #[default]
    Ok,
    /// It did not answer, or said that it cannot now; it is asked again by itself.
    Retrying,
    /// It does not take points as things are: a person has to do something. It is asked again all the same.
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

/// The export to a sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportHealth {
    /// Where to, without secrets.
    pub sink: Arc<str>,
    /// How it gets on.
    pub state: ExportState,
    /// The time of the oldest sample that was found and is not acknowledged.
    pub oldest: Option<Timestamp>,
    /// Points that the server took, since the sink is known.
    pub sent: u64,
    /// Points that it refused, since then.
    pub rejected: u64,
    /// Samples that were gone before they could be sent, since then.
    pub skipped: u64,
    /// What went wrong last, and when; also when all is well again.
    pub error: Option<(Timestamp, String)>,
}

impl ExportHealth {
    /// How far it is behind at `now`.
    #[must_use]
    pub fn lag(&self, now: Timestamp) -> Duration {
        self.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest))
    }
}

/// Somebody else's monitor, seen through its store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watching {
    /// The number of its process, if it is known.
    pub process: Option<u32>,
    /// Whether it runs, as far as can be seen from here.
    pub alive: bool,
    /// The instant up to which everything that was stored is shown.
    pub until: Timestamp,
    /// When it was last seen to store anything; none while nothing is stored.
    pub stored: Option<Timestamp>,
}

/// Figures about webmon, not about the sites.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// Checks finished since the start.
    pub checks: u64,
    /// Checks finished a second, over the last ten seconds.
    pub checks_per_second: f64,
    /// Probes in flight now.
    pub in_flight: usize,
    /// The largest lateness of a start in the last ten seconds.
    pub late: Duration,
    /// The longest time in the last ten seconds in which the process was stopped; it makes starts late, too.
    pub stopped: Duration,
    /// Due checks that were never started, since the start.
    pub skipped: u64,
    /// Samples that a lagging reader lost, since the start.
    pub lost_samples: u64,
    /// Texts that did not fit their queue, since the start.
    pub lost_texts: u64,
    /// No route to any network since then.
    pub offline_since: Option<Timestamp>,
    /// The store.
    pub store: StoreHealth,
    /// The export, if there is one.
    pub export: Option<ExportHealth>,
    /// What a person should see (a file moved aside, a warning of sites.yaml), oldest first; the newest ones.
    pub notices: Vec<String>,
    /// Older notices that are no longer in the list.
    pub forgotten_notices: u64,
    /// Under `webmon watch`: who is watched, and how far behind this is.
    pub watching: Option<Watching>,
    /// Under a demonstration: what happens now and where to look. The dashboard then says that it is one.
    pub narration: Option<String>,
}
