//! Which locations an alert rests on.
//!
//! Bound: at most [`Locations::NAMES_MAX`] names.

use crate::model::Location;

/// Where a site was seen when it was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locations {
    /// Several locations had a vote.
    Votes {
        /// Those that saw it down.
        down: u32,
        /// All of them.
        votes: u32,
        /// Some that saw it down, in the order of their names.
        names: Vec<Location>,
    },
    /// One location judged for itself, out of touch with all others.
    Alone(Location),
}

impl Locations {
    /// The most names that are kept.
    pub const NAMES_MAX: usize = 5;

    /// `down` of `votes` saw it down, among them these.
    #[must_use]
    pub fn votes(votes: u32, down: u32, names: impl IntoIterator<Item = Location>) -> Self {
        let mut names: Vec<Location> = names.into_iter().collect();
        names.sort_unstable();
        names.truncate(Self::NAMES_MAX);
        Self::Votes { down, votes, names }
    }
}
