//! How many sites are in each state.

use crate::engine::snapshot::{SiteSnapshot, SiteState, Snapshot};

/// How many sites are in each state, as the header counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts {
    pub down: usize,
    pub failing: usize,
    pub unknown: usize,
    pub new: usize,
    pub up: usize,
    pub paused: usize,
}

impl StateCounts {
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut tally = Self::default();
        for site in &snapshot.sites {
            let slot = match site.state {
                _ if is_down(site) => &mut tally.down,
                SiteState::Failing => &mut tally.failing,
                SiteState::New => &mut tally.new,
                SiteState::Up => &mut tally.up,
                SiteState::Paused => &mut tally.paused,
                SiteState::Unknown | SiteState::Down | SiteState::Recovering => &mut tally.unknown,
            };
            *slot += 1;
        }
        tally
    }

    /// Every count with the state whose mark and word stand for it, in the order of the header.
    pub const fn counts(&self) -> [(SiteState, usize); 6] {
        [
            (SiteState::Down, self.down),
            (SiteState::Failing, self.failing),
            (SiteState::Unknown, self.unknown),
            (SiteState::New, self.new),
            (SiteState::Paused, self.paused),
            (SiteState::Up, self.up),
        ]
    }
}

/// Whether a site counts as down: the rule says so, or it went out of sight while an incident was open (going blind
/// is not recovery).
pub fn is_down(site: &SiteSnapshot) -> bool {
    match site.state {
        SiteState::Down | SiteState::Recovering => true,
        SiteState::Unknown => site.incident.is_some(),
        SiteState::Failing | SiteState::New | SiteState::Up | SiteState::Paused => false,
    }
}
