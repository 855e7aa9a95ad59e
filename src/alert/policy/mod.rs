//! All rules of one site, judged from its samples alone: the same code live and in a backtest.
//!
//! A [`Judge`] takes samples in their order and finds transitions. The caller keeps the samples; for each window that a rule
//! has, it passes those that leave the window along with those that enter it ([`Expired`]). The engine reads them again from
//! the ring; a [`Playback`] has all of them in a list. To drive a judge:
//!
//! 1. [`Judge::new`], then [`Judge::reopen`] for each incident that is still open, and [`Judge::remember`] with an objective.
//! 2. [`Judge::replay`] with the history, which announces nothing; then [`Judge::resume`] once.
//! 3. [`Judge::observe`] with new samples; [`Judge::pass`] when time reaches [`Judge::due`] without one;
//!    [`Judge::see_certificate`] with the certificate of a successful check, or that there was none.
//!
//! With each call come the samples that were not passed yet and that are at or before [`Judge::cutoffs`] of the last new
//! sample (of [`Judge::due`] for `pass`).
//!
//! Law: the transitions depend on the samples alone, not on how they are split or on when `pass` is called. Exceptions: the
//! certificate, which no sample contains, and the first judgement after a replay (see [`Judge::resume`]).
//! Invariants: a transition's `at` is that of a check or the instant at which a window became covered. Per rule, openings and
//! closings alternate; the certificate rule may announce an open incident again, with its `since`.

use std::time::Duration;

use crate::model::{Certificate, Packed, Timestamp};

use super::maintenance::{self, Maintenance};
use super::{Policies, RuleKind, StandingIncident, Transition};
use availability::AvailabilityJudge;
use burn::BurnJudge;
use certificate::CertificateJudge;
use expiry::{Expiry, Span};
use latency::LatencyJudge;

pub use minutes::Minutes;
pub use playback::Playback;

/// The rules that a site may have, in the order in which one check is judged.
pub const SITE_RULES: [RuleKind; 5] =
    [RuleKind::Availability, RuleKind::Latency, RuleKind::SloFast, RuleKind::SloSlow, RuleKind::Certificate];

/// The state of all rules of one site. The rare ones are boxed: most sites have none of them.
#[derive(Clone, Debug)]
pub struct Judge {
    availability: AvailabilityJudge,
    due: Timestamp,
    latency: Option<Box<LatencyJudge>>,
    burn: Option<Box<BurnJudge>>,
    certificate: Option<Box<CertificateJudge>>,
    /// A longer gap is a hole.
    hole: Span,
}

/// The samples that leave the windows in one call, oldest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expired<'a> {
    /// Of the availability rule.
    pub availability: &'a [Packed],
    /// Of the latency rule; without one, empty.
    pub latency: &'a [Packed],
}

/// The last instants outside the windows as of one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cutoffs {
    /// Of the availability rule.
    pub availability: Timestamp,
    /// Of the latency rule, if there is one.
    pub latency: Option<Timestamp>,
}

impl Judge {
    /// A judge without samples and without an open incident.
    #[must_use]
    pub fn new(policies: &Policies, interval: Duration) -> Self {
        let burn = policies.slo.map(|rule| Box::new(BurnJudge::new(rule, interval)));
        Self {
            availability: AvailabilityJudge::new(policies.availability, interval, None),
            due: Timestamp::MAX,
            latency: policies.latency.map(|rule| Box::new(LatencyJudge::new(rule, None))),
            burn,
            certificate: policies.certificate.map(|warn| Box::new(CertificateJudge::new(warn))),
            hole: Span::of(interval).twice(),
        }
    }

    /// Takes over an open incident. Returns whether there is such a rule; otherwise the incident has ended.
    pub fn reopen(&mut self, incident: &StandingIncident) -> bool {
        let StandingIncident { rule, since, reading } = incident;
        if let (RuleKind::Certificate, Some(certificate)) = (rule, &mut self.certificate) {
            certificate.reopen(*since, reading.as_ref());
        }
        self.overrule(*rule, Some(*since))
    }

    /// Gives an objective the checks of the last three days that are older than those that will be replayed.
    pub fn remember(&mut self, minutes: Minutes) {
        if let Some(burn) = &mut self.burn {
            burn.remember(minutes);
        }
    }

    /// Leaves the times of `windows`, of the past three days and from now on, out of an objective. What was left out before
    /// stays out.
    pub fn leave_out(&mut self, windows: &[Maintenance]) {
        if let Some(burn) = &mut self.burn {
            burn.leave_out(windows);
        }
    }

