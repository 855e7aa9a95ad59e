//! The states of sites without a monitor: what the store tells of an instant.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::RuleKind;
use crate::config::ConfiguredSite;
use crate::engine::SiteState;
use crate::model::{Certificate, Outcome, Sample, SiteId, Timestamp};
use crate::stats::{Answer, Cadence};
use crate::store::{Archive, Query, StoreError, StoredSite};

use super::PageSite;

/// `sites` as the store knows them at `as_of`: down while an incident of the availability rule is open; else by the last check, if that is
/// not longer ago than a monitor waits.
///
/// # Errors
/// Those of the database.
pub fn judged(
    archive: &Archive,
    stored: &[StoredSite],
    sites: &[&ConfiguredSite],
    as_of: Timestamp,
) -> Result<Vec<PageSite>, StoreError> {
    let ids: HashMap<&str, SiteId> = stored.iter().map(|site| (&*site.name, site.id)).collect();
    let certificates: HashMap<SiteId, Certificate> = archive.certificates()?.into_iter().collect();
    let all = Query { sites: Some(ids.values().copied().collect()), since: Timestamp::ZERO, until: as_of };
    let mut down: HashMap<Arc<str>, Timestamp> = HashMap::new();
    for alert in archive.alerts(&all)?.iter().filter(|alert| alert.rule == RuleKind::Availability) {
        if alert.state.is_opening() {
            down.insert(Arc::clone(&alert.site), alert.at);
        } else {
            down.remove(&alert.site);
        }
    }
    let lasts =
        lasts(archive, sites.iter().filter_map(|site| Some((*ids.get(&*site.site.name)?, cadence(site)))), as_of)?;
    let one = |configured: &&ConfiguredSite| {
        let site = &configured.site;
        let cadence = cadence(configured);
        let id = ids.get(&*site.name).copied();
        let last = id.and_then(|id| lasts.get(&id).copied());
        let opened = down.get(&site.name).copied();
        let state = match (last.map(|sample| sample.outcome()), opened) {
            (None | Some(Outcome::Unknown), _) if id.is_some() => SiteState::Unknown,
            (None | Some(Outcome::Unknown), _) => SiteState::New,
            (Some(Outcome::Down), Some(_)) => SiteState::Down,
            (Some(Outcome::Up), Some(_)) => SiteState::Recovering,
            (Some(Outcome::Down), None) => SiteState::Failing,
            (Some(Outcome::Up), None) => SiteState::Up,
        };
        PageSite {
            name: Arc::clone(&site.name),
            group: configured.group.clone(),
            url: Arc::clone(&site.shown),
            cadence,
            slo: configured.policies.slo,
            maintenance: Arc::clone(&configured.maintenance),
            state,
            since: opened,
            last: last.map(|sample| Answer::of(sample.cause, sample.status)),
            certificate: id.and_then(|id| certificates.get(&id).cloned()),
            domain: None,
            over: None,
        }
    };
    Ok(sites.iter().map(one).collect())
}

fn cadence(site: &ConfiguredSite) -> Cadence {
    Cadence { interval: site.site.interval, timeout: site.site.timeout }
}

/// The last check before `as_of` of each of `sites`, if it is not longer ago than a monitor waits. Cost: a reading a cadence.
fn lasts(
    archive: &Archive,
    sites: impl Iterator<Item = (SiteId, Cadence)>,
    as_of: Timestamp,
) -> Result<HashMap<SiteId, Sample>, StoreError> {
    let mut by_silence: BTreeMap<Duration, Vec<SiteId>> = BTreeMap::new();
    for (id, cadence) in sites {
        by_silence.entry(cadence.silence()).or_default().push(id);
    }
    let (outages, mut lasts) = (archive.outages()?, HashMap::new());
    for (silence, ids) in by_silence {
        let query = Query { sites: Some(ids), since: as_of.before(silence), until: as_of };
        let _passed = archive.samples(&query, |stored| {
            lasts.insert(stored.site, stored.sample);
            Ok::<(), std::convert::Infallible>(())
        })?;
    }
    for (id, sample) in &mut lasts {
        *sample = outages.of(*id).seen(sample);
    }
    Ok(lasts)
}
