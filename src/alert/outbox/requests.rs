//! Requests of the outlets: what goes out with one, and what became of it.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::NewsKind;
use crate::alert::kept::change::{Change, ChangeKey, Record};
use crate::alert::kept::row::{Row, Told};
use crate::model::Timestamp;

use super::queue::{Delivery, FailedRequest, Failure, Next};
use super::{Outbox, Outgoing};

impl Outbox {
    /// What to do for `outlet`.
    pub fn next(&mut self, outlet: &str, now: Timestamp, elapsed: Duration) -> Next {
        if !self.terms.contains_key(outlet) {
            return Next::Idle;
        }
        self.queues.get_mut(outlet).map_or(Next::Idle, |queue| queue.next(now, elapsed))
    }

    /// Begins a request with those of `rows` that still wait, which [`Outbox::next`] named; with none, nothing begins.
    pub fn begin(&mut self, outlet: &str, rows: &[u64], elapsed: Duration, changes: &mut Vec<Change>) -> Outgoing {
        let mut outgoing = Outgoing { rows: Vec::new(), number: 0, is_perhaps_repeat: false, is_marked: false };
        let is_program = self.delivery(outlet) == Delivery::Program;
        let Some(queue) = self.queues.get_mut(outlet) else { return outgoing };
        outgoing.rows.extend(rows.iter().filter_map(|number| queue.row(*number)).cloned());
        outgoing.is_perhaps_repeat = rows.iter().any(|number| queue.is_perhaps_repeat(*number));
        let Some(first) = outgoing.rows.first() else { return outgoing };
        queue.begin(elapsed);
        // The remaining rows of a set arrived if the set did.
        let is_of = |set: &u64| outgoing.rows.iter().all(|row| row.set == Some(*set));
        let mut set = first.set.filter(is_of).filter(|set| queue.size_of(*set) == outgoing.rows.len());
        if set.is_none() && outgoing.rows.len() > 1 && !is_program {
            set = Some(self.numbers.take(changes));
        }
        outgoing.number = set.unwrap_or(first.number);
        for number in rows {
            if let Some(row) = queue.mark(*number, set) {
                outgoing.is_marked = true;
                changes.push((ChangeKey::Row(*number), Some(Record::Row(Box::new(row.clone())))));
            }
        }
        outgoing
    }

    /// `outlet` took these rows.
    pub fn succeeded(
        &mut self,
        outlet: &Arc<str>,
        rows: &[Row],
        now: Timestamp,
        elapsed: Duration,
        changes: &mut Vec<Change>,
    ) {
        if let Some(queue) = self.queues.get_mut(outlet) {
            queue.succeeded(now, elapsed);
        }
        for row in rows {
            self.remove(outlet, row.number, changes);
            match row.news.kind {
                kind if kind.is_closing() => {
                    // One message may have told all of it.
                    self.told.entry((Arc::clone(outlet), row.incident)).or_insert(Told { at: now, closed: None });
                    self.note_end(outlet, row.incident, now, changes);
                }
                NewsKind::Opened => {
                    self.keep_told(outlet, row.incident, Some(Told { at: now, closed: None }), changes);
                }
                _ => {}
            }
            if matches!(self.delivery(outlet), Delivery::Chat { .. }) {
                self.drop_silent_end(outlet, row.incident, now, changes);
            }
        }
    }

    /// Removes the end of an incident that followed a message under way: people hear nothing of it.
    fn drop_silent_end(&mut self, outlet: &Arc<str>, incident: u64, now: Timestamp, changes: &mut Vec<Change>) {
        let head = self.queues.get(outlet).and_then(|queue| queue.of(incident).next());
        let Some(number) = head.filter(|row| row.news.kind == NewsKind::Ended).map(|row| row.number) else { return };
        self.remove(outlet, number, changes);
        self.note_end(outlet, incident, now, changes);
    }

    /// Notes that `outlet` has heard all of `incident`, if it was told of it.
    pub(super) fn note_end(&mut self, outlet: &Arc<str>, incident: u64, now: Timestamp, changes: &mut Vec<Change>) {
        let key = (Arc::clone(outlet), incident);
        let Some(told) = self.told.get(&key).copied() else { return };
        self.keep_told(outlet, incident, Some(Told { closed: Some(now), ..told }), changes);
        if !self.terms.get(outlet).is_some_and(|terms| terms.is_forgetful) {
            self.told.remove(&key);
        }
    }

    /// `outlet` did not take these rows, as they were before the request. Returns the rows that are given up for it.
    pub fn failed(
        &mut self,
        outlet: &Arc<str>,
        rows: &[Row],
        failed: &FailedRequest,
        (now, elapsed): (Timestamp, Duration),
        changes: &mut Vec<Change>,
    ) -> usize {
        if let Some(queue) = self.queues.get_mut(outlet) {
            let tries = rows.iter().map(|row| row.attempts).min().unwrap_or(0).saturating_add(1);
            queue.failed(failed, tries, now, elapsed);
            for before in rows {
                if let Some(row) = queue.note_failure(before, failed) {
                    changes.push((ChangeKey::Row(row.number), Some(Record::Row(Box::new(row.clone())))));
                }
            }
        }
        if failed.failure == Failure::Gone {
            return rows.iter().map(|row| self.give_up(outlet, row.number, changes)).sum();
        }
        if failed.is_unsent {
            for row in rows {
                self.join_unheard(outlet, row.incident, now, changes);
            }
        }
        0
    }
}
