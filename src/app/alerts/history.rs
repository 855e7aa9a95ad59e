//! The alerts that the outputs can list: read from the store at the start, then appended to.
//!
//! Readers take an `Arc` of the list and never block the writer. Bounds: the newest [`KEPT`]; the store has the older ones
//! (`webmon alerts`).

use std::sync::{Arc, Mutex};

use crate::alert::AlertRecord;
use crate::model::lock::lock;

/// Alerts kept in memory.
pub const KEPT: usize = 10_000;

/// A shared list of alerts, oldest first.
#[derive(Debug, Default)]
pub struct AlertLog(Mutex<Arc<[Arc<AlertRecord>]>>);

impl AlertLog {
    /// A list that begins with `past`, oldest first.
    #[must_use]
    pub fn new(past: Vec<AlertRecord>) -> Self {
        let log = Self::default();
        log.append(past);
        log
    }

    /// Appends `new` alerts, in their order.
    pub fn append(&self, new: Vec<AlertRecord>) {
        if new.is_empty() {
            return;
        }
        // A plain mutex: held for a copy of pointers, a few times a day.
        let mut list = lock(&self.0);
        let mut next: Vec<Arc<AlertRecord>> = list.iter().cloned().chain(new.into_iter().map(Arc::new)).collect();
        let surplus = next.len().saturating_sub(KEPT);
        next.drain(..surplus);
        *list = next.into();
    }

    /// Replaces the list by `all`, oldest first.
    pub fn replace(&self, all: Vec<AlertRecord>) {
        *lock(&self.0) = Arc::default();
        self.append(all);
    }

    /// The current list, oldest first.
    #[must_use]
    pub fn list(&self) -> Arc<[Arc<AlertRecord>]> {
        Arc::clone(&lock(&self.0))
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::alert::AlertState;
    use crate::alert::record::tests::record;
    use crate::model::Timestamp;

    #[test]
    fn the_newest_are_kept_in_order() {
        let alert = |n: usize| record("a", AlertState::Down, Timestamp::from_secs(n as u64));
        let log = AlertLog::new((0..KEPT).map(alert).collect());
        log.append(vec![alert(KEPT), alert(KEPT + 1)]);
        let list = log.list();
        assert_eq!(list.len(), KEPT);
        assert_eq!(list.first().unwrap().at, Timestamp::from_secs(2));
        assert_eq!(list.last().unwrap().at, Timestamp::from_secs(KEPT as u64 + 1));
    }
}
