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

use super::over::over;
use super::{PageSite, Past};

/// `sites` as the store knows them at `as_of`: down while an incident of the availability rule is open; else by the last check, if that is
/// not longer ago than a monitor waits. Of a site over its locations those of all of them count.
///
/// # Errors
/// Those of the database.
pub fn judged(
    past: &Past<'_>,
    stored: &[StoredSite],
    sites: &[&ConfiguredSite],
    as_of: Timestamp,
) -> Result<Vec<PageSite>, StoreError> {
    let archive = past.archive;
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
    let groups = sites.iter().filter_map(|site| past.gathered.named(&site.site.name));
    let members = groups.flat_map(|group| group.members.iter().map(|member| (member.id, member.cadence)));
    let own = sites.iter().filter_map(|site| Some((*ids.get(&*site.site.name)?, cadence(site))));
    let lasts = lasts(archive, own.chain(members), as_of)?;
    let one = |configured: &&ConfiguredSite| {
        let site = &configured.site;
        let cadence = cadence(configured);
        let id = ids.get(&*site.name).copied();
        let opened = down.get(&site.name).copied();
        let group = past.gathered.named(&site.name);
        let over = group.map(|group| {
            let seen = (&past.gathered.blind, opened.is_some());
            over((group, &configured.locations.assignment), &lasts, seen, as_of)
        });
        let mut sources: Vec<SiteId> = group.iter().flat_map(|group| &group.members).map(|member| member.id).collect();
        sources.extend(id);
        let checks = sources.iter().filter_map(|id| lasts.get(id).copied());
        let last = checks.max_by_key(|sample| sample.at);
        let alone = match (last.map(|sample| sample.outcome()), opened) {
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
            state: over.as_ref().map_or(alone, |(_, state)| *state),
            since: opened,
            last: last.map(|sample| Answer::of(sample.cause, sample.status)),
            certificate: sources.iter().find_map(|id| certificates.get(id).cloned()),
            domain: None,
            over: over.map(|(over, _)| over),
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
