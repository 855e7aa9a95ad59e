//! Turns samples into figures and alerts: synchronous, no I/O, time is an argument.
//!
//! [`Engine::step`] reads new samples from each site's ring, updates its windows, judges each by its rules, and replaces the
//! snapshots that changed. It computes the figures of a view only at its refresh, on multiples of the refresh on the wall
//! clock (every 10 s: :00, :10, :20). `as_of` is that instant even if the step comes later; samples after it wait.
//! A long view has more samples than memory should hold: the store task computes it and hands it to [`Engine::supply`].
//!
//! Invariants: samples that were in the rings before the start count but cause no event. Every view has figures from the
//! start, and a site's first result fills its empty row. The engine never waits for a ring; [`EngineStep::lost`] counts samples
//! that were overwritten before it read them.
//! Bounds: a window reaches as far back as the ring. A clock that runs backwards counts as standing still.

mod board;
mod lanes;
pub mod snapshot;
mod span;
mod step;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::RuleKind;
use crate::alert::kept::incident::Silence;
use crate::model::time::duration;
use crate::model::{Location, Observation, SiteIndex, SiteSlot, Timestamp, View};

pub use board::Board;
pub use snapshot::{LastCheck, OpenIncident, Row, SiteFacts, SiteSnapshot, SiteState, Snapshot, ViewSnapshot};
pub use step::{EngineStep, StateChange};
pub use tracker::SiteInput;

use board::Published;
use lanes::Lanes;
use tracker::{Observed, Scratch, SiteTracker};

/// All sites and all views.
#[derive(Debug)]
pub struct Engine {
    lanes: Lanes,
    /// The index of each tracker, by slot.
    indexes: Vec<Option<SiteIndex>>,
    views: Vec<Arc<ViewSnapshot>>,
    /// The window of each view in the trackers; a long view has none.
    windows: Box<[Option<usize>]>,
    /// Long views with new figures since the last step.
    supplied: Vec<usize>,
    board: Arc<Board>,
    now: Timestamp,
    /// Whether a step was made. The first one reports only changes by checks since the start, because earlier states were
    /// never shown.
    stepped: bool,
    checks: u64,
    /// Texts that were lost since the last step.
    lost_texts: u64,
    scratch: Scratch,
    met: Observed,
    /// How far the clocks of locations are ahead, µs, as far as they differ.
    clocks: BTreeMap<Location, i64>,
}

impl Engine {
    /// Reads everything in the rings up to `now` and computes every view.
    #[must_use]
    pub fn new(views: Vec<View>, tracks: Vec<SiteInput>, now: Timestamp) -> Self {
        let mut scratch = Scratch::default();
        let recent: Vec<View> = views.iter().copied().filter(|view| !view.is_long()).collect();
        let mut lanes: Lanes =
            tracks.into_iter().map(|track| SiteTracker::new(track, &recent, (now, 0), &mut scratch)).collect();
        let windows = windows_of(&views);
        let figures = |(view, window): (View, &Option<usize>)| {
            let row = |lane: &mut SiteTracker| match window {
                Some(window) => lane.row(*window, now),
                None => Arc::new(Row::empty(now, view.timeframe)),
            };
            Arc::new(snapshot_of(view, now, now, lanes.iter_mut().map(row).collect()))
        };
        let views: Vec<Arc<ViewSnapshot>> = views.into_iter().zip(&windows).map(figures).collect();
        let board = Arc::new(Board::new(now, published(&mut lanes, &views, now)));
        let (indexes, supplied, met) = (indexes_of(&lanes), Vec::new(), Observed::default());
        Self {
            lanes,
            indexes,
            views,
            windows,
            supplied,
            board,
            now,
            stepped: false,
            checks: 0,
            lost_texts: 0,
            scratch,
            met,
            clocks: BTreeMap::new(),
        }
    }

    /// Leaves the times of `silences` that count as maintenance out of the objectives of their sites, in place of those of
    /// earlier calls.
    pub fn leave_out(&mut self, silences: &[Silence]) {
        self.lanes.iter_mut().for_each(|lane| lane.leave_out(silences));
    }

    /// Shows `rows` of the long view `view` as of `as_of`. If they complete a refresh, the next step reports it.
    pub fn supply(&mut self, view: usize, as_of: Timestamp, rows: Vec<(SiteIndex, Arc<Row>)>, is_complete: bool) {
        let Some(None) = self.windows.get(view) else { return };
        let mut shown = ViewSnapshot::clone(&self.views[view]);
        for (site, row) in rows {
            if let Some(place) = shown.rows.get_mut(site.get()) {
                *place = row;
            }
        }
        let fresh = Arc::new(snapshot_of(shown.view(), as_of, self.now.max(as_of), shown.rows));
        self.board.put_view(view, Arc::clone(&fresh));
        self.views[view] = fresh;
        self.board.shown(self.now, true);
        if is_complete {
            self.supplied.push(view);
        }
    }

