//! The clocks of other places, as far as they differ from that of the steps.
//!
//! Invariant: a difference that changes by less than [`NOTABLE`] changes nothing, so that no site is computed anew because a message took
//! longer.

use std::collections::BTreeMap;

use crate::model::{Location, Place, SiteIndex};

use super::tracker::Observed;
use super::{Engine, EngineStep, take_changes};

/// The least change of a difference that counts, µs.
const NOTABLE: u64 = 1_000_000;

impl Engine {
    /// The clocks of these locations are ahead of that of the steps by so many µs: their sites are judged by their own clocks.
    pub fn set_clocks(&mut self, clocks: &BTreeMap<Location, i64>) -> EngineStep {
        let mut step = EngineStep::default();
        let mut is_other = false;
        for (location, &ahead) in clocks {
            let known = self.clocks.get(location).copied().unwrap_or_default();
            if known.abs_diff(ahead) >= NOTABLE {
                self.clocks.insert(location.clone(), ahead);
                is_other = true;
            }
        }
        if !is_other {
            return step;
        }
        let mut met = Observed::default();
        for (site, lane) in self.lanes.iter_mut().enumerate() {
            let Some(&ahead) = lane.location().and_then(|location| self.clocks.get(location)) else { continue };
            lane.set_ahead(ahead, self.now, (&mut self.scratch, &mut met));
            if !met.changes.is_empty() {
                take_changes(SiteIndex::new(site), &mut met, &mut step);
            }
        }
        step.lost = met.lost;
        self.checks += met.checks;
        step
    }

    /// How far the clock at `place` is ahead, µs.
    pub(super) fn ahead(&self, place: &Place) -> i64 {
        place.location().and_then(|location| self.clocks.get(location)).copied().unwrap_or_default()
    }
}
