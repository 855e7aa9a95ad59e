//! Gathers what is known about an incident, for `webmon incident` and the dashboard.
//!
//! Invariants: figures of the times before, in and after it are those of `webmon stats`; single checks appear while they are kept.
//! An incident of a site over its locations has the checks of all of them. Cost: one pass over the raw checks of the site from before its
//! start to after its end, and one over those of all sites in two minutes.

mod around;
mod memory;
mod sources;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::incident::past::PastIncident;
use crate::alert::kept::telling::Telling;
use crate::app::locations::Gathered;
use crate::app::locations::groups::Rules;
use crate::config::{Config, ConfiguredSite};
use crate::engine::SiteSnapshot;
use crate::model::{Certificate, FailedAnswer, Location, Outcome, SiteId, Timestamp};
use crate::report::postmortem::{Check, Companion, Postmortem, Stretch, Witness};
use crate::stats::{Answer, PeriodFigures, Summary};
use crate::store::{Archive, Moment, Query, StoreError, StoredSample, StoredSite};

use around::Around;
pub use memory::recalled;
use sources::{Names, Source, names, sources};

/// How long before the first failed check the same answer may have been kept.
const LATELY: Duration = Duration::from_hours(24);

/// A site as sites.yaml knows it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Its group.
    pub group: Option<Arc<str>>,
    /// Its URL, secrets as `***`.
    pub url: Option<Arc<str>>,
}

impl From<&SiteSnapshot> for Known {
    fn from(site: &SiteSnapshot) -> Self {
        Self { group: site.group.clone(), url: Some(Arc::clone(&site.url)) }
    }
}

/// The sites of `config`.
#[must_use]
pub fn known(config: &Config) -> HashMap<Arc<str>, Known> {
    let sites = config.sites.iter().chain(&config.disabled);
    let known = |watched: &ConfiguredSite| {
        let site = &watched.site;
        let known = Known { group: watched.group.clone(), url: Some(Arc::clone(&site.shown)) };
        (Arc::clone(&site.name), known)
    };
    sites.map(known).collect()
}

/// Gathers what the store knows at `as_of` about `incident`; `sites` are those of the store, `known` those of the file, by name.
///
/// # Errors
/// Those of the database.
pub fn postmortem(
    archive: &Archive,
    (sites, known): (&[StoredSite], &HashMap<Arc<str>, Known>),
    incident: PastIncident,
    as_of: Timestamp,
) -> Result<Postmortem, StoreError> {
    let site = known.get(&incident.opening.site).cloned().unwrap_or_default();
    let kept = archive.kept()?;
    let telling = Telling::new(&kept.rows, &kept.told);
    let mut report = empty(incident, site, as_of);
    report.told = [
        telling.of(&report.opening).to_vec(),
        report.closing.as_ref().map(|closing| telling.of(closing).to_vec()).unwrap_or_default(),
    ];
    // How it is decided who is down does not matter here.
    let gathered = Gathered::of(archive, &Rules::default())?;
    let own = sites.iter().find(|stored| stored.name == report.opening.site).map(|stored| stored.id);
    let sources = sources(&gathered, &report.opening.site, own);
    if sources.is_empty() {
        return Ok(report);
    }
    checks(archive, &sources, &mut report)?;
    report.answered = answered(archive, &sources, &report)?;
    stretches(&archive.moment()?, &sources, &mut report)?;
    if let Some(first) = report.first.as_ref().map(|first| first.at) {
        report.company = company(archive, (known, &names(&gathered)), (sites, &sources), first)?;
    }
    Ok(report)
}

/// Of an incident of which only its alerts and its site are known.
fn empty(incident: PastIncident, site: Known, as_of: Timestamp) -> Postmortem {
    let PastIncident { opening, closing } = incident;
    Postmortem {
        as_of,
        group: site.group,
        url: site.url,
        stretches: [const { None }; 3],
        first: None,
        last: None,
        answered: None,
        around: [Vec::new(), Vec::new()],
        witnesses: Vec::new(),
        company: (Vec::new(), 0),
        told: [Vec::new(), Vec::new()],
        changed: None,
        note: None,
        opening,
        closing,
    }
}

fn check(stored: &StoredSample<'_>, location: Option<&Location>) -> Check {
    let sample = stored.sample;
    Check {
        at: sample.at,
        location: location.cloned(),
        answer: Answer::of(sample.cause, sample.status),
        is_down: sample.outcome() == Outcome::Down,
        took: sample.phases.total(),
        detail: stored.detail.filter(|detail| !detail.is_empty()).map(Arc::from),
        address: stored.address,
    }
}