    /// The published snapshots.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// Samples read since the start, without those of the warm start.
    #[must_use]
    pub const fn checks(&self) -> u64 {
        self.checks
    }

    /// Memory of all sites in bytes, with their rings, rows and snapshots.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let rows = |site: usize| self.views.iter().map(move |view| Arc::clone(&view.rows[site]));
        let lanes = self.lanes.iter().enumerate();
        lanes.map(|(site, lane)| lane.bytes(rows(site)) + size_of::<usize>() * (1 + self.views.len())).sum()
    }

    /// Adds the texts of check `seq` of a site. They may arrive shortly before or after the sample; those that arrive first
    /// join the change of state that the check causes.
    pub fn attach(&mut self, site: SiteSlot, seq: u64, observation: Arc<Observation>) {
        if let Some(site) = self.index_of(site) {
            self.lost_texts += self.lanes[site.get()].attach(seq, observation);
        }
    }

    #[inline]
    fn index_of(&self, site: SiteSlot) -> Option<SiteIndex> {
        self.indexes.get(site.get()).copied().flatten()
    }

    /// The snapshot of a site.
    #[must_use]
    pub fn site(&self, site: SiteSlot) -> Option<Arc<SiteSnapshot>> {
        self.index_of(site).map(|index| self.board.site(index))
    }

    /// Stops evaluating rules: verdicts come through [`Engine::overrule`] from another process.
    pub fn look_on(&mut self) {
        self.lanes.iter_mut().for_each(SiteTracker::look_on);
    }

    /// Takes over the verdict of another process on a rule of a site, found at `at`; its open incident began at `open_since`.
    pub fn overrule(&mut self, site: SiteSlot, rule: RuleKind, open_since: Option<Timestamp>, at: Timestamp) {
        self.change(site, at, |lane| _ = lane.overrule(rule, open_since, at));
    }

    /// Pauses a site at `now` until then ([`Timestamp::MAX`]: until it is resumed), or resumes it.
    pub fn pause(&mut self, site: SiteSlot, until: Option<Timestamp>, now: Timestamp) {
        self.change(site, now, |lane| _ = lane.pause(until, now));
    }

    fn change(&mut self, site: SiteSlot, at: Timestamp, change: impl FnOnce(&mut SiteTracker)) {
        let Some(site) = self.index_of(site) else { return };
        let lane = &mut self.lanes[site.get()];
        change(lane);
        if let Some(snapshot) = lane.show(at) {
            self.board.put_site(site, snapshot);
            self.board.shown(self.now, true);
        }
    }

    /// Advances everything to `now`.
    pub fn step(&mut self, now: Timestamp) -> EngineStep {
        let now = now.max(self.now);
        let (refreshed, lost_texts) = (std::mem::take(&mut self.supplied), std::mem::take(&mut self.lost_texts));
        let mut step = EngineStep { refreshed, lost_texts, ..EngineStep::default() };
        let mut changed = self.refresh_due(now, &mut step);
        let mut met = std::mem::take(&mut self.met);
        (met.checks, met.lost) = (0, 0);
        let mut blank = Vec::new();
        for site in 0..self.lanes.len() {
            if self.lanes.is_resting(site, now) {
                continue;
            }
            let lane = &mut self.lanes[site];
            lane.advance(now, &mut self.scratch, &mut met);
            lane.judge(now, (&mut self.scratch, &mut met), &mut step.alerts);
            if let Some(snapshot) = lane.show(now) {
                self.board.put_site(SiteIndex::new(site), snapshot);
                changed = true;
            }
            if lane.wants_rows() {
                blank.push(site);
            }
            if !met.changes.is_empty() {
                take_changes(SiteIndex::new(site), &mut met, &mut step);
            }
            self.lanes.rest(site);
        }
        step.lost += met.lost;
        self.checks += met.checks;
        self.met = met;
        changed |= !blank.is_empty();
        self.fill_blank_rows(&blank, now);
        self.finish_step(now, changed, &mut step);
        step
    }

    /// The last step: advances everything to `now` and refreshes every view.
    pub fn finish(&mut self, now: Timestamp) -> EngineStep {
        let mut step = self.step(now);
        for view in 0..self.views.len() {
            self.refresh(view, self.now, self.now, &mut step);
        }
        self.board.shown(self.now, true);
        // A long view is reported again only if it has new figures.
        step.refreshed.extend((0..self.views.len()).filter(|&view| self.windows[view].is_some()));
        step.refreshed.sort_unstable();
        step.refreshed.dedup();
        step.changes.sort_by_key(|change| change.site);
        step
    }

    /// Refreshes the views that are due, each as of its own instant, in the order of the instants.
    fn refresh_due(&mut self, now: Timestamp, step: &mut EngineStep) -> bool {
        let windows = self.windows.clone();
        let due = |number: usize, view: &ViewSnapshot| {
            (windows[number].is_some() && view.next <= now).then(|| view.view().aligned(now))
        };
        let views = self.views.iter().enumerate();
        let mut instants: Vec<Timestamp> = views.filter_map(|(number, view)| due(number, view)).collect();
        instants.sort_unstable();
        instants.dedup();
        for &as_of in &instants {
            let mut met = Observed::default();
            for (site, lane) in self.lanes.iter_mut().enumerate() {
                lane.advance(as_of, &mut self.scratch, &mut met);
                if !met.changes.is_empty() {
                    take_changes(SiteIndex::new(site), &mut met, step);
                }
            }
            step.lost += met.lost;
            self.checks += met.checks;
            for view in 0..self.views.len() {
                if due(view, &self.views[view]) == Some(as_of) {
                    self.refresh(view, as_of, now, step);
                    step.refreshed.push(view);
                }
            }
        }
        step.refreshed.sort_unstable();
        !instants.is_empty()
    }

    fn refresh(&mut self, view: usize, as_of: Timestamp, now: Timestamp, step: &mut EngineStep) {
        let Some(window) = self.windows[view] else { return };
        let (mut met, mut rows) = (Observed::default(), Vec::with_capacity(self.lanes.len()));
        for (site, lane) in self.lanes.iter_mut().enumerate() {
            lane.settle(as_of, &mut self.scratch, &mut met);
            rows.push(lane.row(window, as_of));
            if !met.changes.is_empty() {
                take_changes(SiteIndex::new(site), &mut met, step);
            }
        }
        step.lost += met.lost;
        self.checks += met.checks;
        let fresh = Arc::new(snapshot_of(self.views[view].view(), as_of, now, rows));
        self.board.put_view(view, Arc::clone(&fresh));
        self.views[view] = fresh;
    }

    /// Shows a site's first result at once; later its rows change at the refresh.
    fn fill_blank_rows(&mut self, sites: &[usize], now: Timestamp) {
        if sites.is_empty() {
            return;
        }
        for view in 0..self.views.len() {
            let Some(window) = self.windows[view] else { continue };
            let wanting: Vec<usize> =
                sites.iter().copied().filter(|&site| self.lanes[site].wants_row(window)).collect();
            if wanting.is_empty() {
                continue;
            }
            let mut filled = ViewSnapshot::clone(&self.views[view]);
            for site in wanting {
                filled.rows[site] = self.lanes[site].row(window, now);
            }
            let filled = Arc::new(filled);
            self.board.put_view(view, Arc::clone(&filled));
            self.views[view] = filled;
        }
    }

    fn finish_step(&mut self, now: Timestamp, changed: bool, step: &mut EngineStep) {
        let before = std::mem::replace(&mut self.now, now);
        step.changes.sort_by_key(|change| change.site);
        step.alerts.sort_by_key(|alert| alert.at);
        if !std::mem::replace(&mut self.stepped, true) {
            step.changes.retain(|change| change.check.as_ref().is_some_and(|check| check.sample.at > before));
        }
        self.board.shown(now, changed);
    }
}

