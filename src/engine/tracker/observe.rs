//! Derives events from new samples: the last check, and changes of state with their texts.
//!
//! Invariants: every sample is new once, by its number; overwritten numbers count as lost once.
//! Cost: a run of samples that changes nothing is examined once, not per sample.

use std::sync::Arc;

use crate::engine::LastCheck;
use crate::engine::state_machine::Change;
use crate::model::{Observation, Outcome, Packed, Sample};
use crate::stats::Cadence;

use super::{Observed, SiteTracker};

impl SiteTracker {
    /// Observes the new ones among `samples`, of which the first is number `first_seq`.
    pub(crate) fn observe(&mut self, first_seq: u64, samples: &[Packed], met: &mut Observed) {
        met.lost += first_seq.saturating_sub(self.unseen);
        self.unseen = self.unseen.max(first_seq);
        let known = usize::try_from(self.unseen - first_seq).unwrap_or(usize::MAX).min(samples.len());
        let news = &samples[known..];
        let Some(last) = news.last().map(whole) else { return };
        self.evaluator.observe(news);
        let seq = self.tell_changes(first_seq + known as u64, news, met);
        // A check is due before its `at`, so a sample from before the newest due time cannot improve it.
        for sample in news.iter().rev() {
            if self.newest_due.is_some_and(|newest| sample.at() <= newest) {
                break;
            }
            self.newest_due = self.newest_due.max(Some(Cadence::due(&whole(sample))));
        }
        if let Some(up) = news.iter().rev().find(|sample| sample.outcome() == Outcome::Up) {
            self.shown.last_up = Some(up.at());
        }
        met.checks += news.len() as u64;
        self.shown.last = Some(LastCheck { seq: seq - 1, sample: last, observation: self.text_of(seq - 1) });
        self.texts.release(|&text| text < seq).for_each(drop);
        self.unseen = seq;
        self.changed = true;
    }

    /// Applies `news`, of which the first is number `seq`, to the state. Returns the number after the last.
    #[inline]
    fn tell_changes(&mut self, mut seq: u64, mut news: &[Packed], met: &mut Observed) -> u64 {
        loop {
            let same = self.standing.same(news);
            seq += same as u64;
            let Some((sample, rest)) = news[same..].split_first() else { return seq };
            let silent = self.standing.pass(sample.at());
            met.changes.extend(silent.map(|change| (change, None)));
            if let Some(change) = self.standing.check(sample) {
                let (sample, observation) = (whole(sample), self.text_of(seq));
                met.changes.push((change, Some(LastCheck { seq, sample, observation })));
            }
            (seq, news) = (seq + 1, rest);
        }
    }

    fn text_of(&self, seq: u64) -> Option<Arc<Observation>> {
        self.texts.get(&seq).cloned()
    }

    pub(crate) fn note(&mut self, change: Option<Change>, met: &mut Observed) {
        met.changes.extend(change.map(|change| (change, self.shown.last.clone())));
    }
}

/// Unpacks a sample that a reader delivered.
fn whole(sample: &Packed) -> Sample {
    sample.sample().expect("a reader delivers what was pushed")
}
