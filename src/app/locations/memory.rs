//! Remembers, from one reading to the next, what the locations of a site saw together on many days.
//!
//! Law: what is remembered equals what is read (property-tested). The checks of a location come in the order of their times, so a part of the past stays
//! what it is while no location has a new check from before its end. What else may change it (other locations, the rule, a location
//! found blind) makes it be read again, and so does the removal of checks that it needs.
//!
//! Bounds: [`SITES_MAX`] sites, a few kilobytes each. Cost: the hours since the last whole one are read each time.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::alert::maintenance::Span;
use crate::alert::quorum::{QuorumRule, Sight};
use crate::model::lock::lock;
use crate::model::{SiteId, Timestamp};
use crate::stats::Cadence;
use crate::store::StoreError;

use super::figures::{Past, hour_of, hour_start};
use super::groups::Group;

/// Sites that are remembered.
const SITES_MAX: usize = 2_000;

/// See the module.
#[derive(Default)]
pub(crate) struct SeenMemory {
    sites: Mutex<HashMap<SiteId, Arc<Remembered>>>,
}

/// The past of one site.
struct Remembered {
    edition: Edition,
    /// The newest check of each location when it was read.
    newest: Vec<Option<Timestamp>>,
    /// Its parts, in the order of time.
    parts: Vec<(Span, Sight)>,
}

/// Everything besides its checks that changes a remembered past.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edition {
    rule: QuorumRule,
    members: Vec<(SiteId, Cadence)>,
    /// When each was blind last, and how often and how long it was in all.
    blind: Vec<(Option<Range<Timestamp>>, usize, Duration)>,
    /// The sample of each with which its clock was set back last.
    setbacks: Vec<u64>,
    /// Where the past begins, if that is later than the first day.
    begins: Option<Timestamp>,
}

impl Edition {
    fn of(past: &Past<'_>, (group, begins): (&Group, Option<Timestamp>), first: Timestamp) -> Result<Self, StoreError> {
        let setbacks = group.members.iter().map(|member| past.moment.setback(member.id));
        Ok(Self {
            rule: group.rule,
            setbacks: setbacks.collect::<Result<_, _>>()?,
            members: group.members.iter().map(|member| (member.id, member.cadence)).collect(),
            blind: group.members.iter().map(|member| summary(past.blind(&member.location))).collect(),
            begins: begins.map(|begins| begins.max(first)),
        })
    }
}

/// A summary of `spans` that differs once one of them grows or another one comes.
fn summary(spans: &[Range<Timestamp>]) -> (Option<Range<Timestamp>>, usize, Duration) {
    (spans.last().cloned(), spans.len(), spans.iter().map(|span| span.end.since(span.start)).sum())
}

impl Remembered {
    /// The remembered sight of `part`, unless newer checks may have changed it; `newest` are the newest checks by now.
    fn known(&self, part: Span, newest: &[Option<Timestamp>]) -> Option<Sight> {
        let place = self.parts.binary_search_by_key(&part, |(part, _)| *part).ok()?;
        let is_past = |then: &Option<Timestamp>| then.is_some_and(|then| part.1 <= then);
        let is_same = self.newest.iter().zip(newest).all(|(then, now)| then == now || is_past(then));
        is_same.then_some(self.parts[place].1)
    }
}

