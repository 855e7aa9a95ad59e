//! Downs that wait for a decision about the network.
//!
//! Invariants: see the parent, which hears the decisions; what becomes of the alerts is here.

use crate::alert::{Alert, AlertState, RuleKind};
use crate::app::monitor::control::decisions::{Decisions, openings};
use crate::engine::{EngineStep, SiteState, Snapshot, StateChange};
use crate::model::{Outcome, Sample, SiteSlot, Timestamp};

use super::OwnNetwork;

/// Alerts of one site that wait for a decision.
pub(super) struct HeldDown {
    pub(super) alerts: Vec<Alert>,
    pub(super) changes: Vec<StateChange>,
    /// When the newest failed check started.
    pub(super) start: Timestamp,
    /// Whether its incidents were taken back in the engine, because an outage explains them.
    pub(super) is_taken_back: bool,
}

impl OwnNetwork {
    /// Whether a down waits.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes the alerts out of `step` that have to wait, and the changes of state that they explain.
    pub fn sift(&mut self, step: &mut EngineStep, board: &Snapshot, now: Timestamp) {
        let alerts = std::mem::take(&mut step.alerts);
        for alert in alerts {
            self.sift_alert(alert, step, board, now);
        }
        if self.held.is_empty() {
            return;
        }
        let slot_of = |change: &StateChange| board.sites.get(change.site.get()).map(|site| site.slot);
        let is_held = |change: &mut StateChange| {
            change.to == SiteState::Down && slot_of(change).is_some_and(|slot| self.held.contains_key(&slot))
        };
        let changes: Vec<StateChange> = step.changes.extract_if(.., is_held).collect();
        for change in changes {
            if let Some(held) = slot_of(&change).and_then(|slot| self.held.get_mut(&slot)) {
                held.changes.push(change);
            }
        }
    }

    fn sift_alert(&mut self, alert: Alert, step: &mut EngineStep, board: &Snapshot, now: Timestamp) {
        let Some(&slot) = self.slots.get(&alert.site).filter(|_| self.is_on) else { return step.alerts.push(alert) };
        if !matches!(alert.rule, RuleKind::Availability | RuleKind::SloFast | RuleKind::SloSlow) {
            return step.alerts.push(alert);
        }
        let is_opening = alert.state.is_opening();
        match self.held.get_mut(&slot) {
            Some(held) if is_opening || alert.rule != RuleKind::Availability => held.alerts.push(alert),
            Some(_) => {
                // The site itself answered since, so no outage can explain the down any more; or it ended with its rule.
                self.network.cleared(slot.get());
                let Some(held) = self.held.remove(&slot).filter(|_| alert.state != AlertState::Ended) else { return };
                step.alerts.extend(held.alerts);
                step.alerts.push(alert);
                step.changes.splice(0..0, held.changes);
            }
            None if !is_opening => step.alerts.push(alert),
            None => match self.hold(slot, board, now) {
                Some(start) => {
                    let held = HeldDown { alerts: vec![alert], changes: Vec::new(), start, is_taken_back: false };
                    self.held.insert(slot, held);
                }
                None => step.alerts.push(alert),
            },
        }
    }

    /// The start of the newest failed check of `slot`, if a down has to wait for a decision about it.
    fn hold(&mut self, slot: SiteSlot, board: &Snapshot, now: Timestamp) -> Option<Timestamp> {
        let failed = self.sites.get(&slot).and_then(|site| site.failed);
        // Its texts may be on their way.
        let last = board.sites.iter().find(|site| site.slot == slot).and_then(|site| site.last.as_ref());
        let last = last.map(|last| last.sample).filter(|sample| sample.outcome() != Outcome::Up);
        let last = last.map(|sample: Sample| (sample.at, sample.started(), sample.cause));
        let (_, start, cause) = [failed, last].into_iter().flatten().max_by_key(|(at, ..)| *at)?;
        self.network.down(slot.get(), start, cause, now).then_some(start)
    }

    pub(super) fn release(&mut self, slot: SiteSlot, decisions: &mut Decisions) {
        // The engine finds the withdrawn downs again, now that their checks count.
        let Some(held) = self.held.remove(&slot).filter(|held| !held.is_taken_back) else { return };
        decisions.alerts.extend(held.alerts);
        decisions.changes.extend(held.changes);
    }

    pub(super) fn drop_held(&mut self, slot: SiteSlot, now: Timestamp, decisions: &mut Decisions) {
        let Some(held) = self.held.remove(&slot).filter(|held| !held.is_taken_back) else { return };
        decisions.verdicts.extend(openings(&held.alerts).map(|(rule, _)| (slot, rule, None, now)));
    }
}
