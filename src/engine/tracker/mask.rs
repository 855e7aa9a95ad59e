//! Applies the outages of this machine's own network to one site.
//!
//! Invariants: after it, windows, rules and state are as if the mask had always been this one. What the availability rule
//! finds in checks that count after all, it announces with its own time; open incidents stay: the caller decides about them. A sample is never changed. Bounds: an objective loses what the ring does not hold any more.

use std::sync::Arc;

use crate::alert::network::Mask;
use crate::alert::{AlertState, RuleKind, Transition};
use crate::model::Timestamp;

use super::tails::Stage;
use super::{Observed, Scratch, SiteTracker};

impl SiteTracker {
    /// Counts the checks that `mask` covers, and no others, as unknown at `to`.
    pub(in crate::engine) fn set_mask(
        &mut self,
        mask: Mask,
        to: Timestamp,
        (scratch, met): (&mut Scratch, &mut Observed),
    ) {
        if mask == self.mask {
            return;
        }
        let before = std::mem::replace(&mut self.mask, mask);
        scratch.arrived.clear();
        let ring = Arc::clone(self.head.ring());
        let first_seq = ring.reader_at_oldest().drain_packed_before(to, &mut scratch.arrived).first_seq;
        let seen = usize::try_from(self.unseen.saturating_sub(first_seq)).unwrap_or(usize::MAX);
        scratch.arrived.truncate(seen);
        let counted =
            scratch.arrived.iter().map(|sample| (sample.at(), before.covers(sample), self.mask.covers(sample)));
        let changed: Vec<(Timestamp, bool)> =
            counted.filter(|(_, was, is)| was != is).map(|(at, was, _)| (at, was)).collect();
        if changed.is_empty() {
            return;
        }
        self.mask.hide(&mut scratch.arrived);
        let newest = scratch.arrived.last().copied();
        let (seen, found) = (&scratch.arrived, self.found.len());
        match changed.iter().find(|(_, counts)| *counts) {
            Some((first, _)) if self.stage == Stage::Live => {
                let from = seen.partition_point(|sample| sample.at() < *first);
                self.judge.rejudge(seen, from, &changed, &mut self.found);
            }
            _ => self.judge.recount(seen, &changed),
        }
        for place in found..self.found.len() {
            let Transition { rule, at, state, .. } = self.found[place];
            let change = (rule == RuleKind::Availability).then(|| self.standing.judged(state == AlertState::Down, at));
            met.changes.extend(change.flatten().map(|change| (change, self.shown.last.clone())));
        }
        self.rebuild(to, scratch, met);
        let newest = newest.filter(|newest| changed.last().is_some_and(|(at, _)| *at == newest.at()));
        let change = newest.and_then(|newest| self.standing.check(&newest));
        met.changes.extend(change.map(|change| (change, self.shown.last.clone())));
        self.changed = true;
    }
}
