//! Follows a system clock that was set: messages wait as long as they would have.

use crate::alert::kept::change::{Change, ChangeKey, Record};
use crate::alert::kept::row::Told;
use crate::model::time::leap::Leap;

use super::Outbox;

impl Outbox {
    /// Follows `leap`. The texts of messages stay, and so do the stored times at which outlets were told.
    pub fn leap(&mut self, leap: &Leap, changes: &mut Vec<Change>) {
        for queue in self.queues.values_mut() {
            let moved = queue.leap(leap).into_iter();
            changes.extend(moved.map(|row| (ChangeKey::Row(row.number), Some(Record::Row(Box::new(row))))));
        }
        for told in self.told.values_mut() {
            *told = Told { at: leap.retold(told.at), closed: told.closed.map(|at| leap.retold(at)) };
        }
    }
}
