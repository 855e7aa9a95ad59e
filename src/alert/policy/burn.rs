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
//! Maintenance is left out, by whole minutes: a check in a minute that begins in it neither counts nor is judged.
//!
//! Invariants: judged at each check with a known outcome, at its `at`, over whole minutes; compared in integers.

use std::time::Duration;

use crate::alert::maintenance::{self, Calendar, Maintenance};
use crate::alert::objective::{BurnLimit, FAST, Pair, SLOW, rate_milli};
use crate::alert::{Reading, RuleKind, SloRule};
use crate::model::{Outcome, Packed, Timestamp};

use super::expiry::Span;
use super::minutes::{self, Minutes, Sum, Window};
use crate::alert::Transition;

/// Failed checks that a breach needs in its long window.
const FAILED_LEAST: u32 = 3;

const MILLION: u128 = 1_000_000;

/// The two burn rules, in the order of [`BurnJudge::open_since`].
const RULES: [(RuleKind, [BurnPair; 2]); 2] =
    [(RuleKind::SloFast, BurnPair::both(FAST)), (RuleKind::SloSlow, BurnPair::both(SLOW))];

/// A pair with its windows among those of [`Minutes`].
#[derive(Clone, Copy, Debug)]
struct BurnPair {
    pair: Pair,
    long: Window,
    short: Window,
}

impl BurnPair {
    const fn of(pair: Pair) -> Self {
        Self { pair, long: Window::of(pair.long), short: Window::of(pair.short) }
    }

    const fn both([one, other]: [Pair; 2]) -> [Self; 2] {
        [Self::of(one), Self::of(other)]
    }
}

/// The state of one site's burn rules.
#[derive(Clone, Debug)]
pub(super) struct BurnJudge {
    rule: SloRule,
    interval: Span,
    minutes: Minutes,
    /// When its checks do not count.
    left_out: LeftOutMinutes,
    open_since: [Option<Timestamp>; 2],
    /// The last replayed check, with whether each rule was breached as of it, until the first judgement.
    replayed: Option<Box<Replayed>>,
}

type Replayed = (Timestamp, [Option<Verdict>; 2]);

/// Maintenance: windows, and times that were told one by one. A minute is left out if it begins in one of them.
#[derive(Clone, Debug, Default)]
struct LeftOutMinutes {
    windows: Calendar,
    spans: Vec<maintenance::Span>,
}

