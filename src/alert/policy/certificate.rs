//! The certificate rule: warns before a certificate expires, and again as the end comes near.
//!
//! Invariants: judged per successful check, at its `at`, without a window. An incident is told again,
//! with its `since`, when 7, 3 and 1 days are left; never twice for the same certificate. It is clear when a check sees one
//! that lasts longer than the warning, and it ends when one saw none: the site is not reached over TLS any more. (An expired one is
//! down anyway.)

use std::time::Duration;

use crate::alert::{Reading, RuleKind};
use crate::model::Timestamp;

use crate::alert::Transition;

/// Days left at which an open incident is told again.
const MARKS: [i64; 3] = [7, 3, 1];

const DAY: Duration = Duration::from_hours(24);

/// The state of one site's certificate rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct CertificateJudge {
    /// Breached at so many whole days left, or fewer.
    warn_days: i64,
    open_since: Option<Timestamp>,
    /// The end of the certificate that was last judged, and how many marks it had passed.
    seen: Option<(Timestamp, usize)>,
    /// The check that was last judged.
    last: Timestamp,
}

impl CertificateJudge {
    pub(super) fn new(warn: Duration) -> Self {
        Self { warn_days: days(warn), open_since: None, seen: None, last: Timestamp::ZERO }
    }

    /// Takes over the incident that began at `since` and whose last alert said `reading`.
    pub(super) fn reopen(&mut self, since: Timestamp, reading: Option<&Reading>) {
        self.open_since = Some(since);
        if let Some(Reading::Certificate { not_after, days_left }) = reading {
            self.seen = Some((*not_after, marks(self.warn_days, *days_left)));
        }
    }

    /// Changes how early it warns.
    pub(super) fn warn_at(&mut self, warn: Duration) {
        self.warn_days = days(warn);
    }

    /// Judges a successful check at `at` that saw a certificate with `days_left`, valid until `not_after`.
    pub(super) fn observe(&mut self, at: Timestamp, not_after: Timestamp, days_left: i64) -> Option<Transition> {
        if at < self.last {
            return None;
        }
        self.last = at;
        let reading = Reading::Certificate { not_after, days_left };
        let passed = marks(self.warn_days, days_left);
        let before = self.seen.replace((not_after, passed));
        match self.open_since {
            None if days_left <= self.warn_days => {
                self.open_since = Some(at);
                Some(Transition::breached(RuleKind::Certificate, at, at, reading))
            }
            Some(since) if days_left > self.warn_days => {
                self.open_since = None;
                Some(Transition::cleared(RuleKind::Certificate, at, since, reading))
            }
            Some(since) => {
                // Another certificate that also ends soon starts its own count.
                let is_next = before.is_some_and(|(same, told)| same == not_after && told < passed);
                is_next.then(|| Transition::breached(RuleKind::Certificate, at, since, reading))
            }
            None => None,
        }
    }

    /// Judges a successful check at `at` that saw no certificate, as no request of it went over TLS.
    pub(super) fn observe_none(&mut self, at: Timestamp) -> Option<Transition> {
        if at < self.last {
            return None;
        }
        (self.last, self.seen) = (at, None);
        self.open_since.take().map(|since| Transition::ended(RuleKind::Certificate, since, at))
    }

    pub(super) const fn overrule(&mut self, open_since: Option<Timestamp>) {
        self.open_since = open_since;
    }

    pub(super) const fn open_since(&self) -> Option<Timestamp> {
        self.open_since
    }

    /// Forgets which check was the last: the clock was set.
    pub(super) const fn forget_order(&mut self) {
        self.last = Timestamp::ZERO;
    }
}

fn days(warn: Duration) -> i64 {
    i64::try_from(warn.as_secs() / DAY.as_secs()).unwrap_or(i64::MAX)
}

