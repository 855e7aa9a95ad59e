//! What keys do about incidents: the page of one, and the site of an alert or an incident.

use std::sync::Arc;

use crate::alert::AlertRecord;
use crate::tui::inputs::Inputs;
use crate::tui::keymap::Action;
use crate::tui::page::Page;
use crate::tui::state::UiState;

impl UiState {
    /// Does what a key about incidents asks for.
    pub(crate) fn on_incident(&mut self, action: Action, inputs: &Inputs) {
        match action {
            Action::OpenIncident => self.open_incident_of_site(inputs),
            _ => self.open_site_of_alert(inputs),
        }
    }

    /// Opens the page of the incident that `alert` is about, with the chart of its site at it.
    pub(crate) fn open_incident(&mut self, alert: Arc<AlertRecord>, inputs: &Inputs) {
        self.show_at(&alert, inputs);
        self.incident = Some(alert);
        self.nav.open(Page::Incident);
    }

    /// Opens the site of the alert under the cursor, or of the open incident, with its chart at that.
    fn open_site_of_alert(&mut self, inputs: &Inputs) {
        let alert = match self.nav.page() {
            Page::Incident => self.incident.clone(),
            _ => self.alerts.selected(inputs.alerts).cloned(),
        };
        let Some(alert) = alert else { return };
        if self.show_at(&alert, inputs) {
            self.nav.open_site(false);
        } else {
            self.timers.say("this site is no longer monitored", inputs.now);
        }
    }

    /// Opens the page of the incident that the chart of the open site was moved to, or else of its newest one.
    fn open_incident_of_site(&mut self, inputs: &Inputs) {
        let site = self.focus(inputs).and_then(|index| self.tables(inputs).sites.get(index));
        let Some(name) = site.map(|site| &site.name) else { return };
        let of_site = || inputs.alerts.iter().rev().filter(|alert| alert.site == *name);
        let jumped = of_site().find(|alert| Some(alert.at) == self.chart.jumped());
        match jumped.or_else(|| of_site().next()).map(Arc::clone) {
            Some(alert) => self.open_incident(alert, inputs),
            None => self.timers.say("no incident of this site is known", inputs.now),
        }
    }

    /// Moves the chart, and the cursor of the table, to `alert` at its site. Returns whether that is monitored.
    fn show_at(&mut self, alert: &AlertRecord, inputs: &Inputs) -> bool {
        let tables = self.sites.tables(inputs.snapshot);
        let Some(place) = tables.sites.iter().position(|site| site.name == alert.site) else { return false };
        self.chart.jump(alert, tables.sites[place].interval, inputs, tables);
        self.chart.leave_cursor();
        self.sites.follow(place, inputs.snapshot);
        true
    }
}
