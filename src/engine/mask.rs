//! Applies an outage of this machine's own network to a running engine.
//!
//! Invariants: views change at their next refresh; samples stay as they were observed. Cost: linear in the samples that the
//! rings of the named sites hold.

use crate::alert::network::Mask;
use crate::model::SiteSlot;

use super::tracker::Observed;
use super::{Engine, EngineStep, take_changes};

impl Engine {
    /// Counts the checks of each named site that its mask covers, and no others, as unknown. Open incidents stay open; see
    /// [`Engine::overrule`].
    pub fn set_masks(&mut self, masks: Vec<(SiteSlot, Mask)>) -> EngineStep {
        let (mut met, mut step) = (Observed::default(), EngineStep::default());
        for (slot, mask) in masks {
            let Some(site) = self.index_of(slot) else { continue };
            let lane = &mut self.lanes[site.get()];
            lane.set_mask(mask, self.now, (&mut self.scratch, &mut met));
            if let Some(snapshot) = lane.show(self.now) {
                self.board.put_site(site, snapshot);
            }
            if !met.changes.is_empty() {
                take_changes(site, &mut met, &mut step);
            }
        }
        (step.lost, self.checks) = (met.lost, self.checks + met.checks);
        self.board.shown(self.now, true);
        step
    }
}
