//! Tells a location that sees nothing from sites that are down, by what the others see.
//!
//! Over the sites on which a location votes and which the others alone see up, it is *blind* once it sees at least half of
//! them down, of two hosts or more; it sees again below a quarter, or when fewer than two such sites are left. The others are
//! those that are not blind. A blind location has no vote; what it would say still tells whether it is blind.
//!
//! When a location sees again or goes blind, the others have a witness more or less, which can decide about them in turn. So in
//! a step first those see again that do, until no other one does, and then those go blind that do, until no other one does; within
//! each the order of the locations makes no difference. A step is for votes that changed: where locations decide about each
//! other, one with the same votes could find otherwise.
//!
//! Limit: locations that fail together are not blind, since each is a witness for the other. Cost: a pass over all votes, two
//! where some are blind, and one more for each that changes another's case.

use super::{LocationSlot, Tally, Vote};

/// What a location says of a site, or would say if it were not blind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// The location.
    pub location: LocationSlot,
    /// What it says.
    pub vote: Vote,
}

/// A location went blind, or sees again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SightChange {
    /// The location.
    pub location: LocationSlot,
    /// Whether it is blind now.
    pub is_blind: bool,
    /// The sites that it sees down, of `known`.
    pub down: u32,
    /// The sites on which it votes and which the others see up.
    pub known: u32,
}

/// Which locations are blind.
#[derive(Clone, Debug, Default)]
pub struct Blindness {
    /// By [`LocationSlot`].
    sights: Vec<Sight>,
}

/// One location, and what was counted for it in this step.
#[derive(Clone, Copy, Debug, Default)]
struct Sight {
    is_blind: bool,
    known: u32,
    down: u32,
    /// The host of the first site that counts in `down`.
    host: Option<u32>,
    has_other_host: bool,
}

impl Blindness {
    /// Whether `location` is blind.
    #[must_use]
    pub fn is_blind(&self, location: LocationSlot) -> bool {
        self.sights.get(location.get()).is_some_and(|sight| sight.is_blind)
    }

    /// Counts `ballots` of one site, without those of blind locations.
    pub fn tally(&self, ballots: impl IntoIterator<Item = Ballot>) -> Tally {
        ballots.into_iter().filter(|ballot| !self.is_blind(ballot.location)).map(|ballot| ballot.vote).collect()
    }

    /// Judges all locations by the votes on all sites: of each its host, and at most one ballot a location.
    pub fn judge<I>(&mut self, sites: &(impl Iterator<Item = (u32, I)> + Clone), changes: &mut Vec<SightChange>)
    where
        I: Iterator<Item = Ballot> + Clone,
    {
        let before: Vec<bool> = self.sights.iter().map(|sight| sight.is_blind).collect();
        if before.contains(&true) {
            while self.pass(sites.clone(), |sight| sight.is_blind && sight.sees_little()) {}
        }
        while self.pass(sites.clone(), |sight| sight.is_blind || sight.sees_nothing()) {}
        for (place, sight) in self.sights.iter().enumerate() {
            if sight.is_blind != before.get(place).is_some_and(|was_blind| *was_blind) {
                let location = LocationSlot(u16::try_from(place).expect("the place of a slot is its 16-bit number"));
                let Sight { is_blind, down, known, .. } = *sight;
                changes.push(SightChange { location, is_blind, down, known });
            }
        }
    }

    /// Counts anew, and decides of each location whether it is blind. Returns whether that changed.
    fn pass<I>(&mut self, sites: impl Iterator<Item = (u32, I)>, is_blind: impl Fn(&Sight) -> bool) -> bool
    where
        I: Iterator<Item = Ballot> + Clone,
    {
        for sight in &mut self.sights {
            *sight = Sight { is_blind: sight.is_blind, ..Sight::default() };
        }
        for (host, ballots) in sites {
            let tally = self.tally(ballots.clone());
            ballots.for_each(|ballot| self.count(host, ballot, tally));
        }
        let mut has_changed = false;
        for sight in &mut self.sights {
            let now = is_blind(sight);
            has_changed |= std::mem::replace(&mut sight.is_blind, now) != now;
        }
        has_changed
    }

    /// Counts for a location its `ballot` on a site of `host`, where `tally` is of all that see.
    fn count(&mut self, host: u32, ballot: Ballot, tally: Tally) {
        let place = ballot.location.get();
        if self.sights.len() <= place {
            self.sights.resize(place + 1, Sight::default());
        }
        let sight = &mut self.sights[place];
        let mut others = tally;
        if !sight.is_blind {
            others.remove(ballot.vote);
        }
        // Whatever the quorum: a site is up that one location sees up and none sees down.
        if others.up == 0 || 0 < others.down {
            return;
        }
        sight.known += 1;
        if ballot.vote == Vote::Down {
            sight.down += 1;
            sight.has_other_host |= *sight.host.get_or_insert(host) != host;
        }
    }
}

impl Sight {
    /// What makes a location blind.
    const fn sees_nothing(&self) -> bool {
        self.known as u64 <= 2 * self.down as u64 && self.has_other_host
    }

    /// What keeps it blind.
    const fn sees_little(&self) -> bool {
        self.known as u64 <= 4 * self.down as u64 && self.has_other_host
    }
}
