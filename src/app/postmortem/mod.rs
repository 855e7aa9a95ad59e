//! Gathers what is known about an incident, for `webmon incident` and the dashboard.
//!
//! Invariants: figures of the times before, in and after it are those of `webmon stats`; single checks appear while they are kept.
//! Cost: one pass over the raw checks of the site from before its start to after its end, and one over those of all sites in two minutes.

mod around;
mod memory;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::incident::past::PastIncident;
use crate::alert::kept::telling::Telling;
use crate::config::{Config, ConfiguredSite};
use crate::engine::SiteSnapshot;
use crate::model::{Certificate, FailedAnswer, Outcome, SiteId, Timestamp};
use crate::report::postmortem::{Check, Companion, Postmortem, Stretch};
use crate::stats::{Answer, Cadence, Summary};
use crate::store::{Archive, Query, StoreError, StoredSample, StoredSite};

use super::pages::{Past, summed};
use around::Around;
pub use memory::recalled;

/// How long before the first failed check the same answer may have been kept.
const LATELY: Duration = Duration::from_hours(24);

/// A site as sites.yaml knows it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Its group.
    pub group: Option<Arc<str>>,
    /// Its URL, secrets as `***`.
    pub url: Option<Arc<str>>,
    /// How often it is checked.
    pub cadence: Option<Cadence>,
}

impl From<&SiteSnapshot> for Known {
    fn from(site: &SiteSnapshot) -> Self {
        let cadence = Cadence { interval: site.interval, timeout: site.timeout };
        Self { group: site.group.clone(), url: Some(Arc::clone(&site.url)), cadence: Some(cadence) }
    }
}

/// The sites of `config`.
#[must_use]
pub fn known(config: &Config) -> HashMap<Arc<str>, Known> {
    let sites = config.sites.iter().chain(&config.disabled);
    let known = |watched: &ConfiguredSite| {
        let site = &watched.site;
        let cadence = Some(Cadence { interval: site.interval, timeout: site.timeout });
        let known = Known { group: watched.group.clone(), url: Some(Arc::clone(&site.shown)), cadence };
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
    let cadence = site.cadence;
    let kept = archive.kept()?;
    let telling = Telling::new(&kept.rows, &kept.told);
    let mut report = empty(incident, site, as_of);
    report.told = [
        telling.of(&report.opening).to_vec(),
        report.closing.as_ref().map(|closing| telling.of(closing).to_vec()).unwrap_or_default(),
    ];
    let Some(id) = sites.iter().find(|stored| stored.name == report.opening.site).map(|stored| stored.id) else {
        return Ok(report);
    };
    checks(archive, id, &mut report)?;
    report.answered = answered(archive, id, &report)?;
    stretches(archive, (id, cadence), &mut report)?;
    if let Some(first) = report.first.as_ref().map(|first| first.at) {
        report.company = company(archive, (sites, known), (id, first))?;
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
        company: (Vec::new(), 0),
        told: [Vec::new(), Vec::new()],
        changed: None,
        note: None,
        opening,
        closing,
    }
}

fn check(stored: &StoredSample<'_>) -> Check {
    let sample = stored.sample;
    Check {
        at: sample.at,
        answer: Answer::of(sample.cause, sample.status),
        is_down: sample.outcome() == Outcome::Down,
        took: sample.phases.total(),
        detail: stored.detail.filter(|detail| !detail.is_empty()).map(Arc::from),
        address: stored.address,
    }
}

/// The first and the last failed check, and those around the start and the end.
fn checks(archive: &Archive, id: SiteId, report: &mut Postmortem) -> Result<(), StoreError> {
    let mut around = Around::new(report);
    let mut change = around.change();
    let (since, until) = around.span();
    let mask = archive.outages()?.of(id);
    let _passed = archive.samples(&Query { sites: Some(vec![id]), since, until }, |stored| {
        let sample = mask.seen(&stored.sample);
        change.admit(&sample);
        around.admit(check(&StoredSample { sample, ..*stored }));
        Ok::<(), std::convert::Infallible>(())
    })?;
    around.fill(report);
    report.changed = Some(change);
    Ok(())
}

/// What the site answered to the first failed check, or lately to an earlier one that failed with the same answer.
fn answered(archive: &Archive, id: SiteId, report: &Postmortem) -> Result<Option<FailedAnswer>, StoreError> {
    let Some(first) = &report.first else { return Ok(None) };
    let kept = archive.evidence(id, &(first.at.before(LATELY)..=report.until()))?;
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

/// Sums up the answers before, during and after it.
fn stretches(
    archive: &Archive,
    (id, cadence): (SiteId, Option<Cadence>),
    report: &mut Postmortem,
) -> Result<(), StoreError> {
    let spans = spans(report);
    // Of a site that is not in the file only the coverage is unknown, which is not shown.
    let cadence = cadence.unwrap_or(Cadence { interval: Duration::from_secs(1), timeout: Duration::ZERO });
    let found = summed(&Past::of(archive)?, id, cadence, &spans)?;
    for ((place, (_, summary)), span) in report.stretches.iter_mut().zip(found).zip(spans) {
        *place = stretch(span, &summary);
    }
    Ok(())
}

/// Other sites with a failed check around `first`, and how many others were checked then.
fn company(
    archive: &Archive,
    (sites, known): (&[StoredSite], &HashMap<Arc<str>, Known>),
    (id, first): (SiteId, Timestamp),
) -> Result<(Vec<Companion>, usize), StoreError> {
    let others: Vec<SiteId> = sites.iter().map(|site| site.id).filter(|other| *other != id).collect();
    let (since, until) = (first.before(Postmortem::SAME_TIME), first.after(Postmortem::SAME_TIME));
    let (outages, certificates) = (archive.outages()?, archive.certificates()?);
    let certificates: HashMap<SiteId, Certificate> = certificates.into_iter().collect();
    let own = certificates.get(&id);
    let (mut watched, mut failed, mut company) = (HashSet::new(), HashSet::new(), Vec::new());
    let _passed = archive.samples(&Query { sites: Some(others), since, until }, |stored| {
        let stored = StoredSample { sample: outages.of(stored.site).seen(&stored.sample), ..*stored };
        watched.insert(stored.site);
        if stored.sample.outcome() == Outcome::Down && failed.insert(stored.site) {
            let group = known.get(stored.name).and_then(|known| known.group.clone());
            let has_same_certificate = own.is_some() && own == certificates.get(&stored.site);
            let site = Arc::clone(stored.name);
            company.push(Companion { site, group, check: check(&stored), has_same_certificate });
        }
        Ok::<(), std::convert::Infallible>(())
    })?;
    company.sort_by(|one, other| one.site.cmp(&other.site));
    Ok((company, watched.len()))
}
