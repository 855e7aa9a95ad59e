//! What follows from a decision about this machine's network.

use crate::alert::network::{Mask, NetworkChange, Realm};
use crate::alert::{Alert, RuleKind};
use crate::app::alerts::stored_report::KeptOutage;
use crate::engine::StateChange;
use crate::model::{SiteSlot, Timestamp};

/// What the control loop has to do.
#[derive(Default)]
pub struct Decisions {
    /// The masks of sites, for the engine.
    pub masks: Vec<(SiteSlot, Mask)>,
    /// Verdicts on rules, for the engine: the start of the open incident, and when it was decided.
    pub verdicts: Vec<(SiteSlot, RuleKind, Option<Timestamp>, Timestamp)>,
    /// Alerts that were held, and those about the network itself.
    pub alerts: Vec<Alert>,
    /// Changes of state that were held.
    pub changes: Vec<StateChange>,
    /// Outages to be kept, or removed.
    pub kept: Vec<KeptOutage>,
    /// What to print.
    pub news: Vec<NetworkChange>,
    /// Realms with too few hosts, and how many.
    pub no_panel: Vec<(Realm, usize)>,
}

impl Decisions {
    /// Adds what was decided later.
    pub fn append(&mut self, mut later: Self) {
        self.alerts.append(&mut later.alerts);
        self.changes.append(&mut later.changes);
        self.news.append(&mut later.news);
    }
}

/// The incidents that `alerts` open and do not close again: the rule, and the start.
pub(super) fn openings(alerts: &[Alert]) -> impl Iterator<Item = (RuleKind, Timestamp)> {
    let last =
        |alert: &&Alert| alerts.iter().rfind(|other| other.rule == alert.rule).is_some_and(|last| last == *alert);
    alerts.iter().filter(move |alert| alert.state.is_opening() && last(alert)).map(|alert| (alert.rule, alert.at))
}
