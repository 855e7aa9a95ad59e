//! The dashboard's commands: those about incidents become orders to the monitor that writes the store.

use std::sync::Arc;

use crate::alert::incident::order::OrderedBy;
use crate::app::alerts::orders::order_of;
use crate::app::orders::client::{leave, login_name};
use crate::model::{Place, SiteSlot, Timestamp};
use crate::store::Archive;

use super::ReadOnlyMonitor;

impl ReadOnlyMonitor {
    /// Leaves the dashboard's commands about incidents for the monitor.
    pub(super) fn pass_commands(&mut self, now: Timestamp) {
        while let Ok(command) = self.commands.1.try_recv() {
            let Some(order) = order_of(command, |slot| self.alerted(slot)) else { continue };
            let ordered = OrderedBy { by: login_name(), at: now, text: String::new() };
            match leave(&self.resolved, &order, &ordered) {
                Ok(_) if Archive::has_writer(&self.path) == Some(false) => {
                    self.tell("no webmon writes this store: the order waits for the next start".to_owned());
                }
                Ok(_) => {}
                Err(error) => self.tell(error.to_string()),
            }
        }
    }

    /// The name by which alerts know the site in this slot: that of a location's site is the one that it has there.
    fn alerted(&self, slot: SiteSlot) -> Option<Arc<str>> {
        self.others.get(&slot).cloned().or_else(|| {
            let site = self.engine.site(slot)?;
            Some(match &site.place {
                Place::At { site: there, .. } => Arc::clone(there),
                Place::Here | Place::Everywhere => Arc::clone(&site.name),
            })
        })
    }
}
