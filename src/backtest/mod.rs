//! What other rules would have found in stored checks, and reported.
//!
//! A [`SiteRun`] takes the samples of one site, oldest first, and judges them under several sets of rules with the code that
//! judges live. [`told`] passes the verdicts of all sites through the ledger of incidents; [`Score`] compares them with the
//! outages; [`suggest`] looks for better rules.
//!
//! Invariants: pure; over a period in which rules and interval did not change and nothing was paused, the verdicts are those
//! that a monitor had, to the microsecond. Bounds: memory holds the longest window, `PIECE` samples, and the verdicts.

mod outages;
mod replay;
mod score;
pub mod suggest;
mod told;
mod words;

pub use outages::OutageFinder;
pub use replay::{Replay, Verdict};
pub use score::{Incident, Overlap, Score, has_overlap, incidents};
pub use told::{Judged, Told, told};
pub use words::{keys, yaml};

use std::time::Duration;

use crate::alert::Policies;
use crate::alert::maintenance::{Maintenance, Span};
use crate::model::{Outcome, Packed, Sample, Timestamp};
use crate::stats::Outage;

/// Samples that are judged at once.
const PIECE: usize = 4_096;

/// One site under several sets of rules.
#[derive(Debug)]
pub struct SiteRun {
    replays: Vec<Replay>,
    finder: OutageFinder,
    piece: Vec<Packed>,
    since: Timestamp,
    checks: u64,
    first: Option<Timestamp>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteCourse {
    /// Checks in the period, but for those that this machine could not make.
    pub checks: u64,
    /// The first sample in the period.
    pub first: Option<Timestamp>,
    /// The outages in the period.
    pub outages: Vec<Outage>,
    /// For each set of rules its verdicts, also those from before the period.
    pub verdicts: Vec<Vec<Verdict>>,
}

impl SiteRun {
    /// A run of a site that is checked every `interval`. Outages count from `since` on, if they last at least `least`; earlier
    /// samples only prepare the rules.
    #[must_use]
    pub fn new(rules: &[Policies], interval: Duration, least: Duration, since: Timestamp) -> Self {
        Self {
            replays: rules.iter().map(|policies| Replay::new(policies, interval)).collect(),
            finder: OutageFinder::new(least),
            piece: Vec::with_capacity(PIECE),
            since,
            checks: 0,
            first: None,
        }
    }

    /// Leaves maintenance out of objectives: `windows` of the site, and the times `spans`. To be called first.
    pub fn leave_out(&mut self, windows: &[Maintenance], spans: &[Span]) {
        self.replays.iter_mut().for_each(|replay| replay.leave_out(windows, spans));
    }

    /// Takes the next sample.
    pub fn take(&mut self, sample: &Sample) {
        let packed = sample.packed();
        if self.since <= sample.at {
            self.finder.admit(&packed);
            self.checks += u64::from(sample.outcome() != Outcome::Unknown);
            self.first.get_or_insert(sample.at);
        }
        self.piece.push(packed);
        if self.piece.len() == PIECE {
            self.judge();
        }
    }

    /// Lets time pass until `until`.
    #[must_use]
    pub fn finish(mut self, until: Timestamp) -> SiteCourse {
        self.judge();
        SiteCourse {
            checks: self.checks,
            first: self.first,
            outages: self.finder.finish(),
            verdicts: self.replays.into_iter().map(|replay| replay.finish(until)).collect(),
        }
    }

    fn judge(&mut self) {
        self.replays.iter_mut().for_each(|replay| replay.feed(&self.piece));
        self.piece.clear();
    }
}

#[cfg(test)]
mod tests;
