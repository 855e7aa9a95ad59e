//! The availability rule: decides when a site is down.
//!
//! It judges the checks of `(at − window, at]` at each check with a known outcome, at its `at`, when the window is *covered*
//! and holds `min_samples` checks. Covered means that the site was watched without a hole for at least window − interval,
//! counted from the `at` of the first sample after the start or after the last hole. (`at`, not the start of that probe: a
//! window holds samples by their `at`, so only then does it hold one sample per interval, however slow the first probe was.)
//! When the interval is at least the window, it is covered from the second sample on.
//!
//! It judges at one more instant: that at which the window becomes covered between two samples. Nothing else is judged
//! without a new check. Otherwise a site that fails every fifth check would flap between the instant its old failure leaves
//! and the instant its next one arrives, and a machine without network would announce what it has not seen.
//!
//! `down` also needs a failed check as the last news. With `failures`, so many failed checks in a row since the last hole
//! are down too, covered or not; then `up` needs a successful check as the last news.
//!
//! Invariants: the transitions depend on the samples alone, not on how they are split. `down` and `up` alternate, and no
//! instant is both, so a repeated judgement of the same check changes nothing. Availability is compared in integers.
//! Cost: samples among which no judgement can find anything are counted in bulk, by a bound on every window between them.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::alert::{AlertState, Rule, RuleKind};
use crate::model::{Flags, Outcome, Packed, Timestamp};
use crate::stats::Availability;

use super::expiry::{Expiry, Span};
use crate::alert::Transition;

/// The state of one site's availability rule.
#[derive(Clone, Debug)]
pub(super) struct AvailabilityJudge {
    rule: Rule,
    window: Span,
    /// Window − interval; `None` when the second sample covers the window.
    wait: Option<Span>,
    /// A longer gap is a hole.
    hole: Span,
    interval: Span,
    open_since: Option<Timestamp>,
    watch: Option<Watch>,
    held: Tally,
    /// Failed checks in a row since the last hole.
    failed_in_row: u32,
    /// Whether the last check with a known outcome failed.
    last_failed: bool,
    /// Whether the window is still to become covered.
    awaits_cover: bool,
    /// The last replayed check and the window as of it, until the first judgement.
    replayed: Option<(Timestamp, Tally)>,
}

/// An unbroken stretch of observation.
#[derive(Clone, Copy, Debug)]
struct Watch {
    first: Timestamp,
    second: Option<Timestamp>,
    last: Timestamp,
}

/// The checks of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    up: u64,
    down: u64,
}

/// Samples that arrive together.
#[derive(Clone, Copy, Debug)]
struct Run {
    tally: Tally,
    is_after_hole: bool,
}

impl Run {
    fn of(samples: &[Packed]) -> Self {
        let mut run = Self { tally: Tally::default(), is_after_hole: false };
        for sample in samples {
            run.tally.add(sample);
            run.is_after_hole |= sample.flags().has(Flags::AFTER_HOLE);
        }
        run
    }
}

impl Tally {
    fn of(samples: &[Packed]) -> Self {
        let mut tally = Self::default();
        for sample in samples {
            tally.add(sample);
        }
        tally
    }

    fn add(&mut self, sample: &Packed) {
        let outcome = sample.outcome();
        self.up += u64::from(outcome == Outcome::Up);
        self.down += u64::from(outcome == Outcome::Down);
    }

    const fn admit(&mut self, new: Self) {
        (self.up, self.down) = (self.up + new.up, self.down + new.down);
    }

    const fn retire(&mut self, old: Self) {
        (self.up, self.down) = (self.up - old.up, self.down - old.down);
    }

    const fn availability(self) -> Option<Availability> {
        match self.up + self.down {
            0 => None,
            checks => Some(Availability { up: self.up, checks }),
        }
    }
}

