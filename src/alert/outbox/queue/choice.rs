//! Which messages go out next, and when.

use std::time::Duration;

use crate::alert::kept::row::Row;
use crate::model::Timestamp;

use super::{BATCH_MAX, Delivery, Next, Queue};

impl Queue {
    /// What to do at `now`, which is `elapsed` after the start of the program.
    pub fn next(&mut self, now: Timestamp, elapsed: Duration) -> Next {
        if self.is_busy || self.rows.is_empty() {
            return Next::Idle;
        }
        let (pace, burst) = self.delivery.pace();
        let ready = self.arrival.saturating_sub(pace * burst.saturating_sub(1)).max(self.resume());
        let known = match (self.delivery, self.gathering) {
            (Delivery::Chat { .. }, None) => Duration::ZERO,
            (Delivery::Chat { group }, Some(since)) => ready.max(since + group),
            _ => ready,
        };
        // Every change asks every outlet: of thousands that wait, most looks need not see the messages.
        if elapsed < known {
            return Next::Later(known);
        }
        let heads = self.heads(now, elapsed);
        if heads.is_empty() {
            self.gathering = None;
            return Next::Later(self.look_again(now, elapsed));
        }
        let gathered = match self.delivery {
            Delivery::Chat { group } => *self.gathering.get_or_insert(elapsed) + group,
            _ => elapsed,
        };
        let earliest = ready.max(gathered);
        if elapsed < earliest {
            return Next::Later(earliest);
        }
        Next::Send(heads)
    }

    /// Most new messages in one request.
    const fn batch(&self) -> usize {
        let is_grouping = match self.delivery {
            Delivery::Program => true,
            Delivery::Chat { group } => !group.is_zero(),
            Delivery::Dedup => false,
        };
        // A message that the outlet rejects must not take others along.
        if is_grouping && !self.is_rejecting { BATCH_MAX } else { 1 }
    }

    fn is_head(&self, row: &Row) -> bool {
        self.incidents[&row.incident].first() == Some(&row.number)
    }

    /// Whether an outlet that rejects messages may get `row` at `elapsed`.
    fn is_tried_again(&self, row: &Row, elapsed: Duration) -> bool {
        row.attempts == 0 || self.tried_from <= elapsed
    }

    /// The messages that may go at `now`: of each incident the oldest, those that failed less often first, so that one which
    /// fails again and again holds up no other; for a program all, in their order.
    ///
    /// A request that may have arrived is repeated unchanged: an outlet that knows its number drops any other message under it.
    fn heads(&self, now: Timestamp, elapsed: Duration) -> Vec<u64> {
        let most = self.batch();
        if self.delivery == Delivery::Program {
            return self.rows.keys().copied().take(most).collect();
        }
        let may_go = |row: &&Row| (row.due <= now || row.is_begun) && self.is_tried_again(row, elapsed);
        let mut heads: Vec<(u32, u64, bool)> = Vec::new();
        let mut untried = 0;
        for row in self.rows.values().filter(|row| self.is_head(row)).filter(may_go) {
            heads.push((row.attempts, row.number, row.is_begun));
            untried += usize::from(row.attempts == 0 && !row.is_begun);
            // Nothing later goes before these: of thousands that wait, few are looked at.
            if untried == most {
                break;
            }
        }
        heads.sort_unstable();
        if let Some(&(_, first, true)) = heads.first() {
            return self.begun_with(first);
        }
        let new = heads.into_iter().filter(|(.., is_begun)| !is_begun);
        new.take(most).map(|(_, number, _)| number).collect()
    }

    /// Makes those rows due at `due`.
    pub fn postpone(&mut self, is_meant: impl Fn(&Row) -> bool, due: Timestamp) {
        for row in self.rows.values_mut().filter(|row| is_meant(row)) {
            row.due = due;
        }
    }

    /// The rows of the request that may have brought `row`, which one may bring again.
    fn begun_with(&self, row: u64) -> Vec<u64> {
        let is_whole = matches!(self.delivery, Delivery::Chat { .. }) && !self.is_rejecting;
        match self.rows[&row].set.filter(|_| is_whole) {
            Some(set) => self.rows.values().filter(|row| row.set == Some(set)).map(|row| row.number).collect(),
            None => vec![row],
        }
    }

    /// When a message may go, if none may at `now`.
    fn look_again(&self, now: Timestamp, elapsed: Duration) -> Duration {
        let heads = self.rows.values().filter(|row| self.is_head(row));
        let due = |row: &Row| {
            let tried_from = if row.attempts == 0 { Duration::ZERO } else { self.tried_from };
            tried_from.max(elapsed + row.due.since(now))
        };
        heads.map(due).min().unwrap_or(Duration::MAX).max(elapsed + Duration::from_millis(1))
    }
}
