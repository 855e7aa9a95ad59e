//! The overview as of an instant of the past: what the dashboard asks a reader of the store for, and what it answers.
//!
//! Invariant: an answer holds nothing of later times; what only the present knows (pauses, certificates, manual checks) is absent.

pub(crate) mod cursor;
pub(crate) mod reading;

use std::sync::Arc;

use crate::alert::AlertRecord;
use crate::alert::incident::list::IncidentList;
use crate::engine::snapshot::{SiteFacts, Snapshot};
use crate::model::{Timestamp, View};

/// A request for the overview as of an instant.
#[derive(Clone, Debug)]
pub struct PastRequest {
    /// Grows from request to request.
    pub number: u64,
    /// The instant: what was before it counts.
    pub at: Timestamp,
    /// The sites, in order.
    pub sites: Vec<Arc<SiteFacts>>,
    /// The views.
    pub views: Vec<View>,
    /// The alerts in memory, oldest first.
    pub alerts: Arc<[Arc<AlertRecord>]>,
    /// The silences that are known.
    pub incidents: Arc<IncidentList>,
}

/// The answer to a [`PastRequest`].
#[derive(Clone, Debug)]
pub struct PastOverview {
    /// The number of the request.
    pub number: u64,
    /// The instant.
    pub at: Timestamp,
    /// The sites and their figures: those of `webmon stats` of the period of each view that ends there.
    pub snapshot: Snapshot,
    /// The alerts until then, oldest first.
    pub alerts: Vec<Arc<AlertRecord>>,
    /// The incidents that were open then, and the silences.
    pub incidents: IncidentList,
    /// When the oldest stored check of each site was due.
    pub begins: Vec<Option<Timestamp>>,
    /// Why the store could not be read.
    pub trouble: Option<String>,
}

impl PastOverview {
    /// When the oldest stored check of all was due.
    #[must_use]
    pub fn store_begins(&self) -> Option<Timestamp> {
        self.begins.iter().flatten().min().copied()
    }

    /// Whether no site was checked in any view up to then.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let rows = self.snapshot.views.iter().flat_map(|view| &view.rows);
        rows.into_iter().all(|row| row.summary.counts.checks() + row.summary.counts.unknown == 0)
    }
}
