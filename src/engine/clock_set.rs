//! Follows a system clock that was set.
//!
//! A clock set forward leaves a gap in the samples; the engine corrects only the instants that it recorded, so that an incident
//! does not age by the leap. After a clock set back, every site continues in a ring with corrected times, and its windows,
//! rule and state are as if the clock had always been right.
//!
//! Invariants: verdicts stay; only unread samples change a state.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::time::leap::Leap;
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
                lane.move_back(rings.get(&lane.slot()), leap, (&mut self.scratch, &mut met));
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
                    // The store task supplies the figures of a long view soon.
                    None => self.views[number].rows.clone(),
                };
                self.views[number] = Arc::new(snapshot_of(self.views[number].view(), leap.now, leap.now, rows));
            }
        }
        self.board.replace(self.now, published(&mut self.lanes, &self.views, leap.now));
        (step, pauses)
    }
}
