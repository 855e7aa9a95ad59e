//! The messages of incidents that pass from one hub to another.

use std::sync::Arc;

use crate::alert::News;
use crate::alert::kept::change::Change;
use crate::alert::kept::row::Told;
use crate::model::Timestamp;

use super::queue::Delivery;
use super::{Audience, Outbox};

impl Outbox {
    /// Forgets what waits of `incidents`, and which outlets have heard of them.
    pub fn forget(&mut self, incidents: &[u64], changes: &mut Vec<Change>) {
        let rows: Vec<(Arc<str>, u64)> = self
            .queues
            .iter()
            .flat_map(|(outlet, queue)| queue.rows().map(move |row| (outlet, row)))
            .filter(|(_, row)| incidents.contains(&row.incident))
            .map(|(outlet, row)| (Arc::clone(outlet), row.number))
            .collect();
        for (outlet, row) in rows {
            self.remove(&outlet, row, changes);
        }
        let told: Vec<(Arc<str>, u64)> =
            self.told.keys().filter(|(_, incident)| incidents.contains(incident)).cloned().collect();
        for (outlet, incident) in told {
            self.keep_told(&outlet, incident, None, changes);
        }
    }

    /// Notes that another hub has sent `news`, the opening of `incident`, to every outlet that hears it.
    pub fn note_told(
        &mut self,
        incident: u64,
        news: &News,
        audience: Audience<'_>,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) {
        let hears =
            self.terms.values().filter(|terms| terms.delivery != Delivery::Program && terms.hears(news, audience));
        let outlets: Vec<Arc<str>> = hears.map(|terms| Arc::clone(&terms.key)).collect();
        for outlet in outlets {
            self.keep_told(&outlet, incident, Some(Told { at: now, closed: None }), changes);
        }
    }

    /// Whether the opening of `incident` waits for an outlet, and whether its end does.
    #[must_use]
    pub fn waiting_of(&self, incident: u64) -> (bool, bool) {
        let kinds: Vec<_> =
            self.queues.values().flat_map(|queue| queue.of(incident)).map(|row| row.news.kind).collect();
        (kinds.contains(&crate::alert::NewsKind::Opened), kinds.iter().any(|kind| kind.is_closing()))
    }
}
