//! The longest time in which every check of a site failed, as a value that can be appended.
//!
//! The longest outage of two neighbouring spans follows from the longest of each, the outage at the beginning of the
//! later and the open one at the end of the earlier, which may be one. An outage lasts from its first failed check to
//! the next successful one, or to its last failed check if none has followed.
//!
//! Invariants: [`Outages::append`] is associative (property-tested against a plain walk) but not commutative. Checks
//! that failed for a reason on this machine neither end nor begin an outage, and no outage spans a gap in monitoring.

use std::time::Duration;

use crate::model::{Outcome, Timestamp};

/// A time in which every check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The first failed check.
    pub since: Timestamp,
    /// The successful check that ended it, or the last failed one.
    pub until: Timestamp,
}

/// The outages of consecutive samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outages {
    /// The first check with an outcome, and whether it was up.
    pub first: Option<(Timestamp, bool)>,
    /// The outage that begins with that check.
    pub lead: Option<Outage>,
    /// The outage that no successful check has ended yet.
    pub open: Option<Outage>,
    /// The longest one, the first of equal ones.
    pub longest: Option<Outage>,
    /// Whether a gap in monitoring precedes the first check.
    pub after_hole: bool,
}

impl Outages {
    /// Adds a check, the newest so far.
    #[inline]
    pub fn admit(&mut self, at: Timestamp, outcome: Outcome) {
        let up = match outcome {
            Outcome::Unknown => return,
            Outcome::Up => true,
            Outcome::Down => false,
        };
        if up && self.open.is_none() {
            self.first.get_or_insert((at, true));
            return;
        }
        let own = (!up).then_some(Outage { since: at, until: at });
        self.append(&Self { first: Some((at, up)), lead: own, open: own, longest: own, after_hole: false });
    }

    /// Notes a gap in monitoring: an open outage ends with its last failed check.
    pub fn interrupt(&mut self) {
        self.open = None;
        self.after_hole |= self.first.is_none();
    }

    /// Appends the outages that follow.
    pub fn append(&mut self, later: &Self) {
        if later.after_hole {
            self.interrupt();
        }
        let Some((at, up)) = later.first else { return };
        if self.first.is_none() {
            let after_hole = self.after_hole || later.after_hole;
            *self = Self { after_hole, ..*later };
            return;
        }
        self.longest = longer(self.longest, later.longest);
        let Some(open) = self.open.take() else {
            self.open = later.open;
            return;
        };
        let until = if up { at } else { later.lead.map_or(at, |lead| lead.until) };
        let joined = Outage { since: open.since, until };
        if self.lead.is_some_and(|lead| lead.since == open.since) {
            self.lead = Some(joined);
        }
        self.longest = longer(Some(joined), self.longest);
        self.open = match (later.lead, later.open) {
            (Some(lead), Some(open)) if lead.since == open.since => Some(joined),
            (_, open) => open,
        };
    }
}

impl Outage {
    /// Its length.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.until.since(self.since)
    }

    const fn micros(&self) -> u64 {
        self.until.as_micros().saturating_sub(self.since.as_micros())
    }
}

/// The longer of two; of equal ones the earlier.
fn longer(one: Option<Outage>, other: Option<Outage>) -> Option<Outage> {
    match (one, other) {
        (Some(one), Some(other)) => {
            let is_one = (one.micros(), other.since) >= (other.micros(), one.since);
            Some(if is_one { one } else { other })
        }
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A check, or a hole before it.
    type Event = (u64, Outcome, bool);

    fn walked(events: &[Event]) -> Outages {
        let mut outages = Outages::default();
        for &(at, outcome, after_hole) in events {
            if after_hole {
                outages.interrupt();
            }
            outages.admit(Timestamp::from_secs(at), outcome);
        }
        outages
    }

    /// Every run of failed checks, written down one by one.
    fn model(events: &[Event]) -> Option<Outage> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        let mut running = false;
        for &(at, outcome, after_hole) in events {
            running &= !after_hole;
            match outcome {
                Outcome::Unknown => {}
                Outcome::Up => {
                    if let Some(run) = runs.last_mut().filter(|_| running) {
                        run.1 = at;
                    }
                    running = false;
                }
                Outcome::Down => {
                    match runs.last_mut().filter(|_| running) {
                        Some(run) => run.1 = at,
                        None => runs.push((at, at)),
                    }
                    running = true;
                }
            }
        }
        let longest = runs.iter().map(|(since, until)| until - since).max()?;
        let (since, until) = *runs.iter().find(|(since, until)| until - since == longest)?;
        Some(Outage { since: Timestamp::from_secs(since), until: Timestamp::from_secs(until) })
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let outcome = prop_oneof![2 => Just(Outcome::Up), 4 => Just(Outcome::Down), 1 => Just(Outcome::Unknown)];
        let event = (1u64..4, outcome, prop::bool::weighted(0.1));
        prop::collection::vec(event, 0..60).prop_map(|mut events| {
            let mut now = 0;
            for (at, ..) in &mut events {
                now += *at;
                *at = now;
            }
            events
        })
    }

    proptest! {
        #[test]
        fn however_a_row_of_checks_is_parted_the_longest_outage_is_found(
            events in events(), cuts in prop::collection::vec(0usize..60, 0..5), from_the_right: bool,
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(events.len())).collect();
            cuts.extend([0, events.len()]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|cut| walked(&events[cut[0]..cut[1]]));
            let whole = if from_the_right {
                parts.rev().reduce(|later, mut part| { part.append(&later); part })
            } else {
                parts.reduce(|mut sum, part| { sum.append(&part); sum })
            };
            let whole = whole.unwrap_or_default();
            prop_assert_eq!(whole.longest, model(&events));
            prop_assert_eq!(whole, walked(&events));
        }
    }
}
