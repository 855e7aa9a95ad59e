//! The trackers of all sites, and at which of them a step has nothing to do.
//!
//! Invariants: a site rests from the end of a step until a sample is published in its ring or its tracker has something to do
//! by itself; mutable access wakes it. Cost: a step reads a few contiguous words and one counter per resting site.

use std::ops::{Index, IndexMut};
use std::sync::Arc;

use crate::model::Timestamp;
use crate::ring::Ring;

use super::tracker::SiteTracker;

/// The trackers by the index of their sites.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    trackers: Vec<SiteTracker>,
    rests: Vec<Rest>,
}

/// What ends the rest of a site.
#[derive(Debug)]
struct Rest {
    ring: Arc<Ring>,
    /// The number of the first sample that its tracker has not read.
    unread: u64,
    /// When its tracker has something to do; [`Timestamp::ZERO`] while it is awake.
    until: Timestamp,
}

impl Lanes {
    pub(super) fn len(&self) -> usize {
        self.trackers.len()
    }

    /// Whether a step at `now` has nothing to do at `site`.
    #[inline]
    pub(super) fn is_resting(&self, site: usize, now: Timestamp) -> bool {
        let Rest { ring, unread, until } = &self.rests[site];
        now < *until && ring.next_seq() <= *unread
    }

    /// Lets `site` rest, at which a step has done everything that there was to do.
    #[inline]
    pub(super) fn rest(&mut self, site: usize) {
        let (tracker, rest) = (&self.trackers[site], &mut self.rests[site]);
        (rest.unread, rest.until) = (tracker.unread(), tracker.idle_until());
        if !Arc::ptr_eq(&rest.ring, tracker.ring()) {
            rest.ring = Arc::clone(tracker.ring());
        }
    }

    /// Adds a site, which is awake.
    pub(super) fn push(&mut self, tracker: SiteTracker) {
        let (ring, unread) = (Arc::clone(tracker.ring()), tracker.unread());
        self.rests.push(Rest { ring, unread, until: Timestamp::ZERO });
        self.trackers.push(tracker);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SiteTracker> {
        self.trackers.iter()
    }

    /// All trackers; all sites wake.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut SiteTracker> {
        self.rests.iter_mut().for_each(Rest::end);
        self.trackers.iter_mut()
    }

    /// Removes all trackers.
    pub(super) fn take(&mut self) -> Vec<SiteTracker> {
        self.rests.clear();
        std::mem::take(&mut self.trackers)
    }
}

impl Rest {
    fn end(&mut self) {
        self.until = Timestamp::ZERO;
    }
}

impl FromIterator<SiteTracker> for Lanes {
    fn from_iter<I: IntoIterator<Item = SiteTracker>>(trackers: I) -> Self {
        let mut lanes = Self::default();
        trackers.into_iter().for_each(|tracker| lanes.push(tracker));
        lanes
    }
}

impl Index<usize> for Lanes {
    type Output = SiteTracker;

    fn index(&self, site: usize) -> &SiteTracker {
        &self.trackers[site]
    }
}

impl IndexMut<usize> for Lanes {
    /// The site wakes.
    #[inline]
    fn index_mut(&mut self, site: usize) -> &mut SiteTracker {
        self.rests[site].end();
        &mut self.trackers[site]
    }
}