fn take_changes(site: SiteIndex, met: &mut Observed, step: &mut EngineStep) {
    let changes = met.changes.drain(..);
    step.changes.extend(changes.map(|(change, check)| StateChange {
        site,
        at: change.at,
        from: change.from,
        to: change.to,
        check,
    }));
}

fn indexes_of(lanes: &Lanes) -> Vec<Option<SiteIndex>> {
    let slots = lanes.iter().map(|lane| lane.slot().get() + 1).max().unwrap_or_default();
    let mut indexes = vec![None; slots];
    for (index, lane) in lanes.iter().enumerate() {
        indexes[lane.slot().get()] = Some(SiteIndex::new(index));
    }
    indexes
}

/// All sites and views, for publication as a whole.
fn published(lanes: &mut Lanes, views: &[Arc<ViewSnapshot>], now: Timestamp) -> Published {
    let rings = lanes.iter().map(|lane| (lane.slot(), Arc::clone(lane.ring()))).collect();
    Published::new(lanes.iter_mut().map(|lane| Arc::new(lane.snapshot(now).clone())).collect(), views.to_vec(), rings)
}

/// The window of each view in the lanes; a long view has none.
fn windows_of(views: &[View]) -> Box<[Option<usize>]> {
    let mut next = 0..views.len();
    views.iter().map(|view| if view.is_long() { None } else { next.next() }).collect()
}

fn snapshot_of(view: View, as_of: Timestamp, now: Timestamp, rows: Vec<Arc<Row>>) -> ViewSnapshot {
    let next = Timestamp::from_micros(view.aligned(now).as_micros().saturating_add(micros(view.refresh)));
    ViewSnapshot { timeframe: view.timeframe, refresh: view.refresh, as_of, next, rows }
}

/// At least 1, so that no refresh divides by zero.
fn micros(refresh: Duration) -> u64 {
    duration::micros(refresh).max(1)
}

mod clock_set;
mod clocks;
mod mask;
pub mod past;
mod reconfigure;
mod state_machine;
#[cfg(test)]
mod tests;
mod tracker;
