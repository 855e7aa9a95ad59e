//! A judge over a list of samples: what a monitor would have found, to the microsecond.
//!
//! Invariants: the transitions are those of a live judge over the same samples, if nothing was paused and the rules did not
//! change. The certificate rule finds nothing: samples contain no certificates.

use std::time::Duration;

use crate::alert::{Policies, Transition};
use crate::model::{Packed, Timestamp};

use super::{Cutoffs, Expired, Judge, Minutes};

/// See the module.
#[derive(Debug)]
pub struct Playback<'a> {
    samples: &'a [Packed],
    judge: Judge,
    /// How many samples were passed to the judge.
    next: usize,
    /// How many left each window.
    left: (usize, usize),
}

impl<'a> Playback<'a> {
    /// A playback of `samples`, in their order. The first `history` of them are not judged: give what lies before the
    /// wanted period, at least as much as [`Policies::reach`]; `before` holds still earlier ones, for an objective.
    #[must_use]
    pub fn new(
        policies: &Policies,
        interval: Duration,
        (samples, history): (&'a [Packed], usize),
        before: Option<Minutes>,
    ) -> Self {
        let (history, mut judge) = (history.min(samples.len()), Judge::new(policies, interval));
        if let Some(before) = before {
            judge.remember(before);
        }
        let mut playback = Self { samples, judge, next: 0, left: (0, 0) };
        if let Some(last) = history.checked_sub(1) {
            let cutoffs = playback.judge.cutoffs(samples[last].at());
            playback.next = history;
            let expired = playback.expired(cutoffs);
            playback.judge.replay(&samples[..history], expired);
        }
        playback
    }

    /// Judges the samples up to and including `until`, then passes the time until then.
    pub fn advance(&mut self, until: Timestamp, found: &mut Vec<Transition>) {
        let samples = self.samples;
        let arrived = &samples[self.next..];
        // A clock that was set back may have left later times before earlier ones.
        let arrived = &arrived[..arrived.iter().position(|sample| sample.at() > until).unwrap_or(arrived.len())];
        if let Some(last) = arrived.last() {
            self.next += arrived.len();
            let expired = self.expired(self.judge.cutoffs(last.at()));
            self.judge.observe(arrived, expired, found);
        }
        if self.judge.due() <= until {
            let expired = self.expired(self.judge.cutoffs(self.judge.due()));
            self.judge.pass(until, expired, found);
        }
    }

    /// The state of the rules.
    #[must_use]
    pub const fn judge(&self) -> &Judge {
        &self.judge
    }

    /// The samples that leave the windows, of those that were passed to the judge.
    fn expired(&mut self, cutoffs: Cutoffs) -> Expired<'a> {
        let known = &self.samples[..self.next];
        let take = |left: &mut usize, cutoff: Timestamp| {
            let rest = &known[*left..];
            let gone = &rest[..rest.iter().position(|sample| sample.at() > cutoff).unwrap_or(rest.len())];
            *left += gone.len();
            gone
        };
        let availability = take(&mut self.left.0, cutoffs.availability);
        let latency = cutoffs.latency.map_or(&[] as &[Packed], |cutoff| take(&mut self.left.1, cutoff));
        Expired { availability, latency }
    }
}
