//! Messages that become one: an incident that is over before its outlet heard of it.
//!
//! Invariants: only what no request can have brought is replaced.

use std::sync::Arc;

use crate::alert::kept::change::Change;
use crate::alert::{News, NewsKind};
use crate::model::Timestamp;

use super::Outbox;
use super::queue::Delivery;

impl Outbox {
    /// Replaces all that waits of `incident`, of which `outlet` has heard nothing and which ends with `news`, by one message
    /// to people, if its opening was due, and by none to others.
    pub(super) fn join(
        &mut self,
        outlet: &Arc<str>,
        incident: u64,
        (news, was_due): (&News, bool),
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) {
        let waiting: Vec<u64> =
            self.queues.get(outlet).into_iter().flat_map(|queue| queue.of(incident)).map(|row| row.number).collect();
        for number in waiting {
            self.remove(outlet, number, changes);
        }
        if was_due && news.kind != NewsKind::Ended && matches!(self.delivery(outlet), Delivery::Chat { .. }) {
            self.add(outlet, incident, now, News { kind: NewsKind::Was, ..news.clone() }, now, changes);
        }
    }

    /// Joins what waits of `incident` if it ended during a request that did not bring its opening.
    pub(super) fn join_unheard(&mut self, outlet: &Arc<str>, incident: u64, now: Timestamp, changes: &mut Vec<Change>) {
        // An outlet that is gone may come back as what it was.
        let joins = self.terms.get(outlet).is_some_and(|terms| terms.delivery != Delivery::Program);
        let Some(queue) = self.queues.get(outlet).filter(|_| joins) else { return };
        if !queue.of(incident).next().is_some_and(|head| head.news.kind == NewsKind::Opened && !head.is_begun) {
            return;
        }
        let end = queue.of(incident).find(|row| row.news.kind.is_closing()).map(|row| row.news.clone());
        if let Some(end) = end {
            self.join(outlet, incident, (&end, true), now, changes);
        }
    }
}
