//! Applies a change of configuration in the control loop, between two steps.
//!
//! The order matters: readers must exist before a new site produces samples, each scheduler changes its sites at once, and
//! the engine follows before the next text is taken.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::alert::kept::incident::Incident;
use crate::alert::network::Mask;
use crate::alert::{Alert, Rule};
use crate::app::reload::reconcile::{ConfigChange, NewSite};
use crate::app::scheduler::RemovedSite;
use crate::app::storage::request::ReaderChange;
use crate::app::storage::restore::track;
use crate::config::ConfiguredSite;
use crate::model::{SiteSlot, Timestamp};
use crate::ring::{Producer, Ring};

use super::Control;

impl Control {
    /// Applies `change`. Changes nothing if the schedulers have ended.
    pub(super) async fn apply_config(&mut self, mut change: ConfigChange) {
        self.watch(&mut change.new);
        let site_updates = std::mem::take(&mut change.site_updates);
        let Some(revised) = self.scheduler.orders.update(site_updates).await else { return };
        self.follow(&revised.moved, &revised.left);
        let now = self.clock.now();
        let ended = self.ended(&change, now);
        self.publisher.configure(change.incidents, change.outlets);
        self.publisher.set_heartbeat(change.heartbeat);
        let paused: Vec<(SiteSlot, Timestamp)> =
            change.new.iter().filter_map(|new| Some((new.slot, new.paused?))).collect();
        let mut moved: HashMap<SiteSlot, Arc<Ring>> = revised.moved.into_iter().collect();
        let mut new: HashMap<SiteSlot, NewSite> = change.new.into_iter().map(|new| (new.slot, new)).collect();
        let masks: HashMap<SiteSlot, Mask> = new.iter().map(|(slot, new)| (*slot, new.track.mask.clone())).collect();
        let board = self.engine.board();
        let input = |(slot, watched): (SiteSlot, ConfiguredSite)| match new.remove(&slot) {
            Some(new) => Some(new.track),
            None => Some(track(slot, &watched, moved.remove(&slot).or_else(|| board.ring(slot))?)),
        };
        let inputs = change.sites.into_iter().filter_map(input).collect();
        let mut step = self.engine.revise(change.views, inputs);
        // New sites do not know of it.
        self.known = None;
        step.alerts = ended;
        self.read_archive_views();
        for (slot, until) in paused {
            self.engine.pause(slot, Some(until), now);
        }
        let decisions = self.own_network.switch(change.own_network, now);
        self.carry_out(decisions, now);
        self.own_network.follow(&board.snapshot(), |slot| masks.get(&slot).cloned().unwrap_or_default(), now);
        self.publish(step, now);
        // The receiver is gone only during shutdown.
        let _unheard = change.done.send(revised.left);
    }

    /// Creates the readers of new sites.
    fn watch(&mut self, new: &mut [NewSite]) {
        if let Some(headless) = &mut self.outputs.headless {
            for new in &*new {
                headless.watch(Arc::clone(&new.track.name), new.track.ring.reader_at_head());
            }
        }
        self.send_to_store(|store| store.watch(new));
    }

    /// Moves the readers to the rings that moved, and releases the rings of removed sites.
    pub(super) fn follow(&mut self, moved: &[(SiteSlot, Arc<Ring>)], removed: &[RemovedSite]) {
        let empty = |site: &RemovedSite| (site.slot, Arc::clone(Producer::new(1, site.next_seq).ring()));
        let rings: Vec<(SiteSlot, Arc<Ring>)> = moved.iter().cloned().chain(removed.iter().map(empty)).collect();
        if let Some(headless) = &mut self.outputs.headless {
            for (slot, ring) in &rings {
                headless.follow(*slot, ring);
            }
            for site in removed {
                headless.leave(site.slot);
            }
        }
        let changes = rings.into_iter().map(|(slot, ring)| ReaderChange::Follow(slot, ring)).collect();
        self.send_to_store(|store| store.change_readers(changes));
    }

    /// The silent ends of the incidents of sites that are no longer in the file.
    fn ended(&self, change: &ConfigChange, now: Timestamp) -> Vec<Alert> {
        let stay: HashSet<&Arc<str>> =
            change.sites.iter().map(|(_, watched)| &watched.site.name).chain(&change.unwatched).collect();
        let goes = |incident: &Incident| !incident.rule().is_own() && !stay.contains(incident.site());
        let end = |incident: Incident| {
            let Alert { site, rule, incident: number, since, threshold, window, .. } = incident.opening;
            let then = Rule { threshold, window, ..Rule::default() };
            Alert { rule, incident: number, ..Alert::ended(site, &then, since, now) }
        };
        self.publisher.book().incidents().into_iter().filter(goes).map(end).collect()
    }
}
