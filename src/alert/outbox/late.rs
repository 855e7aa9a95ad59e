//! Outlets that hear of an incident only some time after it opened, if it is not muted then.

use std::collections::HashSet;

use crate::alert::NewsKind;
use crate::alert::kept::row::Row;
use crate::model::Timestamp;

use super::Outbox;

fn is_late(row: &Row, now: Timestamp) -> bool {
    row.news.kind == NewsKind::Opened && !row.is_begun && row.due <= now
}

impl Outbox {
    /// Whether `outlet` hears late, and the opening of an incident is due for it at `now`.
    #[must_use]
    pub fn has_late(&self, outlet: &str, now: Timestamp) -> bool {
        let hears_late = self.terms.get(outlet).is_some_and(|terms| !terms.after.is_zero());
        hears_late && self.queues.get(outlet).is_some_and(|queue| queue.rows().any(|row| is_late(row, now)))
    }

    /// Holds the openings of `muted` incidents that are due for `outlet` at `now` until `until`. The store need not know: after a start
    /// it is held again.
    pub fn hold(&mut self, outlet: &str, muted: &HashSet<u64>, now: Timestamp, until: Timestamp) {
        if let Some(queue) = self.queues.get_mut(outlet) {
            queue.postpone(|row| is_late(row, now) && muted.contains(&row.incident), until);
        }
    }
}
