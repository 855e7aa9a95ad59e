//! The alerts about locations: one is silent or blind, one is back.
//!
//! Invariants: of a location openings and closings alternate, except that one in trouble may get into the other kind, which
//! is an alert as well; what lasts is one alert. Cost: O(log n) a look.

use std::collections::BTreeMap;

use crate::alert::{Alert, AlertState, Reading};
use crate::model::{Location, Timestamp};

/// The locations in trouble: each what it is, and since when.
#[derive(Clone, Debug, Default)]
pub struct Attendance(BTreeMap<Location, (Reading, Timestamp)>);

impl Attendance {
    /// Takes over the trouble of a location that an earlier run reported.
    pub fn reopen(&mut self, location: Location, trouble: Reading, since: Timestamp) {
        self.0.insert(location, (trouble, since));
    }

    /// Looks at `location` at `now`: its `trouble` is [`Reading::Silent`], which hides that it may be blind too,
    /// [`Reading::Blind`], or none. Returns what to tell.
    pub fn look(&mut self, location: &Location, trouble: Option<Reading>, now: Timestamp) -> Option<Alert> {
        let Some(trouble) = trouble else {
            let (reading, since) = self.0.remove(location)?;
            return Some(Alert::of_location(location, AlertState::Cleared, reading, (since, now)));
        };
        let kind = std::mem::discriminant(&trouble);
        let since = match self.0.get(location) {
            Some((known, _)) if std::mem::discriminant(known) == kind => return None,
            Some((_, since)) => *since,
            None => now,
        };
        self.0.insert(location.clone(), (trouble.clone(), since));
        Some(Alert::of_location(location, AlertState::Breached, trouble, (since, now)))
    }

    /// Whether `location` is in trouble: which, and since when.
    #[must_use]
    pub fn trouble(&self, location: &Location) -> Option<&(Reading, Timestamp)> {
        self.0.get(location)
    }

    /// Forgets a location that is no longer expected at `now`. Returns the silent end of its trouble.
    pub fn leave(&mut self, location: &Location, now: Timestamp) -> Option<Alert> {
        let (reading, since) = self.0.remove(location)?;
        Some(Alert::of_location(location, AlertState::Ended, reading, (since, now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::RuleKind;
    use std::time::Duration;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_000 + secs)
    }

    fn told(alert: Option<Alert>) -> Option<(AlertState, Timestamp, Option<Duration>)> {
        alert.map(|alert| {
            assert_eq!((&*alert.site, alert.rule, alert.rule.is_own()), ("fra1", RuleKind::Location, true));
            (alert.state, alert.since, alert.downtime)
        })
    }

    #[test]
    fn trouble_is_told_once_and_so_is_its_end() {
        let (fra1, mut attendance) = (Location::new("fra1").unwrap(), Attendance::default());
        let blind = |down| Some(Reading::Blind { down, sites: 10 });
        let silent = Some(Reading::Silent { last: Some(at(0)) });
        assert_eq!(attendance.look(&fra1, None, at(0)), None);
        assert_eq!(told(attendance.look(&fra1, blind(8), at(1))), Some((AlertState::Breached, at(1), None)));
        assert_eq!(attendance.look(&fra1, blind(9), at(2)), None, "what lasts is told once");
        assert_eq!(told(attendance.look(&fra1, silent.clone(), at(3))), Some((AlertState::Breached, at(1), None)));
        assert_eq!(attendance.look(&fra1, silent.clone(), at(4)), None);
        assert_eq!(attendance.trouble(&fra1), silent.map(|silent| (silent, at(1))).as_ref());
        let back = Some((AlertState::Cleared, at(1), Some(Duration::from_secs(8))));
        assert_eq!(told(attendance.look(&fra1, None, at(9))), back);
        assert_eq!(attendance.look(&fra1, None, at(10)), None);
    }

    #[test]
    fn what_an_earlier_run_told_goes_on() {
        let (fra1, mut attendance) = (Location::new("fra1").unwrap(), Attendance::default());
        attendance.reopen(fra1.clone(), Reading::Silent { last: None }, at(0));
        assert_eq!(attendance.look(&fra1, Some(Reading::Silent { last: Some(at(1)) }), at(2)), None);
        let end = Some((AlertState::Ended, at(0), Some(Duration::from_secs(3))));
        assert_eq!(told(attendance.leave(&fra1, at(3))), end);
        assert_eq!(attendance.leave(&fra1, at(3)), None);
        assert_eq!(attendance.look(&fra1, None, at(3)), None);
    }
}
