//! The log records of a running monitor: start, end, checks, states, alerts, warnings.
//!
//! Invariants: names are cleaned and secrets are `***` before they come here. Cost of a record that the filter rejects: a
//! load and a branch.

use std::path::Path;

use jiff::tz::TimeZone;
use tracing::{debug, info, trace, warn};

use crate::alert::AlertRecord;
use crate::alert::incident::order::OrderEvent;
use crate::alert::network::{NetworkChange, Realm};
use crate::app::exit::{CommandError, Ending};
use crate::app::status::warnings::Warning;
use crate::config::Config;
use crate::engine::{SiteSnapshot, Snapshot, StateChange};
use crate::model::text::shown_path;
use crate::model::{Observation, Phase, Sample};
use crate::report::{self, incidents, text};

use super::about;

/// Logs the start of a monitor of `config`, which was read from `file`.
pub fn start(config: &Config, file: Option<&Path>, store: Option<&Path>) {
    info!(
        target: about::WEBMON,
        version = env!("WEBMON_VERSION"),
        sites = config.sites.len() as u64,
        config = file.map(shown_path),
        store = store.map(shown_path),
        "started"
    );
}

/// Logs the end of a monitor; `unsaid` could not be printed.
pub fn end(ended: &Result<Ending, CommandError>, unsaid: Option<&str>) {
    match ended {
        Ok(ending) => info!(target: about::WEBMON, code = u64::from(ending.code()), unsaid, "ended"),
        // The program itself reports the failure on stderr.
        Err(failure) => info!(target: about::WEBMON, code = u64::from(failure.code()), "ended: {failure}"),
    }
}

/// Logs a finished check of `site`.
pub fn check(site: &str, seq: u64, sample: &Sample, observation: &Observation) {
    let us = |phase| sample.phases.get(phase).map(|us| u64::from(us.get()));
    debug!(
        target: about::PROBE,
        site,
        seq,
        cause = sample.cause.name(),
        status = sample.status.map(|status| u64::from(status.get())),
        total_us = u64::from(sample.total().get()),
        detail = Some(observation.detail.as_str()).filter(|detail| !detail.is_empty()),
        "{site} {}",
        sample.cause.name()
    );
    trace!(
        target: about::PROBE,
        site,
        seq,
        resolve_us = us(Phase::Resolve),
        connect_us = us(Phase::Connect),
        tls_us = us(Phase::Tls),
        processing_us = us(Phase::Processing),
        transfer_us = us(Phase::Transfer),
        late_us = u64::from(sample.late.get()),
        skipped = u64::from(sample.skipped),
        bytes = u64::from(sample.bytes),
        redirects = u64::from(sample.redirects),
        address = observation.address.map(display),
        "{site} phases"
    );
}

/// Logs changes of state. `snapshot` is taken only if the log wants them.
pub fn states(changes: &[StateChange], snapshot: impl FnOnce() -> Snapshot, zone: &TimeZone) {
    if changes.is_empty() || !tracing::enabled!(target: about::SITE, tracing::Level::INFO) {
        return;
    }
    let snapshot = snapshot();
    for change in changes {
        let site = changed_site(change, &snapshot);
        info!(
            target: about::SITE,
            site = &*site.name,
            from = change.from.name(),
            to = change.to.name(),
            "{}",
            text::state_sentence(zone, &site, change.to)
        );
    }
}

/// The site of `change`, with the check that caused it, which may not be the latest one any more.
pub fn changed_site(change: &StateChange, snapshot: &Snapshot) -> SiteSnapshot {
    let mut site = SiteSnapshot::clone(&snapshot.sites[change.site.get()]);
    site.last = change.check.clone().or(site.last);
    site
}

/// Logs published alerts.
pub fn alerts(alerts: &[AlertRecord]) {
    for alert in alerts {
        info!(target: about::ALERT, site = &*alert.site, state = alert.state.name(), "{}", alert.message);
    }
}

/// Logs changes of this machine's network.
pub fn network(changes: &[NetworkChange], zone: &TimeZone) {
    for change in changes {
        warn!(target: about::NETWORK, "{}", report::network::line(change, zone));
    }
}

/// Logs a realm that has too few hosts to recognize an outage by.
pub fn no_panel(realm: Realm, units: usize) {
    info!(
        target: about::NETWORK,
        realm = realm.name(),
        hosts = units as u64,
        "fewer than three unrelated hosts: cannot tell this machine's network from theirs"
    );
}

/// Logs what users ordered about incidents.
pub fn orders(events: &[OrderEvent], zone: &TimeZone) {
    for event in events {
        info!(target: about::ALERT, by = &*event.ordered.by, "{}", incidents::order_sentence(event, zone));
    }
}

/// Logs warnings about webmon itself.
pub fn warnings(warnings: &[Warning]) {
    for Warning { about, message } in warnings {
        match *about {
            "store" | "samples" => warn!(target: about::STORE, "{message}"),
            "notify" => warn!(target: about::NOTIFY, "{message}"),
            "network" => warn!(target: about::NETWORK, "{message}"),
            "export" => warn!(target: about::EXPORT, "{message}"),
            "fleet" => warn!(target: about::FLEET, "{message}"),
            _ => warn!(target: about::WEBMON, "{message}"),
        }
    }
}
