//! One verdict of many locations: who has a vote, how many must agree, which location sees nothing, and for how long a site
//! was up.
//!
//! One location that sees a site up is proof; one that sees it down is none. So there are four verdicts: up as soon as nobody
//! says down, down with a quorum, partial below it, unknown with too few votes. Everything is compared in integers.
//!
//! Invariants: pure, all times are arguments; a verdict depends on the numbers of votes, never on their order; a missing vote
//! never counts as one that says down.

mod attendance;
mod blindness;
mod judge;
mod rule;
mod seen;
mod tally;
mod vote;

pub use attendance::Attendance;
pub use blindness::{Ballot, Blindness, SightChange};
pub use judge::{Found, QuorumJudge, Ruling, Seat, SiteTerms};
pub use rule::{Quorum, QuorumError, QuorumRule};
pub use seen::{Seen, Sight, Track, seen, spans};
pub use tally::{Tally, Verdict, Votes};
pub use vote::{Abstention, Heard, Vote, Watch, vote};

/// The number of a location while a hub runs; no other location gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocationSlot(pub u16);

impl LocationSlot {
    /// As a position in a list.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
