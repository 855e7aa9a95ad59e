//! How many sites are in each state. At a hub a site counts once, whatever single locations see.

use crate::engine::snapshot::{SiteSnapshot, SiteState, Snapshot};

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
        let mut counts = Self::default();
        for (_, site) in snapshot.subjects() {
            let count = match site.state {
                _ if is_down(site) => &mut counts.down,
                SiteState::Failing => &mut counts.failing,
                SiteState::New => &mut counts.new,
                SiteState::Up => &mut counts.up,
                SiteState::Paused => &mut counts.paused,
                SiteState::Unknown | SiteState::Down | SiteState::Recovering => &mut counts.unknown,
            };
            *count += 1;
        }
        counts
    }

    /// Every count with the state whose mark and word stand for it, worst first.
    pub const fn in_order(&self) -> [(SiteState, usize); 6] {
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

/// Whether a site counts as down: by its alert rule, or because nothing is known of it since an incident began.
pub fn is_down(site: &SiteSnapshot) -> bool {
    match site.state {
        SiteState::Down | SiteState::Recovering => true,
        SiteState::Unknown => site.incident.is_some(),
        SiteState::Failing | SiteState::New | SiteState::Up | SiteState::Paused => false,
    }
}
