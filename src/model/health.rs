//! How webmon itself is: what the dashboard's header and the headless warnings say, filled by `app`.

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
    /// What a person should see (a file moved aside, a warning of sites.yaml), oldest first; the newest ones.
    pub notices: Vec<String>,
    /// Older notices that are no longer in the list.
    pub forgotten_notices: u64,
    /// Under `webmon watch`: who is watched, and how far behind this is.
    pub watching: Option<Watching>,
    /// Under a demonstration: what happens now and where to look. The dashboard then says that it is one.
    pub narration: Option<String>,
}
