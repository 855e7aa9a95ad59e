//! `/probe` and `/sd`: in place of `blackbox_exporter`, whose usual job needs another `replacement` only.
//!
//! Invariants: it never probes; what is said is the last check. A phase that did not take place is absent, never 0, and so is all
//! that is unknown.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::engine::{LastCheck, SiteSnapshot};
use crate::model::protocol::SCHEMES;
use crate::model::{Cause, Outcome, Phase, Place};

use super::metrics::{Encoder, Exposition, Kind, label};

/// The site of `target`, its name or its URL as it is shown; of several with one URL the first.
#[must_use]
pub fn find<'a>(sites: &'a [std::sync::Arc<SiteSnapshot>], target: &str) -> Option<&'a SiteSnapshot> {
    let named = sites.iter().find(|site| &*site.name == target);
    let placed = || sites.iter().find(|site| same_url(&site.url, target));
    named.or_else(placed).map(|site| &**site)
}

/// A URL without a path has none or a slash.
fn same_url(url: &str, target: &str) -> bool {
    url == target || url.strip_suffix('/').is_some_and(|url| url == target)
}

/// Whether `url`, as it is shown, is one over TLS.
fn is_encrypted(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    SCHEMES.iter().any(|known| known.is_encrypted && scheme == Some(known.name))
}

/// The metrics of the last check of `site`.
#[must_use]
pub fn probe(exposition: Exposition, site: &SiteSnapshot, last: &LastCheck) -> String {
    let (sample, observation) = (&last.sample, last.observation.as_deref());
    let mut out = Encoder::new(exposition, 2 << 10);
    let mut whole = |name: &str, help: &str, value: Option<u64>| {
        if let Some(value) = value {
            out.family(name, Kind::Gauge, help);
            out.whole(name, &[], value);
        }
    };
    let is_encrypted = observation.map_or_else(
        || sample.phases.get(Phase::Tls).is_some() || (is_encrypted(&site.url) && sample.redirects == 0),
        |observation| observation.tls.is_some(),
    );
    whole("probe_success", "Whether the last check was good.", Some(u64::from(sample.outcome() == Outcome::Up)));
    let status = sample.status.map(|status| u64::from(status.get()));
    whole("probe_http_status_code", "The status of the final answer.", status);
    whole("probe_http_redirects", "The redirects that were followed.", Some(u64::from(sample.redirects)));
    whole("probe_http_ssl", "Whether the last connection used TLS.", Some(u64::from(is_encrypted)));
    let bytes = status.map(|_| u64::from(sample.bytes));
    whole("probe_http_uncompressed_body_length", "Bytes of the final body that were read.", bytes);
    let address = observation.and_then(|observation| observation.address);
    let protocol = address.map(|address| if address.is_ipv4() { 4 } else { 6 });
    whole("probe_ip_protocol", "The version of IP.", protocol);
    let certificate = observation.and_then(|observation| observation.certificate.as_ref());
    let expires = certificate.map(|certificate| certificate.not_after.as_micros() / 1_000_000);
    whole("probe_ssl_earliest_cert_expiry", "When the certificate expires, Unix time.", expires);
    if let Some(version) = observation.and_then(|observation| observation.tls) {
        out.family("probe_tls_version_info", Kind::Info, "The version of TLS of the last connection.");
        out.whole("probe_tls_version_info", &[&label("version", version.name())], 1);
    }
    let mut seconds = |name: &str, help: &str, micros: Option<u32>| {
        if let Some(micros) = micros {
            out.family(name, Kind::Gauge, help);
            out.seconds(name, &[], u64::from(micros));
        }
    };
    let phase = |phase| sample.phases.get(phase).map(crate::model::Micros::get);
    seconds("probe_duration_seconds", "How long the check took.", Some(sample.total().get()));
    seconds("probe_dns_lookup_time_seconds", "How long the name took to resolve.", phase(Phase::Resolve));
    if let Some(version) = sample.http.name() {
        out.family("probe_http_version", Kind::Gauge, "The version of HTTP of the final answer.");
        out.text("probe_http_version", &[], version);
    }
    out.family("probe_http_duration_seconds", Kind::Gauge, "How long each phase took, over all redirects.");
    for of in Phase::ALL {
        if let Some(micros) = phase(of) {
            out.seconds("probe_http_duration_seconds", &[&label("phase", of.name())], u64::from(micros));
        }
    }
    if sample.cause != Cause::Ok {
        out.family("probe_failure_info", Kind::Info, "Why the last check was not good.");
        out.whole("probe_failure_info", &[&label("reason", sample.cause.name())], 1);
    }
    out.end();
    out.finish()
}

/// Every site as a target, for the HTTP service discovery of Prometheus: by its URL if no other site has the same, else by its
/// name. At a hub each site of each location, so that no check is counted twice.
#[must_use]
pub fn discovery(sites: &[std::sync::Arc<SiteSnapshot>]) -> String {
    let mut uses: HashMap<&str, usize> = HashMap::new();
    let single = || sites.iter().filter(|site| site.place != Place::Everywhere);
    for site in single() {
        *uses.entry(&site.url).or_default() += 1;
        *uses.entry(&site.name).or_default() += 1;
    }
    let target = |site: &SiteSnapshot| {
        let is_alone = site.name == site.url || uses.get(&*site.url) == Some(&1);
        if is_alone && !site.url.contains("***") { site.url.to_string() } else { site.name.to_string() }
    };
    let group = |site: &std::sync::Arc<SiteSnapshot>| {
        let mut labels = json!({
            "__meta_webmon_site": &*site.name,
            "__meta_webmon_group": site.group.as_deref().unwrap_or_default(),
        });
        if let Place::At { location, site } = &site.place {
            labels["__meta_webmon_site"] = json!(&**site);
            labels["__meta_webmon_location"] = json!(location.name());
        }
        json!({ "targets": [target(site)], "labels": labels })
    };
    Value::Array(single().map(group).collect()).to_string()
}
