//! The rules held to a plain recomputation, and told as stories.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::alert::{AlertState, LatencyRule, Percentile, Reading, Rule, SloRule, Threshold};
use crate::model::{Cause, Flags, Micros, Observation, Outcome, Phase, Sample};
use crate::stats::Availability;

const INTERVAL: Duration = Duration::from_secs(10);
const OK: Cause = Cause::Ok;
const BAD: Cause = Cause::ConnectTimeout;
const DOWN: Option<AlertState> = Some(AlertState::Down);
const UP: Option<AlertState> = Some(AlertState::Up);

/// Far enough from the epoch that no window reaches before it.
fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

pub(crate) fn sample(at: Timestamp, cause: Cause, flags: Flags, millis: u32) -> Packed {
    let mut observation = Observation::failed(cause, "");
    observation.phases.add(Phase::Processing, Micros::new(1_000 * millis));
    Sample { flags, ..observation.sample(at, Micros::ZERO, 0) }.packed()
}

fn policies(rule: Rule) -> Policies {
    Policies { availability: rule, ..Policies::default() }
}

/// A site as the engine drives it.
struct ModelSite {
    rule: Rule,
    judge: Judge,
    samples: Vec<Packed>,
    /// How many samples left the window.
    left: usize,
    /// Whether the history is over.
    is_live: bool,
    /// Transitions since the last step.
    found: Vec<Transition>,
}

impl ModelSite {
    fn new(interval: Duration, rule: Rule) -> Self {
        let judge = Judge::new(&policies(rule), interval);
        Self { rule, judge, samples: Vec::new(), left: 0, is_live: true, found: Vec::new() }
    }

    /// The default rule, 80 % over 2 minutes, and a check every 10 s.
    fn by_default() -> Self {
        Self::new(INTERVAL, Rule::default())
    }

    /// The same site after a restart: its samples are history until the first step.
    fn restarted(self, interval: Duration) -> Self {
        let mut judge = Judge::new(&policies(self.rule), interval);
        if let Some(since) = self.judge.open_since(RuleKind::Availability) {
            let open = StandingIncident { rule: RuleKind::Availability, since, reading: None };
            assert!(judge.reopen(&open));
        }
        let mut site = Self { judge, left: 0, is_live: false, samples: Vec::new(), found: Vec::new(), ..self };
        self.samples.into_iter().for_each(|sample| site.push(sample));
        site
    }

    fn expired(&mut self, as_of: Timestamp) -> Vec<Packed> {
        let cutoff = self.judge.cutoffs(as_of).availability;
        let expired = self.samples[self.left..].iter().copied().take_while(|sample| sample.at() <= cutoff);
        let expired: Vec<Packed> = expired.collect();
        self.left += expired.len();
        expired
    }

    fn push(&mut self, sample: Packed) {
        self.samples.push(sample);
        let expired = self.expired(sample.at());
        let expired = Expired { availability: &expired, latency: &[] };
        if self.is_live {
            self.judge.observe(&[sample], expired, &mut self.found);
        } else {
            self.judge.replay(&[sample], expired);
        }
    }

    fn add(&mut self, secs: u64, cause: Cause, flags: Flags) {
        self.push(sample(at(secs), cause, flags, 1));
    }