    /// Leaves `spans` out of an objective, in place of those of earlier calls; what was left out before stays out.
    pub fn leave_out_spans(&mut self, spans: &[maintenance::Span]) {
        if let Some(burn) = &mut self.burn {
            burn.leave_out_spans(spans);
        }
    }

    /// Takes `samples` without judging them: history, and what arrives while the site is paused.
    pub fn replay(&mut self, samples: &[Packed], expired: Expired<'_>) {
        self.availability.replay(samples, Expiry::new(expired.availability));
        if let Some(latency) = &mut self.latency {
            latency.replay(samples, Expiry::new(expired.latency));
        }
        if let Some(burn) = &mut self.burn {
            burn.replay(samples);
        }
        self.due = self.availability.due();
    }

    /// Judges the last replayed check, unless it was more than two intervals before `now`: what an earlier run did not come
    /// to announce. Earlier checks are not judged.
    pub fn resume(&mut self, now: Timestamp, found: &mut Vec<Transition>) {
        let since = self.hole.cutoff(now);
        found.extend(self.availability.resume(now));
        found.extend(self.latency.as_mut().and_then(|latency| latency.resume(since)));
        if let Some(burn) = &mut self.burn {
            burn.resume(since, found);
        }
        self.due = self.availability.due();
    }

    /// Judges at each of `arrived`. The transitions of each rule are in the order of their instants.
    pub fn observe(&mut self, arrived: &[Packed], expired: Expired<'_>, found: &mut Vec<Transition>) {
        self.availability.observe(arrived, Expiry::new(expired.availability), found);
        if let Some(latency) = &mut self.latency {
            latency.observe(arrived, Expiry::new(expired.latency), found);
        }
        if let Some(burn) = &mut self.burn {
            burn.observe(arrived, found);
        }
        self.due = self.availability.due();
    }

    /// When the next judgement without a new sample is due; [`Timestamp::MAX`] if none is.
    #[must_use]
    pub const fn due(&self) -> Timestamp {
        self.due
    }

    /// Judges at [`Judge::due`], if that is at `now` or before.
    pub fn pass(&mut self, now: Timestamp, expired: Expired<'_>, found: &mut Vec<Transition>) {
        self.availability.pass(now, Expiry::new(expired.availability), found);
        if let Some(latency) = &mut self.latency {
            latency.replay(&[], Expiry::new(expired.latency));
        }
        self.due = self.availability.due();
    }

    /// Leaves out [`Judge::due`], if that is at `now` or before: the site was not watched then.
    pub fn skip(&mut self, now: Timestamp) {
        self.availability.skip(now);
        self.due = self.availability.due();
    }

    /// Judges the certificate that a successful check at `at` saw, or that no request of it went over TLS. A check before the last
    /// one is ignored.
    pub fn see_certificate(&mut self, at: Timestamp, certificate: Option<&Certificate>, found: &mut Vec<Transition>) {
        let Some(judge) = &mut self.certificate else { return };
        found.extend(match certificate {
            Some(certificate) => judge.observe(at, certificate.not_after, certificate.days_left(at)),
            None => judge.observe_none(at),
        });
    }

    /// The last instants outside the windows as of `as_of`.
    #[must_use]
    pub fn cutoffs(&self, as_of: Timestamp) -> Cutoffs {
        let latency = self.latency.as_ref().map(|latency| latency.cutoff(as_of));
        Cutoffs { availability: self.availability.cutoff(as_of), latency }
    }

    /// Replaces the windows by `held`, which were all observed or replayed before and of which none has expired.
    pub fn refill(&mut self, held: &[Packed]) {
        self.availability.refill(held);
        if let Some(latency) = &mut self.latency {
            latency.refill(held);
        }
    }

    /// Takes in that some of `seen`, the checks at hand that it has observed, count otherwise now: a failed one at the
    /// times in `changed` does not count any more, or counts after all. [`Judge::refill`] has to follow. Verdicts stay.
    pub fn recount(&mut self, seen: &[Packed], changed: &[(Timestamp, bool)]) {
        self.availability.recount(seen);
        if let Some(burn) = &mut self.burn {
            for &(at, counts) in changed {
                burn.recount(at, counts);
            }
        }
        self.due = self.availability.due();
    }

