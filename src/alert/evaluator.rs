//! The rule of one site, applied step by step.
//!
//! The idea: the caller keeps the counts of the rule's window; this decides whether they may be judged and what
//! changed. A window is judged when three things hold.
//!
//! - It is *covered*: the site was watched without a hole for at least window − interval, counted from the `at`
//!   of the first sample after the start or after the last hole. (`at`, not the start of that probe: a window
//!   holds samples by their `at`, so only then does it hold one sample an interval, however slow the first was.)
//!   When the interval is at least the window: from the second sample on.
//! - It holds `min_samples` checks, and at least one: without checks there is no availability.
//! - There is *news*: a check since the last judgement, and no hole under way. Samples that merely leave the window
//!   announce nothing. Otherwise a site that fails every fifth check would flap between the instant its old failure
//!   leaves and the instant its next one arrives, and a machine without network, or one just started again, would
//!   announce what it has not seen.
//!
//! Down takes one thing more: a failed check among the news. The news of a step are the checks since the step before that
//! could be judged when they came, for a step may bring several; where it brings none, the last check that said anything
//! of the site. Failures from before the window was covered, followed by good checks, announce nothing; neither do those
//! that are replayed before the first step, unless the last of them failed.
//!
//! Invariants: `down` and `up` alternate; a transition's `since` is the `at` of the incident's `down`; availability
//! is compared in integers. Cost: constant, without allocation.

use std::time::Duration;

use crate::model::time::duration;
use crate::model::{Flags, Outcome, Packed, Timestamp};
use crate::stats::{Availability, Counts};

use super::{AlertState, Rule};

/// One change of the rule's verdict, to be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When it was found.
    pub at: Timestamp,
    /// Down or up; never ended.
    pub state: AlertState,
    /// The availability that was judged.
    pub availability: Availability,
    /// When the incident began: `at` for down, the `at` of its down for up.
    pub since: Timestamp,
    /// `at − since` for up; none for down.
    pub downtime: Option<Duration>,
}

/// Judges one site by one rule.
#[derive(Clone, Debug)]
pub struct Evaluator {
    rule: Rule,
    /// How long it must have been watched, window − interval, µs; none when it waits for the second sample.
    wait: Option<u64>,
    /// Two intervals, µs: nothing for longer is a hole.
    hole: u64,
    open_since: Option<Timestamp>,
    watch: Option<WindowEdges>,
    news: bool,
    /// Whether the last check failed, those of which nothing can be said left out.
    failed: bool,
    /// Whether a check failed since the last step, when the window was covered already; none before the first step: what is
    /// observed then is replayed.
    failed_lately: Option<bool>,
}

/// An unbroken stretch of observation.
#[derive(Clone, Copy, Debug)]
struct WindowEdges {
    first: Timestamp,
    second: Option<Timestamp>,
    last: Timestamp,
}

impl Evaluator {
    /// Nothing observed yet; `open_since` is the `at` of the last `down` when that incident is still open.
    #[must_use]
    pub fn new(rule: Rule, interval: Duration, open_since: Option<Timestamp>) -> Self {
        let wait = rule.window.checked_sub(interval).filter(|wait| !wait.is_zero()).map(duration::micros);
        Self {
            rule,
            wait,
            hole: duration::micros(interval).saturating_mul(2),
            open_since,
            watch: None,
            news: false,
            failed: false,
            failed_lately: None,
        }
    }

    /// Takes note of `samples`, oldest first. Every sample goes through here once and in order, replayed ones too.
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
        if let Some(told) = samples.iter().rfind(|sample| sample.outcome() != Outcome::Unknown) {
            (self.news, self.failed) = (true, told.outcome() == Outcome::Down);
        }
        if let Some(before) = self.failed_lately {
            let lately = &samples[after_hole.unwrap_or(0)..];
            let from = self.covered_from();
            let is_failed =
                |sample: &Packed| sample.outcome() == Outcome::Down && from.is_some_and(|from| from <= sample.at());
            // After a hole the window has to be covered anew.
            self.failed_lately = Some(before && after_hole.is_none() || lately.iter().any(is_failed));
        }
    }

    /// Judges `recent`, the counts of the rule's window at `now`, after everything in it was observed.
    pub fn step(&mut self, recent: &Counts, now: Timestamp) -> Option<Transition> {
        let failed = self.failed_lately.replace(false) == Some(true) || self.failed;
        if !self.news || !self.is_covered(now) || recent.checks() < u64::from(self.rule.min_samples) {
            return None;
        }
        let availability = recent.availability()?;
        self.news = false;
        match (self.open_since, availability.at_most_ppm(self.rule.threshold.ppm())) {
            (None, true) if failed => {
                self.open_since = Some(now);
                Some(Transition { at: now, state: AlertState::Down, availability, since: now, downtime: None })
            }
            (Some(since), false) => {
                self.open_since = None;
                // A `since` that is to come was noted by a clock that was ahead: what was watched since is known to be down.
                let began = if since <= now { since } else { self.watch.as_ref().map_or(now, |watch| watch.first) };
                let downtime = Some(now.since(began));
                Some(Transition { at: now, state: AlertState::Up, availability, since, downtime })
            }
            _ => None,
        }
    }

    /// Takes a verdict from elsewhere: `open_since` is the `at` of the `down` of the incident that is open, if one is.
    pub const fn overrule(&mut self, open_since: Option<Timestamp>) {
        self.open_since = open_since;
    }

    /// Whether the rule says down.
    #[must_use]
    pub const fn is_down(&self) -> bool {
        self.open_since.is_some()
    }

    /// When the open incident began.
    #[must_use]
    pub const fn open_since(&self) -> Option<Timestamp> {
        self.open_since
    }

    /// From when on the window is covered; an estimate while the second sample that it waits for has not come. None
    /// before the first sample. `min_samples` may ask for more.
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

    /// From when on the window is covered; none while the sample that it waits for has not come.
    fn covered_from(&self) -> Option<Timestamp> {
        let watch = self.watch?;
        match self.wait {
            Some(wait) => Some(later(watch.first, wait)),
            None => watch.second,
        }
    }
}

