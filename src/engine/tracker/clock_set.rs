//! Adjusts one site to a leap of the clock.

use std::sync::Arc;

use crate::alert::policy::SITE_RULES;
use crate::model::Timestamp;
use crate::model::time::leap::Leap;
use crate::ring::Ring;

use super::{Observed, Scratch, SiteTracker};

impl SiteTracker {
    /// Notes anew what was noted by the clock as it was. Returns until when it is paused, if that is another time now.
    pub(in crate::engine) fn retell(&mut self, leap: &Leap) -> Option<Timestamp> {
        let leap = &Leap { now: self.there(leap.now), ..*leap };
        let before = self.shown.paused_until;
        let set = self.standing.since();
        self.shown.paused_until = before.map(|until| leap.retold_until(until, set));
        for rule in SITE_RULES {
            self.judge.overrule(rule, self.judge.open_since(rule).map(|since| leap.retold(since)));
        }
        self.show_breaches();
        self.changed = true;
        self.shown.paused_until.filter(|_| self.shown.paused_until != before)
    }

    /// Continues in `ring`, which holds the same samples with adjusted times.
    pub(in crate::engine) fn move_back(
        &mut self,
        ring: Option<&Arc<Ring>>,
        leap: &Leap,
        (scratch, met): (&mut Scratch, &mut Observed),
    ) {
        let leap = &Leap { now: self.there(leap.now), ..*leap };
        self.standing.retell(|at| leap.retold(at));
        self.newest_due = self.newest_due.map(|due| leap.retold(due));
        self.shown.last_up = self.shown.last_up.map(|at| leap.retold(at));
        if let Some(last) = &mut self.shown.last {
            last.sample.at = leap.retold(last.sample.at);
        }
        if let Some(ring) = ring {
            self.head = ring.reader_at_oldest();
        }
        self.judge.move_back(leap.by);
        self.judge_anew(self.shown.policies, leap.now, scratch);
        self.rebuild(leap.now, scratch, met);
    }
}
