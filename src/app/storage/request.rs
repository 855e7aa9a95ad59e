//! Requests of a running monitor to its store task.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::app::storage::archive_views::ArchiveViews;
use crate::app::storage::restore::Restored;
use crate::model::{SiteId, SiteSlot};
use crate::ring::{Reader, Ring};

/// Asks for the stored state of sites, and registers new ones.
pub struct RestoreRequest {
    /// Names, and how far back to read samples.
    pub sites: Vec<(Arc<str>, Duration)>,
    /// Receives the answer; an error is a sentence.
    pub answer: oneshot::Sender<Result<Restored, String>>,
}

/// Other long views from now on, or none.
pub struct Others(pub Option<ArchiveViews>);

/// A change of the sites that the store task saves.
pub enum ReaderChange {
    /// A new site, whose slot is the next one.
    Watch(Arc<str>, SiteId, Reader),
    /// A site that continues in another ring.
    Follow(SiteSlot, Arc<Ring>),
    /// These are the long views from now on.
    ArchiveViews(Option<ArchiveViews>),
}
