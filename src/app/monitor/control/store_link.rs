//! The control loop's link to the store task.
//!
//! No method waits: each returns how many items did not fit the task's queues.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{mpsc, watch};

use crate::app::reload::reconcile::NewSite;
use crate::app::storage::archive_views::{ArchiveViews, ViewRows};
use crate::app::storage::request::ReaderChange;
use crate::app::storage::task::StoreSenders;
use crate::engine::{SiteSnapshot, Snapshot};
use crate::model::{SiteId, SiteIndex, SiteSlot, Timestamp, View};
use crate::stats::Cadence;

/// The senders to the store task, and the sites that it knows.
pub struct StoreLink {
    senders: StoreSenders,
    ids: HashMap<SiteSlot, SiteId>,
    visible: Arc<watch::Sender<Vec<SiteIndex>>>,
}

impl StoreLink {
    /// A link for sites with these ids, by slot; `visible` are the sites on the screen.
    #[must_use]
    pub fn new(senders: StoreSenders, ids: Vec<SiteId>, visible: Arc<watch::Sender<Vec<SiteIndex>>>) -> Self {
        Self { senders, ids: (0..).map(SiteSlot).zip(ids).collect(), visible }
    }

    /// Saves the end of a pause; `None` ends it now.
    pub fn save_pause(&self, site: SiteSlot, until: Option<Timestamp>) -> u64 {
        u64::from(self.senders.pauses.try_send((site, until)).is_err())
    }

    /// Notes that an outage of this machine's network may yet be found after `decided`; [`Timestamp::MAX`]: nowhere.
    pub fn set_decided(&self, decided: Timestamp) {
        self.senders.decided.store(decided.as_micros(), Ordering::Release);
    }

    /// Saves the samples of new sites.
    pub fn watch(&mut self, new: &mut [NewSite]) -> u64 {
        let mut changes = Vec::new();
        for new in new {
            if let Some((id, reader)) = new.kept.take() {
                self.ids.insert(new.slot, id);
                changes.push(ReaderChange::Watch(Arc::clone(&new.track.name), id, reader));
            }
        }
        self.change_readers(changes)
    }

    /// Reads the long views of the current sites from now on; the task discards rows that it read before.
    pub fn read_archive_views(&self, snapshot: &Snapshot) -> (Option<mpsc::Receiver<ViewRows>>, u64) {
        let site = |site: &Arc<SiteSnapshot>| {
            (self.ids.get(&site.slot).copied(), Cadence { interval: site.interval, timeout: site.timeout })
        };
        let views: Vec<View> = snapshot.views.iter().map(|view| view.view()).collect();
        let sites = snapshot.sites.iter().map(site).collect();
        let (archive_views, rows) = ArchiveViews::new(&views, sites, self.visible.subscribe()).unzip();
        (rows, self.change_readers(vec![ReaderChange::ArchiveViews(archive_views)]))
    }

    /// Changes the readers. A change of configuration begins with an answer of the store task, so its queue has room
    /// until the program ends.
    pub fn change_readers(&self, changes: Vec<ReaderChange>) -> u64 {
        let count = changes.len() as u64;
        if count == 0 || self.senders.reader_changes.try_send(changes).is_ok() { 0 } else { count }
    }
}
