//! Of several hubs that find the same incidents, one tells of them: what a hub does when it begins to, and when it ends.
//!
//! Each hub keeps its own incidents; they are the same by site and rule. The one that follows mutes what all of them find. The one
//! that takes over continues what was told: of an incident that was told it tells the end alone, of any other that is open the opening.
//! Invariants: between them the hubs keep the law of the ledger, an `Opened` and then one `Closed`, as far as the list of what was told is
//! right; what is about a hub itself is always its own to tell.

use std::sync::Arc;

use crate::alert::kept::incident::{Incident, Phase};
use crate::alert::{AlertState, News, NewsKind, RuleKind};
use crate::model::Timestamp;

use super::ledger::{Key, Ledger};
use super::terms::Emitted;

/// Whether every hub of a fleet finds an incident of this rule.
pub(super) fn is_shared(rule: RuleKind) -> bool {
    !rule.is_own() || rule == RuleKind::Location
}

impl Ledger {
    /// Leaves what all hubs find to another one. Returns the incidents concerned, which are reported no more.
    pub fn follow(&mut self, out: &mut Emitted) -> Vec<u64> {
        self.is_following = true;
        let shared = self.shared(|incident| incident.is_announced || incident.is_open());
        for key in &shared {
            let Some(mut incident) = self.incidents.remove(key) else { continue };
            incident.is_announced = false;
            self.keep(key.clone(), incident, out);
        }
        shared.iter().filter_map(|key| self.incidents.get(key)).map(|incident| incident.number).collect()
    }

    /// Tells from now on what all hubs find. `is_told` says what another hub has reported, and not its end. Returns those that are known here,
    /// with their openings; their ends are emitted, and with the next step the openings of the others.
    pub fn lead(
        &mut self,
        is_told: impl Fn(&str, RuleKind) -> bool,
        now: Timestamp,
        out: &mut Emitted,
    ) -> Vec<(u64, News)> {
        self.is_following = false;
        self.next_look = Timestamp::ZERO;
        let mut told = Emitted::default();
        for key in self.shared(|incident| !incident.is_announced && is_told(incident.site(), incident.rule())) {
            let Some(mut incident) = self.incidents.remove(&key) else { continue };
            incident.is_announced = true;
            self.emit(NewsKind::Opened, &incident, incident.opening.clone(), now, &mut told);
            if let Phase::Closed(_) = incident.phase {
                let is_end = incident.newest.state == AlertState::Ended;
                let kind = if is_end { NewsKind::Ended } else { NewsKind::Closed };
                self.emit(kind, &incident, incident.closing(), now, out);
            }
            self.keep(key, incident, out);
        }
        told.news
    }

    /// The incidents that all hubs find and this one has announced.
    pub fn announced(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values().filter(|incident| incident.is_announced && is_shared(incident.rule()))
    }

    fn shared(&self, is_wanted: impl Fn(&Incident) -> bool) -> Vec<Key> {
        let wanted = self.incidents.iter().filter(|(_, incident)| is_shared(incident.rule()) && is_wanted(incident));
        wanted.map(|((site, rule), _)| (Arc::clone(site), *rule)).collect()
    }
}
