//! The burn rules of an objective: decide when its error budget is spent too fast.
//!
//! Burn is the share of failed checks over a window in units of the budget, 1 − target. Each rule watches two pairs of
//! windows and is breached while, for one of them, burn ≥ k over both windows, at least three checks of the long one failed,
//! and the long one is at least half covered: k = share of the budget × period ÷ long window. After the "SRE Workbook"
//! (Beyer et al., 2018), chapter 5, <https://sre.google/workbook/alerting-on-slos/>; its table is for 30 days. The "three"
//! is ours: without it, one failed check a minute apart breaches 99.9 %.
//!
//! A pair says nothing, and the verdict stays, while its long window is not covered and its short one is burning.
//!
//! Invariants: judged at each check with a known outcome, at its `at`, over whole minutes; compared in integers.

use std::time::Duration;

use crate::alert::objective::{FAST, Pair, SLOW, burns, rate_milli};
use crate::alert::{Reading, RuleKind, SloRule};
use crate::model::{Outcome, Packed, Timestamp};

use super::Transition;
use super::expiry::Span;
use super::minutes::{Minutes, Sum};

/// Failed checks that a breach needs in its long window.
const FAILED_LEAST: u32 = 3;

const MILLION: u128 = 1_000_000;

/// The two burn rules, in the order of [`BurnJudge::open_since`].
const RULES: [(RuleKind, [Pair; 2]); 2] = [(RuleKind::SloFast, FAST), (RuleKind::SloSlow, SLOW)];

/// The state of one site's burn rules.
#[derive(Clone, Debug)]
pub(super) struct BurnJudge {
    rule: SloRule,
    interval: Span,
    minutes: Minutes,
    open_since: [Option<Timestamp>; 2],
    /// The last replayed check, with whether each rule was breached as of it, until the first judgement.
    replayed: Option<(Timestamp, [Option<Verdict>; 2])>,
}

/// Whether a rule is breached, and by how much.
#[derive(Clone, Debug)]
struct Verdict {
    is_breached: bool,
    reading: Reading,
}

impl BurnJudge {
    pub(super) fn new(rule: SloRule, interval: Duration) -> Self {
        let (interval, minutes) = (Span::of(interval), Minutes::default());
        Self { rule, interval, minutes, open_since: [None; 2], replayed: None }
    }

    /// Takes over what was observed before.
    pub(super) fn remember(&mut self, minutes: Minutes) {
        self.minutes = minutes;
    }

    /// Changes the objective and the interval; the checks stay.
    pub(super) fn revise(&mut self, rule: SloRule, interval: Duration) {
        (self.rule, self.interval) = (rule, Span::of(interval));
    }

    /// See [`Minutes::recount`].
    pub(super) fn recount(&mut self, at: Timestamp, counts: bool) {
        self.minutes.recount(at, counts);
    }

    pub(super) fn move_back(&mut self, by: Duration) {
        self.minutes.move_back(by);
    }

    /// Judges at each of `arrived`.
    pub(super) fn observe(&mut self, arrived: &[Packed], found: &mut Vec<Transition>) {
        self.replayed = None;
        for sample in arrived.iter().filter(|sample| sample.outcome() != Outcome::Unknown) {
            self.minutes.admit(sample.at(), sample.outcome());
            // The longest window contains all others.
            if self.open_since == [None; 2] && self.minutes.sum(SLOW[1].long).failed < FAILED_LEAST {
                continue;
            }
            for rule in 0..RULES.len() {
                found.extend(self.verdict(rule).and_then(|verdict| self.judge(rule, sample.at(), verdict)));
            }
        }
    }

    /// Takes `samples` without judging them.
    pub(super) fn replay(&mut self, samples: &[Packed]) {
        self.minutes.admit_all(samples);
        if let Some(last) = samples.iter().rfind(|sample| sample.outcome() != Outcome::Unknown) {
            self.replayed = Some((last.at(), [self.verdict(0), self.verdict(1)]));
        }
    }

    /// Judges the last replayed check, if it was at `since` or later.
    pub(super) fn resume(&mut self, since: Timestamp, found: &mut Vec<Transition>) {
        let Some((at, verdicts)) = self.replayed.take().filter(|(at, _)| *at >= since) else { return };
        for (rule, verdict) in verdicts.into_iter().enumerate() {
            found.extend(verdict.and_then(|verdict| self.judge(rule, at, verdict)));
        }
    }

    pub(super) fn overrule(&mut self, rule: RuleKind, open_since: Option<Timestamp>) {
        if let Some(index) = RULES.iter().position(|(kind, _)| *kind == rule) {
            self.open_since[index] = open_since;
        }
    }

    pub(super) fn open_since(&self, rule: RuleKind) -> Option<Timestamp> {
        let index = RULES.iter().position(|(kind, _)| *kind == rule)?;
        self.open_since[index]
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.minutes.heap_bytes()
    }

    fn judge(&mut self, rule: usize, at: Timestamp, verdict: Verdict) -> Option<Transition> {
        let (kind, open_since) = (RULES[rule].0, &mut self.open_since[rule]);
        let Verdict { is_breached, reading } = verdict;
        match (*open_since, is_breached) {
            (None, true) => {
                *open_since = Some(at);
                Some(Transition::breached(kind, at, at, reading))
            }
            (Some(since), false) => {
                *open_since = None;
                Some(Transition::cleared(kind, at, since, reading))
            }
            _ => None,
        }
    }

    /// The verdict on a rule as of the newest check; `None` while nothing can be said.
    fn verdict(&self, rule: usize) -> Option<Verdict> {
        let (_, pairs) = RULES[rule];
        let verdicts = pairs.map(|pair| self.is_breached(pair));
        let breached = verdicts.iter().position(|verdict| *verdict == Some(true));
        if breached.is_none() && verdicts.contains(&None) {
            return None;
        }
        let pair = pairs[breached.unwrap_or(0)];
        let tally = self.minutes.sum(pair.long).into();
        let reading = Reading::Burn {
            target: self.rule.target,
            rate_milli: rate_milli(self.rule, tally).unwrap_or(0),
            long: Duration::from_mins(pair.long),
            short: Duration::from_mins(pair.short),
        };
        Some(Verdict { is_breached: breached.is_some(), reading })
    }

    /// Whether `pair` is breached; `None` while nothing can be said.
    fn is_breached(&self, pair: Pair) -> Option<bool> {
        let (long, short) = (self.minutes.sum(pair.long), self.minutes.sum(pair.short));
        let is_burning = |sum: Sum| sum.checks > 0 && burns(self.rule, sum.into(), pair);
        if !is_burning(short) {
            return Some(false);
        }
        let half = u128::from(pair.long) * 60 * MILLION;
        let is_covered = u128::from(long.checks) * 2 * u128::from(self.interval.micros()) >= half;
        is_covered.then(|| is_burning(long) && long.failed >= FAILED_LEAST)
    }
}
