//! Everything that a screen may say, at one instant.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::alert::AlertRecord;
use crate::engine::snapshot::Snapshot;
use crate::model::command::ManualCheck;
use crate::model::{Health, Sample, Timestamp};
use crate::stats::series::site_history::SiteHistory;

/// Facts about this run that never change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// `0.1.0 (abc1234)`.
    pub version: String,
    /// The configuration file, if there is one.
    pub config: Option<String>,
    /// The store file, if there is one.
    pub store: Option<String>,
}

/// Everything that a screen may say, at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The sites and their figures.
    pub snapshot: &'a Snapshot,
    /// The samples of the site that is open, oldest first, as far back as its ring reaches; empty while none is.
    pub samples: &'a [Sample],
    /// Whether there is a store to look back into.
    pub has_past: bool,
    /// What was last read of it, for [`UiState::wanted`](super::UiState::wanted).
    pub past: Option<&'a SiteHistory>,
    /// All past alerts, oldest first.
    pub alerts: &'a [Arc<AlertRecord>],
    /// How webmon itself is.
    pub health: &'a Health,
    /// Checks that were asked for by hand, the newest of each site.
    pub rechecks: &'a [ManualCheck],
    /// The instant.
    pub now: Timestamp,
    /// The zone in which times are told.
    pub zone: &'a TimeZone,
    /// This run.
    pub about: &'a About,
}
