//! Puts the overview of an instant together: the figures from stored checks, the verdicts from stored alerts.
//!
//! The alerts are what was judged then, by the rules of then, without what maintenance or a pause held back; to judge the checks anew
//! would tell another past. Views whose single checks are not all there come from the totals of hours and days.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::incident::list::{IncidentList, ListedIncident};
use crate::alert::{AlertRecord, RuleKind};
use crate::engine::past::state_at;
use crate::engine::snapshot::Breach;
use crate::engine::{LastCheck, OpenIncident, Row, SiteFacts, SiteSnapshot, SiteState, Snapshot, ViewSnapshot};
use crate::model::time::duration::micros;
use crate::model::{Cause, Observation, Outcome, Place, Sample, SiteId, Timestamp, View};
use crate::stats::{Beat, Beats, Cadence, PeriodFigures, PeriodParts};
use crate::store::{Moment, Query, StoreError, StoredChecks};
use crate::tui::{PastOverview, PastRequest};

use super::known::FoundSite;
use super::pooled::Pooled;

/// An overview in the making; sites are added in their order.
pub struct Builder<'a> {
    request: &'a PastRequest,
    alerts: Vec<Arc<AlertRecord>>,
    /// The places of the alerts of each site, oldest first.
    of_site: HashMap<Arc<str>, Vec<usize>>,
    sites: Vec<Arc<SiteSnapshot>>,
    rows: Vec<Vec<Arc<Row>>>,
    begins: Vec<Option<Timestamp>>,
    /// The site over all its locations that was added last.
    whole: Option<Pooled>,
}

impl<'a> Builder<'a> {
    /// One without sites; of `alerts`, those before the instant count.
    pub fn new(request: &'a PastRequest, alerts: &[Arc<AlertRecord>]) -> Self {
        let alerts: Vec<Arc<AlertRecord>> = alerts.iter().filter(|alert| alert.at < request.at).cloned().collect();
        let mut of_site: HashMap<Arc<str>, Vec<usize>> = HashMap::new();
        for (place, alert) in alerts.iter().enumerate() {
            of_site.entry(Arc::clone(&alert.site)).or_default().push(place);
        }
        let rows = request.views.iter().map(|_| Vec::with_capacity(request.sites.len())).collect();
        let (sites, begins) = (Vec::with_capacity(request.sites.len()), Vec::with_capacity(request.sites.len()));
        Self { request, alerts, of_site, sites, rows, begins, whole: None }
    }

    /// Adds `site`, of which `found` is known.
    pub fn add(&mut self, moment: &Moment, site: &Arc<SiteFacts>, found: &FoundSite<'_>) -> Result<(), StoreError> {
        let whole = self.whole.take_if(|whole| !site.is_part_of(&self.sites[whole.place].name));
        self.conclude(whole);
        for (number, (view, rows)) in self.request.views.iter().zip(&mut self.rows).enumerate() {
            let period = (*view, self.request.at);
            let Some((figures, beats)) = figures(moment, found, period)? else {
                rows.push(Arc::new(Row::empty(period.1, view.timeframe)));
                continue;
            };
            if let Some(whole) = &mut self.whole {
                whole.merge(number, &figures);
            }
            let row = made(figures, site, (found, period), beats);
            if let Some(whole) = &mut self.whole {
                whole.count(number, &row);
            }
            rows.push(Arc::new(row));
        }
        let begins = found.checks.and_then(|checks| checks.begins);
        self.begins.push(begins);
        let places = self.of_site.get(&site.name).map_or(&[][..], Vec::as_slice);
        let alerts: Vec<&AlertRecord> = places.iter().map(|place| &*self.alerts[*place]).collect();
        let snapshot = Arc::new(snapshot(site, found, &alerts, self.request.at));
        if let Some(whole) = &mut self.whole {
            whole.add(Arc::clone(&snapshot), begins);
        } else if site.place == Place::Everywhere {
            self.whole = Some(Pooled::new(self.sites.len(), self.rows.len()));
        }
        self.sites.push(snapshot);
        Ok(())
    }

    /// Makes the rows and the state of a site of which all locations were added.
    fn conclude(&mut self, whole: Option<Pooled>) {
        let Some(whole) = whole else { return };
        let made = whole.rows(&self.request.views, self.request.at);
        for (rows, row) in self.rows.iter_mut().zip(made) {
            rows[whole.place] = Arc::new(row);
        }
        let site = &mut self.sites[whole.place];
        *site = Arc::new(whole.snapshot(site));
        self.begins[whole.place] = whole.begins();
    }

