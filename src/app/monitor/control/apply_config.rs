//! The control loop carries out a change of configuration, between two steps.
//!
//! The order is what keeps everybody whole: whoever reads samples has its readers before a new site makes one; the
//! scheduler goes on with all sites at once; the engine and those who look follow before the next text is taken.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::alert::Alert;
use crate::app::reload::reconcile::{ConfigChange, NewSite};
use crate::app::scheduler::{Order, RemovedSite, UpdateSites};
use crate::app::storage::archive_views::ArchiveViews;
use crate::app::storage::request::ReaderChange;
use crate::app::storage::restore::track;
use crate::config::ConfiguredSite;
use crate::engine::SiteSnapshot;
use crate::model::{SiteSlot, Timestamp, View};
use crate::ring::{Producer, Ring};
use crate::stats::Cadence;

use super::Control;

impl Control {
    /// Goes on as `change` says. Nothing is changed when the network side has ended already.
    pub(crate) async fn revise(&mut self, mut change: ConfigChange) {
        self.welcome(&mut change.new);
        let (done, revised) = oneshot::channel();
        let berths = std::mem::take(&mut change.berths);
        if self.orders.send(Order::Revise(UpdateSites { berths, done })).await.is_err() {
            return;
        }
        let Ok(revised) = revised.await else { return };
        self.follow(&revised.moved, &revised.left);
        let now = self.clock.now();
        let ended = self.ended(&change, now);
        self.publisher.set_exec(change.exec);
        let paused: Vec<(SiteSlot, Timestamp)> =
            change.new.iter().filter_map(|new| Some((new.slot, new.paused?))).collect();
        let mut moved: HashMap<SiteSlot, Arc<Ring>> = revised.moved.into_iter().collect();
        let mut new: HashMap<SiteSlot, NewSite> = change.new.into_iter().map(|new| (new.slot, new)).collect();
        let board = self.engine.board();
        let input = |(slot, watched): (SiteSlot, ConfiguredSite)| match new.remove(&slot) {
            Some(new) => Some(new.track),
            None => Some(track(slot, &watched, moved.remove(&slot).or_else(|| board.ring(slot))?, None)),
        };
        let inputs = change.sites.into_iter().filter_map(input).collect();
        let mut step = self.engine.revise(change.views, inputs);
        step.alerts = ended;
        self.see_far();
        for (slot, until) in paused {
            self.engine.pause(slot, Some(until), now);
        }
        self.tell(&step, now);
        // Whoever asked has left when the program ends.
        let _unheard = change.done.send(revised.left);
    }

    /// Those who read samples hear of new sites.
    fn welcome(&mut self, new: &mut [NewSite]) {
        let mut adoptions = Vec::new();
        for new in new {
            if let Some(headless) = &mut self.headless {
                headless.watch(Arc::clone(&new.track.name), new.track.ring.reader_at_head());
            }
            if let Some((id, reader)) = new.kept.take() {
                self.ids.insert(new.slot, id);
                adoptions.push(ReaderChange::Watch(Arc::clone(&new.track.name), id, reader));
            }
        }
        self.adopt(adoptions);
    }

    /// Those who read samples go on in the rings that moved, and let go of those that nobody fills any more.
    pub(crate) fn follow(&mut self, moved: &[(SiteSlot, Arc<Ring>)], left: &[RemovedSite]) {
        let empty = |left: &RemovedSite| (left.slot, Arc::clone(Producer::new(1, left.next_seq).ring()));
        let rings: Vec<(SiteSlot, Arc<Ring>)> = moved.iter().cloned().chain(left.iter().map(empty)).collect();
        for (slot, ring) in &rings {
            if let Some(headless) = &mut self.headless {
                headless.follow(*slot, ring);
            }
        }
        if let Some(headless) = &mut self.headless {
            for left in left {
                headless.leave(left.slot);
            }
        }
        self.adopt(rings.into_iter().map(|(slot, ring)| ReaderChange::Follow(slot, ring)).collect());
    }

    /// The store task reads the long views of the current sites from now on; rows that it read before are discarded.
    pub(crate) fn see_far(&mut self) {
        if self.adoptions.is_none() {
            return;
        }
        let snapshot = self.engine.board().snapshot();
        let of = |site: &Arc<SiteSnapshot>| {
            (self.ids.get(&site.slot).copied(), Cadence { interval: site.interval, timeout: site.timeout })
        };
        let sites = snapshot.sites.iter().map(of).collect();
        let views: Vec<View> = snapshot.views.iter().map(|view| view.view()).collect();
        let (long_views, parts) = ArchiveViews::new(&views, sites, self.seen.subscribe()).unzip();
        self.long_views = parts;
        self.adopt(vec![ReaderChange::ArchiveViews(long_views)]);
    }

    fn adopt(&mut self, adoptions: Vec<ReaderChange>) {
        let Some(store) = self.adoptions.as_ref().filter(|_| !adoptions.is_empty()) else { return };
        let samples = adoptions.len() as u64;
        if store.try_send(adoptions).is_err() {
            // Each change begins with an answer of the store, so there is room, unless the program ends.
            self.meter.lost(samples);
        }
    }

    /// The silent ends of the incidents of sites that are no longer in the file.
    fn ended(&self, change: &ConfigChange, now: Timestamp) -> Vec<Alert> {
        let stay: HashSet<&Arc<str>> =
            change.sites.iter().map(|(_, watched)| &watched.site.name).chain(&change.unwatched).collect();
        let snapshot = self.engine.board().snapshot();
        let goes = |site: &&Arc<SiteSnapshot>| !stay.contains(&site.name);
        let end = |site: &Arc<SiteSnapshot>| {
            let incident = site.incident?;
            Some(Alert::ended(Arc::clone(&site.name), &site.rule, incident.since, now))
        };
        snapshot.sites.iter().filter(goes).filter_map(end).collect()
    }
}
