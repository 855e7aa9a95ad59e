//! Derives events from new samples: the last check, and changes of state with their texts.
//!
//! Invariants: every sample is new once, by its number; overwritten numbers count as lost once.
//! Cost: a run of samples that changes nothing is examined once, not per sample.

use std::sync::Arc;

use crate::alert::policy::Expired;
use crate::engine::LastCheck;
use crate::model::{Cause, Observation, Outcome, Packed, Timestamp};
use crate::stats::Cadence;

use super::tails::Stage;
use super::{Observed, SiteTracker, whole};

impl SiteTracker {
    /// Observes at `now` the new ones among `samples`, of which the first is number `first_seq`; `expired` leave the windows
    /// of the rules. `newest` is the last sample as it was observed, which may count as unknown.
    pub(crate) fn observe(
        &mut self,
        (first_seq, newest): (u64, Option<Packed>),
        samples: &[Packed],
        expired: Expired<'_>,
        now: Timestamp,
        met: &mut Observed,
    ) {
        met.lost += first_seq.saturating_sub(self.unseen);
        self.unseen = self.unseen.max(first_seq);
        let known = usize::try_from(self.unseen - first_seq).unwrap_or(usize::MAX).min(samples.len());
        let news = &samples[known..];
        let (first_seq, found) = (first_seq + known as u64, self.found.len());
        self.hear(news, expired, now);
        let Some(newest) = newest.filter(|_| !news.is_empty()) else { return };
        let seq = self.tell_news(first_seq, news, found, met);
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
        self.shown.last = Some(LastCheck { seq: seq - 1, sample: whole(&newest), observation: self.text_of(seq - 1) });
        for (text, observation) in self.texts.release(|&text| text < seq) {
            let of = text.checked_sub(first_seq).and_then(|place| news.get(usize::try_from(place).ok()?));
            if let Some(of) = of
                && of.cause_code() == Cause::Ok.code()
                && self.stage != Stage::LookingOn
            {
                self.judge.see_certificate(of.at(), observation.certificate.as_deref(), &mut self.found);
            }
        }
        self.unseen = seq;
        self.changed = true;
    }

    /// Applies `news`, of which the first is number `seq`, to the state. Returns the number after the last.
    #[inline]
    pub(super) fn tell_changes(&mut self, mut seq: u64, mut news: &[Packed], met: &mut Observed) -> u64 {
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

    pub(super) fn text_of(&self, seq: u64) -> Option<Arc<Observation>> {
        self.texts.get(&seq).cloned()
    }
}