impl AvailabilityJudge {
    /// A judge without samples; `open_since` is the `at` of the last `down` if that incident is still open.
    pub(super) fn new(rule: Rule, interval: Duration, open_since: Option<Timestamp>) -> Self {
        let wait = rule.window.checked_sub(interval).filter(|wait| !wait.is_zero()).map(Span::of);
        let interval = Span::of(interval);
        Self {
            rule,
            window: Span::of(rule.window),
            wait,
            hole: interval.twice(),
            interval,
            open_since,
            watch: None,
            held: Tally::default(),
            failed_in_row: 0,
            last_failed: false,
            awaits_cover: false,
            replayed: None,
        }
    }

    /// Judges at each of `arrived`.
    pub(super) fn observe(&mut self, arrived: &[Packed], mut expiry: Expiry<'_>, found: &mut Vec<Transition>) {
        self.replayed = None;
        let (run, expired) = (Run::of(arrived), Tally::of(expiry.left()));
        if self.finds_nothing(run, expired) {
            self.take_run(arrived, run);
            return self.held.retire(expired);
        }
        let mut rest = arrived;
        loop {
            let (quiet, news) = rest.split_at(self.quiet(rest));
            self.take(quiet);
            let Some((next, after)) = news.split_first() else { break };
            self.pass_cover(|cover| cover < next.at(), &mut expiry, found);
            self.take(std::slice::from_ref(next));
            let at = next.at();
            let is_covered_now = self.cover().is_some_and(|cover| cover <= at);
            self.awaits_cover &= !is_covered_now;
            if is_covered_now || next.outcome() != Outcome::Unknown {
                self.held.retire(Tally::of(expiry.until(self.window.cutoff(at))));
                found.extend(self.judge(at, self.held));
            }
            rest = after;
        }
        self.held.retire(Tally::of(expiry.rest()));
    }

    /// Takes `samples` without judging them: history, and what arrives while no verdict is wanted.
    pub(super) fn replay(&mut self, samples: &[Packed], mut expiry: Expiry<'_>) {
        if let Some(last) = samples.iter().rposition(|sample| sample.outcome() != Outcome::Unknown) {
            self.take(&samples[..=last]);
            let at = samples[last].at();
            self.held.retire(Tally::of(expiry.until(self.window.cutoff(at))));
            self.replayed = Some((at, self.held));
            self.take(&samples[last + 1..]);
        } else {
            self.take(samples);
        }
        self.held.retire(Tally::of(expiry.rest()));
        self.awaits_cover &= self.watch.zip(self.cover()).is_none_or(|(watch, cover)| cover > watch.last);
    }

    /// Judges the last replayed check, unless it is so long ago that a hole is in progress at `now`.
    pub(super) fn resume(&mut self, now: Timestamp) -> Option<Transition> {
        let (at, held) = self.replayed.take()?;
        if self.watch.is_some_and(|watch| now > self.hole.after(watch.last)) {
            self.awaits_cover = false;
            return None;
        }
        self.judge(at, held)
    }

    /// Judges the instant at which the window became covered, if that has come by `now`.
    pub(super) fn pass(&mut self, now: Timestamp, mut expiry: Expiry<'_>, found: &mut Vec<Transition>) {
        self.pass_cover(|cover| cover <= now, &mut expiry, found);
        self.held.retire(Tally::of(expiry.rest()));
    }

    /// Leaves out the instant at which the window became covered, if that has come by `now`.
    pub(super) fn skip(&mut self, now: Timestamp) {
        self.awaits_cover &= self.cover().is_none_or(|cover| cover > now);
    }

    /// The instant at which [`AvailabilityJudge::pass`] may find something; [`Timestamp::MAX`] if there is none.
    pub(super) fn due(&self) -> Timestamp {
        let due = self.cover().filter(|&cover| {
            let is_watched = self.watch.is_some_and(|watch| cover <= self.hole.after(watch.last));
            is_watched && (self.last_failed || self.open_since.is_some())
        });
        due.unwrap_or(Timestamp::MAX)
    }

    /// Replaces the window by `held`, all of which was observed before; none of it has expired yet.
    pub(super) fn refill(&mut self, held: &[Packed]) {
        (self.held, self.replayed) = (Tally::of(held), None);
    }

