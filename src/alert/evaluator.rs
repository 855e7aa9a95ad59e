//! Judges one site by its alert rule, step by step.
//!
//! The caller keeps the counts of the rule's window; the evaluator decides whether they may be judged and what changed.
//! It judges a window when three conditions hold.
//!
//! - The window is *covered*: the site was watched without a hole for at least window − interval, counted from the `at`
//!   of the first sample after the start or after the last hole. (`at`, not the start of that probe: a window holds
//!   samples by their `at`, so only then does it hold one sample per interval, however slow the first probe was.) When
//!   the interval is at least the window, it is covered from the second sample on.
//! - It holds `min_samples` checks, and at least one: without checks there is no availability.
//! - A check arrived since the last judgement, and no hole is in progress. Samples that merely leave the window announce
//!   nothing. Otherwise a site that fails every fifth check would flap between the instant its old failure leaves and the
//!   instant its next one arrives, and a machine without network, or just restarted, would announce what it has not seen.
//!
//! `down` also needs a failed check among the new ones: the checks since the previous step for which the window was
//! covered when they arrived or, if there are none, the last check with a known outcome. Failures from before the window
//! was covered, followed by successful checks, announce nothing; neither do failures replayed before the first step,
//! unless the last replayed check failed.
//!
//! Invariants: `down` and `up` alternate; a transition's `since` is the `at` of the incident's `down`; availability is
//! compared in integers. Cost: constant, without allocation.

use std::time::Duration;

use crate::model::time::duration;
use crate::model::{Flags, Outcome, Packed, Timestamp};
use crate::stats::{Availability, Counts};

use super::{AlertState, Rule};

/// A change of the rule's verdict, to be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The time of the verdict.
    pub at: Timestamp,
    /// Down or up; never ended.
    pub state: AlertState,
    /// The availability that was judged.
    pub availability: Availability,
    /// The start of the incident: `at` for down, the `at` of its down for up.
    pub since: Timestamp,
    /// `at − since` for up; `None` for down.
    pub downtime: Option<Duration>,
}

/// The state of one site's rule.
#[derive(Clone, Debug)]
pub struct Evaluator {
    rule: Rule,
    /// Window − interval, µs; `None` when the second sample covers the window.
    wait: Option<u64>,
    /// Two intervals, µs: a longer gap is a hole.
    hole: u64,
    open_since: Option<Timestamp>,
    watch: Option<WindowEdges>,
    has_new_check: bool,
    /// Whether the last check with a known outcome failed.
    last_failed: bool,
    /// Whether a check failed since the last step while the window was covered; `None` before the first step, while
    /// samples are replayed.
    failed_since_step: Option<bool>,
}

/// An unbroken stretch of observation.
#[derive(Clone, Copy, Debug)]
struct WindowEdges {
    first: Timestamp,
    second: Option<Timestamp>,
    last: Timestamp,
}

impl Evaluator {
    /// An evaluator without samples; `open_since` is the `at` of the last `down` if that incident is still open.
    #[must_use]
    pub fn new(rule: Rule, interval: Duration, open_since: Option<Timestamp>) -> Self {
        let wait = rule.window.checked_sub(interval).filter(|wait| !wait.is_zero()).map(duration::micros);
        Self {
            rule,
            wait,
            hole: duration::micros(interval).saturating_mul(2),
            open_since,
            watch: None,
            has_new_check: false,
            last_failed: false,
            failed_since_step: None,
        }
    }

    /// Observes `samples`, oldest first. Each sample, also a replayed one, passes through here once and in order.
    pub fn observe(&mut self, samples: &[Packed]) {
        let Some(last) = samples.last() else { return };
        let after_hole = samples.iter().rposition(|sample| sample.flags().has(Flags::AFTER_HOLE));
        let at = |position: usize| samples.get(position).map(Packed::at);
        let (first, second) = match (after_hole, self.watch) {
            (None, Some(watch)) => (watch.first, watch.second.or(at(0))),
            (begins, _) => {
                let begins = begins.unwrap_or(0);
                (samples[begins].at(), at(begins + 1))
            }
        };
        self.watch = Some(WindowEdges { first, second, last: last.at() });
        if let Some(known) = samples.iter().rfind(|sample| sample.outcome() != Outcome::Unknown) {
            (self.has_new_check, self.last_failed) = (true, known.outcome() == Outcome::Down);
        }
        if let Some(before) = self.failed_since_step {
            let lately = &samples[after_hole.unwrap_or(0)..];
            let from = self.covered_from();
            let is_failed =
                |sample: &Packed| sample.outcome() == Outcome::Down && from.is_some_and(|from| from <= sample.at());
            // A hole resets the coverage of the window.
            self.failed_since_step = Some(before && after_hole.is_none() || lately.iter().any(is_failed));
        }
    }

