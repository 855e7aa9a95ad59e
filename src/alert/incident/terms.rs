//! The settings of the ledger, and what it returns.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::kept::change::Change;
use crate::alert::maintenance::Maintenance;
use crate::alert::{Calm, News};

/// What the ledger knows about a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteTerms {
    /// Its group.
    pub group: Option<Arc<str>>,
    /// While this site is down, this one's incidents are muted.
    pub parent: Option<Arc<str>>,
    /// The pause before the first reminder.
    pub remind: Option<Duration>,
    /// The outlets that hear of it; `None`: all.
    pub tell: Option<Arc<[Arc<str>]>>,
}

/// The settings of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerTerms {
    /// The calm; `None`: every alert is reported.
    pub calm: Option<Calm>,
    /// The windows of maintenance.
    pub maintenance: Vec<Maintenance>,
    /// The sites.
    pub sites: HashMap<Arc<str>, SiteTerms>,
}

impl LedgerTerms {
    /// Those that concern `site` and its parent.
    #[must_use]
    pub fn of_site(&self, site: &str) -> Self {
        let parent = self.sites.get(site).and_then(|terms| terms.parent.as_deref());
        let named = [Some(site), parent].into_iter().flatten().filter_map(|name| self.sites.get_key_value(name));
        let sites = named.map(|(name, terms)| (Arc::clone(name), terms.clone())).collect();
        Self { calm: self.calm, maintenance: self.maintenance.clone(), sites }
    }
}

/// Why an incident is not reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mute {
    /// By the silence of this number.
    Silence(u64),
    /// By maintenance.
    Maintenance,
    /// Its parent is down.
    Parent(Arc<str>),
    /// Its site is paused.
    Paused,
    /// A hub reports it, over all locations.
    Hub,
}

/// What follows from a call: news for the outlets, and changes to keep.
#[derive(Debug, Default)]
pub struct Emitted {
    /// News, in order, each with the number of its incident.
    pub news: Vec<(u64, News)>,
    /// Changes, in order.
    pub changes: Vec<Change>,
}

/// Which incidents a user means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The one of this number.
    Number(u64),
    /// All open ones of this site.
    Site(Arc<str>),
}
