//! Messages that are given up: too old, too many, or for an outlet that is gone.

use std::sync::Arc;

use crate::alert::NewsKind;
use crate::alert::kept::change::Change;
use crate::alert::kept::row::Row;
use crate::model::Timestamp;

use super::queue::{Delivery, KEEP};
use super::{Outbox, REPEAT_END};

impl Outbox {
    /// Gives up what has waited for too long at `now`. Returns the outlets concerned, and how many rows.
    pub fn expire(&mut self, now: Timestamp, changes: &mut Vec<Change>) -> Vec<(Arc<str>, usize)> {
        let is_old = |row: &&Row| row.made.after(KEEP) <= now && row.due.after(KEEP) <= now;
        let mut given_up = Vec::new();
        let outlets: Vec<Arc<str>> = self.queues.keys().cloned().collect();
        for outlet in outlets {
            let old: Vec<u64> = self.queues[&outlet].rows().filter(is_old).map(|row| row.number).collect();
            let count: usize = old.into_iter().map(|number| self.give_up(&outlet, number, changes)).sum();
            if count > 0 {
                given_up.push((outlet, count));
            }
        }
        // The store keeps them as long as their alerts.
        self.told.retain(|_, told| told.closed.is_none_or(|closed| now < closed.after(REPEAT_END)));
        given_up
    }

    /// Gives up a row; if it opens an incident, also what follows, which must not be told without it. Returns how many.
    pub(super) fn give_up(&mut self, outlet: &Arc<str>, number: u64, changes: &mut Vec<Change>) -> usize {
        let Some(row) = self.remove(outlet, number, changes) else { return 0 };
        let mut count = 1;
        if row.news.kind == NewsKind::Opened && self.delivery(outlet) != Delivery::Program {
            let followers: Vec<u64> = self.queues[outlet].of(row.incident).map(|other| other.number).collect();
            for number in followers {
                count += usize::from(self.remove(outlet, number, changes).is_some());
            }
        }
        if row.news.kind.is_closing() {
            self.keep_told(outlet, row.incident, None, changes);
        }
        if let Some(queue) = self.queues.get_mut(outlet) {
            queue.count_given_up(count);
        }
        count
    }
}
