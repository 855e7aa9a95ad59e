//! The board that a hub or a watcher shows: made of that of its engine, with a site over all locations for each site of sites.yaml, or
//! for each that locations describe.
//!
//! ```text
//! engine's board:  a/api  a/blog  a/old  b/api  b/blog
//! shown board:     api  a/api  b/api  blog  a/blog  b/blog  a/old
//! ```
//!
//! Invariants: a row of a site over its locations is made when the engine has made one of theirs, as of the same instant, and stays
//! until then; the slots of these sites are the highest ones, which no engine reaches. Cost: a look compares all rows by
//! address; a refreshed view costs a pass over its samples in the rings.

mod blind;
mod order;
mod row;
mod state;
pub mod stored;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::alert::quorum::{QuorumRule, Verdict};
use crate::engine::{Board, EngineStep, Row, SiteFacts, SiteSnapshot, Snapshot, StateChange, ViewSnapshot};
use crate::fleet::gather::Report;
use crate::model::{Location, SiteIndex, SiteSlot, Timeframe, Timestamp};
use crate::ring::Ring;
use crate::stats::Cadence;
use crate::store::{BlindTimes, SeenNews};

use super::judging::Judging;
use super::sites::FleetSite;
use blind::BlindSpans;
use order::{Order, Standing};
use row::Witness;
use state::Judged;
use stored::StoredReader;

/// A site over its locations.
struct OverSite {
    facts: Arc<SiteFacts>,
    rule: QuorumRule,
    shown: Option<Arc<SiteSnapshot>>,
    /// Whether anything was known since the start, before which no change is reported.
    was_known: bool,
    /// By view.
    rows: Vec<OverRow>,
}

/// A row, and those of its locations that the engine had made by then.
struct OverRow {
    row: Arc<Row>,
    of: Vec<Arc<Row>>,
}

/// See the module.
pub struct Over {
    sites: Vec<OverSite>,
    order: Order,
    blind: BlindSpans,
    board: Arc<Board>,
    /// Of the engine's board, when it was last shown.
    version: u64,
    /// The places that a user looks at.
    seen: Arc<watch::Sender<Vec<SiteIndex>>>,
    /// Long rows to be read from the store.
    wanted: Vec<LongRow>,
    /// Locations whose clocks are off by more than [`SKEW`].
    skewed: Vec<Location>,
    /// Whether rows were made since the last look.
    is_supplied: bool,
    store: Option<OverStore>,
}

/// The store behind a board, which reads longer views from it and hands it what is to be kept.
pub struct OverStore {
    /// When locations were blind.
    pub blind: BlindTimes,
    /// Reads rows of long views.
    pub reader: StoredReader,
    /// Takes what is to be stored.
    pub news: mpsc::Sender<SeenNews>,
}

/// How the locations are, as far as figures depend on it.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// Those that send what is missing.
    pub filling: Vec<Location>,
    /// Those whose clocks are off by more than a second, so that their samples cannot be laid on one time line.
    pub skewed: Vec<Location>,
}

/// Offset of a clock from that of the hub, µs, above which figures over locations are not exact.
const SKEW: u64 = 1_000_000;

impl Shape {
    /// That of the locations in `reports`.
    #[must_use]
    pub fn of(reports: &[Report]) -> Self {
        let those = |is_one: fn(&Report) -> bool| -> Vec<Location> {
            reports.iter().filter(|report| is_one(report)).map(|report| report.location.clone()).collect()
        };
        Self {
            filling: those(|report| report.is_filling),
            skewed: those(|report| report.ahead.is_some_and(|ahead| SKEW < ahead.unsigned_abs())),
        }
    }
}

/// A row of a view that reaches further back than the rings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongRow {
    /// The number of the site.
    site: usize,
    name: Arc<str>,
    /// The number of the view, and what it covers.
    view: usize,
    timeframe: Timeframe,
    as_of: Timestamp,
}

/// The slot of the site of sites.yaml with this number.
fn slot(number: usize) -> SiteSlot {
    SiteSlot(u32::MAX - u32::try_from(number).unwrap_or(u32::MAX / 2))
}

impl Over {
    /// The board over `sites` and those of `engine`, as `judging` sees them at `now`. Without a store, rows of long views stay empty.
    #[must_use]
    pub fn new(
        sites: &[FleetSite],
        (engine, judging): (&Board, &Judging),
        mut store: Option<OverStore>,
        now: Timestamp,
    ) -> Self {
        let empty = Snapshot { at: now, sites: Vec::new(), views: Vec::new() };
        let blind = store.as_mut().map(|store| std::mem::take(&mut store.blind)).unwrap_or_default();
        let (blind, ended) = BlindSpans::restored(blind, now);
        let mut over = Self {
            sites: Vec::new(),
            order: Order::default(),
            blind,
            board: Arc::new(Board::showing(empty, HashMap::new())),
            version: 0,
            seen: Arc::new(watch::Sender::default()),
            wanted: Vec::new(),
            skewed: Vec::new(),
            is_supplied: false,
            store,
        };
        over.extend(sites);
        over.store(ended);
        over.look(engine, judging, EngineStep::default(), now);
        over
    }