/// The first and the last failed check, also as each location saw it, and those around the start and the end.
fn checks(archive: &Archive, sources: &[Source], report: &mut Postmortem) -> Result<(), StoreError> {
    let locations: HashMap<SiteId, Option<&Location>> =
        sources.iter().map(|source| (source.id, source.location.as_ref())).collect();
    let mut around = Around::new(report, locations.len());
    let mut each: BTreeMap<&Location, Around> =
        locations.values().flatten().map(|location| (*location, Around::new(report, 1))).collect();
    let mut change = around.change();
    let (since, until) = around.span();
    let outages = archive.outages()?;
    let ids = sources.iter().map(|source| source.id).collect();
    let _passed = archive.samples(&Query { sites: Some(ids), since, until }, |stored| {
        let sample = outages.of(stored.site).seen(&stored.sample);
        let location = locations.get(&stored.site).copied().flatten();
        change.admit(&sample);
        let check = check(&StoredSample { sample, ..*stored }, location);
        if let Some(around) = location.and_then(|location| each.get_mut(location)) {
            around.admit(check.clone());
        }
        around.admit(check);
        Ok::<(), std::convert::Infallible>(())
    })?;
    around.fill(report);
    report.witnesses = each
        .into_iter()
        .map(|(location, around)| Witness {
            location: location.clone(),
            first: around.first(),
            stretches: [const { None }; 3],
        })
        .collect();
    report.changed = Some(change);
    Ok(())
}

/// What the site answered to the first failed check, or lately to an earlier one that failed with the same answer.
fn answered(archive: &Archive, sources: &[Source], report: &Postmortem) -> Result<Option<FailedAnswer>, StoreError> {
    let Some(first) = &report.first else { return Ok(None) };
    let mut kept = Vec::new();
    for source in sources.iter().filter(|source| source.location == first.location) {
        kept.extend(archive.evidence(source.id, &(first.at.before(LATELY)..=report.until()))?);
    }
    kept.sort_by_key(|kept| kept.at);
    let is_same = |kept: &&FailedAnswer| kept.at < first.at && Answer::of(kept.cause, kept.status) == first.answer;
    let (inside, before) = (kept.iter().find(|kept| kept.at >= first.at), kept.iter().rev().find(|kept| is_same(kept)));
    // Of an answer that was seen shortly before, no second one is kept; a later one in the incident may be another.
    let same_inside = inside.filter(|kept| Answer::of(kept.cause, kept.status) == first.answer);
    Ok(same_inside.or(before).or(inside).cloned())
}

/// The times before, in and after the incident of `report`.
fn spans(report: &Postmortem) -> Vec<(Timestamp, Timestamp)> {
    // The first failed check is of the incident, and so is the check that ended it of the time after.
    let start = report.first.as_ref().map_or(report.opening.at, |first| first.at);
    let until = report.until();
    let mut spans = vec![(start.before(Postmortem::BESIDE), start), (start, until.max(start))];
    if report.closing.is_some() {
        spans.push((until, until.after(Postmortem::BESIDE).min(report.as_of)));
    }
    spans
}

fn stretch((since, until): (Timestamp, Timestamp), summary: &Summary) -> Option<Stretch> {
    let p50 = summary.response.map(|response| response.p50);
    (since < until).then(|| Stretch { since, until, answers: summary.answers.clone(), p50 })
}

/// Sums up the answers before, during and after it, also of each location.
fn stretches(moment: &Moment, sources: &[Source], report: &mut Postmortem) -> Result<(), StoreError> {
    let spans = spans(report);
    let mut all: Vec<PeriodFigures> = spans.iter().map(|_| PeriodFigures::default()).collect();
    for sources in sources.chunk_by(|one, other| one.location == other.location) {
        let mut own: Vec<PeriodFigures> = spans.iter().map(|_| PeriodFigures::default()).collect();
        for source in sources {
            for (sum, part) in own.iter_mut().zip(moment.parts(source.id, &spans)?) {
                sum.pool(&part.stretch);
            }
        }
        all.iter_mut().zip(&own).for_each(|(sum, own)| sum.pool(own));
        let there = sources.first().and_then(|source| source.location.as_ref());
        let witness = report.witnesses.iter_mut().find(|witness| Some(&witness.location) == there);
        if let Some(witness) = witness {
            fill(&mut witness.stretches, &own, &spans);
        }
    }
    fill(&mut report.stretches, &all, &spans);
    Ok(())
}

