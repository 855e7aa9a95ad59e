//! The state of a site: the rule's verdict joined with the last check, and its start.
//!
//! ```text
//!                    last check successful    failed       local, or nothing for 3 intervals + timeout
//! rule: up / none    up                       failing      unknown
//! rule: down         recovering               down         unknown
//! no check yet       new (down while an incident of an earlier run is open)
//! ```
//!
//! A pause overrides these; after it, the site is unknown until its next check.
//!
//! Invariants: a change always leads to another state; `since` goes back only over a stop that changed nothing. A change
//! has the time of its reason: the check's `at`, the instant of the verdict, or the end of the allowed silence.

use std::time::Duration;

use crate::model::time::duration;
use crate::model::{Outcome, Packed, Timestamp};

use super::SiteState;

#[derive(Clone, Debug)]
pub(super) struct StateMachine {
    state: SiteState,
    since: Timestamp,
    down: bool,
    last: Option<(Timestamp, Outcome)>,
    /// The longest silence without becoming unknown, µs; a `Duration` would cost a division per check.
    silence: u64,
    paused: bool,
    /// The first replayed check, if there were earlier ones.
    horizon: Option<Timestamp>,
    /// The state before a stop, until the next check confirms or changes it.
    held: Option<(SiteState, Timestamp)>,
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at: Timestamp,
    pub(super) from: SiteState,
    pub(super) to: SiteState,
}

impl StateMachine {
    /// A site without checks; `silence` is the longest time without one before it becomes unknown.
    pub(super) fn new(now: Timestamp, silence: Duration) -> Self {
        Self {
            state: SiteState::New,
            since: now,
            down: false,
            last: None,
            silence: duration::micros(silence),
            paused: false,
            horizon: None,
            held: None,
        }
    }

    pub(super) const fn state(&self) -> SiteState {
        self.state
    }

    pub(super) const fn since(&self) -> Timestamp {
        self.since
    }

    /// Sets the longest silence.
    pub(super) fn allow(&mut self, silence: Duration) {
        self.silence = duration::micros(silence);
    }

    /// Adjusts every noted time with `adjusted`.
    pub(super) fn retell(&mut self, retold: impl Fn(Timestamp) -> Timestamp) {
        self.since = retold(self.since);
        self.last = self.last.map(|(at, outcome)| (retold(at), outcome));
        self.horizon = self.horizon.map(&retold);
        self.held = self.held.map(|(state, since)| (state, retold(since)));
    }

    /// Whether the state may have begun before [`StateMachine::since`], which is the first replayed check.
    pub(super) fn is_older(&self) -> bool {
        self.horizon == Some(self.since)
    }

    /// Ends the replay, which began with the check at `horizon` if there are earlier ones. The stop since then is silence,
    /// but it does not end the state before it if the next check finds that unchanged.
    pub(super) fn replayed(&mut self, horizon: Option<Timestamp>, now: Timestamp) {
        self.horizon = horizon;
        let before = (self.state, self.since);
        self.held = self.pass(now).map(|_| before);
    }

    /// Observes the checks at the front of `samples` that have the last outcome, without silence, and so change nothing.
    /// Returns their number; the next sample goes through [`StateMachine::elapse`] and [`StateMachine::observe`].
    #[inline]
    pub(super) fn same(&mut self, samples: &[Packed]) -> usize {
        let Some((mut last, outcome)) = self.last else { return 0 };
        if self.paused || self.held.is_some() || self.state != state_of(self.down, Some(outcome)) {
            return 0;
        }
        let is_other = |sample: &Packed| {
            let before = std::mem::replace(&mut last, sample.at());
            sample.outcome() != outcome || self.is_silence(before, last)
        };
        let same = samples.iter().position(is_other).unwrap_or(samples.len());
        if let Some(newest) = same.checked_sub(1) {
            self.last = Some((samples[newest].at(), outcome));
        }
        same
    }

    /// Observes a check.
    #[inline]
    pub(super) fn check(&mut self, sample: &Packed) -> Option<Change> {
        let at = sample.at();
        self.last = Some((at, sample.outcome()));
        if self.paused {
            return None;
        }
        let to = state_of(self.down, Some(sample.outcome()));
        if let Some((_, since)) = self.held.take().filter(|(state, _)| *state == to && self.state == SiteState::Unknown)
        {
            let from = std::mem::replace(&mut self.state, to);
            self.since = since;
            return Some(Change { at, from, to });
        }
        self.become_at(to, at)
    }

