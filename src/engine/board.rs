//! The newest snapshots, for any number of readers.
//!
//! **Idea.** One `Arc` a site and one a view, each replaced as a whole when something in it changed: a reader never
//! blocks the engine, the engine never waits for a reader, and what a reader holds never changes under it.
//!
//! **Invariants.** [`Board::version`] changes after everything of a step was replaced, so a reader that has seen version
//! *v* and then takes a snapshot has at least what *v* tells. A snapshot taken during a step may hold some sites before
//! it and some after it; each site and each view is whole. Which sites and views there are is replaced as a whole too.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::model::{SiteIndex, SiteSlot, Timestamp};
use crate::ring::Ring;

use super::{SiteSnapshot, Snapshot, ViewSnapshot};

/// What the engine shows.
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

    /// Everything: one `Arc` a site and a view is cloned.
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

    /// View number `view`, in the order of sites.yaml.
    #[must_use]
    pub fn view(&self, view: usize) -> Arc<ViewSnapshot> {
        self.shown.load().views[view].load_full()
    }

    /// Changes when a site or a view did.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Other sites and other views from now on.
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

    /// The step of `at` is shown; `changed` tells whether it replaced anything.
    pub(super) fn shown(&self, at: Timestamp, changed: bool) {
        self.at.store(at.as_micros(), Ordering::Release);
        if changed {
            self.version.fetch_add(1, Ordering::Release);
        }
    }
}
