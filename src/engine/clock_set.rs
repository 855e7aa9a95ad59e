//! The clock by which samples are told was set.
//!
//! Forward is a hole, which the samples tell themselves: only what the engine noted by the clock as it was is noted anew, so
//! that an incident is not older by a leap that was none of its time. After a clock that was set back, every site goes on in a
//! ring with right times, and its windows, its rule and its state are what they would be had the clock always been right.
//!
//! Invariants: no change of state comes of it but by samples that were not read yet; verdicts stay.

use std::collections::HashMap;
use std::sync::Arc;

use crate::engine::leap::Leap;
use crate::model::{SiteIndex, SiteSlot, Timestamp};
use crate::ring::Ring;

use super::tracker::Observed;
use super::{Engine, EngineStep, published, snapshot_of, take_changes};

impl Engine {
    /// Follows `leap`; after one back, sites continue in `rings`. Returns the pauses whose end changed.
    pub fn leap(
        &mut self,
        leap: &Leap,
        rings: &HashMap<SiteSlot, Arc<Ring>>,
    ) -> (EngineStep, Vec<(SiteSlot, Timestamp)>) {
        let (mut met, mut step, mut pauses) = (Observed::default(), EngineStep::default(), Vec::new());
        for (site, lane) in self.lanes.iter_mut().enumerate() {
            pauses.extend(lane.retell(leap).map(|until| (lane.slot(), until)));
            if leap.is_back {
                lane.turn_back(rings.get(&lane.slot()), leap, (&mut self.scratch, &mut met));
            }
            if !met.changes.is_empty() {
                take_changes(SiteIndex::new(site), &mut met, &mut step);
            }
        }
        step.lost = met.lost;
        self.checks += met.checks;
        if leap.is_back {
            self.now = leap.now;
            for number in 0..self.views.len() {
                let rows = match self.windows[number] {
                    Some(window) => self.lanes.iter_mut().map(|lane| lane.row(window, leap.now)).collect(),
                    // The figures of a long view come from elsewhere, soon.
                    None => self.views[number].rows.clone(),
                };
                self.views[number] = Arc::new(snapshot_of(self.views[number].view(), leap.now, leap.now, rows));
            }
        }
        self.board.replace(self.now, published(&mut self.lanes, &self.views, leap.now));
        (step, pauses)
    }
}
