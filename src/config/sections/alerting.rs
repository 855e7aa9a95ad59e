//! The section `alerting`: what holds for the alerts of all sites.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Calm;
use crate::model::SecretUrl;
use crate::notify::Outlet;

/// What holds for the alerts of all sites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alerting {
    /// How long a message waits for others, 0 s to 5 min.
    pub group: Duration,
    /// The calm that must pass after a relapse before an incident closes; `None`: none.
    pub calm: Option<Calm>,
    /// Whether outages of webmon's own network are recognized.
    pub own_network: bool,
    /// Whom webmon tells that it works.
    pub heartbeat: Option<Heartbeat>,
    /// The outlets, in the order of the file; their keys are unique.
    pub outlets: Vec<Arc<Outlet>>,
}

impl Default for Alerting {
    fn default() -> Self {
        Self {
            group: Duration::from_secs(10),
            calm: Some(Calm::default()),
            own_network: true,
            heartbeat: None,
            outlets: Vec::new(),
        }
    }
}

/// A dead man's switch: it notifies somebody when webmon no longer requests its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The URL to request.
    pub url: SecretUrl,
    /// Time between requests.
    pub every: Duration,
}
