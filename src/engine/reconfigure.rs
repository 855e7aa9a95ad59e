//! Other sites, other views, other rules, while the engine runs.
//!
//! Sites are taken over by their number before; whoever is not named is gone. Invariants: the figures of a site about
//! which nothing changed stand still as between two steps; a view that is not the same as before is refreshed
//! at once; readers of the board see all of the old or all of the new.

use std::sync::Arc;

use crate::model::View;

use super::tracker::{Observed, SiteTracker};
use super::{Engine, EngineStep, Row, SiteInput, ViewSnapshot, snapshot_of, take_changes, windows_of};

/// A site from now on.
#[derive(Debug)]
pub struct SiteChange {
    /// Its number before; none for a new one.
    pub was: Option<usize>,
    /// What to know of it. `open_since` counts for a new one only.
    pub track: SiteInput,
}

impl Engine {
    /// Goes on with `views` and `seats`, in this order, as of the last step.
    pub fn revise(&mut self, views: Vec<View>, seats: Vec<SiteChange>) -> EngineStep {
        let now = self.now;
        let same_views = self.views.iter().map(|view| view.view()).eq(views.iter().copied());
        let recent: Vec<View> = views.iter().copied().filter(|view| !view.is_long()).collect();
        self.windows = windows_of(&views);
        self.supplied.retain(|_| same_views);
        let mut lanes: Vec<Option<SiteTracker>> = std::mem::take(&mut self.lanes).into_iter().map(Some).collect();
        let (mut met, mut step) = (Observed::default(), EngineStep::default());
        // Where the rows of a site may be taken from.
        let mut rows_of = Vec::with_capacity(seats.len());
        for (site, SiteChange { was, track }) in seats.into_iter().enumerate() {
            let lane = was.and_then(|was| lanes.get_mut(was)?.take());
            let (lane, rows) = match lane {
                Some(mut lane) => {
                    let anew = lane.refit(track, &recent, now, (&mut self.scratch, &mut met));
                    (lane, (was.filter(|_| same_views), anew))
                }
                None => (SiteTracker::new(track, &recent, now, &mut self.scratch), (None, true)),
            };
            self.lanes.push(lane);
            rows_of.push(rows);
            if !met.changes.is_empty() {
                take_changes(site, &mut met, &mut step);
            }
        }
        (step.lost, self.checks) = (met.lost, self.checks + met.checks);
        let figures = |((number, view), window): ((usize, View), &Option<usize>)| {
            let old = self.views.get(number);
            // A long view's rows do not come out of the lanes.
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
        let sites = self.lanes.iter_mut().map(|lane| Arc::new(lane.snapshot(now).clone())).collect();
        self.board.replace(now, sites, self.views.clone());
        step
    }

    /// The ring of site number `site`.
    #[must_use]
    pub fn ring(&self, site: usize) -> Option<Arc<crate::ring::Ring>> {
        self.lanes.get(site).map(|lane| Arc::clone(lane.ring()))
    }
}
