//! The families of series that each site has.

use std::sync::LazyLock;

use crate::model::time::duration;
use crate::model::{Cause, Phase, Timestamp};

use super::encoder::{Encoder, Kind, bounds, histogram_names, label, put_label};
use super::family::{Family, Labelled};
use super::reading::SiteReading;
use super::sums::{BOUNDS, SiteSums};

/// Most series of a site.
pub const SERIES_MAX: usize = 29;

/// The family of response times in buckets.
pub(super) const RESPONSE: &str = "webmon_response_duration_seconds";
/// The family of quantiles of response times.
pub(super) const QUANTILES: &str = "webmon_response_quantile_seconds";

/// The window of quantiles, as a label.
const QUANTILE_WINDOW: &str = "window=\"10m\"";

/// All of them, in their order.
pub(super) const FAMILIES: [Family<SiteReading>; 12] = [
    Family { name: "webmon_checks_total", kind: Kind::Counter, help: "Checks by outcome.", write: checks },
    Family {
        name: "webmon_failures_total",
        kind: Kind::Counter,
        help: "Checks that were not good, by cause.",
        write: failures,
    },
    Family {
        name: "webmon_checks_skipped_total",
        kind: Kind::Counter,
        help: "Due checks that were never started.",
        write: |out, name, site, labels| out.whole(name, &[labels], sums(site).skipped),
    },
    Family {
        name: RESPONSE,
        kind: Kind::Histogram,
        help: "Response times of successful checks, slow ones included.",
        write: response_times,
    },
    Family {
        name: "webmon_phase_duration_seconds_total",
        kind: Kind::Counter,
        help: "Time in each phase of the same checks.",
        write: phases,
    },
    Family {
        name: QUANTILES,
        kind: Kind::Summary,
        help: "Quantiles of response times, within 1 % of the value.",
        write: quantiles,
    },
    Family {
        name: "webmon_site_down",
        kind: Kind::Gauge,
        help: "Whether the rule says down: 1 or 0.",
        write: |out, name, site, labels| out.whole(name, &[labels], u64::from(site.is_down)),
    },
    Family {
        name: "webmon_site_up",
        kind: Kind::Gauge,
        help: "Whether the last check was good: 1 or 0; absent when that is unknown.",
        write: |out, name, site, labels| {
            if let Some(is_up) = site.is_up {
                out.whole(name, &[labels], u64::from(is_up));
            }
        },
    },
    Family {
        name: "webmon_last_check_timestamp_seconds",
        kind: Kind::Gauge,
        help: "When the last check was over.",
        write: |out, name, site, labels| time(out, name, site.last_check, labels),
    },
    Family {
        name: "webmon_certificate_expiry_timestamp_seconds",
        kind: Kind::Gauge,
        help: "When the certificate expires.",
        write: |out, name, site, labels| time(out, name, site.expires, labels),
    },
    Family {
        name: "webmon_domain_expiry_timestamp_seconds",
        kind: Kind::Gauge,
        help: "When the registration of the domain ends.",
        write: |out, name, site, labels| time(out, name, site.domain_expires, labels),
    },
    Family {
        name: "webmon_site_info",
        kind: Kind::Info,
        help: "The URL of the site, without secrets, and the time between its checks.",
        write: info,
    },
];

/// The labels that do not depend on the site, escaped.
struct Words {
    outcomes: [String; 3],
    causes: Vec<String>,
    response: [String; 3],
    ends: Vec<String>,
    phases: Vec<String>,
    quantiles: [String; 3],
}

static WORDS: LazyLock<Words> = LazyLock::new(|| Words {
    outcomes: ["up", "down", "unknown"].map(|outcome| label("outcome", outcome)),
    causes: Cause::ALL.iter().map(|cause| label("cause", cause.name())).collect(),
    response: histogram_names(RESPONSE),
    ends: bounds(&BOUNDS),
    phases: Phase::ALL.iter().map(|phase| label("phase", phase.name())).collect(),
    quantiles: ["0.5", "0.95", "0.99"].map(|quantile| label("quantile", quantile)),
});

impl Labelled for SiteReading {
    fn labels(&self, out: &mut String) {
        if let Some(location) = &self.location {
            put_label(out, "location", location.name());
        }
        put_label(out, "site", &self.name);
        if let Some(group) = &self.group {
            put_label(out, "group", group);
        }
    }
}

fn sums(site: &SiteReading) -> &SiteSums {
    site.sums.as_deref().unwrap_or(&SiteSums::NONE)
}

fn checks(out: &mut Encoder, name: &str, site: &SiteReading, labels: &str) {
    let sums = sums(site);
    for (outcome, count) in WORDS.outcomes.iter().zip([sums.up, sums.down, sums.unknown]) {
        out.whole(name, &[labels, outcome], count);
    }
}

fn failures(out: &mut Encoder, name: &str, site: &SiteReading, labels: &str) {
    for (cause, &count) in WORDS.causes.iter().zip(&sums(site).causes).filter(|(_, count)| **count > 0) {
        out.whole(name, &[labels, cause], count);
    }
}

fn response_times(out: &mut Encoder, _: &str, site: &SiteReading, labels: &str) {
    let sums = sums(site);
    out.histogram(&WORDS.response, labels, &WORDS.ends, &sums.buckets, sums.response_micros);
}

fn phases(out: &mut Encoder, name: &str, site: &SiteReading, labels: &str) {
    for (phase, &micros) in WORDS.phases.iter().zip(&sums(site).phase_micros) {
        out.seconds(name, &[labels, phase], micros);
    }
}

fn quantiles(out: &mut Encoder, name: &str, site: &SiteReading, labels: &str) {
    for (quantile, micros) in WORDS.quantiles.iter().zip(site.quantiles.into_iter().flatten()) {
        out.seconds(name, &[labels, QUANTILE_WINDOW, quantile], u64::from(micros));
    }
}

fn time(out: &mut Encoder, name: &str, at: Option<Timestamp>, labels: &str) {
    if let Some(at) = at {
        out.seconds(name, &[labels], at.as_micros());
    }
}

fn info(out: &mut Encoder, name: &str, site: &SiteReading, labels: &str) {
    let mut more = String::new();
    put_label(&mut more, "url", &site.url);
    put_label(&mut more, "interval", &duration::format(site.interval));
    out.whole(name, &[labels, &more], 1);
}
