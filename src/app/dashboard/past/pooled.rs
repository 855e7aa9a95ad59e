//! A site over all its locations as of an instant: its row and its state, from those of its locations.
//!
//! How the locations voted is not stored, and neither is for how long they saw it down together. So the availability is the share of
//! all their checks, marked as one that is not exact, and the state is down only while an alert says so.

use std::sync::Arc;

use crate::engine::{Row, SiteSnapshot, SiteState};
use crate::model::{Timestamp, View};
use crate::stats::coverage::coverage;
use crate::stats::{Beats, Counts, PeriodFigures, Rollup, Unmade};

/// The locations of one site, as they are found.
pub struct Pooled {
    /// The place of the site.
    pub place: usize,
    /// By view.
    rows: Vec<PooledRow>,
    states: Vec<Arc<SiteSnapshot>>,
    begins: Option<Timestamp>,
}

#[derive(Default)]
struct PooledRow {
    rollup: Rollup,
    counts: Counts,
    beats: Option<Beats>,
    oldest: Option<Timestamp>,
}

impl Pooled {
    /// One without locations, for the site at `place`.
    pub fn new(place: usize, views: usize) -> Self {
        let rows = std::iter::repeat_with(PooledRow::default).take(views).collect();
        Self { place, rows, states: Vec::new(), begins: None }
    }

    /// Adds the figures of one location in a view.
    pub fn merge(&mut self, view: usize, figures: &PeriodFigures) {
        self.rows[view].rollup.merge(&figures.rollup);
    }

    /// Adds the row that was made of them.
    pub fn count(&mut self, view: usize, row: &Row) {
        let pooled = &mut self.rows[view];
        pooled.counts = pooled.counts.with(&row.summary.counts);
        pooled.oldest = pooled.oldest.into_iter().chain(row.oldest).min();
        match &mut pooled.beats {
            Some(beats) => {
                for (all, own) in beats.cells.iter_mut().zip(&row.beats.cells) {
                    (all.up, all.down) = (all.up + own.up, all.down + own.down);
                }
            }
            None => pooled.beats = Some(row.beats.clone()),
        }
    }

    /// Adds how one location saw the site, of which stored checks begin then.
    pub fn add(&mut self, site: Arc<SiteSnapshot>, begins: Option<Timestamp>) {
        self.states.push(site);
        self.begins = self.begins.into_iter().chain(begins).min();
    }

    /// When the oldest stored check of all locations was due.
    pub const fn begins(&self) -> Option<Timestamp> {
        self.begins
    }

    /// The row of each view as of `at`.
    pub fn rows(&self, views: &[View], at: Timestamp) -> Vec<Row> {
        let row = |(view, pooled): (&View, &PooledRow)| {
            let mut summary = pooled.rollup.summary(at, view.timeframe, Unmade::default());
            (summary.counts, summary.coverage) = (pooled.counts, coverage(&pooled.counts));
            let beats = pooled.beats.clone().unwrap_or_else(|| Beats::empty(at, view.timeframe));
            Row { summary, beats, oldest: pooled.oldest, is_exact: false }
        };
        views.iter().zip(&self.rows).map(row).collect()
    }

    /// `site`, of which the alerts are known, with the state that its locations leave it.
    pub fn snapshot(&self, site: &SiteSnapshot) -> SiteSnapshot {
        let is = |state: SiteState| move |part: &&Arc<SiteSnapshot>| part.state == state;
        let states = || self.states.iter();
        let failing = || states().find(|part| matches!(part.state, SiteState::Failing | SiteState::Down));
        let newest = || states().filter(is(SiteState::Up)).max_by_key(|part| part.since);
        let (state, begun) = if site.incident.is_some() {
            let is_back = failing().is_none() && newest().is_some();
            (if is_back { SiteState::Recovering } else { SiteState::Down }, None)
        } else if let Some(failing) = failing() {
            (SiteState::Failing, Some(failing))
        } else if let Some(newest) = newest() {
            (SiteState::Up, Some(newest))
        } else {
            let unknown = states().find(is(SiteState::Unknown));
            (unknown.map_or(SiteState::New, |part| part.state), unknown)
        };
        let last = states().filter_map(|part| part.last.as_ref()).max_by_key(|last| last.sample.at);
        SiteSnapshot {
            state,
            since: site.incident.map_or_else(|| begun.map_or(site.since, |part| part.since), |open| open.since),
            is_older: begun.is_some_and(|part| part.is_older),
            last: last.cloned(),
            last_up: states().filter_map(|part| part.last_up).max(),
            ..site.clone()
        }
    }
}
