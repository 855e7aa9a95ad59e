//! Gathers what the store knows about an incident, for `webmon incident`.
//!
//! Invariants: figures of the times before, in and after it are those of `webmon stats`; single checks appear while they are kept.
//! Cost: one pass over the raw checks of the site from before its start to after its end, and one over those of all sites in two minutes.
//! Bounds: [`AROUND`] checks on each side are kept.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::incident::past::PastIncident;
use crate::alert::kept::telling::Telling;
use crate::config::{Config, ConfiguredSite};
use crate::model::{Outcome, SiteId, Timestamp};
use crate::report::postmortem::{Check, Companion, Postmortem, Stretch};
use crate::stats::{Answer, Cadence};
use crate::store::{Archive, Query, StoreError, StoredSample, StoredSite};

use super::pages::{Past, summed};

/// Checks that are listed before and after the first failed one, and before and after the end.
const AROUND: usize = 4;

/// The longest time before the alert in which the first failed check is looked for.
const WINDOW_MAX: Duration = Duration::from_hours(24);

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
    let PastIncident { opening, closing } = incident;
    let site = known.get(&opening.site).cloned().unwrap_or_default();
    let kept = archive.kept()?;
    let telling = Telling::new(&kept.rows, &kept.told);
    let mut report = Postmortem {
        as_of,
        group: site.group,
        url: site.url,
        stretches: [const { None }; 3],
        first: None,
        last: None,
        around: [Vec::new(), Vec::new()],
        company: (Vec::new(), 0),
        told: [
            telling.of(&opening).to_vec(),
            closing.as_ref().map(|closing| telling.of(closing).to_vec()).unwrap_or_default(),
        ],
        opening,
        closing,
    };
    let Some(id) = sites.iter().find(|stored| stored.name == report.opening.site).map(|stored| stored.id) else {
        return Ok(report);
    };
    checks(archive, id, &mut report)?;
    stretches(archive, (id, site.cadence), &mut report)?;
    if let Some(first) = report.first.as_ref().map(|first| first.at) {
        report.company = company(archive, (sites, known), (id, first))?;
    }
    Ok(report)
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
    let (opened, until) = (report.opening.at, report.until());
    let window = report.opening.window.min(WINDOW_MAX);
    let since = opened.before(window).before(Postmortem::BESIDE);
    let query = Query { sites: Some(vec![id]), since, until: until.after(Postmortem::BESIDE) };
    let mask = archive.outages()?.of(id);
    let (mut before, mut start, mut last_few, mut end) =
        (VecDeque::new(), Vec::new(), VecDeque::<Check>::new(), Vec::new());
    let _passed = archive.samples(&query, |stored| {
        let stored = StoredSample { sample: mask.seen(&stored.sample), ..*stored };
        let (at, check) = (stored.sample.at, check(&stored));
        if check.is_down && report.first.is_none() && opened.before(window) <= at && at <= until {
            report.first = Some(check.clone());
            start.extend(before.drain(..));
        }
        if check.is_down && report.first.is_some() && at <= until {
            report.last = Some(check.clone());
        }
        if report.first.is_none() {
            keep(&mut before, check);
        } else if start.len() < 2 * AROUND + 1 {
            start.push(check);
        } else if report.closing.is_some() && at <= until {
            keep(&mut last_few, check);
        } else if report.closing.is_some() && end.len() < AROUND {
            end.push(check);
        }
        Ok::<(), std::convert::Infallible>(())
    })?;
    last_few.extend(end);
    report.around = [start, last_few.into()];
    Ok(())
}

fn keep(checks: &mut VecDeque<Check>, check: Check) {
    if checks.len() == AROUND {
        checks.pop_front();
    }
    checks.push_back(check);
}

/// Sums up the answers before, during and after it.
fn stretches(
    archive: &Archive,
    (id, cadence): (SiteId, Option<Cadence>),
    report: &mut Postmortem,
) -> Result<(), StoreError> {
    // The first failed check is of the incident, and so is the check that ended it of the time after.
    let start = report.first.as_ref().map_or(report.opening.at, |first| first.at);
    let until = report.until();
    let mut spans = vec![(start.before(Postmortem::BESIDE), start), (start, until.max(start))];
    if report.closing.is_some() {
        spans.push((until, until.after(Postmortem::BESIDE).min(report.as_of)));
    }
    // Of a site that is not in the file only the coverage is unknown, which is not shown.
    let cadence = cadence.unwrap_or(Cadence { interval: Duration::from_secs(1), timeout: Duration::ZERO });
    let found = summed(&Past::of(archive)?, id, cadence, &spans)?;
    for ((place, (_, summary)), &(since, until)) in report.stretches.iter_mut().zip(found).zip(&spans) {
        let p50 = summary.response.map(|response| response.p50);
        *place = Some(Stretch { since, until, answers: summary.answers, p50 }).filter(|stretch| stretch.since < until);
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
    let outages = archive.outages()?;
    let (mut watched, mut failed, mut company) = (HashSet::new(), HashSet::new(), Vec::new());
    let _passed = archive.samples(&Query { sites: Some(others), since, until }, |stored| {
        let stored = StoredSample { sample: outages.of(stored.site).seen(&stored.sample), ..*stored };
        watched.insert(stored.site);
        if stored.sample.outcome() == Outcome::Down && failed.insert(stored.site) {
            let group = known.get(stored.name).and_then(|known| known.group.clone());
            company.push(Companion { site: Arc::clone(stored.name), group, check: check(&stored) });
        }
        Ok::<(), std::convert::Infallible>(())
    })?;
    company.sort_by(|one, other| one.site.cmp(&other.site));
    Ok((company, watched.len()))
}
