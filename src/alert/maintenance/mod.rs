//! Maintenance windows by the wall clock of a zone: while one lasts, no down of its sites is told.
//!
//! An instant belongs to a window when it lies between the first time at which the zone's clock shows `from` on a day that
//! counts, and the last time at which it shows `to`, on the next day when `to` is not after `from`. A clock that is set
//! forward over one of them shows it at the end of the gap. So a window may be shorter or longer than by subtraction, and a
//! window that lies in a gap as a whole does not take place.
//!
//! Invariants: a window is half-open, `start < end`. Bounds: a test looks at four days; a search for the next window at 124
//! days, two months in which each word of [`Days`] names a day twice; [`Calendar`] keeps the answer until it changes.

mod days;
pub(crate) mod left_out;

pub use days::{Days, MaintenanceError, clock_time};
pub use left_out::{LeftOut, Span};

use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::model::Timestamp;

use super::SiteSelector;

/// How far ahead the next window is looked for, days.
const SEARCH_DAYS: i32 = 124;

/// When a window starts and ends, by the clock on a wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// On each day that counts.
    Every {
        /// The days on which it starts.
        days: Days,
        /// Its start.
        from: Time,
        /// Its end; on the next day if it is not after `from`.
        to: Time,
    },
    /// A single time.
    Once {
        /// Its start.
        from: DateTime,
        /// Its end, after `from`.
        to: DateTime,
    },
}

/// Reads the start or end of a single window: `2026-12-01T22:00`, with or without seconds, without an offset.
///
/// # Errors
/// A text of another form.
pub fn moment(text: &str) -> Result<DateTime, MaintenanceError> {
    let bad = || MaintenanceError::Moment(text.to_owned());
    // jiff would read a bare date as midnight and ignore an offset; either could mean another instant than it says.
    let (_, clock) = text.split_once('T').ok_or_else(bad)?;
    if !clock.bytes().all(|byte| byte.is_ascii_digit() || byte == b':') {
        return Err(bad());
    }
    text.parse().map_err(|_| bad())
}

impl Schedule {
    /// A single window.
    ///
    /// # Errors
    /// `to` is not after `from`.
    pub fn once(from: DateTime, to: DateTime) -> Result<Self, MaintenanceError> {
        if from < to { Ok(Self::Once { from, to }) } else { Err(MaintenanceError::Backwards { from, to }) }
    }
}

/// One maintenance window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// When.
    pub schedule: Schedule,
    /// Whose clock.
    pub zone: TimeZone,
    /// Which sites.
    pub sites: SiteSelector,
    /// Why, in the user's words.
    pub reason: Option<Arc<str>>,
}

impl Maintenance {
    /// Whether `at` belongs to it.
    #[must_use]
    pub fn covers(&self, at: Timestamp) -> bool {
        self.span_at(at).is_some()
    }

    /// Its start and end, exclusive, around `at`; of two that overlap, that which started later.
    #[must_use]
    pub fn span_at(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let contains = |span: &(Timestamp, Timestamp)| span.0 <= at && at < span.1;
        match self.schedule {
            Schedule::Once { from, to } => self.span(from, to).filter(contains),
            // The end lies on the next day at most; a clock that is set back over midnight shows one day more or less.
            Schedule::Every { .. } => {
                let today = self.date_at(at);
                [1, 0, -1, -2].iter().find_map(|&offset| self.span_of_day(today, offset).filter(contains))
            }
        }
    }

    /// Start and end, exclusive, of the first window that starts after `at`.
    #[must_use]
    pub fn next_after(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let is_ahead = |span: &(Timestamp, Timestamp)| at < span.0;
        match self.schedule {
            Schedule::Once { from, to } => self.span(from, to).filter(is_ahead),
            Schedule::Every { .. } => {
                let today = self.date_at(at);
                (-1..SEARCH_DAYS).find_map(|offset| self.span_of_day(today, offset).filter(is_ahead))
            }
        }
    }

    /// Whether it is over at `now` and never comes again: a single window that is past or that no clock shows.
    #[must_use]
    pub fn never_comes(&self, now: Timestamp) -> bool {
        self.span_at(now).is_none() && self.next_after(now).is_none()
    }

