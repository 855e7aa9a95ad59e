//! What one step of the engine found.

use crate::alert::Alert;
use crate::model::{SiteIndex, Timestamp};

use super::snapshot::{LastCheck, SiteState};

/// The results of one step.
#[derive(Debug, Default)]
pub struct EngineStep {
    /// Alerts of all rules that became due, by time.
    pub alerts: Vec<Alert>,
    /// Changes of state, by site and then by time.
    pub changes: Vec<StateChange>,
    /// Indexes of the views with new figures.
    pub refreshed: Vec<usize>,
    /// Samples that were overwritten before the engine read them.
    pub lost: u64,
    /// Texts that arrived before their samples and did not fit.
    pub lost_texts: u64,
}

impl EngineStep {
    /// Adds the results of the next step.
    pub fn append(&mut self, mut later: Self) {
        self.alerts.append(&mut later.alerts);
        self.changes.append(&mut later.changes);
        self.refreshed.retain(|view| !later.refreshed.contains(view));
        self.refreshed.append(&mut later.refreshed);
        self.lost += later.lost;
        self.lost_texts += later.lost_texts;
    }
}

/// One change of a site's state.
#[derive(Clone, Debug)]
pub struct StateChange {
    /// The index of the site in the snapshot.
    pub site: SiteIndex,
    /// The time of its reason.
    pub at: Timestamp,
    /// The state before.
    pub from: SiteState,
    /// The state after.
    pub to: SiteState,
    /// The check that caused it, with its texts if they have arrived; `None` if the cause is silence.
    pub check: Option<LastCheck>,
}
