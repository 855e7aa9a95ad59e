//! `/metrics`: the state of every site and of webmon itself for Prometheus.
//!
//! At a hub these series are of single locations, with the label `location`; a site over all its locations has families of its own.
//!
//! Invariants: at most [`SERIES_MAX`] series of a site, beside those of its failures by cause and its quantiles; all of them are
//! there from the start, as 0. Counters and sums are of committed checks. Cost: linear in the sites; labels are escaped once a site.

mod encoder;
mod hub;
mod sums;

pub use encoder::{Encoder, Exposition, Kind, label};
pub use hub::{HubReading, WholeReading};
pub use sums::{LateSums, SiteSums};

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Cause, Location, Phase, Timestamp};

use encoder::{bounds, histogram_names};
use sums::BOUNDS;

/// Most series of a site.
pub const SERIES_MAX: usize = 29;

/// Bytes of a site's series, about.
const BYTES_A_SITE: usize = 3 << 10;

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
    pub sums: Option<SiteSums>,
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

/// The window of quantiles, as a label.
const QUANTILE_WINDOW: &str = "window=\"10m\"";

/// The labels of one site.
struct Labels {
    site: String,
    info: String,
}

impl Labels {
    fn of(reading: &SiteReading) -> Self {
        let mut site = String::new();
        if let Some(location) = &reading.location {
            site.push_str(&label("location", location.name()));
            site.push(',');
        }
        site.push_str(&label("site", &reading.name));
        if let Some(group) = &reading.group {
            site.push(',');
            site.push_str(&label("group", group));
        }
        let interval = crate::model::time::duration::format(reading.interval);
        let info = format!("{},{}", label("url", &reading.url), label("interval", &interval));
        Self { site, info }
    }
}

type Series<'a> = [(&'a SiteReading, Labels)];

/// The text for `sites` and for the program; `histogram` says whether response times come in buckets.
#[must_use]
pub fn encode(exposition: Exposition, sites: &[SiteReading], program: &ProgramReading, histogram: bool) -> String {
    let mut out = Encoder::new(exposition, (sites.len() + 2) * BYTES_A_SITE);
    let series: Vec<(&SiteReading, Labels)> = sites.iter().map(|site| (site, Labels::of(site))).collect();
    checks(&mut out, &series);
    if histogram {
        response_times(&mut out, &series);
    }
    phases(&mut out, &series);
    quantiles(&mut out, &series);
    states(&mut out, &series);
    if let Some(hub) = &program.hub {
        hub::about_hub(&mut out, hub);
    }
    about_program(&mut out, program);
    out.finish()
}

fn sums(site: &SiteReading) -> &SiteSums {
    site.sums.as_ref().unwrap_or(&SiteSums::NONE)
}

fn checks(out: &mut Encoder, series: &Series<'_>) {
    const CHECKS: &str = "webmon_checks_total";
    const FAILURES: &str = "webmon_failures_total";
    const SKIPPED: &str = "webmon_checks_skipped_total";
    out.family(CHECKS, Kind::Counter, "Checks by outcome.");
    for (site, labels) in series {
        let sums = sums(site);
        let outcomes = [("up", sums.up), ("down", sums.down), ("unknown", sums.unknown)];
        for (outcome, count) in outcomes {
            out.whole(CHECKS, &[&labels.site, &label("outcome", outcome)], count);
        }
    }
    out.family(FAILURES, Kind::Counter, "Checks that were not good, by cause.");
    let causes: Vec<String> = Cause::ALL.iter().map(|cause| label("cause", cause.name())).collect();
    for (site, labels) in series {
        for (cause, &count) in causes.iter().zip(&sums(site).causes).filter(|(_, count)| **count > 0) {
            out.whole(FAILURES, &[&labels.site, cause], count);
        }
    }
    out.family(SKIPPED, Kind::Counter, "Due checks that were never started.");
    for (site, labels) in series {
        out.whole(SKIPPED, &[&labels.site], sums(site).skipped);
    }
}

fn response_times(out: &mut Encoder, series: &Series<'_>) {
    const RESPONSE: &str = "webmon_response_duration_seconds";
    out.family(RESPONSE, Kind::Histogram, "Response times of successful checks, slow ones included.");
    let (names, ends) = (histogram_names(RESPONSE), bounds(&BOUNDS));
    for (site, labels) in series {
        let sums = sums(site);
        out.histogram(&names, &labels.site, &ends, &sums.buckets, sums.response_micros);
    }
}

fn phases(out: &mut Encoder, series: &Series<'_>) {
    const PHASES: &str = "webmon_phase_duration_seconds_total";
    out.family(PHASES, Kind::Counter, "Time in each phase of the same checks.");
    let names = Phase::ALL.map(|phase| label("phase", phase.name()));
    for (site, labels) in series {
        for (phase, &micros) in names.iter().zip(&sums(site).phase_micros) {
            out.seconds(PHASES, &[&labels.site, phase], micros);
        }
    }
}

fn quantiles(out: &mut Encoder, series: &Series<'_>) {
    const QUANTILES: &str = "webmon_response_quantile_seconds";
    if series.iter().all(|(site, _)| site.quantiles.is_none()) {
        return;
    }
    out.family(QUANTILES, Kind::Summary, "Quantiles of response times, within 1 % of the value.");
    let names = ["0.5", "0.95", "0.99"].map(|quantile| label("quantile", quantile));
    for (site, labels) in series {
        for (name, micros) in names.iter().zip(site.quantiles.into_iter().flatten()) {
            out.seconds(QUANTILES, &[&labels.site, QUANTILE_WINDOW, name], u64::from(micros));
        }
    }
}

fn states(out: &mut Encoder, series: &Series<'_>) {
    const DOWN: &str = "webmon_site_down";
    const UP: &str = "webmon_site_up";
    const INFO: &str = "webmon_site_info";
    out.family(DOWN, Kind::Gauge, "Whether the rule says down: 1 or 0.");
    for (site, labels) in series {
        out.whole(DOWN, &[&labels.site], u64::from(site.is_down));
    }
    out.family(UP, Kind::Gauge, "Whether the last check was good: 1 or 0; absent when that is unknown.");
    for (site, labels) in series {
        if let Some(is_up) = site.is_up {
            out.whole(UP, &[&labels.site], u64::from(is_up));
        }
    }
    for (name, help, of) in [
        (
            "webmon_last_check_timestamp_seconds",
            "When the last check was over.",
            (|site| site.last_check) as fn(&SiteReading) -> Option<Timestamp>,
        ),
        ("webmon_certificate_expiry_timestamp_seconds", "When the certificate expires.", |site| site.expires),
        ("webmon_domain_expiry_timestamp_seconds", "When the registration of the domain ends.", |site| {
            site.domain_expires
        }),
    ] {
        out.family(name, Kind::Gauge, help);
        for (site, labels) in series {
            if let Some(at) = of(site) {
                out.seconds(name, &[&labels.site], at.as_micros());
            }
        }
    }
    out.family(INFO, Kind::Info, "The URL of the site, without secrets, and the time between its checks.");
    for (_, labels) in series {
        out.whole(INFO, &[&labels.site, &labels.info], 1);
    }
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