    /// Shows these sites, too, once `judging` knows them.
    pub fn extend(&mut self, sites: &[FleetSite]) {
        for site in sites {
            let facts = SiteFacts { slot: slot(self.sites.len()), ..site.facts.clone() };
            let (facts, rule) = (Arc::new(facts), site.past);
            self.sites.push(OverSite { facts, rule, shown: None, was_known: false, rows: Vec::new() });
        }
        // It is made anew by the next look.
        self.order = Order::default();
    }

    /// The board.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// Accepts the places that a user looks at.
    #[must_use]
    pub fn seen(&self) -> Arc<watch::Sender<Vec<SiteIndex>>> {
        Arc::clone(&self.seen)
    }

    /// The sites of the engine that a user looks at.
    #[must_use]
    pub fn looked_at(&self) -> Vec<SiteIndex> {
        self.order.behind(&self.seen.borrow())
    }

    /// The slots of the sites of sites.yaml, with their names.
    pub fn names(&self) -> impl Iterator<Item = (SiteSlot, Arc<str>)> {
        self.sites.iter().map(|site| (site.facts.slot, Arc::clone(&site.facts.name)))
    }

    /// Shows what the engine shows by now, after its `step`, and what `judging` says at `now`. Returns the step as the shown board has
    /// it.
    pub fn look(&mut self, engine: &Board, judging: &Judging, mut step: EngineStep, now: Timestamp) -> EngineStep {
        let (version, snapshot) = (engine.version(), engine.snapshot());
        let is_other = self.arrange(&snapshot);
        let news = self.blind.note(judging.blind(), snapshot.at.max(now));
        self.store(news);
        let mut is_changed = is_other || self.version != version || std::mem::take(&mut self.is_supplied);
        for change in &mut step.changes {
            change.site = self.order.shown(change.site);
        }
        for (place, standing) in self.order.places.iter().enumerate() {
            let Standing::Everywhere(number) = *standing else { continue };
            let members: Vec<_> =
                self.order.members[number].iter().map(|index| Arc::clone(&snapshot.sites[*index])).collect();
            let site = &mut self.sites[number];
            let (votes, open) = judging.verdict(number).expect("the judge has every site of sites.yaml");
            let before = site.shown.as_deref();
            let next = state::snapshot(&site.facts, &Judged { votes, open }, &members, (before, snapshot.at));
            if let Some(before) = before.filter(|before| site.was_known && before.state != next.state) {
                let (at, from, to) = (snapshot.at, before.state, next.state);
                step.changes.push(StateChange { site: SiteIndex::new(place), at, from, to, check: next.last.clone() });
            }
            site.was_known |= votes.verdict != Verdict::Unknown;
            if before.is_none_or(|before| !state::is_same(before, &next)) {
                (site.shown, is_changed) = (Some(Arc::new(next)), true);
            }
        }
        step.changes.sort_by_key(|change| change.site);
        if is_changed {
            self.show(engine, &snapshot);
            self.version = version;
        } else {
            self.board.pass(snapshot.at);
        }
        step
    }

    /// Makes the rows of which the engine has made other ones for the locations, and stores the hours that are over by `now`. The next
    /// look shows them. It computes and reads for a while.
    pub fn prepare(&mut self, engine: &Board, shape: Shape, now: Timestamp) {
        let snapshot = engine.snapshot();
        self.arrange(&snapshot);
        self.skewed = shape.skewed;
        for number in 0..self.sites.len() {
            self.refresh(number, engine, &snapshot);
        }
        let wanted = std::mem::take(&mut self.wanted);
        let shown: HashSet<Arc<str>> = snapshot.sites.iter().map(|site| Arc::clone(&site.name)).collect();
        let Some(store) = &mut self.store else { return };
        for (LongRow { site, view, timeframe, .. }, row) in store.reader.look(wanted, (&shape.filling, &shown), now) {
            let known = self.sites[site].rows.get_mut(view);
            if let Some(known) = known.filter(|known| known.row.summary.timeframe == timeframe) {
                known.row = Arc::new(row);
                self.is_supplied = true;
            }
        }
    }

    /// Follows other sites of the engine. Returns whether they are others.
    fn arrange(&mut self, snapshot: &Snapshot) -> bool {
        let is_other = self.order.places.is_empty() || !self.order.is_of(&snapshot.sites);
        if is_other {
            let names: Vec<&str> = self.sites.iter().map(|site| &*site.facts.name).collect();
            self.order = Order::new(&names, &snapshot.sites);
        }
        is_other
    }

    /// What does not fit the queue is worked out again, or missing.
    fn store(&self, news: Vec<SeenNews>) {
        let Some(store) = &self.store else { return };
        for news in news {
            _ = store.news.try_send(news);
        }
    }