    /// Takes the rule's verdict, made at `at`.
    pub(super) fn judged(&mut self, down: bool, at: Timestamp) -> Option<Change> {
        if self.down == down {
            return None;
        }
        self.down = down;
        if self.state == SiteState::Unknown || self.paused {
            return None;
        }
        self.become_at(state_of(down, self.last.map(|(_, outcome)| outcome)), at)
    }

    /// Lets time pass until `now` without a check.
    #[inline]
    pub(super) fn pass(&mut self, now: Timestamp) -> Option<Change> {
        let (last, _) = self.last?;
        if self.state == SiteState::Unknown || self.paused || !self.is_silence(last, now) {
            return None;
        }
        self.become_at(SiteState::Unknown, Timestamp::from_micros(last.as_micros().saturating_add(self.silence)))
    }

    /// When [`StateMachine::pass`] changes the state unless a check comes before; [`Timestamp::MAX`] if never.
    #[inline]
    pub(super) fn silent_from(&self) -> Timestamp {
        match self.last {
            Some((last, _)) if self.state != SiteState::Unknown && !self.paused => {
                Timestamp::from_micros(last.as_micros().saturating_add(self.silence).saturating_add(1))
            }
            _ => Timestamp::MAX,
        }
    }

    /// Pauses the site.
    pub(super) fn pause(&mut self, at: Timestamp) -> Option<Change> {
        self.paused = true;
        self.become_at(SiteState::Paused, at)
    }

    /// Ends the pause. Its former state is outdated, so it is unknown until the next check.
    pub(super) fn resume(&mut self, at: Timestamp) -> Option<Change> {
        if !std::mem::take(&mut self.paused) {
            return None;
        }
        let known = self.last.map(|_| SiteState::Unknown);
        self.become_at(known.unwrap_or(state_of(self.down, None)), at)
    }

    #[inline]
    const fn is_silence(&self, last: Timestamp, now: Timestamp) -> bool {
        now.as_micros().saturating_sub(last.as_micros()) > self.silence
    }

    #[inline]
    fn become_at(&mut self, to: SiteState, at: Timestamp) -> Option<Change> {
        if self.state == to {
            return None;
        }
        // The first check ends `New` at any time; any other change follows the one before.
        let at = if self.state == SiteState::New { at } else { at.max(self.since) };
        let from = std::mem::replace(&mut self.state, to);
        self.since = at;
        Some(Change { at, from, to })
    }
}