    fn step(&mut self, secs: u64) -> Option<Transition> {
        if !std::mem::replace(&mut self.is_live, true) {
            self.judge.resume(at(secs), &mut self.found);
        }
        if self.judge.due() <= at(secs) {
            let expired = self.expired(self.judge.due());
            self.judge.pass(at(secs), Expired { availability: &expired, latency: &[] }, &mut self.found);
        }
        assert!(self.found.len() <= 1, "{:?}", self.found);
        self.found.pop()
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

    fn is_down(&self) -> bool {
        self.judge.is_down()
    }

    fn open_since(&self) -> Option<Timestamp> {
        self.judge.open_since(RuleKind::Availability)
    }
}

#[test]
fn scenario_0_no_records_is_silence() {
    let mut site = ModelSite::by_default();
    for secs in [0, 110, 120, 100_000] {
        assert_eq!(site.step(secs), None);
    }
    assert_eq!((site.judge.judged_from(), site.is_down()), (None, false));

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
    assert_eq!(site.judge.judged_from(), Some(at(110)));

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
    assert!(!site.is_down());
}

#[test]
fn scenario_3_enough_at_or_below_up_is_down_message() {
    let mut site = ModelSite::nearly_covered();
    assert_eq!(site.checks(110, &[BAD; 2]), []);
    site.add(130, BAD, Flags::none());
    let availability = Availability { up: 9, checks: 12 };
    let down = Transition {
        rule: RuleKind::Availability,
        at: at(130),
        state: AlertState::Down,
        since: at(130),
        downtime: None,
        availability: Some(availability),
        reading: None,
        locations: None,
    };
    assert_eq!(site.step(130), Some(down));
    assert_eq!((site.is_down(), site.open_since()), (true, Some(at(130))));
}

#[test]
fn scenario_4_enough_at_or_below_down_is_silence() {
    let mut site = ModelSite::down();
    assert_eq!(site.checks(120, &[BAD; 100]), []);
    assert_eq!(site.open_since(), Some(at(110)));
}

#[test]
fn scenario_5_enough_above_down_is_up_message() {
    let mut site = ModelSite::down();
    assert_eq!(site.checks(120, &[OK; 9]), [], "9 of 12 are 75 %");
    site.add(210, OK, Flags::none());
    let up = Transition {
        rule: RuleKind::Availability,
        at: at(210),
        state: AlertState::Up,
        since: at(110),
        downtime: Some(Duration::from_secs(100)),
        availability: Some(Availability { up: 10, checks: 12 }),
        reading: None,
        locations: None,
    };
    assert_eq!(site.step(210), Some(up));
    assert_eq!((site.is_down(), site.open_since()), (false, None));
}

#[test]
fn an_incident_from_the_future_lasts_as_long_as_it_was_watched() {
    let mut site = ModelSite::by_default();
    site.judge.overrule(RuleKind::Availability, Some(at(1_000_000)));
    assert_eq!(site.checks(0, &[BAD; 3]), []);
    assert_eq!(site.checks(30, &[OK; 9]), [], "9 of 12 are 75 %");
    site.add(120, OK, Flags::none());
    let up = site.step(120).expect("it is up again");
    assert_eq!((up.state, up.since), (AlertState::Up, at(1_000_000)));
    assert_eq!(up.downtime, Some(Duration::from_mins(2)));
}

#[test]
fn a_site_that_never_answered_alerts() {
    for (interval, window, alerts_at) in [(10, 120, 110), (1, 120, 119), (60, 120, 60), (60, 60, 60), (600, 60, 600)] {
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

        let mut after = before.restarted(INTERVAL);
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
    site.is_live = false;
    for secs in (0..=110).step_by(10) {
        site.add(secs, BAD, Flags::none());
    }
    let down = site.step(115).expect("the last run did not come to announce it");
    assert_eq!((down.state, down.at), (AlertState::Down, at(110)), "as the last run would have");
}

#[test]
fn old_samples_are_not_judged_after_a_stop() {
    // Down by early failures; after a stop of a minute nearly all samples left in the window are successful.
    let before = [[BAD; 5].as_slice(), &[OK; 6], &[BAD]].concat();
    let mut site = ModelSite::by_default();
    assert_eq!(site.checks(0, &before), [(110, AlertState::Down)]);
    let mut site = site.restarted(INTERVAL);
    assert_eq!(site.step(170), None, "five of six good, but long ago");
    assert_eq!(site.check_flagged(171, OK, Flags::AFTER_HOLE), None);
    assert!(site.is_down());
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
    assert_eq!(site.judge.judged_from(), Some(at(1_110)));
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
    assert_eq!(site.checks(0, &[BAD, BAD, BAD, OK, OK, OK, OK, OK, OK, OK, OK, OK, BAD]), [(120, AlertState::Down)]);
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
    assert_eq!(site.open_since(), Some(at(120)));

    // The same with a window that the second check covers.
    let mut site = ModelSite::new(
        INTERVAL,
        Rule { window: INTERVAL, threshold: Threshold::from_ppm(500_000).unwrap(), min_samples: 1, ..Rule::default() },
    );
    assert_eq!(site.checks(0, &[OK, OK]), []);
    site.add(14, BAD, Flags::none());
    site.add(18, OK, Flags::none());
    let found: Vec<_> = site.found.iter().map(|found| (found.at, found.state)).collect();
    assert_eq!(found, [(at(14), AlertState::Down), (at(18), AlertState::Up)], "one of two, two of three");
}

#[test]
fn failures_before_coverage_announce_no_down() {
    let story = [[BAD; 3].as_slice(), &[OK; 9]].concat();
    for replayed in [true, false] {
        let mut site = ModelSite::by_default();
        site.is_live = !replayed;
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
    site.is_live = false;
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
    assert!(site.is_down());
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

#[test]
fn with_recover_a_site_is_up_only_at_that_availability() {
    let rule = Rule { window: Duration::from_secs(100), recover: Threshold::from_ppm(900_000), ..Rule::default() };
    let mut site = ModelSite::new(INTERVAL, rule);
    assert_eq!(site.checks(0, &[OK, OK, OK, OK, OK, OK, OK, BAD, BAD, BAD]), [(90, AlertState::Down)]);
    assert_eq!(site.checks(100, &[OK; 8]), [], "80 % until the first of the three leaves, then 90 %");
    assert_eq!(site.checks(180, &[OK]), [(180, AlertState::Up)]);

    // No better than the threshold is not up, whatever `recover` says.
    let rule = Rule { recover: Some(rule.threshold), ..rule };
    let mut site = ModelSite::new(INTERVAL, rule);
    assert_eq!(site.checks(0, &[OK, OK, OK, OK, OK, OK, OK, OK, BAD, BAD]), [(90, AlertState::Down)]);
    assert_eq!(site.checks(100, &[OK; 8]), []);
    assert_eq!(site.checks(180, &[OK]), [(180, AlertState::Up)]);
}

fn three_in_a_row() -> Rule {
    Rule { failures: NonZeroU32::new(3), ..Rule::default() }
}

#[test]
fn so_many_failed_checks_in_a_row_are_down_without_a_covered_window() {
    let mut site = ModelSite::new(INTERVAL, three_in_a_row());
    site.checks(0, &[BAD, BAD]);
    site.add(20, BAD, Flags::none());
    let down = site.step(20).expect("three in a row");
    assert_eq!(
        (down.at, down.state, down.availability),
        (at(20), AlertState::Down, Some(Availability { up: 0, checks: 3 }))
    );
    assert_eq!(site.checks(30, &[BAD, OK, OK, OK]), [], "nothing is up before the window is covered");

    let mut site = ModelSite::nearly_covered();
    site.judge = site.judge.revised(&policies(three_in_a_row()), INTERVAL, &site.samples);
    assert_eq!(site.checks(110, &[BAD, BAD, OK, BAD, Cause::Local, BAD, BAD]), [(140, AlertState::Down)]);
    assert_eq!(site.open_since(), Some(at(140)), "3 of 12 failed: that was the window's verdict first");
}

#[test]
fn a_hole_ends_a_row_and_a_failure_of_this_machine_does_not() {
    let mut site = ModelSite::new(INTERVAL, three_in_a_row());
    assert_eq!(site.checks(0, &[BAD, BAD]), []);
    assert_eq!(site.check_flagged(300, BAD, Flags::AFTER_HOLE), None);
    assert_eq!(site.checks(310, &[BAD, BAD]), [(320, AlertState::Down)]);
    let mut site = ModelSite::new(INTERVAL, three_in_a_row());
    assert_eq!(site.checks(0, &[BAD, Cause::Local, BAD, Cause::Local, BAD]), [(40, AlertState::Down)]);
}

#[test]
fn with_failures_a_site_is_up_only_at_a_successful_check() {
    let rule = Rule { threshold: Threshold::from_ppm(200_000).unwrap(), ..three_in_a_row() };
    let mut site = ModelSite::new(INTERVAL, rule);
    assert_eq!(site.checks(0, &[OK; 12]), []);
    assert_eq!(site.checks(120, &[BAD, BAD, BAD, BAD]), [(140, AlertState::Down)], "75 % are above the threshold");
    assert_eq!(site.check(160, OK), UP);
    assert_eq!(site.checks(170, &[BAD, BAD, OK, BAD, BAD]), [], "two in a row");
    assert_eq!(site.checks(220, &[BAD]), [(220, AlertState::Down)]);
}

#[test]
fn a_row_that_a_restart_interrupts_goes_on() {
    let mut site = ModelSite::new(INTERVAL, three_in_a_row());
    site.checks(0, &[OK, BAD, BAD]);
    let mut site = site.restarted(INTERVAL);
    assert_eq!(site.step(25), None);
    assert_eq!(site.check(30, BAD), DOWN);
}

#[test]
fn a_stop_hides_the_instant_at_which_the_window_became_covered() {
    let mut site = ModelSite::by_default();
    site.is_live = false;
    for secs in (3..=110).step_by(10) {
        site.add(secs, BAD, Flags::none());
    }
    assert_eq!(site.judge.judged_from(), Some(at(113)));
    let mut stopped = site.restarted(INTERVAL);
    assert_eq!(stopped.step(200), None, "it was not watched then");
    assert_eq!(stopped.step(201), None);
}

#[test]
fn a_changed_rule_judges_from_the_next_check_on() {
    let mut site = ModelSite::nearly_covered();
    assert_eq!(site.checks(110, &[BAD]), []);
    let strict = policies(Rule { threshold: Threshold::from_ppm(990_000).unwrap(), ..Rule::default() });
    site.judge = site.judge.revised(&strict, INTERVAL, &site.samples);
    site.left = 0;
    assert_eq!(site.step(119), None);
    assert_eq!(site.checks(120, &[OK, BAD]), [(130, AlertState::Down)]);
    site.judge = site.judge.revised(&policies(Rule::default()), INTERVAL, &site.samples);
    site.left = 0;
    assert_eq!(site.step(139), None);
    assert_eq!(site.open_since(), Some(at(130)));
    assert_eq!(site.check(140, OK), UP, "10 of 12");
}

/// The transitions of `samples` of (cause, response time in ms), one every 10 s, judged by `rule` alone.
fn slow(rule: LatencyRule, samples: &[(Cause, u32)]) -> Vec<Transition> {
    let samples: Vec<Packed> =
        (0..).zip(samples).map(|(i, &(cause, ms))| sample(at(10 * i), cause, Flags::none(), ms)).collect();
    let policies = Policies { latency: Some(rule), ..Policies::default() };
    let mut found = Vec::new();
    Playback::new(&policies, INTERVAL, (&samples, 0), None).advance(at(100_000), &mut found);
    found.retain(|found| found.rule == RuleKind::Latency);
    found
}

#[test]
fn a_percentile_above_its_limit_is_slow_and_below_it_clear() {
    let rule = LatencyRule {
        percentile: Percentile::P90,
        limit: Duration::from_millis(800),
        window: Duration::from_secs(100),
        min_samples: 10,
    };
    let [fast, slow_one, failed] = [(OK, 800), (OK, 801), (BAD, 9_000)];
    // Of ten, the ninth smallest decides: two slow ones breach, one does not.
    let mut story = vec![fast; 9];
    story.extend([slow_one, failed, slow_one, fast, fast, fast, fast, fast, fast, fast, fast]);
    let found = slow(rule, &story);
    assert_eq!(found.len(), 0, "with a failed one in the window it never holds ten answered ones: {found:?}");

    let mut story = vec![fast; 9];
    story.extend([slow_one, (Cause::Slow, 5_000)]);
    story.extend([fast; 9]);
    let found = slow(rule, &story);
    let states: Vec<_> = found.iter().map(|found| (found.at, found.state, found.since)).collect();
    assert_eq!(states, [(at(100), AlertState::Breached, at(100)), (at(190), AlertState::Cleared, at(100))]);
    let reading =
        |slower, answered| Some(Reading::Latency { percentile: Percentile::P90, limit: rule.limit, slower, answered });
    assert_eq!((found[0].reading.clone(), found[1].reading.clone()), (reading(2, 10), reading(1, 10)));
    assert_eq!(found[1].downtime, Some(Duration::from_secs(90)));
}

/// Policies with all rules that samples alone decide.
pub(crate) fn all_rules(
    ppm: u32,
    window: u64,
    min_samples: u32,
    failures: u32,
    recover: bool,
    percentile: usize,
) -> Policies {
    let threshold = Threshold::from_ppm(ppm).unwrap();
    Policies {
        availability: Rule {
            threshold,
            window: Duration::from_secs(window),
            min_samples,
            recover: recover.then(|| Threshold::from_ppm(ppm.midpoint(1_000_000)).unwrap()),
            failures: NonZeroU32::new(failures),
        },
        latency: Some(LatencyRule {
            percentile: Percentile::ALL[percentile],
            limit: Duration::from_millis(500),
            window: Duration::from_secs(window / 2 + 1),
            min_samples,
        }),
        slo: Some(SloRule { target: Threshold::from_ppm(990_000).unwrap(), period: Duration::from_hours(24 * 30) }),
        certificate: None,
    }
}

/// The availability rule by its words: all windows and rows written down anew at each instant.
fn plain_availability(rule: &Rule, interval: Duration, samples: &[Packed], end: Timestamp) -> Vec<Transition> {
    let wait = rule.window.checked_sub(interval).filter(|wait| !wait.is_zero());
    let (mut open, mut found) = (None, Vec::new());
    let mut judge = |known: &[Packed], at: Timestamp| {
        let hole = known.iter().rposition(|sample| sample.flags().has(Flags::AFTER_HOLE)).unwrap_or(0);
        let stretch = &known[hole..];
        let covered = match wait {
            Some(wait) => stretch[0].at().after(wait) <= at,
            None => stretch.len() > 1,
        };
        let held: Vec<Outcome> =
            known.iter().filter(|sample| sample.at() > at.before(rule.window)).map(Packed::outcome).collect();
        let up = held.iter().filter(|&&outcome| outcome == Outcome::Up).count() as u64;
        let checks = up + held.iter().filter(|&&outcome| outcome == Outcome::Down).count() as u64;
        if checks == 0 {
            return;
        }
        let judged = covered && checks >= u64::from(rule.min_samples);
        let low = up * 1_000_000 <= u64::from(rule.threshold.ppm()) * checks;
        let outcomes = known.iter().map(Packed::outcome).filter(|&outcome| outcome != Outcome::Unknown);
        let failed = outcomes.into_iter().next_back() == Some(Outcome::Down);
        let row = stretch.iter().rev().map(Packed::outcome).filter(|&outcome| outcome != Outcome::Unknown);
        let row = row.take_while(|&outcome| outcome == Outcome::Down).count();
        let in_row = rule.failures.is_some_and(|failures| row >= failures.get() as usize);
        let well = rule.recover.is_none_or(|recover| up * 1_000_000 >= u64::from(recover.ppm()) * checks);
        let (state, since) = match open {
            None if failed && (in_row || judged && low) => (AlertState::Down, at),
            Some(since) if judged && !low && well && !(rule.failures.is_some() && failed) => (AlertState::Up, since),
            _ => return,
        };
        open = (state == AlertState::Down).then_some(at);
        let downtime = (state == AlertState::Up).then(|| at.since(since));
        let availability = Some(Availability { up, checks });
        found.push(Transition {
            rule: RuleKind::Availability,
            at,
            state,
            since,
            downtime,
            availability,
            reading: None,
            locations: None,
        });
    };
    let cover = |known: &[Packed]| {
        let hole = known.iter().rposition(|sample| sample.flags().has(Flags::AFTER_HOLE)).unwrap_or(0);
        let (last, cover) = (known.last()?.at(), known[hole].at().after(wait?));
        (last < cover && cover <= last.after(2 * interval)).then_some(cover)
    };
    for (i, sample) in samples.iter().enumerate() {
        let before = cover(&samples[..i]);
        if let Some(cover) = before.filter(|cover| *cover < sample.at()) {
            judge(&samples[..i], cover);
        }
        let covers = before == Some(sample.at()) && !sample.flags().has(Flags::AFTER_HOLE);
        if covers || sample.outcome() != Outcome::Unknown {
            judge(&samples[..=i], sample.at());
        }
    }
    if let Some(cover) = cover(samples).filter(|cover| *cover <= end) {
        judge(samples, cover);
    }
    found
}

/// The latency rule by its words: the values sorted, the one at the rank compared.
fn plain_latency(rule: &LatencyRule, samples: &[Packed]) -> Vec<(Timestamp, AlertState)> {
    let (mut open, mut found) = (false, Vec::new());
    let is_answered = |sample: &Packed| [OK.code(), Cause::Slow.code()].contains(&sample.cause_code());
    for (i, sample) in samples.iter().enumerate().filter(|(_, sample)| is_answered(sample)) {
        let held = samples[..=i].iter().filter(|held| held.at() > sample.at().before(rule.window));
        let mut times: Vec<Micros> = held.filter(|held| is_answered(held)).map(|held| held.phases().total()).collect();
        times.sort_unstable();
        if times.len() < rule.min_samples as usize {
            continue;
        }
        let percent = usize::try_from(rule.percentile.percent()).unwrap();
        let is_slow = times[(times.len() * percent).div_ceil(100) - 1] > Micros::from_duration(rule.limit);
        if is_slow != std::mem::replace(&mut open, is_slow) {
            found.push((sample.at(), if is_slow { AlertState::Breached } else { AlertState::Cleared }));
        }
    }
    found
}

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
/// The burn rules by their words, in floating point, far from any border by the choice of 99 % over 30 days.
fn plain_burn(slo: SloRule, interval: Duration, samples: &[Packed]) -> Vec<(RuleKind, Timestamp, AlertState)> {
    const PAIRS: [(RuleKind, u64, u64, f64); 4] = [
        (RuleKind::SloFast, 60, 5, 0.02),
        (RuleKind::SloFast, 360, 30, 0.05),
        (RuleKind::SloSlow, 1_440, 120, 0.1),
        (RuleKind::SloSlow, 4_320, 360, 0.1),
    ];
    let minute = |at: Timestamp| at.as_micros() / 60_000_000;
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for (i, sample) in samples.iter().enumerate().filter(|(_, sample)| sample.outcome() != Outcome::Unknown) {
        for rule in [RuleKind::SloFast, RuleKind::SloSlow] {
            let sum = |minutes: u64| {
                let held = samples[..=i].iter().filter(|held| minute(held.at()) + minutes > minute(sample.at()));
                let held: Vec<Outcome> =
                    held.map(Packed::outcome).filter(|outcome| *outcome != Outcome::Unknown).collect();
                let failed = held.iter().filter(|&&outcome| outcome == Outcome::Down).count();
                (failed, held.len())
            };
            let mut verdicts = Vec::new();
            for (_, long, short, share) in PAIRS.into_iter().filter(|(kind, ..)| *kind == rule) {
                let k = share * slo.period.as_secs_f64() / (60 * long) as f64;
                let budget = 1.0 - slo.target.ratio();
                let burns = |(failed, checks): (usize, usize)| failed as f64 / checks as f64 / budget >= k - 1e-9;
                let is_covered = sum(long).1 as f64 * interval.as_secs_f64() >= 30.0 * long as f64;
                verdicts.push(match () {
                    () if !burns(sum(short)) => Some(false),
                    () if !is_covered => None,
                    () => Some(burns(sum(long)) && sum(long).0 >= 3),
                });
            }
            let is_open = open.contains(&rule);
            if !is_open && verdicts.contains(&Some(true)) {
                open.push(rule);
                found.push((rule, sample.at(), AlertState::Breached));
            } else if is_open && verdicts == [Some(false), Some(false)] {
                open.retain(|open| *open != rule);
                found.push((rule, sample.at(), AlertState::Cleared));
            }
        }
    }
    found
}

/// Checks that come on schedule, mostly: (seconds after the one before, kind, response time in ms).
pub(crate) fn story() -> impl Strategy<Value = Vec<(u64, u8, u32)>> {
    let gap = prop_oneof![6 => 8_000_000u64..12_000_000, 2 => Just(10_000_000), 1 => 1u64..60_000_000];
    // Phases of good and of bad weather.
    let weather = prop::collection::vec((gap, 0u8..40, 1u32..1_000), 1..60);
    prop::collection::vec((weather, 0u8..4), 1..6).prop_map(|phases| {
        let told = phases.into_iter().flat_map(|(checks, weather)| {
            let kind = move |kind: u8| if weather == 0 && kind >= 8 { 3 } else { kind };
            checks.into_iter().map(move |(gap, of, millis)| (gap, kind(of), millis))
        });
        told.collect()
    })
}

pub(crate) fn told(story: &[(u64, u8, u32)]) -> Vec<Packed> {
    let mut now = at(0);
    let tell = |&(gap, kind, millis): &(u64, u8, u32)| {
        now = now.after(Duration::from_micros(gap));
        let cause = match kind {
            0 => Cause::Local,
            1..=4 => BAD,
            5 => Cause::Slow,
            _ => OK,
        };
        let flags = if kind >= 39 || kind == 1 && millis > 800 { Flags::AFTER_HOLE } else { Flags::none() };
        sample(now, cause, flags, millis)
    };
    story.iter().map(tell).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// For any rule, samples, split and steps: the transitions are those of the plain words.
    #[test]
    fn the_same_samples_give_the_same_transitions_however_they_come(
        story in story(),
        (ppm, window, interval, min_samples) in (0u32..=1_000_000, 1u64..300, prop_oneof![3 => Just(10u64), 1 => 1u64..60], 1u32..5),
        (failures, recover, percentile) in (0u32..6, any::<bool>(), 0usize..4),
        steps in prop::collection::vec((0usize..6, 0u64..40), 1..60),
    ) {
        let policies = all_rules(ppm, window, min_samples, failures, recover, percentile);
        let (interval, samples) = (Duration::from_secs(interval), told(&story));
        let end = samples[samples.len() - 1].at().after(Duration::from_secs(400));
        let mut found = Vec::new();
        let mut playback = Playback::new(&policies, interval, (&samples, 0), None);
        let mut next = 0;
        for (count, wait) in steps {
            next = (next + count).min(samples.len());
            let Some(last) = next.checked_sub(1).map(|last| samples[last].at()) else { continue };
            // A step sees all samples from before it.
            let latest = samples.get(next).map_or(end, |next| Timestamp::from_micros(next.at().as_micros() - 1));
            playback.advance(last.after(Duration::from_secs(wait)).min(latest), &mut found);
            prop_assert!(playback.judge().due() > last);
        }
        playback.advance(end, &mut found);
        let of = |rule: RuleKind| found.iter().filter(move |found| found.rule == rule).cloned();
        let availability: Vec<Transition> = of(RuleKind::Availability).collect();
        prop_assert_eq!(availability, plain_availability(&policies.availability, interval, &samples, end));
        let latency: Vec<_> = of(RuleKind::Latency).map(|found| (found.at, found.state)).collect();
        prop_assert_eq!(latency, plain_latency(&policies.latency.unwrap(), &samples));
    }

    /// A run that ends anywhere and another that goes on find together what one run finds, if the stop was no hole.
    #[test]
    fn a_restart_changes_nothing(
        story in story(), cut in 0usize..300,
        (ppm, failures, recover, percentile) in (0u32..=1_000_000, 0u32..6, any::<bool>(), 0usize..4),
    ) {
        let policies = all_rules(ppm, 120, 1, failures, recover, percentile);
        let samples = told(&story);
        let cut = cut % samples.len();
        let end = samples[samples.len() - 1].at();
        let mut whole = Vec::new();
        Playback::new(&policies, INTERVAL, (&samples, 0), None).advance(end, &mut whole);
        let mut found = Vec::new();
        let mut first = Playback::new(&policies, INTERVAL, (&samples[..=cut], 0), None);
        first.advance(samples[cut].at(), &mut found);
        let (seen, news) = samples.split_at(cut + 1);
        let mut second = Judge::new(&policies, INTERVAL);
        for rule in SITE_RULES {
            let open = |since| StandingIncident { rule, since, reading: None };
            prop_assert!(first.judge().open_since(rule).map(open).is_none_or(|open| second.reopen(&open)));
        }
        second.replay(seen, Expired::default());
        second.refill(seen);
        second.resume(samples[cut].at(), &mut found);
        let (mut left, mut slow) = (0, 0);
        for (i, sample) in news.iter().enumerate() {
            let cutoffs = second.cutoffs(sample.at());
            let known = &samples[..=cut + 1 + i];
            let until = |left: usize, cutoff: Timestamp| left.max(known.partition_point(|held| held.at() <= cutoff));
            let to = (until(left, cutoffs.availability), until(slow, cutoffs.latency.unwrap()));
            let expired = Expired { availability: &known[left..to.0], latency: &known[slow..to.1] };
            second.observe(std::slice::from_ref(sample), expired, &mut found);
            (left, slow) = to;
        }
        let key = |found: &Transition| (SITE_RULES.iter().position(|rule| *rule == found.rule), found.at);
        whole.sort_by_key(key);
        found.sort_by_key(key);
        prop_assert_eq!(whole, found);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Days of checks in minutes, with outages and holes.
    #[test]
    fn burn_is_what_its_words_say(
        spells in prop::collection::vec((1usize..60, 0u8..5), 1..20), interval in 60u64..1_200,
    ) {
        let interval = Duration::from_secs(interval);
        let (mut now, mut samples) = (at(0), Vec::new());
        for (number, (length, kind)) in spells.into_iter().enumerate() {
            if kind == 4 {
                now = now.after(interval * u32::try_from(length).unwrap());
            }
            for i in 0..length {
                now = now.after(interval);
                let is_bad = kind == 0 || kind == 1 && i % 20 == number % 20;
                samples.push(sample(now, if is_bad { BAD } else { OK }, Flags::none(), 1));
            }
        }
        let policies = all_rules(0, 60, 1, 0, false, 0);
        let mut found = Vec::new();
        Playback::new(&policies, interval, (&samples, 0), None).advance(now, &mut found);
        found.retain(|found| [RuleKind::SloFast, RuleKind::SloSlow].contains(&found.rule));
        found.sort_by_key(|found| found.at);
        let found: Vec<_> = found.into_iter().map(|found| (found.rule, found.at, found.state)).collect();
        prop_assert_eq!(found, plain_burn(policies.slo.unwrap(), interval, &samples));
    }
}

fn objective(ppm: u32, days: u64) -> Policies {
    let slo = SloRule { target: Threshold::from_ppm(ppm).unwrap(), period: Duration::from_hours(24 * days) };
    // The availability rule stays out of the way.
    let rule = Rule { threshold: Threshold::from_ppm(0).unwrap(), window: Duration::from_hours(1), ..Rule::default() };
    Policies { availability: rule, slo: Some(slo), ..Policies::default() }
}

/// When a site checked every `interval` seconds is told of, after `good` checks, when it fails by `is_bad`.
fn burnt(
    policies: &Policies,
    (interval, good): (u64, u64),
    count: u64,
    is_bad: impl Fn(u64) -> bool,
) -> Vec<(u64, RuleKind)> {
    let sample =
        |i: u64| sample(at(interval * i), if i >= good && is_bad(i - good) { BAD } else { OK }, Flags::none(), 1);
    let samples: Vec<Packed> = (0..good + count).map(sample).collect();
    let mut found = Vec::new();
    Playback::new(policies, Duration::from_secs(interval), (&samples, 0), None).advance(at(1 << 30), &mut found);
    let found = found.into_iter().filter(|found| found.state == AlertState::Breached);
    found.map(|found| (found.at.since(at(interval * good)).as_secs(), found.rule)).collect()
}

#[test]
fn an_outage_burns_the_budget_fast_and_a_share_of_failures_slowly() {
    let three_days = 3 * 24 * 360;
    let outage = burnt(&objective(999_000, 30), (10, three_days), 100, |_| true);
    assert_eq!(
        outage.first(),
        Some(&(50, RuleKind::SloFast)),
        "6 of the 360 checks of an hour are 16 times the budget"
    );
    let seldom = burnt(&objective(999_000, 30), (10, three_days), three_days, |i| i % 300 == 299);
    assert_eq!(seldom.iter().map(|(_, rule)| *rule).collect::<Vec<_>>(), [RuleKind::SloSlow], "{seldom:?}");
}

#[test]
fn two_failed_checks_and_a_window_that_is_not_half_covered_burn_nothing() {
    let minutes = 3 * 24 * 60;
    assert_eq!(burnt(&objective(999_000, 30), (60, minutes), 60, |i| i < 2), []);
    assert_eq!(burnt(&objective(999_000, 30), (60, minutes), 60, |i| i < 3), [(120, RuleKind::SloFast)]);
    assert_eq!(burnt(&objective(999_000, 30), (60, 0), 29, |_| true), [], "29 of 60 minutes");
    assert_eq!(burnt(&objective(999_000, 30), (60, 0), 31, |_| true), [(29 * 60, RuleKind::SloFast)]);
}

#[test]
fn the_burn_that_is_allowed_grows_with_the_period() {
    // 2 % of a budget of 300 days is spent in an hour at 144 times the budget: never, at 99 %.
    assert_eq!(burnt(&objective(990_000, 300), (10, 25_920), 500, |_| true).first(), None);
    assert_eq!(burnt(&objective(990_000, 30), (10, 25_920), 500, |_| true).first(), Some(&(510, RuleKind::SloFast)));
}

#[test]
fn an_objective_remembers_what_was_stored_before_the_samples_at_hand() {
    let samples: Vec<Packed> =
        (0..40).map(|i| sample(at(86_400 + 60 * i), if i > 36 { BAD } else { OK }, Flags::none(), 1)).collect();
    let stored: Vec<Sample> = samples[..30].iter().filter_map(Packed::sample).collect();
    let find = |samples: &[Packed], before: Option<Minutes>| {
        let mut found = Vec::new();
        let policies = objective(999_000, 30);
        Playback::new(&policies, Duration::from_mins(1), (samples, 0), before).advance(at(1 << 30), &mut found);
        found
    };
    let whole = find(&samples, None);
    assert_eq!(whole.len(), 1, "{whole:?}");
    assert_eq!(find(&samples[30..], Some(Minutes::of(&stored))), whole);
    assert_eq!(find(&samples[30..], None), []);
}