    /// Judges `recent`, the counts of the rule's window at `now`, all samples of which were observed.
    pub fn step(&mut self, recent: &Counts, now: Timestamp) -> Option<Transition> {
        let failed = self.failed_since_step.replace(false) == Some(true) || self.last_failed;
        if !self.has_new_check || !self.is_covered(now) || recent.checks() < u64::from(self.rule.min_samples) {
            return None;
        }
        let availability = recent.availability()?;
        self.has_new_check = false;
        match (self.open_since, availability.at_most_ppm(self.rule.threshold.ppm())) {
            (None, true) if failed => {
                self.open_since = Some(now);
                Some(Transition { at: now, state: AlertState::Down, availability, since: now, downtime: None })
            }
            (Some(since), false) => {
                self.open_since = None;
                // A `since` in the future came from a clock that ran ahead; the site was down at least while watched.
                let began = if since <= now { since } else { self.watch.as_ref().map_or(now, |watch| watch.first) };
                let downtime = Some(now.since(began));
                Some(Transition { at: now, state: AlertState::Up, availability, since, downtime })
            }
            _ => None,
        }
    }

    /// Adopts a verdict from elsewhere: `open_since` is the `at` of the open incident's `down`, if one is open.
    pub const fn overrule(&mut self, open_since: Option<Timestamp>) {
        self.open_since = open_since;
    }

    /// Whether the rule says down.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        self.open_since.is_some()
    }

    /// The start of the open incident.
    #[must_use]
    pub const fn open_since(&self) -> Option<Timestamp> {
        self.open_since
    }

    /// When the window becomes covered; an estimate until the second sample, where that one covers it. `None` before the
    /// first sample. `min_samples` may delay the judgement further.
    #[must_use]
    pub fn judged_from(&self) -> Option<Timestamp> {
        let watch = self.watch?;
        Some(match self.wait {
            Some(wait) => later(watch.first, wait),
            None => watch.second.unwrap_or_else(|| later(watch.first, self.hole / 2)),
        })
    }

    fn is_covered(&self, now: Timestamp) -> bool {
        let Some(watch) = self.watch else { return false };
        self.covered_from().is_some_and(|from| from <= now) && now <= later(watch.last, self.hole)
    }

    /// When the window became covered; `None` until the sample that covers it arrives.
    fn covered_from(&self) -> Option<Timestamp> {
        let watch = self.watch?;
        match self.wait {
            Some(wait) => Some(later(watch.first, wait)),
            None => watch.second,
        }
    }
}