    /// The window that starts `offset` days after `today`, if that day counts.
    fn span_of_day(&self, today: Date, offset: i32) -> Option<(Timestamp, Timestamp)> {
        let Schedule::Every { days, from, to } = self.schedule else { return None };
        let date = today.checked_add(offset.days()).ok().filter(|date| days.counts(*date))?;
        let ends = if to <= from { date.tomorrow().ok()? } else { date };
        self.span(date.to_datetime(from), ends.to_datetime(to))
    }

    fn span(&self, from: DateTime, to: DateTime) -> Option<(Timestamp, Timestamp)> {
        let span = (self.instant(from, Side::First)?, self.instant(to, Side::Last)?);
        (span.0 < span.1).then_some(span)
    }

    /// When the zone's clock shows `civil`.
    fn instant(&self, civil: DateTime, side: Side) -> Option<Timestamp> {
        let offset = match (self.zone.to_ambiguous_timestamp(civil).offset(), side) {
            (AmbiguousOffset::Unambiguous { offset }, _)
            | (AmbiguousOffset::Fold { before: offset, .. }, Side::First)
            | (AmbiguousOffset::Fold { after: offset, .. }, Side::Last) => offset,
            (AmbiguousOffset::Gap { before, .. }, _) => {
                // By the old offset the clock would show it after the jump, or right at it.
                let beyond = before.to_timestamp(civil).ok()?.checked_add(1.nanosecond()).ok()?;
                return self.zone.preceding(beyond).next().map(|jump| stamp(jump.timestamp()));
            }
        };
        offset.to_timestamp(civil).ok().map(stamp)
    }

    fn date_at(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at.instant()).date()
    }
}

/// Which of the times when a clock shows the same.
#[derive(Clone, Copy)]
enum Side {
    First,
    Last,
}

fn stamp(at: jiff::Timestamp) -> Timestamp {
    Timestamp::from_micros(u64::try_from(at.as_microsecond()).unwrap_or(0))
}

/// The maintenance windows of a configuration. Each call costs a comparison a window; where an answer changes, at the edge
/// of a window or when the clock is set, that window is computed anew.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    windows: Vec<(Maintenance, Option<Known>)>,
}

/// What holds in `from..until`: the window there, if there is one.
#[derive(Clone, Copy, Debug)]
struct Known {
    from: Timestamp,
    until: Timestamp,
    span: Option<(Timestamp, Timestamp)>,
}

impl Calendar {
    /// A calendar of these windows.
    #[must_use]
    pub fn new(windows: Vec<Maintenance>) -> Self {
        Self { windows: windows.into_iter().map(|window| (window, None)).collect() }
    }

    /// The window in which the site of this name and group is at `at`, and when that ends; of several, that which ends
    /// last.
    pub fn active(&mut self, site: &str, group: Option<&str>, at: Timestamp) -> Option<(&Maintenance, Timestamp)> {
        let mut active: Option<(&Maintenance, Timestamp)> = None;
        for (window, known) in &mut self.windows {
            let known = Known::refreshed(known, window, at);
            let ends = known.span.filter(|_| window.sites.selects(site, group)).map(|(_, end)| end);
            if let Some(end) = ends.filter(|end| active.is_none_or(|(_, last)| last < *end)) {
                active = Some((window, end));
            }
        }
        active
    }
}

impl Calendar {
    /// Whether `at` is in any window, whichever sites it is for.
    pub fn is_active(&mut self, at: Timestamp) -> bool {
        self.windows.iter_mut().any(|(window, known)| Known::refreshed(known, window, at).span.is_some())
    }
}

impl Known {
    /// `known`, or what holds at `at` in its place.
    fn refreshed(known: &mut Option<Self>, window: &Maintenance, at: Timestamp) -> Self {
        match known {
            Some(known) if known.from <= at && at < known.until => *known,
            _ => *known.insert(Self::about(window, at)),
        }
    }

    fn about(window: &Maintenance, at: Timestamp) -> Self {
        let span = window.span_at(at);
        let next = window.next_after(at).map_or(Timestamp::MAX, |(start, _)| start);
        // The next window may start before this one ends, and then ends later.
        let until = span.map_or(next, |(_, end)| end.min(next));
        Self { from: at, until, span }
    }
}

#[cfg(test)]
mod tests;
