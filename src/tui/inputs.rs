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

use super::past::PastOverview;

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
    /// The present, while all of this is as of an instant of the past.
    pub past: Option<PastInputs<'a>>,
}

/// The present beside the past that a screen shows.
#[derive(Clone, Copy, Debug)]
pub struct PastInputs<'a> {
    /// The past.
    pub overview: &'a PastOverview,
    /// The current time.
    pub clock: Timestamp,
    /// All alerts up to now, oldest first.
    pub alerts: &'a [Arc<AlertRecord>],
}

impl<'a> Inputs<'a> {
    /// The same as of the instant of `past`; what only the present knows is absent.
    #[must_use]
    pub const fn as_of(self, past: &'a PastOverview) -> Self {
        Inputs {
            snapshot: &past.snapshot,
            samples: &[],
            objectives: &[],
            alerts: past.alerts.as_slice(),
            incidents: &past.incidents,
            manual_checks: &[],
            now: past.at,
            past: Some(PastInputs { overview: past, clock: self.now, alerts: self.alerts }),
            ..self
        }
    }

    /// The current time, also while the screen shows the past.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        self.past.map_or(self.now, |past| past.clock)
    }
}
