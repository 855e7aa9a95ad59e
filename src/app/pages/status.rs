//! What the status page shows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Cause, PageTerms, SiteId, Timestamp};
use crate::serve::page::FOLDED;
use crate::serve::page::model::{Day, Figures, Group, SiteLine, StatusPage};
use crate::store::{Archive, Query, StoreError};

use super::incidents::incidents;
use super::periods::{Span, days};
use super::{PageSite, Past, Setting, locations, memory};

/// Minutes of the line of the past hour.
const MINUTES: usize = 60;

/// Medians of the past hour by the place of the site, a minute each.
type Hours = HashMap<usize, Vec<Option<u32>>>;

/// The status page of `sites`, in their order.
///
/// # Errors
/// Those of the database.
pub fn status(past: &Past<'_>, setting: &Setting<'_>, sites: &[PageSite]) -> Result<StatusPage, StoreError> {
    let (terms, as_of) = (setting.terms, setting.as_of);
    let ids: HashMap<Arc<str>, SiteId> = past.archive.sites()?.into_iter().map(|site| (site.name, site.id)).collect();
    let watched = sites.iter().filter_map(|site| Some((Arc::clone(&site.name), (*ids.get(&site.name)?, site))));
    let watched = watched.collect();
    if let Some(memory) = past.memory {
        let shown: HashSet<SiteId> = ids.values().copied().collect();
        memory.keep(|site| shown.contains(&site));
    }
    let span = days(terms.days, setting.zone, as_of);
    let hours = if sites.len() > FOLDED { Hours::new() } else { hours(past.archive, &places(sites, &ids), as_of)? };
    let mut groups: Vec<Group> = Vec::new();
    for name in &terms.groups {
        groups.push(group(terms, Some(name)));
    }
    for (place, site) in sites.iter().enumerate() {
        let id = ids.get(&site.name).copied();
        let line = SiteLine {
            hour: hours.get(&place).cloned().unwrap_or_default(),
            votes: site.over.as_ref().and_then(|over| over.votes),
            ..line(past, setting, (site, id), &span)?
        };
        match groups.iter_mut().find(|group| group.name == site.group) {
            Some(group) => group.sites.push(line),
            None => groups.push(Group { sites: vec![line], ..group(terms, site.group.as_ref()) }),
        }
    }
    groups.retain(|group| !group.sites.is_empty());
    // Sites without a group come last.
    groups.sort_by_key(|group| group.name.is_none());
    let recent = (as_of.before(StatusPage::INCIDENTS), as_of);
    let (incidents, more_incidents) = incidents(past, &watched, recent, terms.shows_errors)?;
    Ok(StatusPage { frame: setting.frame(), groups, incidents, more_incidents })
}

/// A group without sites yet.
fn group(terms: &PageTerms, name: Option<&Arc<str>>) -> Group {
    Group { name: name.cloned(), note: name.and_then(|name| terms.group_notes.get(name).cloned()), sites: Vec::new() }
}

fn line(
    past: &Past<'_>,
    setting: &Setting<'_>,
    (site, id): (&PageSite, Option<SiteId>),
    span: &[Span],
) -> Result<SiteLine, StoreError> {
    let empty = |(from, until): &Span| Day { from: *from, until: *until, figures: Figures::default() };
    let mut line = SiteLine {
        name: Arc::clone(&site.name),
        url: setting.terms.shows_urls.then(|| Arc::clone(&site.url)),
        note: setting.terms.site_notes.get(&site.name).cloned(),
        state: site.state,
        days: span.iter().map(empty).collect(),
        figures: Figures::default(),
        hour: Vec::new(),
        votes: None,
    };
    let (days, whole) = match (past.group(site), id.filter(|_| site.over.is_none()), past.memory) {
        (Some(group), _, _) => locations::days(past, group, span)?,
        (None, Some(id), Some(memory)) => memory.daily(&past.moment, (id, site.cadence), span)?,
        (None, Some(id), None) => memory::read(&past.moment, (id, site.cadence), span)?,
        (None, None, _) => return Ok(line),
    };
    line.figures = whole;
    for (day, figures) in line.days.iter_mut().zip(days) {
        day.figures = figures;
    }
    Ok(line)
}

/// By the number of a stored site the place of the one whose checks it has: itself, or the one that it is a location of.
fn places(sites: &[PageSite], ids: &HashMap<Arc<str>, SiteId>) -> HashMap<SiteId, usize> {
    let mut places = HashMap::new();
    for (place, site) in sites.iter().enumerate() {
        let parts = site.over.iter().flat_map(|over| over.parts.iter().map(|part| &part.name));
        let own = site.over.is_none().then_some(&site.name);
        places.extend(parts.chain(own).filter_map(|name| Some((*ids.get(name)?, place))));
    }
    places
}

/// The medians of each minute of the hour before `as_of`.
fn hours(archive: &Archive, places: &HashMap<SiteId, usize>, as_of: Timestamp) -> Result<Hours, StoreError> {
    let since = as_of.before(Duration::from_hours(1));
    let query = Query { sites: Some(places.keys().copied().collect()), since, until: as_of };
    let mut times: HashMap<usize, Vec<Vec<u32>>> = HashMap::new();
    let _passed = archive.samples(&query, |stored| {
        let sample = stored.sample;
        if matches!(sample.cause, Cause::Ok | Cause::Slow) {
            let minute = usize::try_from(sample.at.since(since).as_secs() / 60).unwrap_or(MINUTES).min(MINUTES - 1);
            if let Some(&place) = places.get(&stored.site) {
                let minutes = times.entry(place).or_insert_with(|| vec![Vec::new(); MINUTES]);
                minutes[minute].push(sample.phases.total().get());
            }
        }
        Ok::<(), std::convert::Infallible>(())
    })?;
    let median = |times: &mut Vec<u32>| {
        times.sort_unstable();
        times.get(times.len().div_ceil(2).saturating_sub(1)).copied()
    };
    Ok(times.into_iter().map(|(place, mut minutes)| (place, minutes.iter_mut().map(median).collect())).collect())
}
