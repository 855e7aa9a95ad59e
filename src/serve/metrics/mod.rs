//! `/metrics`: the state of every site and of webmon itself for Prometheus.
//!
//! At a hub these series are of single locations, with the label `location`; a site over all its locations has families of its own.
//!
//! Invariants: at most [`SERIES_MAX`] series of a site, beside those of its failures by cause and its quantiles; all of them are
//! there from the start, as 0. Counters and sums are of committed checks. Cost: linear in the sites; the text is never whole in
//! memory, since [`Chunks`] writes a part of it when the one before is gone.

mod chunks;
mod encoder;
mod hub;
mod sites;
mod sums;

pub use chunks::{Chunks, Scrape};
pub use encoder::{Encoder, Exposition, Kind, label};
pub use hub::{HubReading, WholeReading};
pub use sums::{LateSums, SiteSums};

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Location, Timestamp};

use encoder::{bounds, histogram_names};

/// Most series of a site.
pub const SERIES_MAX: usize = 29;

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

fn about_program(out: &mut Encoder, program: &ProgramReading) {
    const LATE: &str = "webmon_late_seconds";
    out.family("webmon_build_info", Kind::Info, "The version of webmon.");
    out.whole("webmon_build_info", &[&label("version", program.version)], 1);
    out.family(LATE, Kind::Histogram, "How late checks started, since webmon did.");
    let (names, ends) = (histogram_names(LATE), bounds(&LateSums::BOUNDS));
    out.histogram(&names, "", &ends, &program.late.buckets, program.late.micros);
    out.family("webmon_probes_in_flight", Kind::Gauge, "Probes under way.");
    out.whole("webmon_probes_in_flight", &[], program.in_flight);
    if let Some(bytes) = program.store_bytes {
        out.family("webmon_store_bytes", Kind::Gauge, "Bytes in use in the store.");
        out.whole("webmon_store_bytes", &[], bytes);
    }
    for (name, help, lag) in [
        ("webmon_store_lag_seconds", "For how long results have not been saved.", program.store_lag),
        ("webmon_export_lag_seconds", "How far the export is behind.", program.export_lag),
    ] {
        if let Some(lag) = lag {
            out.family(name, Kind::Gauge, help);
            out.seconds(name, &[], crate::model::time::duration::micros(lag));
        }
    }
}

#[cfg(test)]
mod tests;
