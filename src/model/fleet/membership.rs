//! Which locations share what only some of them check: those that are heard, and that were not silent lately.
//!
//! A location that falls silent stops being a member. One that returns becomes a member again after [`PROBATION`] without a
//! break, so that a location that comes and goes does not move its sites each time; one that was never seen before is a member at
//! once. After a start, or when nothing could be heard at all, no location counts as silent before it had time to be
//! heard again.
//!
//! Invariant: pure, all times are arguments and go forward. Cost: a look is linear in the locations.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::Timestamp;

use super::Location;

/// How long a location that was silent has to be heard without a break before it is a member again.
pub const PROBATION: Duration = Duration::from_mins(10);

/// How a location stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Member,
    /// It was silent; if it is heard again, since when.
    Away(Option<Timestamp>),
}

/// See the module.
#[derive(Debug)]
pub struct Membership {
    silent_after: Duration,
    /// Since when locations can be heard.
    heard_from: Timestamp,
    /// Until then, a location that is heard does not count as a newcomer.
    roll_call: Timestamp,
    /// Whether an earlier hub has written down members.
    is_resumed: bool,
    locations: BTreeMap<Location, Standing>,
}

impl Membership {
    /// No members, at `now`. A location is silent that was not heard for `silent_after`.
    #[must_use]
    pub fn new(silent_after: Duration, now: Timestamp) -> Self {
        let roll_call = now.after(silent_after);
        Self { silent_after, heard_from: now, roll_call, is_resumed: false, locations: BTreeMap::new() }
    }

    /// Goes on where another hub ended, or where this one did in an earlier run: these were the `members`.
    pub fn resume(&mut self, members: &[Location]) {
        self.is_resumed = true;
        self.locations.values_mut().for_each(|standing| *standing = Standing::Away(None));
        self.locations.extend(members.iter().map(|location| (location.clone(), Standing::Member)));
    }

    /// Nothing can be heard at `now`.
    pub fn hear_none(&mut self, now: Timestamp) {
        self.heard_from = now;
    }

    /// Whether every location had time to be heard by `now`. Before that, the members are not all of them.
    #[must_use]
    pub fn is_settled(&self, now: Timestamp) -> bool {
        self.heard_from.after(self.silent_after) < now
    }