    /// The overview.
    pub fn finish(mut self) -> PastOverview {
        let whole = self.whole.take();
        self.conclude(whole);
        let Self { request, alerts, sites, rows, begins, .. } = self;
        let at = request.at;
        let view = |(view, rows): (&View, Vec<Arc<Row>>)| {
            let View { timeframe, refresh } = *view;
            Arc::new(ViewSnapshot { timeframe, refresh, as_of: at, next: at, rows })
        };
        let views = request.views.iter().zip(rows).map(view).collect();
        let incidents = incidents(request, &alerts);
        let snapshot = Snapshot { at, sites, views };
        PastOverview { number: request.number, at, snapshot, alerts, incidents, begins, trouble: None }
    }
}

/// The answer where the store cannot be read: nothing is known.
pub fn unreadable(request: &PastRequest, trouble: String) -> PastOverview {
    let mut blank = Builder::new(request, &request.alerts);
    for site in &request.sites {
        for (view, rows) in request.views.iter().zip(&mut blank.rows) {
            rows.push(Arc::new(Row::empty(request.at, view.timeframe)));
        }
        blank.begins.push(None);
        let nothing = FoundSite { from: request.at, id: None, checks: None };
        blank.sites.push(Arc::new(snapshot(site, &nothing, &[], request.at)));
    }
    PastOverview { trouble: Some(trouble), ..blank.finish() }
}

/// What a row is made of: figures, the heartbeat, and whether they are exact.
type Found = (PeriodFigures, (Beats, bool));

/// What a row is made of: the figures of the period of `view` that ends at `at`, the heartbeat, and whether they are exact; none of a
/// site that the store does not know.
fn figures(moment: &Moment, found: &FoundSite<'_>, (view, at): (View, Timestamp)) -> Result<Option<Found>, StoreError> {
    let Some(id) = found.id else { return Ok(None) };
    let empty = Beats::empty(at, view.timeframe);
    let since = view.timeframe.cutoff(at);
    match found.checks.filter(|checks| checks.is_whole && !view.is_long()) {
        Some(checks) => {
            let samples = between(checks, (since, at));
            let mut stretch = PeriodFigures::default();
            stretch.admit_all(samples, None);
            Ok(Some((stretch, (beats(empty, samples), true))))
        }
        None => stored_figures(moment, id, empty, (since, at)),
    }
}

/// The same from the totals of hours and days, and from what is left of single checks.
fn stored_figures(
    moment: &Moment,
    id: SiteId,
    empty: Beats,
    (since, until): (Timestamp, Timestamp),
) -> Result<Option<Found>, StoreError> {
    let query = Query { sites: Some(vec![id]), since, until };
    let Some(figures) = moment.figures(&query, Some(empty.cell))?.pop() else { return Ok(None) };
    let newest = empty.newest;
    let beats = figures.beats.map_or(empty, |bar| up_to(bar, newest));
    let is_exact = figures.is_exact && figures.damaged == 0;
    Ok(Some((figures.stretch, (beats, is_exact))))
}

/// `bar` with its newest cell at `newest`: that of the instant, where the stored one ends with the cell just before it.
fn up_to(mut bar: Beats, newest: Timestamp) -> Beats {
    if bar.newest < newest {
        bar.cells.rotate_left(1);
        bar.cells[Beats::CELLS - 1] = Beat::default();
        bar.newest = newest;
    }
    bar
}