fn fill(stretches: &mut [Option<Stretch>; 3], sums: &[PeriodFigures], spans: &[(Timestamp, Timestamp)]) {
    for ((place, sums), span) in stretches.iter_mut().zip(sums).zip(spans) {
        // Only the coverage depends on the interval, and it is not shown.
        *place = stretch(*span, &sums.summary(*span, None, None));
    }
}

/// Other sites with a failed check around `first`, and how many others were checked then. A site at several locations is one.
fn company(
    archive: &Archive,
    (known, names): (&HashMap<Arc<str>, Known>, &Names),
    (sites, own): (&[StoredSite], &[Source]),
    first: Timestamp,
) -> Result<(Vec<Companion>, usize), StoreError> {
    let is_own = |site: SiteId| own.iter().any(|source| source.id == site);
    let others: Vec<SiteId> = sites.iter().map(|site| site.id).filter(|site| !is_own(*site)).collect();
    let (since, until) = (first.before(Postmortem::SAME_TIME), first.after(Postmortem::SAME_TIME));
    let (outages, certificates) = (archive.outages()?, archive.certificates()?);
    let certificates: HashMap<SiteId, Certificate> = certificates.into_iter().collect();
    let shown = own.iter().find_map(|source| certificates.get(&source.id));
    let (mut watched, mut failed, mut company) = (HashSet::new(), HashSet::new(), Vec::new());
    let _passed = archive.samples(&Query { sites: Some(others), since, until }, |stored| {
        let stored = StoredSample { sample: outages.of(stored.site).seen(&stored.sample), ..*stored };
        let site = names.get(&stored.site).unwrap_or(stored.name);
        if !watched.contains(site) {
            watched.insert(Arc::clone(site));
        }
        if stored.sample.outcome() == Outcome::Down && failed.insert(Arc::clone(site)) {
            let group = known.get(site).and_then(|known| known.group.clone());
            let has_same_certificate = shown.is_some() && shown == certificates.get(&stored.site);
            company.push(Companion {
                site: Arc::clone(site),
                group,
                check: check(&stored, None),
                has_same_certificate,
            });
        }
        Ok::<(), std::convert::Infallible>(())
    })?;
    company.sort_by(|one, other| one.site.cmp(&other.site));
    Ok((company, watched.len()))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::alert::incident::past::past_incidents;
    use crate::alert::record::tests::record;
    use crate::alert::{AlertState, Locations};
    use crate::app::tests::hub_store::{HubStore, at, config};
    use crate::report::postmortem::text;

    #[test]
    fn an_incident_over_locations_has_the_checks_of_each() {
        let mut hub = HubStore::worked_example();
        let mut opening = record("api", AlertState::Down, at(120));
        opening.facts.window = Duration::from_secs(30);
        opening.facts.locations = Some(Locations::votes(3, 2, ["a", "b"].map(|name| Location::new(name).unwrap())));
        for alert in [opening, record("api", AlertState::Up, at(165))] {
            hub.writer.note_alert(hub.own, alert);
        }
        hub.writer.flush(at(600));
        let archive = hub.archive();
        let incident = past_incidents(archive.alerts(&Query::ALL).unwrap()).pop().unwrap();
        let report = postmortem(&archive, (&archive.sites().unwrap(), &known(&config())), incident, at(600)).unwrap();
        let failed_from: Vec<_> = report.witnesses.iter().map(|of| of.first.as_ref().map(|first| first.at)).collect();
        assert_eq!(failed_from, [Some(at(100)), Some(at(113)), None]);
        let during =
            |stretch: &Option<Stretch>| stretch.as_ref().unwrap().answers.iter().map(|(_, count)| count).sum::<u64>();
        assert_eq!(during(&report.stretches[1]), 65 + 65 + 1, "from 100 s to 165 s");
        assert_eq!(report.witnesses.iter().map(|of| during(&of.stretches[1])).collect::<Vec<_>>(), [65, 65, 1]);
        assert_eq!(report.first.as_ref().unwrap().location.as_ref().unwrap().name(), "a");
        assert_eq!(report.company, (Vec::new(), 0), "its locations are no other sites");
        let mut out = Vec::new();
        text(&mut out, &report, &TimeZone::UTC).unwrap();
        let plain = String::from_utf8(out).unwrap();
        for part in ["What its locations saw", "503×60 200×5", "503 at a"] {
            assert!(plain.contains(part), "{plain}");
        }
    }
}
