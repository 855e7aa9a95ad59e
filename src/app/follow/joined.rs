//! Other sites of a store that a hub shows: what stays the same is neither read again nor judged anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::app::storage::site_spec::SiteSpec;
use crate::engine::SiteInput;
use crate::model::{SiteSlot, View};
use crate::store::{Archive, StoreError};

use super::ReadOnlyMonitor;
use super::load::{FollowedSite, StoreContents, tell_why};

impl ReadOnlyMonitor {
    /// Replaces sites and views like [`ReadOnlyMonitor::turn_to`], and keeps what it has of the sites that are as before, in their
    /// slots. Sites that only the store knows are left out. Changes nothing if the store cannot be read.
    ///
    /// Cost: the samples of the other sites, and the records of all.
    ///
    /// # Errors
    /// The store's.
    pub fn join(&mut self, subjects: Vec<SiteSpec>, views: Vec<View>, flush: Duration) -> Result<(), StoreError> {
        let archive = Archive::open(&self.path)?;
        let same_views = self.engine.board().snapshot().views.iter().map(|view| view.view()).eq(views.iter().copied());
        let before: HashMap<&str, &SiteSpec> = self.subjects.iter().map(|subject| (&*subject.name, subject)).collect();
        let is_kept = |subject: &SiteSpec| same_views && before.get(&*subject.name) == Some(&subject);
        let others: Vec<SiteSpec> = subjects.iter().filter(|subject| !is_kept(subject)).cloned().collect();
        let next = self.sites.iter().map(|site| site.slot.0 + 1).max().unwrap_or(0);
        let mut opening = StoreContents::read_only(&archive, others, (&views, SiteSlot(next)), self.clock.now())?;
        let newest = opening.newest();
        let names: HashMap<Arc<str>, usize> =
            opening.sites.iter().map(|site| Arc::clone(&site.name)).zip(0..).collect();
        let mut whys: Vec<_> = std::mem::take(&mut opening.whys).into_iter().map(Some).collect();
        let mut fresh: Vec<Option<(FollowedSite, SiteInput)>> =
            opening.sites.into_iter().zip(opening.tracks).map(Some).collect();
        let mut kept: HashMap<Arc<str>, FollowedSite> =
            std::mem::take(&mut self.sites).into_iter().map(|site| (Arc::clone(&site.name), site)).collect();
        let (mut sites, mut tracks, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for subject in &subjects {
            if let Some((index, (site, track))) =
                names.get(&subject.name).and_then(|index| Some((*index, fresh[*index].take()?)))
            {
                told.push((sites.len(), whys[index].take().unwrap_or_default()));
                sites.push(site);
                tracks.push(track);
            } else if let Some(site) = kept.remove(&subject.name) {
                let ring = Arc::clone(site.producer.ring());
                let mut track = subject.clone().track(site.slot, ring, Vec::new());
                track.mask = site.id.map(|id| opening.outages.of(id)).unwrap_or_default();
                sites.push(site);
                tracks.push(track);
            }
        }
        self.far.turn_to(&views, &tracks);
        self.engine.revise(views, tracks);
        if !self.judges {
            self.engine.look_on();
        }
        for (place, why) in told {
            tell_why(&mut self.engine, &sites[place], why);
        }
        (self.newest, self.flush, self.subjects) = (self.newest.max(newest), flush, subjects);
        (self.sites, self.outages) = (sites, opening.outages);
        Ok(())
    }
}