impl SeenMemory {
    /// What the locations of `group` saw on each of `days`, which follow each other; the last one is not over. Before `begins` nothing
    /// is known.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) fn days(
        &self,
        past: &Past<'_>,
        (group, begins): (&Group, Option<Timestamp>),
        days: &[Span],
    ) -> Result<Vec<Sight>, StoreError> {
        let (Some(site), Some(first)) = (group.id, days.first()) else { return read(past, (group, begins), days) };
        let known = lock(&self.sites).get(&site).cloned();
        let has_room = known.is_some() || lock(&self.sites).len() < SITES_MAX;
        if !has_room || !past.is_worked_out(group)? {
            return read(past, (group, begins), days);
        }
        let edition = Edition::of(past, (group, begins), first.0)?;
        let known = known.filter(|known| known.edition == edition);
        let newest: Vec<Option<Timestamp>> = group.members.iter().map(|member| member.newest).collect();
        let (mut parts, mut found) = (Vec::new(), Vec::with_capacity(days.len()));
        for (place, &day) in days.iter().enumerate() {
            let (lasting, rest) = if place + 1 < days.len() { (vec![day], None) } else { hours(day) };
            let mut sum = Sight::default();
            for part in lasting {
                if let Some(sight) = known.as_ref().and_then(|known| known.known(part, &newest)) {
                    sum.append(&sight);
                    parts.push((part, sight));
                    continue;
                }
                let seen = past.seen((group, begins), part.0..part.1, None)?;
                sum.append(&seen.sight);
                // Of checks that are gone, more may go.
                if seen.is_whole || seen.sight.seen.availability().is_none() {
                    parts.push((part, seen.sight));
                }
            }
            if let Some((since, until)) = rest {
                sum.append(&past.seen((group, begins), since..until, None)?.sight);
            }
            found.push(sum);
        }
        lock(&self.sites).insert(site, Arc::new(Remembered { edition, newest, parts }));
        Ok(found)
    }

    /// Forgets sites for which `is_shown` is not true.
    pub(crate) fn keep(&self, is_shown: impl Fn(SiteId) -> bool) {
        lock(&self.sites).retain(|site, _| is_shown(*site));
    }
}

/// The same without a memory.
pub(crate) fn read(
    past: &Past<'_>,
    (group, begins): (&Group, Option<Timestamp>),
    days: &[Span],
) -> Result<Vec<Sight>, StoreError> {
    days.iter().map(|&(since, until)| Ok(past.seen((group, begins), since..until, None)?.sight)).collect()
}