/// How many of the marks below the warning have passed with `days_left`.
fn marks(warn_days: i64, days_left: i64) -> usize {
    MARKS.iter().filter(|&&mark| mark < warn_days && days_left <= mark).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertState::{Breached, Cleared};
    use crate::model::Certificate;

    fn at(day: u64) -> Timestamp {
        Timestamp::from_secs(day * 86_400)
    }

    /// The transitions of one check a day, each with the day on which the certificate it sees ends.
    fn told(
        judge: &mut CertificateJudge,
        checks: impl IntoIterator<Item = (u64, u64)>,
    ) -> Vec<(u64, crate::alert::AlertState)> {
        let mut told = Vec::new();
        for (day, ends) in checks {
            let certificate = Certificate {
                subject: String::new(),
                issuer: String::new(),
                not_before: Timestamp::ZERO,
                not_after: at(ends),
                faults: Vec::new(),
            };
            let found = judge.observe(at(day), at(ends), certificate.days_left(at(day)));
            told.extend(found.map(|found| (day, found.state)));
        }
        told
    }

    #[test]
    fn it_opens_at_the_warning_and_is_told_again_at_7_3_and_1_days() {
        let mut judge = CertificateJudge::new(21 * DAY);
        let expected = [(79, Breached), (93, Breached), (97, Breached), (99, Breached)];
        assert_eq!(told(&mut judge, (0..=100).map(|day| (day, 100))), expected);
        assert_eq!(judge.open_since(), Some(at(79)), "one incident");
        assert_eq!(told(&mut judge, [(101, 190)]), [(101, Cleared)]);
        assert_eq!(judge.open_since(), None);
    }

    #[test]
    fn marks_at_or_above_the_warning_are_not_told_apart() {
        let mut judge = CertificateJudge::new(3 * DAY);
        assert_eq!(told(&mut judge, (0..=100).map(|day| (day, 100))), [(97, Breached), (99, Breached)]);
        let mut judge = CertificateJudge::new(DAY);
        assert_eq!(told(&mut judge, (0..=100).map(|day| (day, 100))), [(99, Breached)]);
    }

    #[test]
    fn a_mark_that_was_missed_is_told_at_the_next_check_and_several_at_once_only_once() {
        let mut judge = CertificateJudge::new(21 * DAY);
        assert_eq!(
            told(&mut judge, [(80, 100), (98, 100), (98, 100), (99, 100)]),
            [(80, Breached), (98, Breached), (99, Breached)]
        );
    }

    #[test]
    fn a_restart_neither_repeats_nor_loses_a_mark() {
        for (stopped_for, expected) in [(1, vec![]), (5, vec![(98, Breached)])] {
            let mut judge = CertificateJudge::new(21 * DAY);
            told(&mut judge, (0..=93).map(|day| (day, 100)));
            let reading = Reading::Certificate { not_after: at(100), days_left: 7 };
            let since = judge.open_since().unwrap();
            judge = CertificateJudge::new(21 * DAY);
            judge.reopen(since, Some(&reading));
            assert_eq!(told(&mut judge, [(93 + stopped_for, 100)]), expected);
        }
    }

    #[test]
    fn another_certificate_that_ends_soon_too_counts_anew() {
        let mut judge = CertificateJudge::new(21 * DAY);
        assert_eq!(told(&mut judge, [(98, 100), (99, 114), (106, 114), (107, 114)]), [(98, Breached), (107, Breached)]);
    }

    /// Its URL is http now, or it redirects to https no more.
    #[test]
    fn it_ends_when_a_site_has_no_certificate_any_more() {
        let mut judge = CertificateJudge::new(21 * DAY);
        assert_eq!(judge.observe_none(at(89)), None);
        assert_eq!(told(&mut judge, [(90, 100)]), [(90, Breached)]);
        assert_eq!(judge.observe_none(at(89)), None, "it comes late");
        assert_eq!(judge.observe_none(at(91)), Some(Transition::ended(RuleKind::Certificate, at(90), at(91))));
        assert_eq!((judge.observe_none(at(92)), judge.open_since()), (None, None));
        assert_eq!(told(&mut judge, [(93, 100)]), [(93, Breached)], "it is told again once there is one");
    }

    #[test]
    fn a_check_that_comes_late_is_not_judged() {
        let mut judge = CertificateJudge::new(21 * DAY);
        assert_eq!(told(&mut judge, [(80, 300), (79, 100)]), []);
        judge.forget_order();
        assert_eq!(told(&mut judge, [(79, 100)]), [(79, Breached)]);
    }
}