    /// Adopts a verdict from elsewhere.
    pub(super) const fn overrule(&mut self, open_since: Option<Timestamp>) {
        self.open_since = open_since;
    }

    pub(super) const fn open_since(&self) -> Option<Timestamp> {
        self.open_since
    }

    pub(super) const fn cutoff(&self, as_of: Timestamp) -> Timestamp {
        self.window.cutoff(as_of)
    }

    /// When the window becomes covered; an estimate until the second sample, where that one covers it. `None` before the
    /// first sample. `min_samples` may delay the judgement further.
    pub(super) fn judged_from(&self) -> Option<Timestamp> {
        let watch = self.watch?;
        Some(match self.wait {
            Some(wait) => wait.after(watch.first),
            None => watch.second.unwrap_or_else(|| self.interval.after(watch.first)),
        })
    }

    /// Counts the failures in a row anew, of which the checks at hand, `seen`, are no longer what they were.
    pub(super) fn recount(&mut self, seen: &[Packed]) {
        self.failed_in_row = 0;
        for sample in seen {
            match sample.outcome() {
                _ if sample.flags().has(Flags::AFTER_HOLE) => {
                    self.failed_in_row = u32::from(sample.outcome() == Outcome::Down);
                }
                Outcome::Up => self.failed_in_row = 0,
                Outcome::Down => self.failed_in_row = self.failed_in_row.saturating_add(1),
                Outcome::Unknown => {}
            }
        }
        let known = seen.iter().rfind(|sample| sample.outcome() != Outcome::Unknown);
        self.last_failed = known.is_some_and(|sample| sample.outcome() == Outcome::Down);
    }

    /// Judges `seen`, the checks at hand that it has observed, again from number `from` on, where they count otherwise now.
    pub(super) fn rejudge(&mut self, seen: &[Packed], from: usize, found: &mut Vec<Transition>) {
        let gone = |judge: &Self, last: Option<&Packed>| {
            last.map_or(0, |last| seen.partition_point(|sample| sample.at() <= judge.cutoff(last.at())))
        };
        let (before, after) = seen.split_at(from.min(seen.len()));
        let mut anew =
            Self { held: Tally::default(), watch: None, failed_in_row: 0, last_failed: false, ..self.clone() };
        let left = gone(&anew, before.last()).min(before.len());
        anew.replay(before, Expiry::new(&seen[..left]));
        // What it judged by now it has judged.
        anew.awaits_cover &= self.awaits_cover;
        let expired = &seen[left..gone(&anew, after.last()).max(left)];
        anew.observe(after, Expiry::new(expired), found);
        *self = anew;
    }

    /// Whether no judgement at a sample of `run` can find anything, if `expired` leave the window meanwhile. Each of its
    /// windows holds at least the successful checks of now that do not expire, and at most the failed ones of now and of
    /// the run.
    fn finds_nothing(&self, run: Run, expired: Tally) -> bool {
        if !self.is_covered() || self.open_since.is_some() || run.is_after_hole {
            return false;
        }
        let failed = run.tally.down;
        let worst = Tally { up: self.held.up.saturating_sub(expired.up), down: self.held.down + failed };
        let is_high = || worst.availability().is_some_and(|worst| !worst.at_most_ppm(self.rule.threshold.ppm()));
        let is_short = |failures: NonZeroU32| u64::from(self.failed_in_row) + failed < u64::from(failures.get());
        failed == 0 || is_high() && self.rule.failures.is_none_or(is_short)
    }

    fn is_covered(&self) -> bool {
        self.watch.is_some_and(|watch| watch.second.is_some()) && !self.awaits_cover
    }

    /// How many samples at the front of `samples` can change nothing.
    fn quiet(&self, samples: &[Packed]) -> usize {
        if !self.is_covered() {
            return 0;
        }
        let is_open = self.open_since.is_some();
        let is_news = |sample: &Packed| {
            let outcome = sample.outcome();
            outcome == Outcome::Down || is_open && outcome == Outcome::Up || sample.flags().has(Flags::AFTER_HOLE)
        };
        samples.iter().position(is_news).unwrap_or(samples.len())
    }

