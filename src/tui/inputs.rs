//! Everything that a screen shows, at one instant.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::alert::AlertRecord;
use crate::alert::incident::list::IncidentList;
use crate::alert::incident::page::IncidentPage;
use crate::alert::objective::SiteObjective;
use crate::alert::trial::TrialAnswer;
use crate::engine::snapshot::Snapshot;
use crate::model::command::ManualCheck;
use crate::model::{Health, Sample, Timestamp};
use crate::stats::series::site_history::SiteHistory;
use crate::stats::series::usual::Usual;
use crate::tui::arrangement::Arrangement;

/// Facts about this run that never change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// `0.1.0 (abc1234)`.
    pub version: String,
    /// The configuration file, if there is one.
    pub config: Option<String>,
    /// The store file, if there is one.
    pub store: Option<String>,
    /// Where webmon serves by HTTP, if it does.
    pub listen: Option<String>,
}

/// Everything that a screen shows, at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The sites and their figures.
    pub snapshot: &'a Snapshot,
    /// All samples in the ring of the open site, oldest first; empty while none is open.
    pub samples: &'a [Sample],
    /// Whether a store can be read.
    pub has_history: bool,
    /// What was read last for [`UiState::history_request`](super::UiState::history_request).
    pub history: Option<&'a SiteHistory>,
    /// What was read last for [`UiState::usual_request`](super::UiState::usual_request).
    pub usual: Option<&'a Usual>,
    /// Where objectives stand, as last read.
    pub objectives: &'a [SiteObjective],
    /// What was gathered last for [`UiState::incident_request`](super::UiState::incident_request).
    pub incident: Option<&'a IncidentPage>,
    /// The last trial of a rule.
    pub trial: Option<&'a TrialAnswer>,
    /// All alerts, oldest first.
    pub alerts: &'a [Arc<AlertRecord>],
    /// The open incidents, and the silences.
    pub incidents: &'a IncidentList,
    /// The health of webmon itself.
    pub health: &'a Health,
    /// The newest manual check of each site.
    pub manual_checks: &'a [ManualCheck],
    /// The current time.
    pub now: Timestamp,
    /// The zone of all times shown.
    pub zone: &'a TimeZone,
    /// Facts about this run.
    pub about: &'a About,
    /// The keys and columns.
    pub arrangement: &'a Arrangement,
}
