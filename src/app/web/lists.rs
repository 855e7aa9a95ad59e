//! The lists of the API, from the engine's snapshot and the store: the objects of `--format json`.
//!
//! Bounds: a list ends at its limit; the rest is the same list from a later time on. What has the same time stays together, so
//! following the link neither repeats nor misses any.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use crate::alert::kept::telling::Telling;
use crate::alert::network::Mask;
use crate::app::cli::time_range::instant;
use crate::app::cli::zone;
use crate::app::locations::Gathered;
use crate::app::locations::figures::{Past, show};
use crate::app::locations::groups::{Group, Rules};
use crate::app::objectives::remaining::undivided;
use crate::engine::{SiteSnapshot, Snapshot};
use crate::model::{SiteId, Timestamp};
use crate::report::{Period, SampleRecord, StatsRecord, Stored, json};
use crate::serve::route::{ListQuery, Listing, Selection};
use crate::serve::source::{List, Missing, Rest};
use crate::stats::{Cadence, Summary};
use crate::store::{Archive, Moment, Query, StoreError, StoredSite};

/// The start of a period without one: back from its end.
const BACK: [(Listing, std::time::Duration); 2] =
    [(Listing::Stats, std::time::Duration::from_hours(24)), (Listing::Samples, std::time::Duration::from_hours(1))];

/// Sites per transaction.
const AT_ONCE: usize = 64;

/// The list that `query` asks for, at `now`.
///
/// # Errors
/// [`Missing`].
pub fn list(
    (snapshot, rules): (&Snapshot, &Rules),
    store: Option<&Path>,
    query: &ListQuery,
    now: Timestamp,
) -> Result<List, Missing> {
    if query.listing == Listing::Sites {
        return sites(snapshot, query);
    }
    if query.after.is_some() && query.listing != Listing::Stats {
        return Err(Missing::Parameter("after", "only `sites` and `stats` are lists by site".to_owned()));
    }
    let period = period(query, now)?;
    let path = store.ok_or_else(|| Missing::Unavailable("nothing is stored".to_owned()))?;
    let archive = Archive::open(path).map_err(unreadable)?;
    let chosen = chosen(snapshot, archive.sites().map_err(unreadable)?, &query.selection)?;
    let gathered = Gathered::of(&archive, rules).map_err(unreadable)?;
    match query.listing {
        Listing::Stats => {
            let chosen = rest_of(&chosen, query, |site| &site.name)?;
            stats((&archive, &gathered), snapshot, chosen, (period, now), query.limit)
        }
        Listing::Samples => samples((&archive, &gathered), &chosen, period, query.limit),
        _ => alerts(&archive, &chosen, period, query),
    }
}

/// The error may hold a path, which a page must not show.
fn unreadable(_: StoreError) -> Missing {
    Missing::Unavailable("the store cannot be read now".to_owned())
}

/// A line of an object.
fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> Vec<u8> {
    let mut line = Vec::new();
    write(&mut line).expect("writing to a Vec cannot fail");
    line
}

fn sites(snapshot: &Snapshot, query: &ListQuery) -> Result<List, Missing> {
    let names = snapshot.sites.iter().map(|site| &*site.name);
    known(&query.selection, names)?;
    let selected = snapshot.sites.iter().filter(|site| query.selection.holds(&site.name, site.group.as_deref()));
    let selected: Vec<_> = selected.collect();
    let selected = rest_of(&selected, query, |site| &site.name)?;
    let shown = &selected[..selected.len().min(query.limit)];
    let lines = shown.iter().flat_map(|site| written(|out| json::site(out, snapshot.at, site)));
    let last = shown.last().filter(|_| shown.len() < selected.len());
    let rest = last.map(|site| Rest { period: None, after: Some(Arc::clone(&site.name)) });
    Ok(List { lines: lines.collect(), rest })
}

/// The `sites` after the one that `query` names.
fn rest_of<'a, T>(sites: &'a [T], query: &ListQuery, name: impl Fn(&T) -> &str) -> Result<&'a [T], Missing> {
    let Some(after) = &query.after else { return Ok(sites) };
    let place = sites.iter().position(|site| name(site) == after);
    let gone = || Missing::Parameter("after", "none of these sites has this name".to_owned());
    Ok(&sites[place.ok_or_else(gone)? + 1..])
}

/// Refuses a name that is not among `names`.
fn known<'a>(selection: &Selection, names: impl Iterator<Item = &'a str>) -> Result<(), Missing> {
    let names: std::collections::HashSet<&str> = names.collect();
    if selection.sites.iter().all(|site| names.contains(site.as_str())) { Ok(()) } else { Err(Missing::Unknown) }
}

