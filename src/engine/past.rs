//! The state of a site at an instant of the past, from stored checks and verdicts.
//!
//! Invariant: it is that of a monitor that observed these checks and took these verdicts, if the site was not paused. Cost: one pass
//! over the checks.

use std::time::Duration;

use crate::model::{Outcome, Sample, Timestamp};

use super::SiteState;
use super::state_machine::StateMachine;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastState {
    /// The state.
    pub state: SiteState,
    /// Its start.
    pub since: Timestamp,
    /// Whether it began before the first of the checks.
    pub is_older: bool,
    /// The time of the last successful check.
    pub last_up: Option<Timestamp>,
}

/// The state at `at` of a site that is unknown after this `silence`, by its `samples` up to then, oldest first; `verdicts` are the
/// changes of its availability rule, oldest first: when, and whether to down. `has_older`: there are checks before the first one.
#[must_use]
pub fn state_at(
    at: Timestamp,
    (samples, has_older): (&[Sample], bool),
    verdicts: &[(Timestamp, bool)],
    silence: Duration,
) -> PastState {
    let horizon = samples.first().filter(|_| has_older).map(|first| first.at);
    let mut machine = StateMachine::new(samples.first().map_or(at, |first| first.at), silence);
    let mut verdicts = verdicts.iter().peekable();
    let mut before: Option<&Sample> = None;
    for (place, sample) in samples.iter().enumerate() {
        while let Some((verdict, down)) = verdicts.next_if(|(verdict, _)| *verdict < sample.at) {
            machine.judged(*down, *verdict);
        }
        // Only the ends of a run of equal outcomes change anything.
        let follows = |before: &Sample, after: &Sample| {
            before.outcome() == after.outcome() && after.at.since(before.at) <= silence
        };
        let is_first = before.is_none_or(|before| !follows(before, sample));
        if is_first {
            machine.pass(sample.at);
        }
        if is_first || samples.get(place + 1).is_none_or(|after| !follows(sample, after)) {
            machine.check(&sample.packed());
        }
        before = Some(sample);
    }
    for (verdict, down) in verdicts.filter(|(verdict, _)| *verdict <= at) {
        machine.judged(*down, *verdict);
    }
    machine.pass(at);
    PastState {
        state: machine.state(),
        since: machine.since(),
        is_older: horizon == Some(machine.since()),
        last_up: samples.iter().rev().find(|sample| sample.outcome() == Outcome::Up).map(|sample| sample.at),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Cause, Micros, Observation};

    const SILENCE: Duration = Duration::from_secs(35);

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + secs)
    }

    fn samples(checks: &[(u64, u8)]) -> Vec<Sample> {
        let mut now = 0;
        let mut sample = |&(gap, what): &(u64, u8)| {
            now += gap;
            let cause = [Cause::Ok, Cause::Reset, Cause::Local][usize::from(what)];
            Observation::failed(cause, "").sample(at(now), Micros::ZERO, 0)
        };
        checks.iter().map(&mut sample).collect()
    }

    proptest! {
        /// The model: every check and verdict, one after the other.
        #[test]
        fn it_is_what_a_monitor_would_have_shown(
            checks in prop::collection::vec((prop_oneof![9 => 1u64..20, 1 => 20u64..90], prop_oneof![6 => Just(0u8), 3 => Just(1), 1 => Just(2)]), 0..60),
            mut verdicts in prop::collection::vec((0u64..700, any::<bool>()), 0..6), later in 0u64..60, has_older: bool,
        ) {
            let samples = samples(&checks);
            verdicts.sort_unstable();
            let verdicts: Vec<(Timestamp, bool)> = verdicts.into_iter().map(|(secs, down)| (at(secs), down)).collect();
            let now = samples.last().map_or(at(0), |last| last.at).after(Duration::from_secs(later));
            let mut machine = StateMachine::new(samples.first().map_or(now, |first| first.at), SILENCE);
            let mut left = verdicts.iter().filter(|(verdict, _)| *verdict <= now).peekable();
            for sample in &samples {
                while let Some((verdict, down)) = left.next_if(|(verdict, _)| *verdict < sample.at) {
                    machine.judged(*down, *verdict);
                }
                machine.pass(sample.at);
                machine.check(&sample.packed());
            }
            left.for_each(|(verdict, down)| _ = machine.judged(*down, *verdict));
            machine.pass(now);
            let found = state_at(now, (&samples, has_older), &verdicts, SILENCE);
            prop_assert_eq!((found.state, found.since), (machine.state(), machine.since()));
        }
    }

    #[test]
    fn a_state_that_began_before_the_first_check_is_older() {
        let all = samples(&[(10, 0), (10, 0), (10, 1), (10, 0)]);
        let found = |samples: &[Sample], has_older| state_at(at(41), (samples, has_older), &[], SILENCE);
        assert_eq!((found(&all[..2], true).is_older, found(&all[..2], false).is_older), (true, false));
        assert_eq!((found(&all, true).is_older, found(&all, true).since), (false, at(40)));
        assert_eq!(found(&all[..3], true).last_up, Some(at(20)));
        let none = state_at(at(41), (&[], true), &[(at(1), true)], SILENCE);
        assert_eq!((none.state, none.last_up), (SiteState::Down, None));
    }
}
