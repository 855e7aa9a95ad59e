//! Drives the judge of one site: passes it what enters and leaves the windows of the rules, and makes alerts of what it finds.
//!
//! Invariants: history, and what arrives while the site is paused, is not judged. Nothing is judged while verdicts come from
//! another process. Changes of state are told in the order of their times, also when many samples come at once.
//! Cost: the windows of the rules move on only when a sample arrives.

use std::sync::Arc;

use crate::alert::kept::incident::Silence;
use crate::alert::maintenance;
use crate::alert::policy::{Expired, SITE_RULES};
use crate::alert::{Alert, AlertState, Judge, Policies, RuleKind, Transition};
use crate::engine::LastCheck;
use crate::engine::snapshot::Breach;
use crate::engine::state_machine::Change;
use crate::model::{Packed, Timestamp};

use super::tails::{RuleTails, Stage};
use super::{Observed, Scratch, SiteTracker, whole};

/// A sample is published soon after its `at`: a verdict between two samples waits so long for one from before it, µs.
const PUBLISHED: u64 = 250_000;

impl SiteTracker {
    /// Reads again what leaves the windows of the rules as of `as_of`. Returns whether all of it was there.
    #[inline]
    pub(super) fn expire(&mut self, as_of: Timestamp, scratch: &mut Scratch) -> bool {
        let (cutoffs, tails) = (self.judge.cutoffs(as_of), &mut self.tails);
        scratch.availability.clear();
        scratch.latency.clear();
        let mut lost = tails.availability.follow(&self.head, cutoffs.availability, &mut scratch.availability).lost;
        if let Some((tail, cutoff)) = tails.latency.as_mut().zip(cutoffs.latency) {
            lost += tail.follow(&self.head, cutoff, &mut scratch.latency).lost;
        }
        self.mask.hide(&mut scratch.availability);
        self.mask.hide(&mut scratch.latency);
        lost == 0
    }

    /// Passes `news` to the judge.
    #[inline]
    pub(super) fn hear(&mut self, news: &[Packed], expired: Expired<'_>, now: Timestamp) {
        if self.is_judging(now) {
            self.judge.observe(news, expired, &mut self.found);
        } else {
            self.judge.replay(news, expired);
        }
    }

    /// Whether samples are judged at `now`. The first time, the last check of the history is judged.
    #[inline]
    fn is_judging(&mut self, now: Timestamp) -> bool {
        let is_paused = self.shown.paused_until.is_some_and(|until| now < until);
        match self.stage {
            Stage::History | Stage::LookingOn => false,
            _ if is_paused => false,
            Stage::Restored => {
                self.stage = Stage::Live;
                self.judge.resume(now, &mut self.found);
                true
            }
            Stage::Live => true,
        }
    }

    /// Judges what is due by `now` without a new sample, and detects silence and the end of a pause.
    #[inline]
    pub(in crate::engine) fn judge(
        &mut self,
        now: Timestamp,
        (scratch, met): (&mut Scratch, &mut Observed),
        alerts: &mut Vec<Alert>,
    ) {
        let now = self.there(now);
        if let Some(until) = self.shown.paused_until {
            if now < until {
                return self.announce(alerts);
            }
            let change = self.pause(None, until);
            met.changes.extend(change.map(|change| (change, None)));
        }
        if self.stage == Stage::Restored || self.judge.due() <= published(now) {
            self.judge_due(now, scratch, met);
        }
        self.announce(alerts);
        let silent = self.standing.pass(now);
        met.changes.extend(silent.map(|change| (change, None)));
        self.changed |= silent.is_some();
        self.changed |= self.shown.judged_from.is_some_and(|from| from <= now);
    }

    /// When a step has something to do here without a new sample; [`Timestamp::MAX`] if never.
    #[inline]
    pub(in crate::engine) fn idle_until(&self) -> Timestamp {
        if self.changed || !self.found.is_empty() {
            return Timestamp::ZERO;
        }
        if let Some(until) = self.shown.paused_until {
            return self.here(until.min(self.expires));
        }
        let judged = match self.stage {
            Stage::History | Stage::Restored => Timestamp::ZERO,
            Stage::Live => Timestamp::from_micros(self.judge.due().as_micros().saturating_add(PUBLISHED)),
            Stage::LookingOn => Timestamp::MAX,
        };
        let covered = self.shown.judged_from.unwrap_or(Timestamp::MAX);
        self.here(self.expires.min(judged).min(covered).min(self.standing.silent_from()))
    }

    #[cold]
    fn judge_due(&mut self, now: Timestamp, scratch: &mut Scratch, met: &mut Observed) {
        let before = self.found.len();
        if !self.is_judging(now) {
            return;
        }
        if self.judge.due() <= published(now) {
            if !self.expire(self.judge.due(), scratch) {
                return self.rebuild(now, scratch, met);
            }
            let expired = Expired { availability: &scratch.availability, latency: &scratch.latency };
            self.judge.pass(published(now), expired, &mut self.found);
        }
        self.tell_news(self.unseen, &[], before, met);
    }