const fn state_of(down: bool, last: Option<Outcome>) -> SiteState {
    match (down, last) {
        (_, Some(Outcome::Unknown)) => SiteState::Unknown,
        (false, Some(Outcome::Up)) => SiteState::Up,
        (false, Some(Outcome::Down)) => SiteState::Failing,
        (true, Some(Outcome::Up)) => SiteState::Recovering,
        (true, Some(Outcome::Down) | None) => SiteState::Down,
        (false, None) => SiteState::New,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Micros, Observation};
    use proptest::prelude::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn sample(secs: u64, cause: Cause) -> Packed {
        Observation::failed(cause, "").sample(at(secs), Micros::ZERO, 0).packed()
    }

    #[derive(Clone, Copy)]
    enum On {
        Check(Cause),
        Judged(bool),
        Pass,
        Pause,
        Resume,
    }
    use On::{Check, Judged, Pass, Pause, Resume};

    #[test]
    fn a_pause_hides_everything_and_what_follows_is_unknown_until_the_next_check() {
        play(&[
            (5, Pause, SiteState::Paused, 5),
            (9, Resume, SiteState::New, 9),
            (10, GOOD, SiteState::Up, 10),
            (20, Pause, SiteState::Paused, 20),
            (21, GOOD, SiteState::Paused, 20),
            (30, Judged(true), SiteState::Paused, 20),
            (90, Pass, SiteState::Paused, 20),
            (100, Resume, SiteState::Unknown, 100),
            (101, Resume, SiteState::Unknown, 100),
            (105, BAD, SiteState::Down, 105),
        ]);
    }

    const GOOD: On = Check(Cause::Ok);
    const BAD: On = Check(Cause::Reset);
    const LOCAL: On = Check(Cause::Local);

    /// Plays `story` and expects the state and its start, in seconds, after each line.
    fn play(story: &[(u64, On, SiteState, u64)]) {
        let mut standing = StateMachine::new(at(1), Duration::from_secs(35));
        for &(secs, on, state, since) in story {
            let before = standing.state();
            let change = match on {
                Check(cause) => standing.check(&sample(secs, cause)),
                Judged(down) => standing.judged(down, at(secs)),
                Pass => standing.pass(at(secs)),
                Pause => standing.pause(at(secs)),
                Resume => standing.resume(at(secs)),
            };
            assert_eq!((standing.state(), standing.since()), (state, at(since)), "after {secs} s");
            let expected = (before != state).then(|| Change { at: at(since), from: before, to: state });
            assert_eq!(change, expected, "after {secs} s");
        }
    }

    #[test]
    fn the_rule_and_the_last_check_together_make_the_state() {
        play(&[
            (5, Pass, SiteState::New, 1),
            (10, GOOD, SiteState::Up, 10),
            (20, GOOD, SiteState::Up, 10),
            (30, BAD, SiteState::Failing, 30),
            (31, Judged(true), SiteState::Down, 31),
            (40, BAD, SiteState::Down, 31),
            (50, GOOD, SiteState::Recovering, 50),
            (60, BAD, SiteState::Down, 60),
            (70, GOOD, SiteState::Recovering, 70),
            (71, Judged(false), SiteState::Up, 71),
        ]);
    }

    #[test]
    fn a_local_fault_and_silence_are_unknown_until_the_next_check() {
        play(&[
            (10, LOCAL, SiteState::Unknown, 10),
            (20, BAD, SiteState::Failing, 20),
            (55, Pass, SiteState::Failing, 20),
            (60, Pass, SiteState::Unknown, 55),
            (61, Judged(true), SiteState::Unknown, 55),
            (70, LOCAL, SiteState::Unknown, 55),
            (80, BAD, SiteState::Down, 80),
        ]);
    }

    #[test]
    fn a_stop_ends_nothing_that_the_next_check_finds_unchanged() {
        for (cause, state, since) in [(Cause::Ok, SiteState::Up, 10), (Cause::Reset, SiteState::Failing, 500)] {
            let mut standing = StateMachine::new(at(1), Duration::from_secs(35));
            for secs in [10, 20, 30] {
                standing.check(&sample(secs, Cause::Ok));
            }
            standing.replayed(Some(at(10)), at(490));
            assert_eq!((standing.state(), standing.since(), standing.is_older()), (SiteState::Unknown, at(65), false));
            let change = standing.check(&sample(500, cause));
            assert_eq!((standing.state(), standing.since()), (state, at(since)));
            assert_eq!(standing.is_older(), since == 10);
            assert_eq!(change, Some(Change { at: at(500), from: SiteState::Unknown, to: state }));
            // Only that stop: a later silence ends the state.
            standing.pass(at(600));
            standing.check(&sample(610, cause));
            assert_eq!(standing.since(), at(610));
        }
    }

    #[test]
    fn an_incident_of_an_earlier_run_is_down_before_the_first_check() {
        play(&[(0, Judged(true), SiteState::Down, 0), (2, GOOD, SiteState::Recovering, 2)]);
    }

    proptest! {
        /// The checks that [`StateMachine::skip_unchanged`] skips change nothing when observed one at a time either.
        #[test]
        fn checks_that_change_nothing_may_be_taken_at_once(
            checks in prop::collection::vec((1u64..60, prop::sample::select(vec![Cause::Ok, Cause::Ok, Cause::Ok, Cause::Reset, Cause::Local])), 1..40),
            lens in prop::collection::vec(1usize..9, 1..20), down: bool, paused: bool, held: bool,
        ) {
            let mut one_by_one = StateMachine::new(at(1), Duration::from_secs(35));
            one_by_one.check(&sample(2, Cause::Ok));
            one_by_one.judged(down, at(2));
            if held {
                one_by_one.replayed(Some(at(2)), at(100));
            }
            if paused {
                one_by_one.pause(at(100));
            }
            let mut at_once = one_by_one.clone();
            let mut secs = 100;
            let checks: Vec<Packed> = checks.into_iter().map(|(gap, cause)| { secs += gap; sample(secs, cause) }).collect();
            let mut rest = &checks[..];
            for len in lens.into_iter().chain([checks.len()]) {
                let (mut piece, after) = rest.split_at(len.min(rest.len()));
                while let Some(next) = piece.first() {
                    let same = at_once.same(piece);
                    for check in &piece[..same] {
                        prop_assert_eq!((one_by_one.pass(check.at()), one_by_one.check(check)), (None, None));
                    }
                    if same == 0 {
                        prop_assert_eq!(one_by_one.pass(next.at()), at_once.pass(next.at()));
                        prop_assert_eq!(one_by_one.check(next), at_once.check(next));
                    }
                    prop_assert_eq!(format!("{one_by_one:?}"), format!("{at_once:?}"));
                    piece = &piece[same.max(1)..];
                }
                rest = after;
            }
        }
    }
}