fn made(
    stretch: PeriodFigures,
    site: &SiteFacts,
    (found, (view, at)): (&FoundSite<'_>, (View, Timestamp)),
    (beats, is_exact): (Beats, bool),
) -> Row {
    let (period, cadence) =
        ((view.timeframe.cutoff(at), at), Cadence { interval: site.interval, timeout: site.timeout });
    let oldest = stretch.oldest.map(|oldest| oldest.due);
    let mut parts = PeriodParts::default();
    parts.append(period, stretch, Some(cadence), found.checks.and_then(|checks| checks.begins));
    Row { summary: parts.summary(period), beats, oldest, is_exact }
}

fn between(checks: &StoredChecks, (since, until): (Timestamp, Timestamp)) -> &[Sample] {
    &checks.samples[checks.before(since)..checks.before(until)]
}

/// `beats` with these samples.
fn beats(mut beats: Beats, samples: &[Sample]) -> Beats {
    let cell = micros(beats.cell).max(1);
    let newest = beats.newest.as_micros() / cell;
    for sample in samples {
        let back = usize::try_from(newest.saturating_sub(sample.at.as_micros() / cell)).unwrap_or(usize::MAX);
        let Some(place) = (Beats::CELLS - 1).checked_sub(back) else { continue };
        match sample.outcome() {
            Outcome::Up => beats.cells[place].up += 1,
            Outcome::Down => beats.cells[place].down += 1,
            Outcome::Unknown => {}
        }
    }
    beats
}

/// Everything about `site` at `at` but its figures; `alerts` are its own until then, oldest first.
fn snapshot(site: &Arc<SiteFacts>, found: &FoundSite<'_>, alerts: &[&AlertRecord], at: Timestamp) -> SiteSnapshot {
    let cadence = Cadence { interval: site.interval, timeout: site.timeout };
    let reach = found.checks.map_or(0..0, |checks| checks.before(found.from)..checks.before(at));
    let samples = found.checks.map_or(&[][..], |checks| &checks.samples[reach.clone()]);
    let verdicts: Vec<(Timestamp, bool)> = alerts
        .iter()
        .filter(|alert| alert.rule == RuleKind::Availability)
        .map(|alert| (alert.at, alert.state.is_opening()))
        .collect();
    let has_older = found.checks.and_then(|checks| checks.numbers.get(reach.start)).is_some_and(|first| *first > 0);
    let then = state_at(at, (samples, has_older), &verdicts, cadence.silence());
    let open = open_of(alerts);
    let incident = open.iter().find(|alert| alert.rule == RuleKind::Availability);
    let others = open.iter().filter(|alert| alert.rule != RuleKind::Availability);
    // Without a check in reach, a site that was watched before is unknown, not new.
    let was_watched = found.checks.and_then(|checks| checks.begins).is_some_and(|begins| begins < at);
    let is_silent = samples.is_empty() && was_watched;
    SiteSnapshot {
        facts: Arc::clone(site),
        state: if is_silent { SiteState::Unknown } else { then.state },
        since: if is_silent { found.from } else { then.since },
        is_older: then.is_older || is_silent,
        last: found.checks.filter(|_| !samples.is_empty()).and_then(|checks| last(checks, reach.end)),
        last_up: then.last_up,
        incident: incident.map(|alert| OpenIncident { since: alert.since }),
        breaches: others.map(|alert| Breach { rule: alert.rule, since: alert.since }).collect(),
        paused_until: None,
        judged_from: None,
        votes: None,
    }
}

/// The last of the first `until` checks.
fn last(checks: &StoredChecks, until: usize) -> Option<LastCheck> {
    let place = until.checked_sub(1)?;
    let (sample, seq) = (checks.samples[place], checks.numbers[place]);
    let text = if sample.cause == Cause::Ok { None } else { checks.text(seq) };
    let observation = text.map(|(detail, address)| {
        let told = Observation { address, ..Observation::failed(sample.cause, detail) };
        Arc::new(Observation { status: sample.status, phases: sample.phases, ..told })
    });
    Some(LastCheck { seq, sample, observation })
}

/// The newest alert of each rule, if it opened an incident.
fn open_of<'a>(alerts: &[&'a AlertRecord]) -> Vec<&'a AlertRecord> {
    let mut newest: Vec<&AlertRecord> = Vec::new();
    for alert in alerts {
        newest.retain(|other| other.rule != alert.rule);
        newest.push(alert);
    }
    newest.retain(|alert| alert.state.is_opening());
    newest
}

/// The incidents that were open after `alerts`, and the silences that had begun. Who acknowledged them is known of those that are
/// still open.
fn incidents(request: &PastRequest, alerts: &[Arc<AlertRecord>]) -> IncidentList {
    let groups: HashMap<&str, Option<&Arc<str>>> =
        request.sites.iter().map(|site| (&*site.name, site.group.as_ref())).collect();
    let mut newest: HashMap<(&str, RuleKind), &AlertRecord> = HashMap::new();
    for alert in alerts {
        newest.insert((&alert.site, alert.rule), alert);
    }
    let mut incidents: Vec<ListedIncident> = Vec::new();
    for ((site, rule), alert) in newest {
        let Some(number) = alert.incident.filter(|_| alert.state.is_opening()) else { continue };
        let ack = request.incidents.numbered(number).and_then(|now| now.ack.clone());
        let of_it = || alerts.iter().filter(|other| other.incident == Some(number) && other.state.is_opening());
        incidents.push(ListedIncident {
            number,
            site: Arc::clone(&alert.site),
            group: groups.get(site).copied().flatten().cloned(),
            rule,
            opened: of_it().map(|first| first.at).min().unwrap_or(alert.at),
            newest: alert.at,
            relapses: 0,
            ack: ack.filter(|ack| ack.at < request.at),
        });
    }
    incidents.sort_by(|a, b| (&a.site, a.rule).cmp(&(&b.site, b.rule)));
    let silences = request.incidents.silences.iter().filter(|silence| silence.from < request.at).cloned().collect();
    IncidentList { incidents, silences }
}