    /// Makes alerts of what the judge found.
    #[inline]
    fn announce(&mut self, alerts: &mut Vec<Alert>) {
        if self.found.is_empty() {
            return;
        }
        self.changed = true;
        self.show_breaches();
        let (name, policies) = (&self.shown.name, &self.shown.policies);
        alerts.extend(self.found.drain(..).map(|found| Alert::new(Arc::clone(name), policies, &found)));
    }

    /// Tells the changes of state by `news`, of which the first is number `seq`, and by what the judge found from position
    /// `found` on. Returns the number after the last.
    #[inline]
    pub(super) fn tell_news(&mut self, mut seq: u64, news: &[Packed], found: usize, met: &mut Observed) -> u64 {
        let mut told = 0;
        for position in found..self.found.len() {
            let Transition { rule: RuleKind::Availability, at, state, .. } = self.found[position] else { continue };
            let until = told + news[told..].iter().position(|sample| sample.at() > at).unwrap_or(news.len() - told);
            seq = self.tell_changes(seq, &news[told..until], met);
            told = until;
            if let Some(change) = self.standing.judged(state == AlertState::Down, at) {
                met.changes.push((change, self.check_before(seq, &news[..told])));
            }
        }
        self.tell_changes(seq, &news[told..], met)
    }

    /// The check before number `seq`: the last of `news`, or the one that is shown.
    fn check_before(&self, seq: u64, news: &[Packed]) -> Option<LastCheck> {
        let Some(last) = news.last() else { return self.shown.last.clone() };
        let seq = seq - 1;
        Some(LastCheck { seq, sample: whole(last), observation: self.text_of(seq) })
    }

    /// Adopts a verdict on `rule` from elsewhere, made at `at`.
    pub(in crate::engine) fn overrule(
        &mut self,
        rule: RuleKind,
        open_since: Option<Timestamp>,
        at: Timestamp,
    ) -> Option<Change> {
        self.judge.overrule(rule, open_since);
        self.show_breaches();
        self.changed = true;
        if rule == RuleKind::Availability { self.standing.judged(open_since.is_some(), at) } else { None }
    }

    /// Judges from the next check on. (An alert as of an earlier check might precede the end of the site's last incident.)
    pub(in crate::engine) fn join(&mut self, now: Timestamp) {
        self.stage = Stage::Live;
        self.judge.skip(self.there(now));
    }

    /// Leaves the times of `silences` that count as maintenance of this site out of its objective.
    pub(in crate::engine) fn leave_out(&mut self, silences: &[Silence]) {
        let (site, group) = (&self.shown.name, self.shown.group.as_deref());
        let is_meant = |silence: &&Silence| silence.is_maintenance && silence.sites.selects(site, group);
        let spans: Vec<maintenance::Span> =
            silences.iter().filter(is_meant).map(|silence| (silence.from, silence.until)).collect();
        if self.left_out != spans {
            self.judge.leave_out_spans(&spans);
            self.left_out = spans;
        }
    }

    /// Takes verdicts from elsewhere from now on.
    pub(in crate::engine) fn look_on(&mut self) {
        self.stage = Stage::LookingOn;
        self.found.clear();
    }

    /// Judges by `policies` from the next check on, after what was seen already of the samples in the ring up to `to`.
    /// Incidents of rules that are gone end at `to`.
    pub(in crate::engine) fn judge_anew(&mut self, policies: Policies, to: Timestamp, scratch: &mut Scratch) {
        let ended = SITE_RULES.into_iter().filter(|rule| !policies.has(*rule));
        let ended = ended.filter_map(|rule| Some(Transition::ended(rule, self.judge.open_since(rule)?, to)));
        self.found.extend(ended);
        scratch.arrived.clear();
        let first_seq = self.head.clone().drain_packed_before(to, &mut scratch.arrived).first_seq;
        let seen = usize::try_from(self.unseen.saturating_sub(first_seq)).unwrap_or(usize::MAX);
        self.mask.hide(&mut scratch.arrived);
        let seen = &scratch.arrived[..seen.min(scratch.arrived.len())];
        let interval = self.cadence.interval;
        let before = std::mem::replace(&mut self.judge, Judge::new(&policies, interval));
        self.judge = before.revised(&policies, interval, seen);
        self.judge.leave_out(&self.shown.maintenance);
        self.judge.leave_out_spans(&self.left_out);
        self.tails = RuleTails::new(&policies, &self.head);
        self.show_breaches();
    }

    /// Shows the open incidents of the rules other than availability.
    pub(super) fn show_breaches(&mut self) {
        let others = SITE_RULES.into_iter().filter(|rule| *rule != RuleKind::Availability);
        let breach = |rule| Some(Breach { rule, since: self.judge.open_since(rule)? });
        self.shown.breaches = others.filter_map(breach).collect();
    }
}

/// The instant up to which all samples are published at `now`.
const fn published(now: Timestamp) -> Timestamp {
    Timestamp::from_micros(now.as_micros().saturating_sub(PUBLISHED))
}