/// `micros` after `at`. In microseconds, because a `Duration` has to be divided for each comparison, and there is one a
/// site and step.
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

    /// A site as the engine would drive it: a plain list of samples, the window counted anew at each step.
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

        /// A check whose outcome is known at `secs`, and the step that sees it.
        fn check(&mut self, secs: u64, cause: Cause) -> Option<AlertState> {
            self.check_flagged(secs, cause, Flags::none())
        }

        fn check_flagged(&mut self, secs: u64, cause: Cause, flags: Flags) -> Option<AlertState> {
            self.add(secs, cause, flags);
            self.step(secs).map(|transition| transition.state)
        }

        /// Checks on schedule from `first` on; what was announced, and when.
        fn checks(&mut self, first: u64, causes: &[Cause]) -> Vec<(u64, AlertState)> {
            let mut announced = Vec::new();
            for (secs, &cause) in (first..).step_by(10).zip(causes) {
                announced.extend(self.check(secs, cause).map(|state| (secs, state)));
            }
            announced
        }

        /// Eleven good checks at 0 s to 100 s: one short of covered.
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
        // A window with nothing but checks that our own machine could not make holds no record of the site.
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
    fn an_incident_that_began_in_the_future_lasted_as_long_as_it_was_watched() {
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
    fn a_site_that_never_once_answered_alerts() {
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

        // Once up again takes more than 80 %: four of five stay silent.
        assert_eq!(site.checks(50, &[OK, OK, OK, OK]), []);
        assert_eq!(site.checks(90, &[OK, OK]), [(90, AlertState::Up)]);
    }

    #[test]
    fn thresholds_of_nothing_and_of_everything_hold() {
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
    fn a_restart_in_the_middle_of_an_incident_neither_repeats_nor_loses_it() {
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
    fn a_down_that_the_stop_cut_off_is_announced_after_a_short_restart() {
        let mut site = ModelSite::by_default();
        for secs in (0..=110).step_by(10) {
            site.add(secs, BAD, Flags::none());
        }
        assert_eq!(site.step(115).map(|transition| transition.state), DOWN);
    }

    #[test]
    fn old_samples_are_not_judged_while_nobody_watches() {
        // Down by early failures; after a minute's stop nearly all samples that are left in the window are good.
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
    fn a_hole_in_observation_is_not_downtime_and_one_failed_check_after_it_does_not_alert() {
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
    fn what_still_fails_after_a_hole_alerts_once_the_window_is_covered_again() {
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
        // Checks that hang until a timeout of 40 s: none is known for a while, then they come on schedule.
        assert_eq!(site.checks(100, &[BAD; 3]), [(110, AlertState::Down)], "6 of 8");
    }

    #[test]
    fn samples_that_only_leave_the_window_announce_nothing() {
        // Every fifth check fails: 80 % for ever, also in the moments when the old failure has left already.
        let rule = Rule { window: Duration::from_secs(50), ..Rule::default() };
        let mut site = ModelSite::new(INTERVAL, rule);
        let mut announced = Vec::new();
        for secs in 0..2_000 {
            if secs % 10 == 1 {
                site.add(secs, if secs % 50 == 1 { BAD } else { OK }, Flags::none());
            }
            // The step just before a new failure is known sees four good checks of four.
            if secs % 50 != 1 || secs < 50 {
                announced.extend(site.step(secs).map(|t| (secs, t.state)));
            }
        }
        assert_eq!(announced, [(52, AlertState::Down)], "with the second failed check, four of five good");
    }

    #[test]
    fn a_good_check_announces_no_down_also_when_it_covers_the_window() {
        // Three failed checks at the start, then good ones only.
        let mut site = ModelSite::by_default();
        assert_eq!(site.checks(0, &[BAD, BAD, BAD]), []);
        assert_eq!(site.checks(30, &[OK; 20]), [], "9 of 12 when it is covered");
        // The same after a hole, and a check that could not be made is no news.
        let mut site = ModelSite::nearly_covered();
        assert_eq!(site.check_flagged(500, BAD, Flags::AFTER_HOLE), None);
        assert_eq!(site.checks(510, &[BAD, BAD, OK, OK, OK, OK, OK, OK, OK, OK, Cause::Local, OK]), []);
        // One that fails again while the window is below the threshold is what was waited for.
        let mut site = ModelSite::by_default();
        assert_eq!(
            site.checks(0, &[BAD, BAD, BAD, OK, OK, OK, OK, OK, OK, OK, OK, OK, BAD]),
            [(120, AlertState::Down)]
        );
    }

    /// Checks come faster than steps, and each step ends with a good one.
    #[test]
    fn a_failed_check_is_news_also_when_a_good_one_comes_before_the_step() {
        let mut site = ModelSite::by_default();
        let mut announced = Vec::new();
        for secs in (0..400).step_by(20) {
            site.add(secs, BAD, Flags::none());
            site.add(secs + 10, OK, Flags::none());
            announced.extend(site.step(secs + 10).map(|transition| (secs + 10, transition.state)));
        }
        assert_eq!(announced, [(130, AlertState::Down)], "the first that failed when it was covered");

        // The same over a window that waits for the second check.
        let mut site = ModelSite::new(
            INTERVAL,
            Rule { window: INTERVAL, threshold: Threshold::from_ppm(500_000).unwrap(), min_samples: 1 },
        );
        assert_eq!(site.checks(0, &[OK, OK]), []);
        site.add(14, BAD, Flags::none());
        site.add(18, OK, Flags::none());
        assert_eq!(site.step(20).map(|transition| transition.state), DOWN, "one of two");
    }

    #[test]
    fn failures_that_nothing_could_judge_when_they_came_announce_no_down_with_good_checks() {
        let story = [[BAD; 3].as_slice(), &[OK; 9]].concat();
        for replayed in [true, false] {
            let mut site = ModelSite::by_default();
            if !replayed {
                assert_eq!(site.step(0), None);
            }
            // All of them at once: a start, or a machine that stood still.
            for (secs, &cause) in (0..).step_by(10).zip(&story) {
                site.add(secs, cause, Flags::none());
            }
            assert_eq!(site.step(110), None, "replayed: {replayed}");
            assert_eq!(site.checks(120, &[OK; 10]), []);
        }
        // Those before a hole are not judged with what comes after it.
        let mut site = ModelSite::nearly_covered();
        assert_eq!(site.checks(110, &[OK, OK]), []);
        site.add(130, BAD, Flags::none());
        site.add(500, OK, Flags::AFTER_HOLE);
        assert_eq!(site.step(500), None);
        assert_eq!(site.checks(510, &[OK; 20]), []);
        // History that ends with a good check announces nothing; the next failed check does.
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
    fn checks_that_our_own_machine_could_not_make_alert_nobody() {
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
        /// Whatever happens: messages alternate, each is true of the window it was judged on, and each state that
        /// the rule announces is the one that the last judgement found.
        #[test]
        fn messages_alternate_and_are_true(
            checks in prop::collection::vec((0u64..40, 0u8..10), 1..200),
            ppm in 0u32..=1_000_000, window in 1u64..300, interval in 1u64..60, min_samples in 1u32..5,
        ) {
            let threshold = Threshold::from_ppm(ppm).unwrap();
            let rule = Rule { threshold, window: Duration::from_secs(window), min_samples };
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
                        let told = site.samples.iter().rfind(|sample| sample.outcome() != Outcome::Unknown);
                        prop_assert_eq!(told.map(Sample::outcome), Some(Outcome::Down));
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
        /// However the samples are parted, the same is remembered of them.
        #[test]
        fn samples_may_come_in_pieces_of_any_length(
            samples in prop::collection::vec((1u64..50, 0u8..8, prop::sample::select(vec![OK, BAD, Cause::Local])), 0..40),
            lens in prop::collection::vec(0usize..6, 1..40), stepped: bool,
        ) {
            let mut whole = ModelSite::by_default();
            whole.evaluator.failed_lately = stepped.then_some(false);
            let mut secs = 0;
            for (gap, flags, cause) in samples {
                secs += gap;
                whole.add(secs, cause, if flags == 0 { Flags::AFTER_HOLE } else { Flags::none() });
            }
            let mut pieces = ModelSite::by_default().evaluator;
            pieces.failed_lately = stepped.then_some(false);
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