/// `day` up to its last whole hour in parts that end with an hour, and what is left of it.
fn hours((since, until): Span) -> (Vec<Span>, Option<Span>) {
    let (mut from, mut parts) = (since, Vec::new());
    while let next = hour_start(hour_of(from) + 1)
        && next <= until
    {
        parts.push((from, next));
        from = next;
    }
    (parts, (from < until).then_some((from, until)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::app::tests::hub_store::{HubStore, START, at, check};
    use crate::model::{Cause, Location, Sample};
    use crate::store::SeenNews;

    /// Checks are made every two minutes.
    const EVERY: u64 = 120;

    /// What happens between two readings.
    #[derive(Clone, Debug)]
    enum Step {
        /// A location sends so many checks, of which those of every so many fail.
        Checks(usize, u64, u64),
        /// A location has made none for so long.
        Nothing(usize, u64),
        /// The hub stores the hours that all are past.
        Hours,
        /// The location was blind for so many minutes until its newest check.
        Blind(usize, u64),
        /// Another location joins with checks from the beginning on.
        Joins(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0usize..3, 1u64..400, 2u64..40).prop_map(|(location, count, step)| Step::Checks(location, count, step)),
            1 => (0usize..3, 1u64..400).prop_map(|(location, count)| Step::Nothing(location, count)),
            3 => Just(Step::Hours),
            1 => (0usize..3, 1u64..90).prop_map(|(location, minutes)| Step::Blind(location, minutes)),
            1 => (1u64..300).prop_map(Step::Joins),
        ]
    }

    /// A hub, and the number of the next check of each location.
    struct Rig {
        hub: HubStore,
        next: Vec<u64>,
        stored: u64,
    }

    impl Rig {
        fn take(&mut self, location: usize, count: u64, step: u64) {
            let from = self.next[location];
            let cause = |number: u64| if number / 3 % step == 1 { Cause::Reset } else { Cause::Ok };
            let checks: Vec<Sample> =
                (from..from + count).map(|number| check(number * EVERY + 7, cause(number))).collect();
            self.hub.take(location, &checks);
            self.next[location] += count;
        }

        fn follow(&mut self, step: &Step) {
            match *step {
                Step::Checks(location, count, step) => self.take(location, count, step),
                Step::Nothing(location, count) => self.next[location] += count,
                Step::Hours => {
                    let over = self.next.iter().min().unwrap().saturating_sub(1) * EVERY / 3_600;
                    self.hub.store_hours(self.stored.min(over)..over);
                    self.stored = over;
                }
                Step::Blind(location, minutes) => {
                    let end = at(self.next[location] * EVERY);
                    let span = end.before(Duration::from_mins(minutes)).max(START)..end;
                    let name = ["a", "b", "c"][location];
                    self.hub.note(&SeenNews::Blind(Location::new(name).unwrap(), span));
                }
                Step::Joins(count) => {
                    let place = self.next.len();
                    self.hub.join((["d", "e", "f", "g"][(place - 3).min(3)], EVERY));
                    self.next.push(0);
                    self.take(place, count, 4);
                    // The hub works out the past again.
                    let all = self.stored;
                    self.hub.store_hours(0..all);
                }
            }
        }
    }

    /// Whether after each of `steps` what is remembered is what is read, on days that begin `offset` seconds after an hour.
    fn is_what_is_read(steps: &[Step], offset: u64) -> Result<(), TestCaseError> {
        let mut rig =
            Rig { hub: HubStore::new(&[("a", EVERY), ("b", EVERY), ("c", EVERY)]), next: vec![0; 3], stored: 0 };
        let memory = SeenMemory::default();
        let mut joined = 0;
        for step in steps {
            if matches!(step, Step::Joins(_)) {
                joined += 1;
                if joined > 4 {
                    continue;
                }
            }
            rig.follow(step);
            let now = rig.next.iter().max().unwrap() * EVERY + 11;
            // Days of six hours, which may begin within an hour.
            let day = |day: u64| {
                let since = at(day * 21_600).after(Duration::from_secs(offset));
                (since, at((day + 1) * 21_600 + offset).min(at(now)))
            };
            let mut days: Vec<Span> = (0..=now / 21_600).map(day).filter(|day| day.0 < day.1).collect();
            days.insert(0, (START.before(Duration::from_hours(7)), days.first().map_or(at(now), |day| day.0)));
            rig.hub.with(|past, group| {
                let expected = read(past, (group, Some(at(0))), &days).unwrap();
                for when in ["first", "again"] {
                    let found = memory.days(past, (group, Some(at(0))), &days).unwrap();
                    let seen = |sights: &[Sight]| sights.iter().map(|sight| sight.seen).collect::<Vec<_>>();
                    prop_assert_eq!(seen(&found), seen(&expected), "{} after {:?}", when, step);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_is_remembered_is_what_is_read(
            steps in prop::collection::vec(step(), 1..14), offset in prop::sample::select(vec![0u64, 1_800, 3_600, 20_700]),
        ) {
            is_what_is_read(&steps, offset)?;
        }
    }

    /// Found by the property above, once.
    #[test]
    fn a_location_may_turn_out_to_have_been_blind_before() {
        is_what_is_read(&[Step::Checks(2, 15, 2), Step::Blind(2, 1), Step::Blind(2, 2)], 1_800).unwrap();
    }

    #[test]
    fn days_that_are_over_are_read_once() {
        let mut rig =
            Rig { hub: HubStore::new(&[("a", EVERY), ("b", EVERY), ("c", EVERY)]), next: vec![0; 3], stored: 0 };
        (0..3).for_each(|location| rig.take(location, 90, 4));
        let days = [(at(0), at(3_600)), (at(3_600), at(9_000))];
        let memory = SeenMemory::default();
        let known = || {
            let known = lock(&memory.sites).values().next().cloned().unwrap();
            known.parts.iter().map(|(part, _)| *part).collect::<Vec<_>>()
        };
        rig.hub.with(|past, group| memory.days(past, (group, Some(at(0))), &days).unwrap());
        let hours = [(at(0), at(3_600)), (at(3_600), at(7_200))];
        assert_eq!(known(), hours, "the hour that is not over is not remembered");
        // What is not in the store any more is still known.
        lock(&memory.sites).values_mut().for_each(|known| {
            let mut parts = known.parts.clone();
            parts[0].1.seen.down = 17;
            let Remembered { edition, newest, .. } = &**known;
            *known = Arc::new(Remembered { edition: edition.clone(), newest: newest.clone(), parts });
        });
        let found = rig.hub.with(|past, group| memory.days(past, (group, Some(at(0))), &days).unwrap());
        assert_eq!(found[0].seen.down, 17);
        rig.hub.join(("d", EVERY));
        let found = rig.hub.with(|past, group| memory.days(past, (group, Some(at(0))), &days).unwrap());
        assert_ne!(found[0].seen.down, 17, "another location: all is read again");
        memory.keep(|_| false);
        assert!(lock(&memory.sites).is_empty());
    }
}
