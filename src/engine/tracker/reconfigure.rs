//! Applies a changed configuration to one site.
//!
//! Invariants: a tracker with the same ring, cadence, rules and timeframes keeps its windows. Otherwise it refills them from
//! the intact part of the ring, as after a loss, so they equal those of a fresh start over the same ring. Old samples do
//! not become new; the state, its time, the last check and the open incidents stay. A changed rule first judges at the next
//! check; the incident of a removed one ends.

use std::sync::Arc;

use crate::model::{Timestamp, View};
use crate::stats::{Cadence, Windows};

use super::panes::Panes;
use super::tails::RuleTails;
use super::{Observed, Scratch, SiteInput, SiteTracker};

impl SiteTracker {
    /// Applies `track` at `to`, with windows for `views`. Returns whether the windows were refilled.
    pub(in crate::engine) fn reconfigure(
        &mut self,
        track: SiteInput,
        views: &[View],
        to: Timestamp,
        (scratch, met): (&mut Scratch, &mut Observed),
    ) -> bool {
        let to = self.there(to);
        let facts = track.facts();
        let SiteInput { interval, timeout, policies, maintenance, ring, .. } = track;
        let cadence = Cadence { interval, timeout };
        let same_rules = policies == self.shown.policies && cadence == self.cadence;
        let timeframes = || views.iter().map(|view| view.timeframe);
        let same_windows = self.panes.each.len() == views.len()
            && timeframes().enumerate().all(|(number, timeframe)| self.windows.timeframe(number) == timeframe);
        let same_ring = Arc::ptr_eq(self.head.ring(), &ring);
        self.changed = true;
        if self.shown.maintenance != maintenance {
            self.judge.leave_out(&maintenance);
        }
        self.shown.facts = facts;
        if same_rules && same_windows && same_ring {
            return false;
        }
        self.cadence = cadence;
        self.standing.allow(cadence.silence());
        self.head = ring.reader_at_oldest();
        self.windows = Windows::new(timeframes());
        self.panes = Panes::new(timeframes(), interval, &self.head);
        self.tails = RuleTails::new(&policies, &self.head);
        if !same_rules {
            self.judge_anew(policies, to, scratch);
        }
        self.rebuild(to, scratch, met);
        true
    }
}
