//! The checks around an incident, picked from those of its site in the order of time.
//!
//! Bounds: [`AROUND`] checks on each side are kept, of several locations up to [`WIDEST`] times as many.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::Timestamp;
use crate::report::postmortem::{Check, Postmortem};
use crate::stats::change::ChangeGather;

/// Checks that are listed before and after the first failed one, and before and after the end.
const AROUND: usize = 4;

/// From this number of locations on, no more checks are listed.
const WIDEST: usize = 4;

/// The longest time before the alert in which the first failed check is looked for.
const WINDOW_MAX: Duration = Duration::from_hours(24);

/// Gathers them.
pub struct Around {
    from: Timestamp,
    until: Timestamp,
    is_closed: bool,
    /// Checks on each side.
    few: usize,
    first: Option<Check>,
    last: Option<Check>,
    before: VecDeque<Check>,
    start: Vec<Check>,
    last_few: VecDeque<Check>,
    end: Vec<Check>,
}

impl Around {
    /// Of the incident of `report`, which so many locations saw.
    pub fn new(report: &Postmortem, locations: usize) -> Self {
        Self {
            few: AROUND * locations.clamp(1, WIDEST),
            from: report.opening.at.before(report.opening.window.min(WINDOW_MAX)),
            until: report.until(),
            is_closed: report.closing.is_some(),
            first: None,
            last: None,
            before: VecDeque::new(),
            start: Vec::new(),
            last_few: VecDeque::new(),
            end: Vec::new(),
        }
    }

    /// The checks to admit: from the first instant to before the second.
    pub fn span(&self) -> (Timestamp, Timestamp) {
        (self.from.before(Postmortem::BESIDE), self.until.after(Postmortem::BESIDE))
    }

    /// What tells what changed; it takes the same checks.
    pub const fn change(&self) -> ChangeGather {
        ChangeGather::new(self.from, self.until)
    }

    /// Adds the next check.
    pub fn admit(&mut self, check: Check) {
        let at = check.at;
        if check.is_down && self.first.is_none() && self.from <= at && at <= self.until {
            self.first = Some(check.clone());
            self.start.extend(self.before.drain(..));
        }
        if check.is_down && self.first.is_some() && at <= self.until {
            self.last = Some(check.clone());
        }
        if self.first.is_none() {
            keep(&mut self.before, check, self.few);
        } else if self.start.len() < 2 * self.few + 1 {
            self.start.push(check);
        } else if self.is_closed && at <= self.until {
            keep(&mut self.last_few, check, self.few);
        } else if self.is_closed && self.end.len() < self.few {
            self.end.push(check);
        }
    }

    /// The first failed one.
    pub fn first(self) -> Option<Check> {
        self.first
    }

    /// Puts them into `report`.
    pub fn fill(mut self, report: &mut Postmortem) {
        self.last_few.extend(self.end);
        (report.first, report.last) = (self.first, self.last);
        report.around = [self.start, self.last_few.into()];
    }
}

fn keep(checks: &mut VecDeque<Check>, check: Check, most: usize) {
    if checks.len() == most {
        checks.pop_front();
    }
    checks.push_back(check);
}
