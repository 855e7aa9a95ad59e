//! The votes on one site, counted, and the verdict that follows.

use super::{QuorumRule, Vote};

/// What the locations together say of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// At least one location sees it up, none sees it down.
    Up,
    /// A quorum sees it down.
    Down,
    /// Some see it down, too few for a quorum.
    Partial,
    /// No location has a vote, or some say down and too few have one.
    Unknown,
}

impl Verdict {
    /// The public name: `up`, `down`, `partial`, `unknown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Partial => "partial",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it counts as up in figures, as a partial outage does; `None` if nothing is known.
    #[must_use]
    pub const fn is_up(self) -> Option<bool> {
        match self {
            Self::Up | Self::Partial => Some(true),
            Self::Down => Some(false),
            Self::Unknown => None,
        }
    }
}

/// How the locations of a site voted, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Votes {
    /// What follows.
    pub verdict: Verdict,
    /// The votes.
    pub tally: Tally,
    /// How many locations check the site, with a vote or without.
    pub assigned: u32,
}

/// Votes on one site, by what they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that say up.
    pub up: u32,
    /// Those that say down.
    pub down: u32,
}

impl Tally {
    /// All of them.
    #[must_use]
    pub const fn votes(self) -> u32 {
        self.up + self.down
    }

    /// Adds a vote.
    pub const fn add(&mut self, vote: Vote) {
        match vote {
            Vote::Up => self.up += 1,
            Vote::Down => self.down += 1,
        }
    }

    /// Takes back a vote that was added.
    pub const fn remove(&mut self, vote: Vote) {
        match vote {
            Vote::Up => self.up -= 1,
            Vote::Down => self.down -= 1,
        }
    }

    /// The verdict on a site that `assigned` locations check.
    #[must_use]
    pub fn verdict(self, rule: &QuorumRule, assigned: u32) -> Verdict {
        let votes = self.votes();
        if votes == 0 {
            Verdict::Unknown
        } else if self.down == 0 {
            Verdict::Up
        } else if votes < rule.min_votes(assigned) {
            Verdict::Unknown
        } else if rule.quorum.need(votes) <= self.down {
            Verdict::Down
        } else {
            Verdict::Partial
        }
    }
}

impl FromIterator<Vote> for Tally {
    fn from_iter<I: IntoIterator<Item = Vote>>(votes: I) -> Self {
        let mut tally = Self::default();
        votes.into_iter().for_each(|vote| tally.add(vote));
        tally
    }
}