fn period(query: &ListQuery, now: Timestamp) -> Result<Period, Missing> {
    let zone = zone::local();
    let read = |name: &'static str, text: &Option<String>| {
        let read = text.as_ref().map(|text| instant(text, now, &zone));
        read.transpose().map_err(|why| Missing::Parameter(name, why))
    };
    let until = read("until", &query.until)?.unwrap_or(Timestamp::MAX);
    let back = BACK.iter().find(|(listing, _)| *listing == query.listing).map(|(_, back)| *back);
    let default = || back.map_or(Timestamp::ZERO, |back| now.min(until).before(back));
    let since = read("since", &query.since)?.unwrap_or_else(default);
    if since >= until {
        return Err(Missing::Parameter("since", "it must be before `until`".to_owned()));
    }
    Ok(Period { since, until })
}

/// The selected sites, in the order of sites.yaml, then those that are not in it.
fn chosen(snapshot: &Snapshot, mut stored: Vec<StoredSite>, selection: &Selection) -> Result<Vec<StoredSite>, Missing> {
    let watched = watched(snapshot);
    known(selection, stored.iter().map(|site| &*site.name).chain(watched.keys().copied()))?;
    let place = |site: &StoredSite| watched.get(&*site.name).map_or(usize::MAX, |(place, _)| *place);
    stored.retain(|site| {
        let group = watched.get(&*site.name).and_then(|(_, watched)| watched.group.as_deref());
        selection.holds(&site.name, group)
    });
    stored.sort_by_key(|site| (place(site), site.id));
    Ok(stored)
}

fn watched(snapshot: &Snapshot) -> HashMap<&str, (usize, &Arc<SiteSnapshot>)> {
    snapshot.sites.iter().enumerate().map(|(place, site)| (&*site.name, (place, site))).collect()
}

fn stats(
    (archive, gathered): (&Archive, &Gathered),
    snapshot: &Snapshot,
    chosen: &[StoredSite],
    (period, now): (Period, Timestamp),
    limit: usize,
) -> Result<List, Missing> {
    let period = Period { until: period.until.min(now), ..period };
    let (span, watched) = ((period.since, period.until), watched(snapshot));
    let (mut lines, mut count) = (Vec::new(), 0);
    let mut last = None;
    for sites in chosen.chunks(AT_ONCE) {
        let moment = archive.moment().map_err(unreadable)?;
        let together = Past::new(archive, &moment, &gathered.blind, now);
        for site in sites {
            let of = |site: &SiteSnapshot| Cadence { interval: site.interval, timeout: site.timeout };
            let cadence = watched.get(&*site.name).map(|(_, site)| of(site));
            let subject = (site.id, cadence, gathered.named(&site.name));
            let known = figures((&moment, &together), subject, span).map_err(unreadable)?;
            let Some((summary, stored)) = known else { continue };
            if count == limit {
                return Ok(List { lines, rest: Some(Rest { period: Some(period), after: last }) });
            }
            (count, last) = (count + 1, Some(Arc::clone(&site.name)));
            let record =
                StatsRecord { site: &site.name, state: None, summary: &summary, stored: Some(stored), votes: None };
            lines.extend(written(|out| json::stats(out, &record)));
        }
    }
    Ok(List { lines, rest: None })
}

