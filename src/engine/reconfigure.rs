//! Applies new sites, views and rules to a running engine.
//!
//! Invariants: a site whose slot is kept keeps its state; its figures change only if something about it did. A changed view is
//! refreshed at once. Readers of the board see all of the old or all of the new.

use std::sync::Arc;

use crate::model::{SiteIndex, View};

use super::tracker::{Observed, SiteTracker};
use super::{
    Engine, EngineStep, Row, SiteInput, ViewSnapshot, indexes_of, published, snapshot_of, take_changes, windows_of,
};

impl Engine {
    /// Replaces the views and sites as of the last step. Of kept sites `open` and `minutes` are ignored; a new one is
    /// judged from its next check on.
    pub fn revise(&mut self, views: Vec<View>, tracks: Vec<SiteInput>) -> EngineStep {
        let now = self.now;
        let same_views = self.views.iter().map(|view| view.view()).eq(views.iter().copied());
        let recent: Vec<View> = views.iter().copied().filter(|view| !view.is_long()).collect();
        self.windows = windows_of(&views);
        self.supplied.retain(|_| same_views);
        let mut lanes: Vec<Option<SiteTracker>> = self.lanes.take().into_iter().map(Some).collect();
        let (mut met, mut step) = (Observed::default(), EngineStep::default());
        // Rows of the site that may be kept.
        let mut rows_of = Vec::with_capacity(tracks.len());
        for (site, track) in tracks.into_iter().enumerate() {
            let was = self.index_of(track.slot).map(SiteIndex::get);
            let lane = was.and_then(|was| lanes[was].take());
            let (lane, rows) = if let Some(mut lane) = lane {
                let anew = lane.reconfigure(track, &recent, now, (&mut self.scratch, &mut met));
                lane.settle(now, &mut self.scratch, &mut met);
                (lane, (was.filter(|_| same_views), anew))
            } else {
                let ahead = self.ahead(&track.place);
                let mut lane = SiteTracker::new(track, &recent, (now, ahead), &mut self.scratch);
                lane.join(now);
                (lane, (None, true))
            };
            self.lanes.push(lane);
            rows_of.push(rows);
            if !met.changes.is_empty() {
                take_changes(SiteIndex::new(site), &mut met, &mut step);
            }
        }
        (step.lost, self.checks) = (met.lost, self.checks + met.checks);
        let figures = |((number, view), window): ((usize, View), &Option<usize>)| {
            let old = self.views.get(number);
            // The rows of a long view do not come from the trackers.
            let row = |(lane, (was, anew)): (&mut SiteTracker, &(Option<usize>, bool))| -> Arc<Row> {
                let kept = was.filter(|_| !anew || window.is_none()).zip(old);
                match (kept, window) {
                    (Some((was, old)), _) => Arc::clone(&old.rows[was]),
                    (None, Some(window)) => lane.row(*window, now),
                    (None, None) => Arc::new(Row::empty(now, view.timeframe)),
                }
            };
            let rows = self.lanes.iter_mut().zip(&rows_of).map(row).collect();
            Arc::new(match old.filter(|_| same_views) {
                Some(old) => ViewSnapshot { rows, ..**old },
                None => snapshot_of(view, now, now, rows),
            })
        };
        self.views = views.into_iter().enumerate().zip(&self.windows).map(figures).collect();
        self.indexes = indexes_of(&self.lanes);
        self.board.replace(now, published(&mut self.lanes, &self.views, now));
        step
    }
}