/// `micros` after `at`, without a `Duration`, whose conversion would cost a division per site and step.
const fn later(at: Timestamp, micros: u64) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_add(micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Threshold;
    use crate::model::{Cause, Http, Micros, Phases, Sample};
    use proptest::prelude::*;

    const INTERVAL: Duration = Duration::from_secs(10);
    const OK: Cause = Cause::Ok;
    const BAD: Cause = Cause::ConnectTimeout;
    const DOWN: Option<AlertState> = Some(AlertState::Down);
    const UP: Option<AlertState> = Some(AlertState::Up);

    /// Far enough from the epoch that no window reaches before it.
    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + secs)
    }

    /// A site as the engine drives it, with the window recounted from a plain list at each step.
    struct ModelSite {
        rule: Rule,
        evaluator: Evaluator,
        samples: Vec<Sample>,
    }

    impl ModelSite {
        fn new(interval: Duration, rule: Rule) -> Self {
            Self { rule, evaluator: Evaluator::new(rule, interval, None), samples: Vec::new() }
        }

        /// The default rule, 80 % over 2 minutes, and a check every 10 s.
        fn by_default() -> Self {
            Self::new(INTERVAL, Rule::default())
        }

        fn add(&mut self, secs: u64, cause: Cause, flags: Flags) {
            let sample = Sample {
                at: at(secs),
                phases: Phases::NONE,
                cause,
                status: None,
                http: Http::None,
                flags,
                bytes: 0,
                redirects: 0,
                late: Micros::ZERO,
                skipped: 0,
            };
            self.samples.push(sample);
            self.evaluator.observe(&[sample.packed()]);
        }

        fn step(&mut self, secs: u64) -> Option<Transition> {
            let now = at(secs);
            let mut recent = Counts::default();
            for sample in self.samples.iter().filter(|s| s.at > now.before(self.rule.window) && s.at <= now) {
                recent.admit(sample);
            }
            self.evaluator.step(&recent, now)
        }

        /// A check with its outcome at `secs`, and the step that sees it.
        fn check(&mut self, secs: u64, cause: Cause) -> Option<AlertState> {
            self.check_flagged(secs, cause, Flags::none())
        }

        fn check_flagged(&mut self, secs: u64, cause: Cause, flags: Flags) -> Option<AlertState> {
            self.add(secs, cause, flags);
            self.step(secs).map(|transition| transition.state)
        }

        /// Checks on schedule from `first` on; returns the announcements and their times.
        fn checks(&mut self, first: u64, causes: &[Cause]) -> Vec<(u64, AlertState)> {
            let mut announced = Vec::new();
            for (secs, &cause) in (first..).step_by(10).zip(causes) {
                announced.extend(self.check(secs, cause).map(|state| (secs, state)));
            }
            announced
        }

        /// Eleven successful checks at 0 s to 100 s: one short of covered.
        fn nearly_covered() -> Self {
            let mut site = Self::by_default();
            assert_eq!(site.checks(0, &[OK; 11]), []);
            site
        }

        /// Down since 110 s, with twelve failed checks at 0 s to 110 s.
        fn down() -> Self {
            let mut site = Self::by_default();
            assert_eq!(site.checks(0, &[BAD; 12]), [(110, AlertState::Down)]);
            site
        }
    }

    #[test]
    fn scenario_0_no_records_is_silence() {
        let mut site = ModelSite::by_default();
        for secs in [0, 110, 120, 100_000] {
            assert_eq!(site.step(secs), None);
        }
        assert_eq!((site.evaluator.judged_from(), site.evaluator.is_down()), (None, false));

        // The same when there were records, and all of them left the window.
        let mut site = ModelSite::nearly_covered();
        assert_eq!(site.step(100_000), None);
        // A window with nothing but local failures says nothing about the site.
        let mut site = ModelSite::by_default();
        assert_eq!(site.checks(0, &[Cause::Local; 30]), []);
    }

    #[test]
    fn scenario_1_not_enough_records_is_silence() {
        let mut site = ModelSite::by_default();
        assert_eq!(site.checks(0, &[BAD; 11]), [], "100 s are not 110 s");
        assert_eq!(site.evaluator.judged_from(), Some(at(110)));

        // Covered, but with fewer checks than the rule asks for.
        let mut site = ModelSite::new(INTERVAL, Rule { min_samples: 13, ..Rule::default() });
        assert_eq!(site.checks(0, &[BAD; 30]), []);
        let mut site = ModelSite::new(INTERVAL, Rule { min_samples: 12, ..Rule::default() });
        assert_eq!(site.checks(0, &[BAD; 30]), [(110, AlertState::Down)]);
    }

    #[test]
    fn scenario_2_enough_above_up_is_silence() {
        let mut site = ModelSite::nearly_covered();
        assert_eq!(site.check(110, BAD), None, "11 of 12");
        assert_eq!(site.check(120, BAD), None, "10 of 12 are above 80 %");
        assert!(!site.evaluator.is_down());
    }

    #[test]
    fn scenario_3_enough_at_or_below_up_is_down_message() {
        let mut site = ModelSite::nearly_covered();
        assert_eq!(site.checks(110, &[BAD; 2]), []);
        site.add(130, BAD, Flags::none());
        let availability = Availability { up: 9, checks: 12 };
        let down = Transition { at: at(130), state: AlertState::Down, availability, since: at(130), downtime: None };
        assert_eq!(site.step(130), Some(down));
        assert_eq!((site.evaluator.is_down(), site.evaluator.open_since()), (true, Some(at(130))));
    }

    #[test]
    fn scenario_4_enough_at_or_below_down_is_silence() {
        let mut site = ModelSite::down();
        assert_eq!(site.checks(120, &[BAD; 100]), []);
        assert_eq!(site.evaluator.open_since(), Some(at(110)));
    }

    #[test]
    fn scenario_5_enough_above_down_is_up_message() {
        let mut site = ModelSite::down();
        assert_eq!(site.checks(120, &[OK; 9]), [], "9 of 12 are 75 %");
        site.add(210, OK, Flags::none());
        let up = Transition {
            at: at(210),
            state: AlertState::Up,
            availability: Availability { up: 10, checks: 12 },
            since: at(110),
            downtime: Some(Duration::from_secs(100)),
        };
        assert_eq!(site.step(210), Some(up));
        assert_eq!((site.evaluator.is_down(), site.evaluator.open_since()), (false, None));
    }

    #[test]
    fn an_incident_from_the_future_lasts_as_long_as_it_was_watched() {
        let mut site = ModelSite::by_default();
        site.evaluator.overrule(Some(at(1_000_000)));
        assert_eq!(site.checks(0, &[BAD; 3]), []);
        assert_eq!(site.checks(30, &[OK; 9]), [], "9 of 12 are 75 %");
        site.add(120, OK, Flags::none());
        let up = site.step(120).expect("it is up again");
        assert_eq!((up.state, up.since), (AlertState::Up, at(1_000_000)));
        assert_eq!(up.downtime, Some(Duration::from_mins(2)));
    }

    #[test]
    fn a_site_that_never_answered_alerts() {
        for (interval, window, alerts_at) in
            [(10, 120, 110), (1, 120, 119), (60, 120, 60), (60, 60, 60), (600, 60, 600)]
        {
            let rule = Rule { window: Duration::from_secs(window), ..Rule::default() };
            let mut site = ModelSite::new(Duration::from_secs(interval), rule);
            let first = (0..=1_200u64)
                .step_by(usize::try_from(interval).unwrap())
                .find(|&secs| site.check(secs, Cause::DnsNotFound) == DOWN);
            assert_eq!(first, Some(alerts_at), "every {interval} s, judged over {window} s");
        }
    }

    #[test]
    fn exactly_eighty_percent_is_down() {
        let rule = Rule { window: Duration::from_secs(50), ..Rule::default() };
        let mut site = ModelSite::new(INTERVAL, rule);
        assert_eq!(site.checks(0, &[OK, OK, OK, OK, BAD]), [(40, AlertState::Down)]);

        // Up takes more than 80 %: four of five stay silent.
        assert_eq!(site.checks(50, &[OK, OK, OK, OK]), []);
        assert_eq!(site.checks(90, &[OK, OK]), [(90, AlertState::Up)]);
    }

    #[test]
    fn thresholds_of_0_and_100_percent() {
        for (ppm, causes, expect) in [
            (0, vec![OK, BAD, BAD, BAD, BAD], vec![]),
            (0, vec![BAD; 5], vec![(40, AlertState::Down)]),
            (1_000_000, vec![OK; 5], vec![]),
            (1_000_000, vec![OK, OK, OK, OK, BAD], vec![(40, AlertState::Down)]),
        ] {
            let threshold = Threshold::from_ppm(ppm).unwrap();
            let rule = Rule { threshold, window: Duration::from_secs(50), ..Rule::default() };
            assert_eq!(ModelSite::new(INTERVAL, rule).checks(0, &causes), expect, "{ppm} ppm, {causes:?}");
        }
    }

    #[test]
    fn a_restart_neither_repeats_nor_loses_an_incident() {
        for stopped_for in [15, 60, 100_000] {
            let before = ModelSite::down();
            let flags = if stopped_for > 20 { Flags::AFTER_HOLE } else { Flags::none() };

            let mut after = ModelSite::by_default();
            after.evaluator = Evaluator::new(after.rule, INTERVAL, before.evaluator.open_since());
            for sample in &before.samples {
                after.samples.push(*sample);
                after.evaluator.observe(&[sample.packed()]);
            }
            let start = 110 + stopped_for;
            assert_eq!(after.step(start - 5), None, "nothing new was seen yet");
            assert_eq!(after.check_flagged(start, BAD, flags), None);
            assert_eq!(after.checks(start + 10, &[BAD; 20]), [], "it was announced before the restart");

            let announced = after.checks(start + 210, &[OK; 30]);
            assert_eq!(announced, [(start + 300, AlertState::Up)], "stopped for {stopped_for} s");
        }
    }

    #[test]
    fn a_down_cut_off_by_a_stop_is_announced_after_a_short_restart() {
        let mut site = ModelSite::by_default();
        for secs in (0..=110).step_by(10) {
            site.add(secs, BAD, Flags::none());
        }
        assert_eq!(site.step(115).map(|transition| transition.state), DOWN);
    }

    #[test]
    fn old_samples_are_not_judged_after_a_stop() {
        // Down by early failures; after a stop of a minute nearly all samples left in the window are successful.
        let before = [[BAD; 5].as_slice(), &[OK; 6], &[BAD]].concat();
        let mut site = ModelSite::by_default();
        assert_eq!(site.checks(0, &before), [(110, AlertState::Down)]);
        site.evaluator = Evaluator::new(site.rule, INTERVAL, site.evaluator.open_since());
        for sample in &site.samples {
            site.evaluator.observe(&[sample.packed()]);
        }
        assert_eq!(site.step(170), None, "five of six good, but long ago");
        assert_eq!(site.check_flagged(171, OK, Flags::AFTER_HOLE), None);
        assert!(site.evaluator.is_down());
    }

    #[test]
    fn one_failed_check_after_a_hole_does_not_alert() {
        for hole in [21, 110, 600, 1_000_000] {
            let mut site = ModelSite::nearly_covered();
            assert_eq!(site.checks(110, &[OK; 20]), []);
            let back = 300 + hole;
            for secs in (301..back).step_by(7) {
                assert_eq!(site.step(secs), None, "in the hole of {hole} s");
            }
            assert_eq!(site.check_flagged(back, BAD, Flags::AFTER_HOLE), None, "after {hole} s");
            assert_eq!(site.checks(back + 10, &[OK; 30]), []);
        }
    }

    #[test]
    fn failures_after_a_hole_alert_once_the_window_is_covered() {
        let mut site = ModelSite::nearly_covered();
        assert_eq!(site.check_flagged(1_000, BAD, Flags::AFTER_HOLE), None);
        assert_eq!(site.evaluator.judged_from(), Some(at(1_110)));
        assert_eq!(site.checks(1_010, &[BAD; 20]), [(1_110, AlertState::Down)]);

        // A rule whose window is no longer than the interval waits for the second sample after each hole.
        let rule = Rule { window: Duration::from_secs(5), ..Rule::default() };
        let mut site = ModelSite::new(INTERVAL, rule);
        assert_eq!(site.checks(0, &[OK; 5]), []);
        assert_eq!(site.check_flagged(500, BAD, Flags::AFTER_HOLE), None);
        assert_eq!(site.check(510, BAD), DOWN);
    }

    #[test]
    fn failed_and_missed_checks_are_no_hole() {
        let mut site = ModelSite::by_default();
        assert_eq!(site.checks(0, &[OK; 6]), []);
        // Checks hang until a timeout of 40 s, then their outcomes arrive on schedule.
        assert_eq!(site.checks(100, &[BAD; 3]), [(110, AlertState::Down)], "6 of 8");
    }

    #[test]
    fn samples_leaving_the_window_announce_nothing() {
        // Every fifth check fails: a constant 80 %, also in the moments after the old failure has left.
        let rule = Rule { window: Duration::from_secs(50), ..Rule::default() };
        let mut site = ModelSite::new(INTERVAL, rule);
        let mut announced = Vec::new();
        for secs in 0..2_000 {
            if secs % 10 == 1 {
                site.add(secs, if secs % 50 == 1 { BAD } else { OK }, Flags::none());
            }
            // The step just before a new failure sees four successful checks of four.
            if secs % 50 != 1 || secs < 50 {
                announced.extend(site.step(secs).map(|t| (secs, t.state)));
            }
        }
        assert_eq!(announced, [(52, AlertState::Down)], "with the second failed check, four of five good");
    }

    #[test]
    fn a_successful_check_never_announces_down() {
        // Three failed checks at the start, then only successful ones.
        let mut site = ModelSite::by_default();
        assert_eq!(site.checks(0, &[BAD, BAD, BAD]), []);
        assert_eq!(site.checks(30, &[OK; 20]), [], "9 of 12 when it is covered");
        // The same after a hole; a local failure does not count as a new check.
        let mut site = ModelSite::nearly_covered();
        assert_eq!(site.check_flagged(500, BAD, Flags::AFTER_HOLE), None);
        assert_eq!(site.checks(510, &[BAD, BAD, OK, OK, OK, OK, OK, OK, OK, OK, Cause::Local, OK]), []);
        // The next failed check while the window is below the threshold announces down.
        let mut site = ModelSite::by_default();
        assert_eq!(
            site.checks(0, &[BAD, BAD, BAD, OK, OK, OK, OK, OK, OK, OK, OK, OK, BAD]),
            [(120, AlertState::Down)]
        );
    }

    /// Checks arrive faster than steps, and each step ends with a successful one.
    #[test]
    fn a_failed_check_counts_though_a_successful_one_precedes_the_step() {
        let mut site = ModelSite::by_default();
        let mut announced = Vec::new();
        for secs in (0..400).step_by(20) {
            site.add(secs, BAD, Flags::none());
            site.add(secs + 10, OK, Flags::none());
            announced.extend(site.step(secs + 10).map(|transition| (secs + 10, transition.state)));
        }
        assert_eq!(announced, [(130, AlertState::Down)], "the first that failed when it was covered");

        // The same with a window that the second check covers.
        let mut site = ModelSite::new(
            INTERVAL,
            Rule {
                window: INTERVAL,
                threshold: Threshold::from_ppm(500_000).unwrap(),
                min_samples: 1,
                ..Rule::default()
            },
        );
        assert_eq!(site.checks(0, &[OK, OK]), []);
        site.add(14, BAD, Flags::none());
        site.add(18, OK, Flags::none());
        assert_eq!(site.step(20).map(|transition| transition.state), DOWN, "one of two");
    }

    #[test]
    fn failures_before_coverage_announce_no_down() {
        let story = [[BAD; 3].as_slice(), &[OK; 9]].concat();
        for replayed in [true, false] {
            let mut site = ModelSite::by_default();
            if !replayed {
                assert_eq!(site.step(0), None);
            }
            // All of them at once: a start, or a machine that was suspended.
            for (secs, &cause) in (0..).step_by(10).zip(&story) {
                site.add(secs, cause, Flags::none());
            }
            assert_eq!(site.step(110), None, "replayed: {replayed}");
            assert_eq!(site.checks(120, &[OK; 10]), []);
        }
        // Failures before a hole are not judged with the samples after it.
        let mut site = ModelSite::nearly_covered();
        assert_eq!(site.checks(110, &[OK, OK]), []);
        site.add(130, BAD, Flags::none());
        site.add(500, OK, Flags::AFTER_HOLE);
        assert_eq!(site.step(500), None);
        assert_eq!(site.checks(510, &[OK; 20]), []);
        // History that ends with a successful check announces nothing; the next failed check does.
        let mut site = ModelSite::by_default();
        for (secs, cause) in (0..200).step_by(10).zip([BAD, OK].into_iter().cycle()) {
            site.add(secs, cause, Flags::none());
        }
        assert_eq!(site.step(195), None);
        site.add(200, BAD, Flags::none());
        site.add(205, OK, Flags::none());
        assert_eq!(site.step(205).map(|transition| transition.state), DOWN);
    }

    #[test]
    fn local_failures_never_alert() {
        let mut site = ModelSite::nearly_covered();
        assert_eq!(site.checks(110, &[BAD, BAD]), [], "10 of 12");
        assert_eq!(site.checks(130, &[Cause::Local; 11]), [], "only the two failed ones are left in the end");

        let mut site = ModelSite::down();
        assert_eq!(site.checks(120, &[OK, OK]), []);
        assert_eq!(site.checks(140, &[Cause::Local; 11]), [], "only the two good ones are left in the end");
        assert!(site.evaluator.is_down());
        assert_eq!(site.check(250, OK), UP);
    }

    #[test]
    fn a_step_between_checks_judges_when_the_window_becomes_covered() {
        let mut site = ModelSite::by_default();
        for secs in [3, 11, 21, 31, 41, 51, 61, 71, 81, 91, 101, 111] {
            assert_eq!(site.check(secs, BAD), None, "the first was slow: covered at 113 s");
        }
        assert_eq!(site.step(112), None);
        assert_eq!(site.step(113).map(|transition| transition.state), DOWN);
    }

    proptest! {
        /// Messages alternate, each is true of the judged window, and each announced state is that of the last judgement.
        #[test]
        fn messages_alternate_and_are_true(
            checks in prop::collection::vec((0u64..40, 0u8..10), 1..200),
            ppm in 0u32..=1_000_000, window in 1u64..300, interval in 1u64..60, min_samples in 1u32..5,
        ) {
            let threshold = Threshold::from_ppm(ppm).unwrap();
            let rule = Rule { threshold, window: Duration::from_secs(window), min_samples, ..Rule::default() };
            let mut site = ModelSite::new(Duration::from_secs(interval), rule);
            let (mut now, mut down_since) = (0, None);
            for (pause, kind) in checks {
                now += 1 + pause;
                match kind {
                    0..=3 => site.add(now, OK, Flags::none()),
                    4..=6 => site.add(now, BAD, Flags::none()),
                    7 => site.add(now, Cause::Local, Flags::none()),
                    8 => site.add(now, BAD, Flags::AFTER_HOLE),
                    _ => {}
                }
                if let Some(transition) = site.step(now) {
                    let found = at(now);
                    let in_window: Vec<&Sample> =
                        site.samples.iter().filter(|s| s.at > found.before(rule.window)).collect();
                    let up = in_window.iter().filter(|s| s.outcome() == Outcome::Up).count() as u64;
                    let down = in_window.iter().filter(|s| s.outcome() == Outcome::Down).count() as u64;
                    prop_assert_eq!(transition.availability, Availability { up, checks: up + down });
                    prop_assert!(up + down >= u64::from(min_samples));
                    prop_assert_eq!(transition.at, found);
                    if transition.state == AlertState::Down {
                        prop_assert!(up * 1_000_000 <= u64::from(ppm) * (up + down));
                        prop_assert_eq!(down_since.replace(found), None);
                        let known = site.samples.iter().rfind(|sample| sample.outcome() != Outcome::Unknown);
                        prop_assert_eq!(known.map(Sample::outcome), Some(Outcome::Down));
                    } else {
                        prop_assert!(up * 1_000_000 > u64::from(ppm) * (up + down));
                        prop_assert_eq!(down_since.take(), Some(transition.since));
                        prop_assert_eq!(transition.downtime, Some(found.since(transition.since)));
                    }
                }
                prop_assert_eq!(site.evaluator.open_since(), down_since);
            }
        }
    }

    proptest! {
        /// The evaluator's state does not depend on how the samples are split.
        #[test]
        fn samples_may_be_split_anywhere(
            samples in prop::collection::vec((1u64..50, 0u8..8, prop::sample::select(vec![OK, BAD, Cause::Local])), 0..40),
            lens in prop::collection::vec(0usize..6, 1..40), stepped: bool,
        ) {
            let mut whole = ModelSite::by_default();
            whole.evaluator.failed_since_step = stepped.then_some(false);
            let mut secs = 0;
            for (gap, flags, cause) in samples {
                secs += gap;
                whole.add(secs, cause, if flags == 0 { Flags::AFTER_HOLE } else { Flags::none() });
            }
            let mut pieces = ModelSite::by_default().evaluator;
            pieces.failed_since_step = stepped.then_some(false);
            let packed: Vec<Packed> = whole.samples.iter().map(Sample::packed).collect();
            let mut rest = &packed[..];
            for len in lens.into_iter().chain([packed.len()]) {
                let (piece, after) = rest.split_at(len.min(rest.len()));
                pieces.observe(piece);
                rest = after;
            }
            prop_assert_eq!(format!("{:?}", whole.evaluator), format!("{pieces:?}"));
        }
    }
}
