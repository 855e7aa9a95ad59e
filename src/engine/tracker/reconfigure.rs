//! Applies a changed configuration to one site.
//!
//! Invariants: a tracker with the same ring, cadence, rule and timeframes keeps its windows. Otherwise it refills them from
//! the intact part of the ring, as after a loss, so they equal those of a fresh start over the same ring. Old samples do
//! not become new; the state, its time, the last check and an open incident stay. A changed rule first judges its window
//! at the next step.

use std::sync::Arc;

use crate::alert::{Evaluator, Rule};
use crate::model::{Timestamp, View};
use crate::stats::{Cadence, Windows};

use super::{Observed, Recent, Scratch, SiteInput, SiteTracker, Span, ViewWindow};

impl SiteTracker {
    /// Applies `track` at `to`, with windows for `views`. Returns whether the windows were refilled.
    pub(in crate::engine) fn reconfigure(
        &mut self,
        track: SiteInput,
        views: &[View],
        to: Timestamp,
        (scratch, met): (&mut Scratch, &mut Observed),
    ) -> bool {
        let SiteInput { slot: _, name, url, group, interval, timeout, rule, ring, open_since: _ } = track;
        let cadence = Cadence { interval, timeout };
        let same_rule = rule == self.shown.rule && cadence == self.cadence;
        let timeframes = || views.iter().map(|view| view.timeframe);
        let same_windows = self.panes.len() == views.len()
            && timeframes().enumerate().all(|(number, timeframe)| self.windows.timeframe(number) == timeframe);
        let same_ring = Arc::ptr_eq(self.head.ring(), &ring);
        let shown = &mut self.shown;
        (shown.name, shown.url, shown.group) = (name, url, group);
        (shown.interval, shown.timeout, shown.rule) = (interval, timeout, rule);
        self.changed = true;
        if same_rule && same_windows && same_ring {
            return false;
        }
        self.cadence = cadence;
        self.standing.allow(cadence.silence());
        self.head = ring.reader_at_oldest();
        self.windows = Windows::new(timeframes());
        let pane = |timeframe| ViewWindow { span: Span::of(timeframe), tail: self.head.clone(), blank: true };
        self.panes = timeframes().map(pane).collect();
        self.blank = true;
        self.recent = Recent::new(rule, &self.head);
        if !same_rule {
            self.judge_anew(rule, to, scratch);
        }
        self.rebuild(to, scratch, met);
        true
    }

    /// Forgets what was observed, and observes by `rule` what was seen already of that in the ring up to `to`.
    pub(crate) fn judge_anew(&mut self, rule: Rule, to: Timestamp, scratch: &mut Scratch) {
        self.evaluator = Evaluator::new(rule, self.cadence.interval, self.evaluator.open_since());
        scratch.arrived.clear();
        let first_seq = self.head.clone().drain_packed_before(to, &mut scratch.arrived).first_seq;
        let seen = usize::try_from(self.unseen.saturating_sub(first_seq)).unwrap_or(usize::MAX);
        self.evaluator.observe(&scratch.arrived[..seen.min(scratch.arrived.len())]);
    }
}
