//! The seam to what the dashboard shows: the monitor of this process, or one that it only reads.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::alert::AlertRecord;
use crate::alert::incident::list::IncidentList;
use crate::alert::incident::page::{IncidentPage, IncidentRequest};
use crate::alert::objective::SiteObjective;
use crate::alert::trial::{TrialAnswer, TrialRequest};
use crate::engine::snapshot::{SiteSnapshot, Snapshot};
use crate::model::command::{ManualCheck, SiteCommand};
use crate::model::{Health, Sample, SiteIndex, SiteSlot, Timestamp};
use crate::stats::series::site_history::{HistoryRequest, SiteHistory};
use crate::stats::series::usual::{Usual, UsualRequest};

use super::arrangement::Arrangement;
use super::inputs::About;
use super::past::{PastOverview, PastRequest};
use super::settings::preferences::Preferences;

/// Where the dashboard gets what it shows. Each call is cheap and never blocks.
pub trait Source {
    /// Changes whenever [`Source::snapshot`] does.
    fn version(&self) -> u64;
    /// The sites and their figures.
    fn snapshot(&self) -> Snapshot;
    /// All alerts, oldest first; the same `Arc` until there is a new one.
    fn alerts(&self) -> Arc<[Arc<AlertRecord>]>;
    /// The open incidents, and the silences; the same `Arc` until something changes.
    fn incidents(&self) -> Arc<IncidentList>;
    /// The health of webmon itself; the same `Arc` until it changes.
    fn health(&self) -> Arc<Health>;
    /// Replaces `samples` by those in the ring of `site`, oldest first.
    fn samples(&self, site: SiteSlot, samples: &mut Vec<Sample>);
    /// Whether a store can be read.
    fn has_history(&self) -> bool {
        false
    }
    /// Starts to read a stored period, in place of one requested before.
    fn request_history(&self, _request: HistoryRequest) {}
    /// The last history read; the same `Arc` until the next one.
    fn history(&self) -> Option<Arc<SiteHistory>> {
        None
    }
    /// Starts to read what is usual at a site, in place of what was requested before.
    fn request_usual(&self, _request: UsualRequest) {}
    /// What is usual, as last read; the same `Arc` until the next read.
    fn usual(&self) -> Option<Arc<Usual>> {
        None
    }
    /// Starts to read where the objectives of `sites` stand as of `until`, in place of what was requested before.
    fn request_objectives(&self, _sites: &[Arc<SiteSnapshot>], _until: Timestamp) {}
    /// Where objectives stand, as last read; the same `Arc` until the next read.
    fn objectives(&self) -> Arc<[SiteObjective]> {
        Arc::default()
    }
    /// Starts to gather what is known about an incident, in place of one requested before.
    fn request_incident(&self, _request: IncidentRequest) {}
    /// The incident gathered last; the same `Arc` until the next one.
    fn incident(&self) -> Option<Arc<IncidentPage>> {
        None
    }
    /// Starts to try a rule, in place of one requested before.
    fn request_trial(&self, _request: TrialRequest) {}
    /// The last trial; the same `Arc` until the next one.
    fn trial(&self) -> Option<Arc<TrialAnswer>> {
        None
    }
    /// Starts to read the overview as of an instant of the past, in place of one requested before.
    fn request_past(&self, _request: PastRequest) {}
    /// The last overview of the past; the same `Arc` until the next one.
    fn past(&self) -> Option<Arc<PastOverview>> {
        None
    }
    /// The newest manual check of each site; the same `Arc` until one changes.
    fn manual_checks(&self) -> Arc<[ManualCheck]>;
    /// Called with the sites on the screen whenever they change.
    fn set_visible(&self, _sites: &[SiteIndex]) {}
    /// Hands a copied text to the tmux that the dashboard runs in.
    fn load_tmux(&self, _text: String) {}
    /// The keys and columns; the same `Arc` until they change.
    fn arrangement(&self) -> Arc<Arrangement>;
    /// Passes a command on to the monitor, which may be too busy to take it.
    fn send_command(&self, command: SiteCommand);
    /// Keeps what the user set by key for the next dashboard.
    fn remember(&self, _preferences: Preferences) {}
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// Facts that never change during a run.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// The zone of all times shown.
    pub zone: TimeZone,
    /// Facts about this run.
    pub about: About,
}
