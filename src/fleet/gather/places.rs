//! The sites of one store of a location: which site of the hub each is, and which number comes next.

use std::collections::BTreeMap;

use crate::model::SiteId;

/// A gathered site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its number in the hub's store.
    pub(super) id: SiteId,
    /// The number of the next sample to take.
    pub(super) next: u64,
    /// The number after the last sample on the disk.
    pub(super) committed: u64,
    /// The number after the last one that came and could not be taken.
    pub(super) beyond: u64,
}

impl Place {
    /// The place of a site of which everything before number `next` is on the disk.
    pub(super) const fn new(id: SiteId, next: u64) -> Self {
        Self { id, next, committed: next, beyond: 0 }
    }

    /// Whether samples came that were not taken, nor came again since.
    pub(super) const fn is_behind(&self) -> bool {
        self.beyond > self.next
    }
}

/// Places by the number that a site has in the store of its location.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<SiteId, Place>);

impl Places {
    pub(super) fn get(&self, site: SiteId) -> Option<&Place> {
        self.0.get(&site)
    }

    pub(super) fn get_mut(&mut self, site: SiteId) -> Option<&mut Place> {
        self.0.get_mut(&site)
    }

    pub(super) fn put(&mut self, site: SiteId, place: Place) {
        self.0.insert(site, place);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether samples of a site came that were not taken.
    pub(super) fn is_behind(&self) -> bool {
        self.0.values().any(Place::is_behind)
    }

    /// Everything taken is on the disk.
    pub(super) fn committed(&mut self) {
        self.0.values_mut().for_each(|place| place.committed = place.next);
    }

    /// What is on the disk, by ascending site.
    pub(super) fn have(&self) -> Vec<(SiteId, u64)> {
        self.0.iter().map(|(site, place)| (*site, place.committed)).collect()
    }
}
