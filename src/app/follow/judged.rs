//! What a hub asks of the monitor that shows its store.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::app::status::health_meter::StoreStatus;
use crate::app::storage::export_handle::ExportHandle;
use crate::engine::EngineStep;
use crate::model::{Location, SiteSlot};
use crate::stats::Availability;

use super::ReadOnlyMonitor;
use super::load::availability;

impl ReadOnlyMonitor {
    /// Accepts notices for the user.
    #[must_use]
    pub fn keeping(&self) -> watch::Sender<StoreStatus> {
        self.keeping.clone()
    }

    /// Reads and shows what is new, when the clocks of locations are ahead by so many µs.
    pub fn look_by(&mut self, clocks: &BTreeMap<Location, i64>) -> EngineStep {
        let mut step = self.engine.set_clocks(clocks);
        step.append(self.look());
        step
    }

    /// Accepts commands about sites that stand on a board made of this one, by these slots and names.
    pub fn stand_for(&mut self, others: impl Iterator<Item = (SiteSlot, Arc<str>)>) {
        self.others = others.collect();
    }

    /// Shows how `export` gets on, if there is one.
    pub fn exporting(&mut self, export: Option<&ExportHandle>) {
        self.meter.attend_export(export.map(|export| export.health.clone()));
    }

    /// The availability of the site `name` over the window of its rule, by its newest checks.
    #[must_use]
    pub fn availability(&self, name: &str) -> Option<Availability> {
        let site = self.sites.iter().find(|site| *site.name == *name)?;
        let window = self.subjects.iter().find(|subject| *subject.name == *name)?.policies.availability.window;
        availability(site, window)
    }
}