impl LeftOutMinutes {
    fn contains(&mut self, at: Timestamp) -> bool {
        let minute = minutes::start(at);
        // The windows were chosen for the site already.
        self.spans.iter().any(|(from, until)| *from <= minute && minute < *until) || self.windows.is_active(minute)
    }
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
        Self { rule, interval, minutes, left_out: LeftOutMinutes::default(), open_since: [None; 2], replayed: None }
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
        if self.left_out.contains(at) {
            return;
        }
        self.minutes.recount(at, counts);
    }

    pub(super) fn move_back(&mut self, by: Duration) {
        self.minutes.move_back(by);
    }

    /// Leaves out the times of `windows`, in place of those of earlier calls; what is out of the minutes stays so.
    pub(super) fn leave_out(&mut self, windows: &[Maintenance]) {
        self.left_out.windows = Calendar::new(windows.to_vec());
        let (since, until) = self.minutes.reach();
        for span in windows.iter().flat_map(|window| window.spans_within(since, until)) {
            self.minutes.forget(span);
        }
        self.judge_replayed_again();
    }

    /// Leaves out `spans`, in place of those of earlier calls.
    pub(super) fn leave_out_spans(&mut self, spans: &[maintenance::Span]) {
        self.left_out.spans = spans.to_vec();
        for span in spans {
            self.minutes.forget(*span);
        }
        self.judge_replayed_again();
    }

    fn judge_replayed_again(&mut self) {
        if let Some(at) = self.replayed.as_ref().map(|replayed| replayed.0) {
            self.replayed = Some(Box::new((at, [self.verdict(0), self.verdict(1)])));
        }
    }

    /// Judges at each of `arrived`.
    pub(super) fn observe(&mut self, arrived: &[Packed], found: &mut Vec<Transition>) {
        self.replayed = None;
        let mut rest = arrived;
        while !rest.is_empty() {
            let (minute, after) = rest.split_at(minutes::same(rest));
            rest = after;
            let (at, sum) = (minute[0].at(), Sum::of(minute));
            if sum.checks == 0 || self.left_out.contains(at) {
                continue;
            }
            self.minutes.move_on(at);
            if self.finds_nothing(sum) && self.minutes.has_room(sum) {
                self.minutes.add(sum);
            } else {
                self.observe_each(minute, found);
            }
        }
    }

    /// Judges at each check of one minute.
    fn observe_each(&mut self, minute: &[Packed], found: &mut Vec<Transition>) {
        for sample in minute.iter().filter(|sample| sample.outcome() != Outcome::Unknown) {
            self.minutes.admit(sample.at(), sample.outcome());
            for rule in 0..RULES.len() {
                found.extend(self.verdict(rule).and_then(|verdict| self.judge(rule, sample.at(), verdict)));
            }
        }
    }

    /// Whether no judgement can find a breach while the checks of `sum` join the newest minute: not even with its failed
    /// ones first, when no successful one dilutes them.
    fn finds_nothing(&self, sum: Sum) -> bool {
        let is_quiet = |burn: &BurnPair| {
            let limit = BurnLimit::of(self.rule, burn.pair);
            let is_burning = |Sum { checks, failed }: Sum| {
                let most = Sum { checks: checks + sum.failed, failed: failed + sum.failed };
                limit.is_reached(most.into())
            };
            let (long, short) = (self.minutes.sum(burn.long), self.minutes.sum(burn.short));
            long.failed + sum.failed < FAILED_LEAST || !is_burning(short) || !is_burning(long)
        };
        self.open_since == [None; 2] && RULES.iter().all(|(_, pairs)| pairs.iter().all(is_quiet))
    }

    /// Takes `samples` without judging them.
    pub(super) fn replay(&mut self, samples: &[Packed]) {
        let mut last = None;
        for sample in samples.iter().filter(|sample| sample.outcome() != Outcome::Unknown) {
            if !self.left_out.contains(sample.at()) {
                self.minutes.admit(sample.at(), sample.outcome());
                last = Some(sample.at());
            }
        }
        if let Some(last) = last {
            self.replayed = Some(Box::new((last, [self.verdict(0), self.verdict(1)])));
        }
    }

    /// Judges the last replayed check, if it was at `since` or later.
    pub(super) fn resume(&mut self, since: Timestamp, found: &mut Vec<Transition>) {
        let Some((at, verdicts)) = self.replayed.take().map(|replayed| *replayed) else { return };
        if at < since {
            return;
        }
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
        let BurnPair { pair, long, .. } = pairs[breached.unwrap_or(0)];
        let tally = self.minutes.sum(long).into();
        let reading = Reading::Burn {
            target: self.rule.target,
            rate_milli: rate_milli(self.rule, tally).unwrap_or(0),
            long: Duration::from_mins(pair.long),
            short: Duration::from_mins(pair.short),
        };
        Some(Verdict { is_breached: breached.is_some(), reading })
    }

    /// Whether `pair` is breached; `None` while nothing can be said.
    fn is_breached(&self, BurnPair { pair, long, short }: BurnPair) -> Option<bool> {
        let (long, short) = (self.minutes.sum(long), self.minutes.sum(short));
        let limit = BurnLimit::of(self.rule, pair);
        let is_burning = |sum: Sum| limit.is_reached(sum.into());
        if !is_burning(short) {
            return Some(false);
        }
        let half = u128::from(pair.long) * 60 * MILLION;
        let is_covered = u128::from(long.checks) * 2 * u128::from(self.interval.micros()) >= half;
        is_covered.then(|| is_burning(long) && long.failed >= FAILED_LEAST)
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::alert::maintenance::{Days, Schedule, clock_time};
    use crate::alert::policy::Expired;
    use crate::alert::policy::tests::sample;
    use crate::alert::{Judge, Policies, SiteSelector, Threshold};
    use crate::model::{Cause, Flags};

    fn window(from: &str, to: &str) -> Maintenance {
        let (from, to) = (clock_time(from).unwrap(), clock_time(to).unwrap());
        let schedule = Schedule::Every { days: Days::EACH, from, to };
        Maintenance { schedule, zone: TimeZone::UTC, sites: SiteSelector::All, reason: None }
    }

    proptest! {
        /// Whether maintenance is known from the start or only after a part was replayed or observed.
        #[test]
        fn maintenance_is_judged_as_if_nothing_had_been_checked(
            failing in prop::collection::vec((0u64..1_440, 1u64..60), 0..5),
            clocks in prop::collection::vec((0u8..23, 0u8..60, 0u8..60), 0..3),
            told in prop::option::of((0u64..1_440, 1u64..300)),
            replayed in 0usize..1_440,
        ) {
            // A check each minute of two days.
            let day = 20_000 * 86_400;
            let is_failed = |minute: u64| failing.iter().any(|(from, length)| (*from..from + length).contains(&(minute % 1_440)));
            let cause = |minute: u64| if is_failed(minute) { Cause::Reset } else { Cause::Ok };
            let samples: Vec<Packed> = (0..2_880).map(|minute| sample(Timestamp::from_secs(day + 60 * minute + 7), cause(minute), Flags::none(), 5)).collect();
            let windows: Vec<Maintenance> =
                clocks.iter().map(|(h, m, to)| window(&format!("{h:02}:{m:02}"), &format!("{:02}:{to:02}", h + 1))).collect();
            let at = |minute: u64| Timestamp::from_secs(day + 60 * minute);
            let spans: Vec<maintenance::Span> = told.iter().map(|(from, length)| (at(*from), at(from + length))).collect();

            let rule = SloRule { target: Threshold::from_ppm(990_000).unwrap(), period: Duration::from_hours(720) };
            let policies = Policies { slo: Some(rule), ..Policies::default() };
            let of_slo = |found: Vec<Transition>| -> Vec<Transition> {
                found.into_iter().filter(|found| matches!(found.rule, RuleKind::SloFast | RuleKind::SloSlow)).collect()
            };
            let is_in = |sample: &&Packed| {
                let minute = minutes::start(sample.at());
                windows.iter().any(|window| window.covers(minute)) || spans.iter().any(|(from, to)| *from <= minute && minute < *to)
            };
            let kept: Vec<Packed> = samples.iter().filter(|sample| !is_in(sample)).copied().collect();
            let before = kept.partition_point(|sample| sample.at() < at(replayed as u64));
            let (mut plain, mut expected) = (Judge::new(&policies, Duration::from_mins(1)), Vec::new());
            plain.replay(&kept[..before], Expired::default());
            plain.observe(&kept[before..], Expired::default(), &mut expected);

            for is_known in [true, false] {
                let (mut judge, mut found) = (Judge::new(&policies, Duration::from_mins(1)), Vec::new());
                let leave_out = |judge: &mut Judge| {
                    judge.leave_out(&windows);
                    judge.leave_out_spans(&spans);
                };
                if is_known {
                    leave_out(&mut judge);
                }
                judge.replay(&samples[..replayed], Expired::default());
                leave_out(&mut judge);
                judge.observe(&samples[replayed..], Expired::default(), &mut found);
                prop_assert_eq!(of_slo(found), of_slo(expected.clone()), "known before: {}", is_known);
            }
        }
    }
}
