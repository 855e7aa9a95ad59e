//! Until when the reports about sites are left to the hub that is there, or was there lately.

use std::sync::Arc;
use std::time::Duration;

use crate::app::alerts::book::AlertBook;
use crate::model::{Moment, Timestamp};

/// See the module.
pub(super) struct LeftSites {
    book: Arc<AlertBook>,
    /// After so long without a hub, the location reports by itself; never, if there is none.
    alone: Option<Duration>,
    /// By the steady clock.
    until: Timestamp,
    /// The book's knowledge, by the wall clock.
    told: Timestamp,
}

impl LeftSites {
    pub(super) const fn new(book: Arc<AlertBook>, alone: Option<Duration>) -> Self {
        Self { book, alone, until: Timestamp::ZERO, told: Timestamp::ZERO }
    }

    /// A hub is there at `now`, or it is not known yet.
    pub(super) fn leave(&mut self, now: Moment) {
        self.until = self.alone.map_or(Timestamp::MAX, |alone| now.steady.after(alone));
        self.tell(now);
    }

    /// Tells the book if the end is at another time than it knows, as it is if the clock was set.
    pub(super) fn tell(&mut self, now: Moment) {
        let until = if self.until == Timestamp::MAX { Timestamp::MAX } else { now.on_wall(self.until) };
        if std::mem::replace(&mut self.told, until) != until {
            self.book.leave_until(until);
        }
    }
}
