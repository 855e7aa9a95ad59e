//! How many sites are in each state. At a hub a site counts once, whatever single locations see.

use std::sync::Arc;

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
            *counts.place(site) += 1;
        }
        counts
    }

    /// The count that `site` is part of.
    fn place(&mut self, site: &SiteSnapshot) -> &mut usize {
        match site.state {
            _ if is_down(site) => &mut self.down,
            SiteState::Failing => &mut self.failing,
            SiteState::New => &mut self.new,
            SiteState::Up => &mut self.up,
            SiteState::Paused => &mut self.paused,
            SiteState::Unknown | SiteState::Down | SiteState::Recovering => &mut self.unknown,
        }
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

/// What a snapshot has over the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    Nothing,
    /// Some sites changed.
    Changes,
    /// Some places have another site, or one with other settings.
    OtherSites,
}

/// The counts of one snapshot after the other. Cost of the next one: a comparison of two addresses a site, and a look at each site
/// that changed.
#[derive(Clone, Debug, Default)]
pub struct FollowedCounts {
    seen: Vec<Arc<SiteSnapshot>>,
    /// Whether each of them counts.
    counted: Vec<bool>,
    counts: StateCounts,
}

impl FollowedCounts {
    /// Counts `snapshot`.
    pub fn follow(&mut self, snapshot: &Snapshot) -> Followed {
        if self.is_of_others(snapshot) {
            self.begin(snapshot);
            return Followed::OtherSites;
        }
        let mut followed = Followed::Nothing;
        for (place, site) in snapshot.sites.iter().enumerate() {
            let seen = &self.seen[place];
            if Arc::ptr_eq(seen, site) {
                continue;
            }
            followed = Followed::Changes;
            if self.counted[place] {
                *self.counts.place(seen) -= 1;
                *self.counts.place(site) += 1;
            }
            self.seen[place] = Arc::clone(site);
        }
        followed
    }

    /// Whether a place of `snapshot` has another site than in the one that was followed last, or one with other settings: which
    /// sites count, and what an index means, depends on what lasts about them.
    pub fn is_of_others(&self, snapshot: &Snapshot) -> bool {
        let is_other = |(seen, site): (&Arc<SiteSnapshot>, &Arc<SiteSnapshot>)| {
            !Arc::ptr_eq(seen, site) && !Arc::ptr_eq(&seen.facts, &site.facts)
        };
        self.seen.len() != snapshot.sites.len() || self.seen.iter().zip(&snapshot.sites).any(is_other)
    }

    /// The counts of `snapshot`, which is usually the one that was followed last.
    pub fn of(&self, snapshot: &Snapshot) -> StateCounts {
        let is_same = |(seen, site)| Arc::ptr_eq(seen, site);
        let is_followed = self.seen.len() == snapshot.sites.len() && self.seen.iter().zip(&snapshot.sites).all(is_same);
        if is_followed { self.counts } else { StateCounts::of(snapshot) }
    }

    fn begin(&mut self, snapshot: &Snapshot) {
        self.counts = StateCounts::of(snapshot);
        self.seen.clone_from(&snapshot.sites);
        self.counted = vec![false; self.seen.len()];
        for (place, _) in snapshot.subjects() {
            self.counted[place] = true;
        }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tui::tests::fixtures;

    const STATES: [SiteState; 7] = [
        SiteState::Down,
        SiteState::Recovering,
        SiteState::Failing,
        SiteState::Unknown,
        SiteState::New,
        SiteState::Up,
        SiteState::Paused,
    ];

    proptest! {
        /// The law: however sites change, join and leave, what is followed is what one pass counts.
        #[test]
        fn followed_counts_are_those_of_one_pass(
            steps in prop::collection::vec((0usize..9, 0usize..7, 0usize..4), 1..40),
        ) {
            let whole = fixtures::nine_sites().snapshot;
            let (mut shown, mut followed) = (whole.clone(), FollowedCounts::default());
            followed.follow(&shown);
            for (place, state, change) in steps {
                let before = shown.clone();
                match change {
                    0 => shown.sites = whole.sites.iter().skip(place).cloned().collect(),
                    1 => shown.sites.reverse(),
                    _ => {
                        let last = shown.sites.len() - 1;
                        Arc::make_mut(&mut shown.sites[place.min(last)]).state = STATES[state];
                    }
                }
                prop_assert_eq!(followed.of(&shown), StateCounts::of(&shown), "of one that was not followed");
                let all = |is_same: fn(&Arc<SiteSnapshot>, &Arc<SiteSnapshot>) -> bool| {
                    before.sites.len() == shown.sites.len()
                        && before.sites.iter().zip(&shown.sites).all(|(a, b)| is_same(a, b))
                };
                let expected = match (all(Arc::ptr_eq), all(|a, b| a.slot == b.slot)) {
                    (true, _) => Followed::Nothing,
                    (false, true) => Followed::Changes,
                    (false, false) => Followed::OtherSites,
                };
                prop_assert_eq!(followed.is_of_others(&shown), expected == Followed::OtherSites);
                prop_assert_eq!(followed.follow(&shown), expected);
                prop_assert_eq!(followed.of(&shown), StateCounts::of(&shown));
            }
        }
    }
}