    fn show(&mut self, engine: &Board, snapshot: &Snapshot) {
        let longest = snapshot.views.iter().map(|view| view.timeframe.length()).max().unwrap_or_default();
        self.blind.forget(snapshot.at.before(longest));
        for number in 0..self.sites.len() {
            self.refresh(number, engine, snapshot);
        }
        let site = |standing: &Standing| match *standing {
            Standing::Everywhere(number) => self.sites[number].shown.clone().expect("a look makes it"),
            Standing::At(index) => Arc::clone(&snapshot.sites[index]),
        };
        let sites = self.order.places.iter().map(site).collect();
        let view = |(number, view): (usize, &Arc<ViewSnapshot>)| {
            let row = |standing: &Standing| match *standing {
                Standing::Everywhere(site) => Arc::clone(&self.sites[site].rows[number].row),
                Standing::At(index) => Arc::clone(&view.rows[index]),
            };
            let ViewSnapshot { timeframe, refresh, as_of, next, .. } = **view;
            Arc::new(ViewSnapshot {
                timeframe,
                refresh,
                as_of,
                next,
                rows: self.order.places.iter().map(row).collect(),
            })
        };
        let views = snapshot.views.iter().enumerate().map(view).collect();
        let rings: HashMap<SiteSlot, Arc<Ring>> =
            snapshot.sites.iter().filter_map(|site| Some((site.slot, engine.ring(site.slot)?))).collect();
        self.board.show(Snapshot { at: snapshot.at, sites, views }, rings);
    }

    /// Makes the rows of site `number` of which the engine has made other ones for its locations.
    fn refresh(&mut self, number: usize, engine: &Board, snapshot: &Snapshot) {
        let (site, members) = (&mut self.sites[number], &self.order.members[number]);
        site.rows.truncate(snapshot.views.len());
        for (view, shown) in snapshot.views.iter().enumerate() {
            let of: Vec<Arc<Row>> = members.iter().map(|index| Arc::clone(&shown.rows[*index])).collect();
            let known = site.rows.get(view);
            let is_same = |known: &OverRow| {
                known.of.len() == of.len() && known.of.iter().zip(&of).all(|(known, row)| Arc::ptr_eq(known, row))
            };
            let is_of_view = |known: &OverRow| known.row.summary.timeframe == shown.timeframe;
            if known.is_some_and(|known| is_of_view(known) && is_same(known) && !of.is_empty()) {
                continue;
            }
            let as_of = of.iter().map(|row| row.summary.as_of).max().unwrap_or(shown.as_of);
            let is_complete = of.iter().all(|row| row.summary.as_of == as_of);
            if known.is_some_and(is_of_view) && shown.view().is_long() && !is_complete {
                // The engine supplies the others soon.
                continue;
            }
            let span = (shown.timeframe, as_of);
            let row = if shown.view().is_long() && !of.is_empty() {
                let (name, timeframe) = (Arc::clone(&site.facts.name), shown.timeframe);
                self.wanted.retain(|wanted| (wanted.site, wanted.view) != (number, view));
                self.wanted.push(LongRow { site: number, name, view, timeframe, as_of });
                // Until it is read, it stays as it was.
                known
                    .filter(|known| is_of_view(known))
                    .map_or_else(|| Arc::new(Row::empty(as_of, timeframe)), |known| Arc::clone(&known.row))
            } else if of.is_empty() {
                Arc::new(Row::empty(as_of, shown.timeframe))
            } else {
                let members: Vec<_> = members.iter().map(|index| &*snapshot.sites[*index]).collect();
                let mut row = row::row(&witnesses(&members, engine, &self.blind, span), span, &site.rule);
                let locations = members.iter().filter_map(|member| member.place.location());
                row.is_exact = locations.into_iter().all(|location| !self.skewed.contains(location));
                Arc::new(row)
            };
            let row = OverRow { row, of };
            self.is_supplied = true;
            match site.rows.get_mut(view) {
                Some(known) => *known = row,
                None => site.rows.push(row),
            }
        }
    }
}

/// What the locations know of a site in a window. `members` are in the order of their locations; those of one location are one
/// witness.
fn witnesses(
    members: &[&SiteSnapshot],
    engine: &Board,
    blind: &BlindSpans,
    (timeframe, as_of): (Timeframe, Timestamp),
) -> Vec<Witness> {
    let mut witnesses: Vec<(&Location, Witness)> = Vec::new();
    for site in members {
        let (Some(location), Some(ring)) = (site.place.location(), engine.ring(site.slot)) else { continue };
        let cadence = Cadence { interval: site.interval, timeout: site.timeout };
        let mut samples = Vec::new();
        ring.reader_at_oldest().drain(&mut samples);
        let begins = samples.first().map(|sample| sample.at);
        let from = timeframe.cutoff(as_of).before(row::hold(cadence));
        samples.drain(..samples.partition_point(|sample| sample.at < from));
        match witnesses.last_mut().filter(|(last, _)| *last == location) {
            Some((_, known)) => {
                // Another store of the location.
                known.samples.append(&mut samples);
                known.samples.sort_by_key(|sample| sample.at);
                known.begins = [known.begins, begins].into_iter().flatten().min();
            }
            None => {
                witnesses.push((location, Witness { cadence, samples, begins, blind: blind.of(location) }));
            }
        }
    }
    witnesses.into_iter().map(|(_, witness)| witness).collect()
}

#[cfg(test)]
mod tests;