/// The figures of a site in `span`, or of one over its locations what these saw together; `None` without a check.
fn figures(
    (moment, together): (&Moment, &Past<'_>),
    (id, cadence, group): (SiteId, Option<Cadence>, Option<&Group>),
    span: (Timestamp, Timestamp),
) -> Result<Option<(Summary, Stored)>, StoreError> {
    let sources: Vec<(SiteId, Option<Cadence>)> = match group {
        Some(group) => group.members.iter().map(|member| (member.id, Some(member.cadence))).collect(),
        None => vec![(id, cadence)],
    };
    let ids = sources.iter().map(|(id, _)| *id).collect();
    let found = moment.figures(&Query { sites: Some(ids), since: span.0, until: span.1 }, None)?;
    let parts = found.into_iter().zip(sources).map(|(figures, (_, cadence))| undivided(figures, span, cadence));
    let figures = parts.reduce(|sum, part| sum.pooled(&part)).unwrap_or_default();
    let whole = figures.stretch();
    if whole.last_at.is_none() {
        return Ok(None);
    }
    let mut summary = figures.parts.summary(span);
    let mut stored = Stored {
        period: Period { since: span.0, until: span.1 },
        is_exact: figures.is_exact,
        longest_outage: whole.outages.longest,
        begins: whole.begins(span.0, cadence, figures.begins),
        left_out: None,
    };
    if let Some(group) = group {
        let seen = together.parts((group, figures.begins), &figures.spans)?;
        show(&seen.sight, &mut summary);
        stored.is_exact &= seen.is_exact;
        stored.longest_outage = seen.sight.outages.longest;
    }
    Ok(Some((summary, stored)))
}

/// The first objects up to a limit, and the time of the first one that is left out. More than the limit only where all have the
/// same time: a period can begin after them, but not among them.
struct Cut {
    lines: Vec<(Timestamp, Vec<u8>)>,
    limit: usize,
    next: Option<Timestamp>,
}

impl Cut {
    const fn new(limit: usize) -> Self {
        Self { lines: Vec::new(), limit, next: None }
    }

    /// Adds an object of `at`. An error ends the list.
    fn add(&mut self, at: Timestamp, line: impl FnOnce() -> Vec<u8>) -> Result<(), ()> {
        if self.lines.len() < self.limit || self.lines.first().is_some_and(|(first, _)| *first == at) {
            self.lines.push((at, line()));
            return Ok(());
        }
        self.next = Some(at);
        Err(())
    }

    /// The list, of which `period` was asked for.
    fn finish(mut self, period: Period) -> List {
        if let Some(next) = self.next {
            // Objects of the same time as the next one come with it.
            self.lines.retain(|(at, _)| *at < next);
        }
        let rest = self.next.map(|since| Rest { period: Some(Period { since, ..period }), after: None });
        List { lines: self.lines.into_iter().flat_map(|(_, line)| line).collect(), rest }
    }
}

fn samples(
    (archive, gathered): (&Archive, &Gathered),
    chosen: &[StoredSite],
    period: Period,
    limit: usize,
) -> Result<List, Missing> {
    // A site over its locations has the checks of all of them.
    let members = chosen.iter().filter_map(|site| gathered.named(&site.name)).flat_map(|group| &group.members);
    let ids: BTreeSet<SiteId> = chosen.iter().map(|site| site.id).chain(members.map(|member| member.id)).collect();
    let ids: Vec<SiteId> = ids.into_iter().collect();
    let query = Query { sites: Some(ids.clone()), since: period.since, until: period.until };
    let mut cut = Cut::new(limit);
    let outages = archive.outages().map_err(unreadable)?;
    let masks: HashMap<SiteId, Mask> = ids.into_iter().map(|id| (id, outages.of(id))).collect();
    let visited = archive.samples(&query, |stored| {
        let record = SampleRecord {
            site: stored.name,
            seq: Some(stored.seq),
            sample: &stored.sample,
            detail: stored.detail,
            address: stored.address,
            masked: Some(masks.get(&stored.site).is_some_and(|mask| mask.covers(&stored.sample.packed()))),
        };
        cut.add(stored.sample.at, || written(|out| json::sample(out, &record)))
    });
    // The inner error is the end of the list.
    let _end = visited.map_err(unreadable)?;
    Ok(cut.finish(period))
}

fn alerts(archive: &Archive, chosen: &[StoredSite], period: Period, asked: &ListQuery) -> Result<List, Missing> {
    // Those about webmon itself belong to no site.
    let is_all = asked.selection == Selection::default();
    let sites = (!is_all).then(|| chosen.iter().map(|site| site.id).collect());
    let query = Query { sites, since: period.since, until: period.until };
    let alerts = archive.alerts(&query).map_err(unreadable)?;
    let kept = archive.kept().map_err(unreadable)?;
    let telling = Telling::new(&kept.rows, &kept.told);
    let mut cut = Cut::new(asked.limit);
    for alert in &alerts {
        if cut.add(alert.at, || written(|out| json::past_alert(out, alert, telling.of(alert)))).is_err() {
            break;
        }
    }
    Ok(cut.finish(period))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(times: &[u64], limit: usize) -> (String, Option<u64>) {
        let mut cut = Cut::new(limit);
        for (n, &at) in times.iter().enumerate() {
            if cut.add(Timestamp::from_micros(at), || format!("{n}\n").into_bytes()).is_err() {
                break;
            }
        }
        let list = cut.finish(Period { since: Timestamp::ZERO, until: Timestamp::MAX });
        let next = list.rest.and_then(|rest| rest.period).map(|period| period.since.as_micros());
        (String::from_utf8(list.lines).unwrap().replace('\n', ""), next)
    }

    #[test]
    fn a_list_is_cut_between_times() {
        assert_eq!(cut(&[1, 2, 3], 3), ("012".to_owned(), None));
        assert_eq!(cut(&[1, 2, 3], 2), ("01".to_owned(), Some(3)));
        assert_eq!(cut(&[1, 2, 2], 2), ("0".to_owned(), Some(2)));
        assert_eq!(cut(&[2, 2, 2], 2), ("012".to_owned(), None), "no period begins among them");
        assert_eq!(cut(&[2, 2, 2, 5, 6], 1), ("012".to_owned(), Some(5)));
        assert_eq!(cut(&[], 2), (String::new(), None));
    }
}