    fn take(&mut self, samples: &[Packed]) {
        self.take_run(samples, Run::of(samples));
    }

    fn take_run(&mut self, samples: &[Packed], run: Run) {
        let Some(last) = samples.last() else { return };
        self.held.admit(run.tally);
        let is_after_hole = |sample: &Packed| sample.flags().has(Flags::AFTER_HOLE);
        let after_hole = if run.is_after_hole { samples.iter().rposition(is_after_hole) } else { None };
        let at = |position: usize| samples.get(position).map(Packed::at);
        let (begins, watch) = match (after_hole, self.watch) {
            (None, Some(watch)) => (0, Watch { second: watch.second.or(at(0)), ..watch }),
            (begins, _) => {
                let begins = begins.unwrap_or(0);
                (self.failed_in_row, self.awaits_cover) = (0, self.wait.is_some());
                (begins, Watch { first: samples[begins].at(), second: at(begins + 1), last: last.at() })
            }
        };
        self.watch = Some(Watch { last: last.at(), ..watch });
        let mut failed = 0;
        let mut latest = samples[begins..].iter().rev().map(Packed::outcome);
        let succeeded = latest.find(|outcome| {
            failed += u32::from(*outcome == Outcome::Down);
            *outcome == Outcome::Up
        });
        self.failed_in_row = if succeeded.is_some() { failed } else { self.failed_in_row.saturating_add(failed) };
        if let Some(known) = samples.iter().rfind(|sample| sample.outcome() != Outcome::Unknown) {
            self.last_failed = known.outcome() == Outcome::Down;
        }
    }

    /// When the window becomes covered, while that is to come.
    fn cover(&self) -> Option<Timestamp> {
        let (watch, wait) = self.watch.zip(self.wait).filter(|_| self.awaits_cover)?;
        Some(wait.after(watch.first))
    }

    fn pass_cover(
        &mut self,
        is_past: impl Fn(Timestamp) -> bool,
        expiry: &mut Expiry<'_>,
        found: &mut Vec<Transition>,
    ) {
        let Some((cover, watch)) = self.cover().zip(self.watch).filter(|&(cover, _)| is_past(cover)) else { return };
        self.awaits_cover = false;
        if cover <= self.hole.after(watch.last) {
            self.held.retire(Tally::of(expiry.until(self.window.cutoff(cover))));
            found.extend(self.judge(cover, self.held));
        }
    }

    /// Judges at `at`, when the window held `held`.
    fn judge(&mut self, at: Timestamp, held: Tally) -> Option<Transition> {
        let availability = held.availability()?;
        let watch = self.watch?;
        let is_covered = match self.wait {
            Some(wait) => wait.after(watch.first) <= at,
            None => watch.second.is_some(),
        };
        let is_judged = is_covered && availability.checks >= u64::from(self.rule.min_samples);
        let is_low = availability.at_most_ppm(self.rule.threshold.ppm());
        let failures = self.rule.failures;
        let (state, since, downtime) = match self.open_since {
            None => {
                let is_in_row = failures.is_some_and(|failures| self.failed_in_row >= failures.get());
                if !self.last_failed || !(is_in_row || is_judged && is_low) {
                    return None;
                }
                self.open_since = Some(at);
                (AlertState::Down, at, None)
            }
            Some(since) => {
                let is_recovered = self.rule.recover.is_none_or(|recover| availability.at_least_ppm(recover.ppm()));
                if !is_judged || is_low || !is_recovered || failures.is_some() && self.last_failed {
                    return None;
                }
                self.open_since = None;
                // A `since` in the future came from a clock that ran ahead; the site was down at least while watched.
                let began = if since <= at { since } else { watch.first };
                (AlertState::Up, since, Some(at.since(began)))
            }
        };
        let rule = RuleKind::Availability;
        Some(Transition {
            rule,
            at,
            state,
            since,
            downtime,
            availability: Some(availability),
            reading: None,
            locations: None,
        })
    }
}
