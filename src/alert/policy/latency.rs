//! The latency rule: decides when a site is slow, by a percentile over a window.
//!
//! The percentile is by nearest rank, as in the figures: of n answered checks the ⌈Q·n⌉-th smallest response time. It is
//! above the limit exactly when more than n − ⌈Q·n⌉ of them took longer, so two counters suffice, without any histogram.
//! Failed checks do not count: the availability rule has them.
//!
//! Invariants: judged at each answered check (causes `ok` and `slow`), at its `at`, when the window holds `min_samples` of
//! them; with fewer the verdict stays.

use crate::alert::{LatencyRule, Reading, RuleKind};
use crate::model::{Cause, Micros, Packed, Timestamp};

use super::expiry::{Expiry, Span};
use crate::alert::Transition;

/// The state of one site's latency rule.
#[derive(Clone, Debug)]
pub(super) struct LatencyJudge {
    rule: LatencyRule,
    window: Span,
    limit: Micros,
    open_since: Option<Timestamp>,
    held: Tally,
    /// The last replayed check and the window as of it, until the first judgement.
    replayed: Option<(Timestamp, Tally)>,
}

/// The answered checks of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    answered: u64,
    slower: u64,
}

impl Tally {
    const fn plus(self, new: Self) -> Self {
        Self { answered: self.answered + new.answered, slower: self.slower + new.slower }
    }

    const fn minus(self, old: Self) -> Self {
        Self { answered: self.answered - old.answered, slower: self.slower - old.slower }
    }
}

impl LatencyJudge {
    pub(super) fn new(rule: LatencyRule, open_since: Option<Timestamp>) -> Self {
        let (window, limit) = (Span::of(rule.window), Micros::from_duration(rule.limit));
        Self { rule, window, limit, open_since, held: Tally::default(), replayed: None }
    }

    /// Judges at each of `arrived`.
    pub(super) fn observe(&mut self, arrived: &[Packed], mut expiry: Expiry<'_>, found: &mut Vec<Transition>) {
        self.replayed = None;
        let (new, old) = (self.count(arrived), self.count(expiry.left()));
        if self.finds_nothing(new, old) {
            return self.held = self.held.plus(new).minus(old);
        }
        for sample in arrived.iter().filter(|sample| is_answered(sample)) {
            self.held = self.held.plus(self.count(std::slice::from_ref(sample)));
            self.retire(expiry.until(self.window.cutoff(sample.at())));
            found.extend(self.judge(sample.at(), self.held));
        }
        self.retire(expiry.rest());
    }

    /// Takes `samples` without judging them.
    pub(super) fn replay(&mut self, samples: &[Packed], mut expiry: Expiry<'_>) {
        self.held = self.held.plus(self.count(samples));
        if let Some(last) = samples.iter().rfind(|sample| is_answered(sample)) {
            self.retire(expiry.until(self.window.cutoff(last.at())));
            self.replayed = Some((last.at(), self.held));
        }
        self.retire(expiry.rest());
    }

    /// Judges the last replayed check, if it was at `since` or later.
    pub(super) fn resume(&mut self, since: Timestamp) -> Option<Transition> {
        let (at, held) = self.replayed.take().filter(|(at, _)| *at >= since)?;
        self.judge(at, held)
    }

    /// Replaces the window by `held`, all of which was observed before; none of it has expired yet.
    pub(super) fn refill(&mut self, held: &[Packed]) {
        (self.held, self.replayed) = (self.count(held), None);
    }

    pub(super) const fn overrule(&mut self, open_since: Option<Timestamp>) {
        self.open_since = open_since;
    }

    pub(super) const fn open_since(&self) -> Option<Timestamp> {
        self.open_since
    }

    pub(super) const fn cutoff(&self, as_of: Timestamp) -> Timestamp {
        self.window.cutoff(as_of)
    }

    /// Whether no judgement while `new` arrive and `old` expire can find the site slow: its windows hold at most the
    /// slower checks of now and the new ones, among at least the checks of now that do not expire.
    fn finds_nothing(&self, new: Tally, old: Tally) -> bool {
        let fewest = self.held.answered.saturating_sub(old.answered);
        self.open_since.is_none() && self.held.slower + new.slower <= self.may_be_slower(fewest)
    }

    /// How many of `answered` checks may take longer than the limit.
    fn may_be_slower(&self, answered: u64) -> u64 {
        answered - (answered * self.rule.percentile.percent()).div_ceil(100)
    }

    fn retire(&mut self, samples: &[Packed]) {
        self.held = self.held.minus(self.count(samples));
    }

    fn count(&self, samples: &[Packed]) -> Tally {
        let mut tally = Tally::default();
        for sample in samples.iter().filter(|sample| is_answered(sample)) {
            tally.answered += 1;
            tally.slower += u64::from(sample.phases().total() > self.limit);
        }
        tally
    }

    fn judge(&mut self, at: Timestamp, held: Tally) -> Option<Transition> {
        let Tally { answered, slower } = held;
        if answered == 0 || answered < u64::from(self.rule.min_samples) {
            return None;
        }
        let is_slow = slower > self.may_be_slower(answered);
        let LatencyRule { percentile, limit, .. } = self.rule;
        let reading = Reading::Latency { percentile, limit, slower, answered };
        match (self.open_since, is_slow) {
            (None, true) => {
                self.open_since = Some(at);
                Some(Transition::breached(RuleKind::Latency, at, at, reading))
            }
            (Some(since), false) => {
                self.open_since = None;
                Some(Transition::cleared(RuleKind::Latency, at, since, reading))
            }
            _ => None,
        }
    }
}

const fn is_answered(sample: &Packed) -> bool {
    const OK: u8 = Cause::Ok.code();
    const SLOW: u8 = Cause::Slow.code();
    matches!(sample.cause_code(), OK | SLOW)
}
