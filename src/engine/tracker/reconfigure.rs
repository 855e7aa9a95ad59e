//! A site that goes on under other rules: what changed is made anew, everything else stays.
//!
//! Invariants: a lane of the same ring, cadence, rule and timeframes keeps its windows untouched. Otherwise the windows
//! are filled from the intact part of the ring, as after a loss, so they are what a fresh start over the same ring would
//! show. What was news before is no news now; the state, its time, the last check and an open incident stay. A changed
//! rule judges what is in its window at the next step.

use std::sync::Arc;

use crate::alert::{Evaluator, Rule};
use crate::model::{Timestamp, View};
use crate::stats::{Cadence, Windows};

use super::{Observed, Recent, Scratch, SiteInput, SiteTracker, Span, ViewWindow};

impl SiteTracker {
    /// Goes on as `track` says at `to`, with windows for `views`. Returns whether the windows were made anew.
    pub(in crate::engine) fn refit(
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