    /// Follows when each location was last heard, at `now`; `None`: not since the start.
    pub fn look<'l>(&mut self, heard: impl IntoIterator<Item = (&'l Location, Option<Timestamp>)>, now: Timestamp) {
        for (location, at) in heard {
            let is_silent = self.silent_after < now.since(at.unwrap_or(self.heard_from).max(self.heard_from));
            let is_new = !self.locations.contains_key(location);
            let is_roll_call = now < self.roll_call;
            let standing = self.locations.entry(location.clone()).or_insert(Standing::Away(None));
            *standing = match (*standing, at) {
                // Heard for the first time, when all are.
                (Standing::Away(None), Some(_)) if is_roll_call && !self.is_resumed => Standing::Member,
                (Standing::Away(_), Some(_)) if is_new && !is_roll_call => Standing::Member,
                _ if is_silent => Standing::Away(None),
                (Standing::Away(_), None) => Standing::Away(None),
                (Standing::Away(None), Some(_)) => Standing::Away(Some(now)),
                (Standing::Away(Some(back)), Some(_)) if PROBATION <= now.since(back) => Standing::Member,
                (standing, _) => standing,
            };
        }
    }

    /// The members, in the order of their names.
    #[must_use]
    pub fn members(&self) -> Vec<Location> {
        let members = self.locations.iter().filter(|(_, standing)| **standing == Standing::Member);
        members.map(|(location, _)| location.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SILENT_AFTER: Duration = Duration::from_secs(30);
    const START: Timestamp = Timestamp::from_secs(1_000);

    fn place(name: &str) -> Location {
        Location::new(name).unwrap()
    }

    fn named(membership: &Membership) -> String {
        membership.members().iter().map(Location::name).collect::<Vec<_>>().join(" ")
    }

    /// Looks once a second from `from` to `until`, s after the start; `heard` says who was heard just now.
    fn pass(
        membership: &mut Membership,
        last: &mut BTreeMap<Location, Option<Timestamp>>,
        (from, until): (u64, u64),
        heard: &[&str],
    ) {
        for second in from..until {
            let now = START.after(Duration::from_secs(second));
            last.extend(heard.iter().map(|name| (place(name), Some(now))));
            membership.look(last.iter().map(|(location, at)| (location, *at)), now);
        }
    }

    #[test]
    fn a_silent_location_leaves_at_once_and_comes_back_after_ten_minutes() {
        let (mut membership, mut last) = (Membership::new(SILENT_AFTER, START), BTreeMap::new());
        pass(&mut membership, &mut last, (0, 100), &["a", "b", "c"]);
        assert_eq!(named(&membership), "a b c");
        pass(&mut membership, &mut last, (100, 130), &["a", "b"]);
        assert_eq!(named(&membership), "a b c");
        pass(&mut membership, &mut last, (130, 140), &["a", "b"]);
        assert_eq!(named(&membership), "a b");
        // It comes, goes, and comes again: the ten minutes begin anew.
        pass(&mut membership, &mut last, (140, 700), &["a", "b", "c"]);
        pass(&mut membership, &mut last, (700, 760), &["a", "b"]);
        pass(&mut membership, &mut last, (760, 1_360), &["a", "b", "c"]);
        assert_eq!(named(&membership), "a b");
        pass(&mut membership, &mut last, (1_360, 1_361), &["a", "b", "c"]);
        assert_eq!(named(&membership), "a b c");
        // A newcomer need not wait.
        pass(&mut membership, &mut last, (1_361, 1_362), &["a", "b", "c", "d"]);
        assert_eq!(named(&membership), "a b c d");
    }

    #[test]
    fn a_hub_that_starts_again_goes_on_where_it_was() {
        let (mut membership, mut last) = (Membership::new(SILENT_AFTER, START), BTreeMap::new());
        // Its store knows them all.
        last.extend(["a", "b", "c"].map(|name| (place(name), None)));
        pass(&mut membership, &mut last, (0, 1), &[]);
        membership.resume(&[place("a"), place("b")]);
        pass(&mut membership, &mut last, (1, 29), &["a", "c"]);
        assert_eq!(named(&membership), "a b");
        assert!(!membership.is_settled(START.after(Duration::from_secs(29))));
        pass(&mut membership, &mut last, (29, 40), &["a", "c"]);
        assert!(membership.is_settled(START.after(Duration::from_secs(31))));
        assert_eq!(named(&membership), "a", "b was not heard, and c was away");
        pass(&mut membership, &mut last, (40, 601), &["a", "c"]);
        assert_eq!(named(&membership), "a");
        pass(&mut membership, &mut last, (601, 602), &["a", "c"]);
        assert_eq!(named(&membership), "a c");
    }

    #[test]
    fn while_nothing_can_be_heard_nobody_is_silent() {
        let (mut membership, mut last) = (Membership::new(SILENT_AFTER, START), BTreeMap::new());
        pass(&mut membership, &mut last, (0, 50), &["a", "b"]);
        for second in 50..500 {
            membership.hear_none(START.after(Duration::from_secs(second)));
            pass(&mut membership, &mut last, (second, second + 1), &[]);
        }
        assert_eq!(named(&membership), "a b");
        pass(&mut membership, &mut last, (500, 529), &["a"]);
        assert_eq!(named(&membership), "a b");
        pass(&mut membership, &mut last, (529, 531), &["a"]);
        assert_eq!(named(&membership), "a");
    }

    proptest! {
        /// The definition, said plainly over the whole past: a location is a member that is heard now, and either never was silent or
        /// has not been for ten minutes.
        #[test]
        fn membership_is_what_its_definition_says(
            looks in prop::collection::vec((1u64..50, prop::array::uniform3(prop::bool::weighted(0.7))), 1..80),
        ) {
            let places = ["a", "b", "c"].map(place);
            let mut membership = Membership::new(SILENT_AFTER, START);
            let (mut now, mut last) = (START, [None; 3]);
            // Of each look: when, and who was heard by then and is not silent.
            let mut past: Vec<(Timestamp, [Option<bool>; 3])> = Vec::new();
            for (pause, heard) in looks {
                now = now.after(Duration::from_secs(pause));
                for (last, heard) in last.iter_mut().zip(heard) {
                    *last = if heard { Some(now) } else { *last };
                }
                let known = places.iter().zip(last).filter(|(_, at)| at.is_some());
                membership.look(known, now);
                past.push((now, last.map(|at| at.map(|at| now.since(at) <= SILENT_AFTER))));
                for (index, place) in places.iter().enumerate() {
                    let history: Vec<(Timestamp, bool)> =
                        past.iter().filter_map(|(at, heard)| Some((*at, heard[index]?))).collect();
                    let since_silence: Vec<&(Timestamp, bool)> = history.iter().rev().take_while(|(_, heard)| *heard).collect();
                    let was_silent = since_silence.len() < history.len();
                    let expected = since_silence.last().is_some_and(|(back, _)| !was_silent || PROBATION <= now.since(*back));
                    prop_assert_eq!(membership.members().contains(place), expected, "{} at {:?}", place, now);
                }
            }
        }
    }
}
