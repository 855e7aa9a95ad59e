//! The newest snapshots, for any number of readers: one `Arc` per site and per view.
//!
//! Invariants: readers and engine never wait for each other, and a snapshot that a reader holds never changes.
//! [`Board::version`] changes after a step replaced everything, so a snapshot taken after reading version *v* contains
//! all of *v*. A snapshot taken during a step may mix sites of before and after it; each site, each view, and the set of
//! sites and views is whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::model::{SiteIndex, SiteSlot, Timestamp};
use crate::ring::Ring;

use super::{SiteSnapshot, Snapshot, ViewSnapshot};

/// The published snapshots of an engine.
#[derive(Debug)]
pub struct Board {
    at: AtomicU64,
    version: AtomicU64,
    shown: ArcSwap<Published>,
}

#[derive(Debug)]
pub(super) struct Published {
    sites: Box<[ArcSwap<SiteSnapshot>]>,
    views: Box<[ArcSwap<ViewSnapshot>]>,
    rings: HashMap<SiteSlot, Arc<Ring>>,
}

impl Published {
    pub(super) fn new(
        sites: Vec<Arc<SiteSnapshot>>,
        views: Vec<Arc<ViewSnapshot>>,
        rings: HashMap<SiteSlot, Arc<Ring>>,
    ) -> Self {
        Self {
            sites: sites.into_iter().map(ArcSwap::new).collect(),
            views: views.into_iter().map(ArcSwap::new).collect(),
            rings,
        }
    }
}

impl Board {
    pub(super) fn new(at: Timestamp, published: Published) -> Self {
        Self { at: AtomicU64::new(at.as_micros()), version: AtomicU64::new(1), shown: ArcSwap::from_pointee(published) }
    }

    /// A board that shows `snapshot`, whose sites' samples are in `rings`: what was made of the board of an engine.
    #[must_use]
    pub fn showing(snapshot: Snapshot, rings: HashMap<SiteSlot, Arc<Ring>>) -> Self {
        Self::new(snapshot.at, Published::new(snapshot.sites, snapshot.views, rings))
    }

    /// Shows `snapshot` instead, which was made of the board of an engine.
    pub fn show(&self, snapshot: Snapshot, rings: HashMap<SiteSlot, Arc<Ring>>) {
        self.replace(snapshot.at, Published::new(snapshot.sites, snapshot.views, rings));
    }

    /// Marks what is shown as that of `at`, because nothing has changed by then.
    pub fn pass(&self, at: Timestamp) {
        self.shown(at, false);
    }

    /// All snapshots. Cost: one `Arc` clone per site and view.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let shown = self.shown.load();
        Snapshot {
            at: Timestamp::from_micros(self.at.load(Ordering::Acquire)),
            sites: shown.sites.iter().map(ArcSwap::load_full).collect(),
            views: shown.views.iter().map(ArcSwap::load_full).collect(),
        }
    }

    /// One site.
    #[must_use]
    pub fn site(&self, site: SiteIndex) -> Arc<SiteSnapshot> {
        self.shown.load().sites[site.get()].load_full()
    }

    /// The ring of a site that is watched.
    #[must_use]
    pub fn ring(&self, site: SiteSlot) -> Option<Arc<Ring>> {
        self.shown.load().rings.get(&site).cloned()
    }

    /// The view at index `view`, in the order of sites.yaml.
    #[must_use]
    pub fn view(&self, view: usize) -> Arc<ViewSnapshot> {
        self.shown.load().views[view].load_full()
    }

    /// Changes whenever a site or a view changes.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Replaces the set of sites and views.
    pub(super) fn replace(&self, at: Timestamp, published: Published) {
        self.shown.store(Arc::new(published));
        self.shown(at, true);
    }

    pub(super) fn put_site(&self, site: SiteIndex, snapshot: Arc<SiteSnapshot>) {
        self.shown.load().sites[site.get()].store(snapshot);
    }

    pub(super) fn put_view(&self, view: usize, snapshot: Arc<ViewSnapshot>) {
        self.shown.load().views[view].store(snapshot);
    }

    /// Marks the step of `at` as published; `changed` if it replaced anything.
    pub(super) fn shown(&self, at: Timestamp, changed: bool) {
        self.at.store(at.as_micros(), Ordering::Release);
        if changed {
            self.version.fetch_add(1, Ordering::Release);
        }
    }
}
