//! What users order about incidents, and what outputs show of them.
//!
//! Invariant: an order and the note that it was obeyed are one report to the store, so an order whose file outlives a crash
//! is not obeyed twice.

use std::sync::Arc;

use crate::alert::SiteSelector;
use crate::alert::incident::list::IncidentList;
use crate::alert::incident::order::{Obeyed, OrderEvent, OrderedBy, Refusal, Silenced, UserOrder};
use crate::alert::incident::terms::{Emitted, Target};
use crate::alert::kept::change::{ChangeKey, Record};
use crate::model::command::SiteCommand;
use crate::model::{SiteSlot, StoreHealth};

use super::book::AlertBook;

/// Events of orders that wait for the outputs: more than anybody types in the moment until they are taken.
const EVENTS_MAX: usize = 1_000;

impl AlertBook {
    /// Obeys `order`; the store remembers `name` with it, if it has one. Also returns the ticket of its report.
    ///
    /// # Errors
    /// [`Refusal`]: nothing changed.
    pub fn obey(
        &self,
        order: &UserOrder,
        ordered: &OrderedBy,
        name: Option<&Arc<str>>,
    ) -> Result<(Obeyed, u64), Refusal> {
        let inner = &mut *self.inner();
        let (now, mut out) = (self.clock.now(), Emitted::default());
        let obeyed = inner.ledger.obey(order, ordered, now, &mut out)?;
        if let Some(name) = name {
            inner.obeyed.insert(Arc::clone(name));
            out.changes.push((ChangeKey::Order(Arc::clone(name)), Some(Record::Order(now))));
        }
        let changes = inner.fan_out(out, now);
        let ticket = self.keep(inner, Vec::new(), changes, true);
        let room = EVENTS_MAX.saturating_sub(inner.events.len());
        inner.events.extend(obeyed.events.iter().take(room).cloned());
        Ok((obeyed, ticket))
    }

    /// The orders that were obeyed, in this run or before, and whose files may still exist.
    #[must_use]
    pub fn obeyed(&self) -> Vec<Arc<str>> {
        self.inner().obeyed.iter().cloned().collect()
    }

    /// Forgets the order `name`, whose file is gone.
    pub fn forget_order(&self, name: &Arc<str>) {
        let inner = &mut *self.inner();
        if inner.obeyed.remove(name) {
            self.keep(inner, Vec::new(), vec![(ChangeKey::Order(Arc::clone(name)), None)], false);
        }
    }

    /// Whether everything up to `ticket` is on the disk; `None`: the store cannot save.
    #[must_use]
    pub fn is_saved(&self, ticket: u64) -> Option<bool> {
        let status = self.status.borrow();
        if self.store.is_none() || status.ticket >= ticket {
            return Some(true);
        }
        let fails = status.stuck.is_some() || matches!(status.store, StoreHealth::NotSaving { .. });
        (!fails).then_some(false)
    }

    /// The events of orders since the last call.
    pub fn take_events(&self) -> Vec<OrderEvent> {
        std::mem::take(&mut self.inner().events)
    }

    /// The open incidents and the silences; the same `Arc` until something changes.
    #[must_use]
    pub fn incident_list(&self) -> Arc<IncidentList> {
        let inner = &mut *self.inner();
        if std::mem::take(&mut inner.is_list_old) {
            let list = IncidentList::new(inner.ledger.open_incidents(), inner.ledger.silences());
            if *inner.list != list {
                inner.list = Arc::new(list);
            }
        }
        Arc::clone(&inner.list)
    }
}

/// The order that a command of the dashboard gives, if it is one about incidents; `name` gives the names of sites.
#[must_use]
pub fn order_of(command: SiteCommand, name: impl Fn(SiteSlot) -> Option<Arc<str>>) -> Option<UserOrder> {
    match command {
        SiteCommand::Acknowledge { incident, is_withdrawn: false } => {
            Some(UserOrder::Acknowledge(Target::Number(incident)))
        }
        SiteCommand::Acknowledge { incident, is_withdrawn: true } => {
            Some(UserOrder::Withdraw(Target::Number(incident)))
        }
        SiteCommand::Silence(slot, until) => {
            let sites = SiteSelector::Some { names: vec![name(slot)?], groups: Vec::new() };
            Some(match until {
                Some(until) => UserOrder::Silence { sites, until, is_maintenance: false, replaces: true },
                None => UserOrder::EndSilence(Silenced::Sites(sites)),
            })
        }
        SiteCommand::Check(_) | SiteCommand::Pause(..) => None,
    }
}
