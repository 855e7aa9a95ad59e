//! What the network side asks of the store's side of a running monitor.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::app::storage::archive_views::ArchiveViews;
use crate::app::storage::restore::Restored;
use crate::model::SiteId;
use crate::ring::{Reader, Ring};

/// Asks what the store knows of sites, each as far back, and gives new ones their numbers.
pub struct RestoreRequest {
    /// Names and horizons.
    pub sites: Vec<(Arc<str>, Duration)>,
    /// Where the answer goes; an error is a sentence.
    pub answer: oneshot::Sender<Result<Restored, String>>,
}

/// Other long views from now on, or none.
pub struct Others(pub Option<ArchiveViews>);

/// What changes about the sites whose samples are saved.
pub enum ReaderChange {
    /// One more; its number is one past the last one.
    Watch(Arc<str>, SiteId, Reader),
    /// The site of this number goes on in that ring.
    Follow(usize, Arc<Ring>),
    /// These are the long views from now on.
    ArchiveViews(Option<ArchiveViews>),
}
