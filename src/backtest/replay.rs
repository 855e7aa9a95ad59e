//! Judges stored samples as a monitor would have judged them, piece by piece.
//!
//! Invariants: the transitions are those of [`Judge`] over all samples, however they are split. Bounds: holds the samples of the
//! longest window, and those of one piece.

use std::time::Duration;

use crate::alert::Policies;
use crate::alert::Transition;
use crate::alert::maintenance::{Maintenance, Span};
use crate::alert::policy::{Cutoffs, Expired, Judge};
use crate::model::{Cause, Outcome, Packed, Timestamp};

/// Samples that may stay behind before they are removed.
const SLACK: usize = 4_096;

/// A change of a rule's verdict, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The change.
    pub transition: Transition,
    /// The cause of the newest failed check at that time.
    pub cause: Option<Cause>,
}

/// One site under one set of rules.
#[derive(Debug)]
pub struct Replay {
    judge: Judge,
    /// The samples that have not left all windows, and up to [`SLACK`] that have.
    held: Vec<Packed>,
    /// How many of them left the window of each rule.
    left: (usize, usize),
    found: Vec<Transition>,
    verdicts: Vec<Verdict>,
    /// The cause of the newest failed check.
    last_failure: Option<Cause>,
}

impl Replay {
    /// Without samples. The rule of certificates is left out, since samples contain none.
    #[must_use]
    pub fn new(policies: &Policies, interval: Duration) -> Self {
        let policies = Policies { certificate: None, ..*policies };
        Self {
            judge: Judge::new(&policies, interval),
            held: Vec::new(),
            left: (0, 0),
            found: Vec::new(),
            verdicts: Vec::new(),
            last_failure: None,
        }
    }

    /// Leaves maintenance out of an objective: the windows and the times.
    pub fn leave_out(&mut self, windows: &[Maintenance], spans: &[Span]) {
        self.judge.leave_out(windows);
        self.judge.leave_out_spans(spans);
    }

    /// Judges the next samples, in order.
    pub fn feed(&mut self, samples: &[Packed]) {
        let Some(last) = samples.last() else { return };
        self.held.extend_from_slice(samples);
        let cutoffs = self.judge.cutoffs(last.at());
        let expired = expired(&self.held, &mut self.left, cutoffs);
        self.judge.observe(samples, expired, &mut self.found);
        self.explain(samples);
        // Without a rule of latency, nothing is in its window.
        let gone = cutoffs.latency.map_or(self.left.0, |_| self.left.0.min(self.left.1));
        if SLACK <= gone {
            self.held.drain(..gone);
            self.left = (self.left.0 - gone, self.left.1.saturating_sub(gone));
        }
    }

    /// Lets time pass until `until`, and returns all verdicts, in the order of their instants.
    #[must_use]
    pub fn finish(mut self, until: Timestamp) -> Vec<Verdict> {
        if self.judge.due() <= until {
            let cutoffs = self.judge.cutoffs(self.judge.due());
            let expired = expired(&self.held, &mut self.left, cutoffs);
            self.judge.pass(until, expired, &mut self.found);
        }
        self.explain(&[]);
        self.verdicts.sort_by_key(|verdict| verdict.transition.at);
        self.verdicts
    }

    /// Adds the causes, as of the last of `samples`, to what was found.
    fn explain(&mut self, samples: &[Packed]) {
        let is_failure = |sample: &&Packed| sample.outcome() == Outcome::Down;
        let cause = |sample: &Packed| Cause::from_code(sample.cause_code());
        for transition in self.found.drain(..) {
            let before = &samples[..samples.partition_point(|sample| sample.at() <= transition.at)];
            let cause = before.iter().rfind(is_failure).and_then(cause).or(self.last_failure);
            self.verdicts.push(Verdict { transition, cause });
        }
        self.last_failure = samples.iter().rfind(is_failure).and_then(cause).or(self.last_failure);
    }
}

/// Those of `held` that leave the windows now.
fn expired<'h>(held: &'h [Packed], left: &mut (usize, usize), cutoffs: Cutoffs) -> Expired<'h> {
    let take = |left: &mut usize, cutoff: Timestamp| {
        let rest = &held[*left..];
        let gone = &rest[..rest.iter().position(|sample| cutoff < sample.at()).unwrap_or(rest.len())];
        *left += gone.len();
        gone
    };
    let availability = take(&mut left.0, cutoffs.availability);
    let latency = cutoffs.latency.map_or(&[][..], |cutoff| take(&mut left.1, cutoff));
    Expired { availability, latency }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::policy::Playback;
    use crate::alert::{LatencyRule, Percentile, Rule, Threshold};
    use crate::backtest::tests::slow_sample;
    use crate::model::{Cause, Flags};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_judged_like_the_whole(
            steps in proptest::collection::vec((1u64..14, 0usize..5, 0u32..2_000, 0u8..40), 1..400),
            pieces in proptest::collection::vec(1usize..60, 1..20),
            has_latency in any::<bool>(),
        ) {
            let interval = Duration::from_secs(10);
            let latency = has_latency.then_some(LatencyRule {
                percentile: Percentile::P50,
                limit: Duration::from_secs(1),
                window: Duration::from_secs(200),
                min_samples: 2,
            });
            let availability = Rule { threshold: Threshold::from_ppm(700_000).unwrap(), ..Rule::default() };
            let policies = Policies { availability, latency, ..Policies::default() };
            let (mut at, mut samples) = (1_000, Vec::new());
            for (step, cause, took, hole) in steps {
                at += step;
                let cause = [Cause::Ok, Cause::Slow, Cause::Ok, Cause::Status, Cause::Local][cause];
                samples.push(slow_sample(at, cause, if hole == 0 { Flags::AFTER_HOLE } else { Flags::none() }, took));
            }
            let end = Timestamp::from_secs(at + 1_000);

            let mut expected = Vec::new();
            let mut playback = Playback::new(&policies, interval, (&samples, 0), None);
            playback.advance(end, &mut expected);
            expected.sort_by_key(|transition| transition.at);

            let mut replay = Replay::new(&policies, interval);
            let (mut rest, mut pieces) = (&samples[..], pieces.iter().cycle());
            while let (false, Some(&piece)) = (rest.is_empty(), pieces.next()) {
                let (next, after) = rest.split_at(piece.min(rest.len()));
                replay.feed(next);
                rest = after;
            }
            let verdicts = replay.finish(end);
            for Verdict { transition, cause } in &verdicts {
                let failed = |sample: &&Packed| sample.at() <= transition.at && sample.outcome() == Outcome::Down;
                let newest = samples.iter().rfind(failed).and_then(|sample| Cause::from_code(sample.cause_code()));
                prop_assert_eq!(*cause, newest);
            }
            let transitions: Vec<Transition> = verdicts.into_iter().map(|verdict| verdict.transition).collect();
            prop_assert_eq!(transitions, expected);
        }
    }

    #[test]
    fn what_left_all_windows_is_removed() {
        let mut replay = Replay::new(&Policies::default(), Duration::from_secs(10));
        for at in 0..20_000 {
            replay.feed(&[slow_sample(at * 10, Cause::Ok, Flags::none(), 1)]);
            assert!(replay.held.len() <= SLACK + 13);
        }
    }
}