    /// Like [`Judge::recount`], where failed checks from number `from` of `seen` on count after all: the availability rule
    /// finds what it would have found. An objective is judged at the next check.
    pub fn rejudge(
        &mut self,
        seen: &[Packed],
        from: usize,
        changed: &[(Timestamp, bool)],
        found: &mut Vec<Transition>,
    ) {
        self.recount(seen, changed);
        self.availability.rejudge(seen, from, found);
        self.due = self.availability.due();
    }

    /// This judge with other rules or another interval; `seen` are the samples at hand that it has observed. What is judged
    /// by minutes and by certificates goes on; the rest starts over with `seen`. Open incidents stay open, and nothing is
    /// announced before the next check.
    #[must_use]
    pub fn revised(mut self, policies: &Policies, interval: Duration, seen: &[Packed]) -> Self {
        let mut judge = Self::new(policies, interval);
        judge.replay(seen, Expired::default());
        judge.refill(seen);
        for rule in SITE_RULES {
            judge.overrule(rule, self.open_since(rule));
        }
        if let (Some(rule), Some(mut burn)) = (policies.slo, self.burn.take()) {
            burn.revise(rule, interval);
            judge.burn = Some(burn);
        }
        if let (Some(warn), Some(mut certificate)) = (policies.certificate, self.certificate.take()) {
            certificate.warn_at(warn);
            judge.certificate = Some(certificate);
        }
        judge.due = judge.availability.due();
        judge
    }

    /// Follows a clock that was set back by `by`: minutes move, and the next certificate counts.
    pub fn move_back(&mut self, by: Duration) {
        if let Some(burn) = &mut self.burn {
            burn.move_back(by);
        }
        if let Some(certificate) = &mut self.certificate {
            certificate.forget_order();
        }
    }

    /// Adopts the verdict `open_since` on `rule` from elsewhere. Returns whether there is such a rule.
    pub fn overrule(&mut self, rule: RuleKind, open_since: Option<Timestamp>) -> bool {
        match (rule, &mut self.latency, &mut self.burn, &mut self.certificate) {
            (RuleKind::Availability, ..) => self.availability.overrule(open_since),
            (RuleKind::Latency, Some(latency), ..) => latency.overrule(open_since),
            (RuleKind::SloFast | RuleKind::SloSlow, _, Some(burn), _) => burn.overrule(rule, open_since),
            (RuleKind::Certificate, .., Some(certificate)) => certificate.overrule(open_since),
            _ => return false,
        }
        self.due = self.availability.due();
        true
    }

    /// The start of the open incident of `rule`, if one is open.
    #[must_use]
    pub fn open_since(&self, rule: RuleKind) -> Option<Timestamp> {
        match rule {
            RuleKind::Availability => self.availability.open_since(),
            RuleKind::Latency => self.latency.as_ref()?.open_since(),
            RuleKind::SloFast | RuleKind::SloSlow => self.burn.as_ref()?.open_since(rule),
            RuleKind::Certificate => self.certificate.as_ref()?.open_since(),
            _ => None,
        }
    }

    /// Whether the availability rule says down.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        self.availability.open_since().is_some()
    }

    /// When the window of the availability rule becomes covered; an estimate until the second sample, where that one covers
    /// it. `None` before the first sample.
    #[must_use]
    pub fn judged_from(&self) -> Option<Timestamp> {
        self.availability.judged_from()
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let latency = self.latency.as_ref().map_or(0, |_| size_of::<LatencyJudge>());
        let certificate = self.certificate.as_ref().map_or(0, |_| size_of::<CertificateJudge>());
        latency + certificate + self.burn.as_ref().map_or(0, |burn| burn.heap_bytes())
    }
}

impl Policies {
    /// How far back a judge looks at checks every `interval`, apart from the minutes of an objective.
    #[must_use]
    pub fn reach(&self, interval: Duration) -> Duration {
        let in_row =
            self.availability.failures.map_or(Duration::ZERO, |failures| interval.saturating_mul(failures.get()));
        let latency = self.latency.map_or(Duration::ZERO, |latency| latency.window);
        self.availability.window.max(latency).max(in_row)
    }

    /// Whether a site with these rules has `rule`.
    #[must_use]
    pub const fn has(&self, rule: RuleKind) -> bool {
        match rule {
            RuleKind::Availability => true,
            RuleKind::Latency => self.latency.is_some(),
            RuleKind::SloFast | RuleKind::SloSlow => self.slo.is_some(),
            RuleKind::Certificate => self.certificate.is_some(),
            _ => false,
        }
    }
}

mod availability;
mod burn;
mod certificate;
mod expiry;
mod latency;
mod minutes;
mod playback;
#[cfg(test)]
pub(crate) mod tests;
