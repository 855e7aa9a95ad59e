//! What is said about each site and about webmon itself, at one moment.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Location, Timestamp};

use super::hub::HubReading;
use super::sums::{LateSums, SiteSums};

/// What is said about one site.
#[derive(Clone, Debug)]
pub struct SiteReading {
    /// Its name.
    pub name: Arc<str>,
    /// The location that checks it, at a hub.
    pub location: Option<Location>,
    /// Its group.
    pub group: Option<Arc<str>>,
    /// Its URL, secrets as `***`.
    pub url: Arc<str>,
    /// Time between due checks.
    pub interval: Duration,
    /// Its sums; `None` without a committed check.
    pub sums: Option<Arc<SiteSums>>,
    /// Whether its rule says down.
    pub is_down: bool,
    /// Whether its last check was good; `None` if it says nothing.
    pub is_up: Option<bool>,
    /// The time of its last check.
    pub last_check: Option<Timestamp>,
    /// The end of its certificate.
    pub expires: Option<Timestamp>,
    /// The end of the registration of its domain, where it is known.
    pub domain_expires: Option<Timestamp>,
    /// p50, p95 and p99 of its response times in `QUANTILE_WINDOW`, µs; empty unless they are wanted.
    pub quantiles: Option<[u32; 3]>,
}

/// What is said about webmon itself.
#[derive(Clone, Debug, Default)]
pub struct ProgramReading {
    /// The version of the program.
    pub version: &'static str,
    /// How late checks started.
    pub late: LateSums,
    /// Probes in flight.
    pub in_flight: u64,
    /// Bytes in use in the store.
    pub store_bytes: Option<u64>,
    /// For how long results have not been saved; 0 while they are.
    pub store_lag: Option<Duration>,
    /// How far the export is behind.
    pub export_lag: Option<Duration>,
    /// What it says as a hub, if it is one.
    pub hub: Option<HubReading>,
}
