//! The units of one realm, and whether all that are checked often have been silent since the last answer of any.
//!
//! The panel is the units with an interval of at most R, where R is the third-smallest interval, or a minute if that is
//! longer; without three units there is none. A unit is as fast as its fastest site.
//!
//! Invariants: `silent` holds only checks that started after the last contact; a unit with a `latest` is counted once in
//! `dark` of its interval. Bounds: a silent check costs O(log n) of the silent checks since the last contact, a contact the
//! removal of those that it refutes, each once. More than [`CROWD`] per unit shrink to the first and last of each.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::time::Duration;

use crate::model::Timestamp;
use crate::model::time::duration;

use super::Unit;

/// Fewest units of a panel.
pub const PANEL_MIN: usize = 3;

/// Least R.
const REACH_MIN: Duration = Duration::from_mins(1);

/// Silent checks per unit, and in all, that are kept before they are thinned out.
const CROWD: usize = 8;
const CROWD_MIN: usize = 4_096;

#[derive(Debug, Default)]
pub struct Panel {
    units: HashMap<Unit, Member>,
    /// By interval, µs.
    speeds: BTreeMap<u64, Speed>,
    silent: BinaryHeap<Reverse<(Timestamp, Unit)>>,
    /// The start of the contact that started last.
    last_contact: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Member {
    /// How many of its sites have which interval, µs.
    intervals: BTreeMap<u64, u32>,
    /// The start of its silent check that started last, if that was after the last contact.
    latest: Option<Timestamp>,
}

/// The units of one interval.
#[derive(Debug, Default)]
struct Speed {
    units: usize,
    /// Those with a silent check after the last contact.
    dark: usize,
}

impl Member {
    fn interval(&self) -> Option<u64> {
        self.intervals.keys().next().copied()
    }
}

impl Panel {
    /// Adds a site of this interval to `unit`.
    pub fn join(&mut self, unit: Unit, interval: Duration) {
        self.change(unit, |member| *member.intervals.entry(duration::micros(interval)).or_default() += 1);
    }

    /// Takes such a site out of `unit`.
    pub fn leave(&mut self, unit: Unit, interval: Duration) {
        let micros = duration::micros(interval);
        self.change(unit, |member| {
            if let Some(count) = member.intervals.get_mut(&micros) {
                *count -= 1;
                if *count == 0 {
                    member.intervals.remove(&micros);
                }
            }
        });
    }

    /// Changes the sites of `unit` and counts it anew.
    fn change(&mut self, unit: Unit, change: impl FnOnce(&mut Member)) {
        let mut member = self.units.remove(&unit).unwrap_or_default();
        let dark = usize::from(member.latest.is_some());
        if let Some(before) = member.interval() {
            let speed = self.speeds.entry(before).or_default();
            speed.units -= 1;
            speed.dark -= dark;
            if speed.units == 0 {
                self.speeds.remove(&before);
            }
        }
        change(&mut member);
        if let Some(now) = member.interval() {
            let speed = self.speeds.entry(now).or_default();
            speed.units += 1;
            speed.dark += dark;
            self.units.insert(unit, member);
        }
    }

    /// All units of the realm.
    pub fn units(&self) -> usize {
        self.units.len()
    }

    /// R, µs; `None` without a panel.
    pub fn reach(&self) -> Option<u64> {
        let mut units = 0;
        let third = self.speeds.iter().find_map(|(&interval, speed)| {
            units += speed.units;
            (PANEL_MIN <= units).then_some(interval)
        })?;
        Some(third.max(duration::micros(REACH_MIN)))
    }

    /// The units of the panel.
    pub fn len(&self) -> usize {
        self.reach().map_or(0, |reach| self.speeds.range(..=reach).map(|(_, speed)| speed.units).sum())
    }

    /// Whether `unit` is of the panel.
    pub fn has(&self, unit: Unit) -> bool {
        let interval = self.units.get(&unit).and_then(Member::interval);
        interval.zip(self.reach()).is_some_and(|(interval, reach)| interval <= reach)
    }

    /// A check of `unit` that started at `start` had no answer.
    pub fn silent(&mut self, unit: Unit, start: Timestamp) {
        if self.last_contact.is_some_and(|contact| start <= contact) || !self.has(unit) {
            return;
        }
        let Some(member) = self.units.get_mut(&unit) else { return };
        if member.latest.is_none()
            && let Some(speed) = member.interval().and_then(|interval| self.speeds.get_mut(&interval))
        {
            speed.dark += 1;
        }
        member.latest = member.latest.max(Some(start));
        self.silent.push(Reverse((start, unit)));
        if self.silent.len() > CROWD_MIN.max(self.units.len() * CROWD) {
            self.thin_out();
        }
    }

    /// A check, or a delivery, that started at `start` had an answer.
    pub fn contact(&mut self, start: Timestamp) {
        self.last_contact = self.last_contact.max(Some(start));
        while let Some(&Reverse((silent, unit))) = self.silent.peek()
            && self.last_contact.is_some_and(|contact| silent <= contact)
        {
            self.silent.pop();
            let Some(member) = self.units.get_mut(&unit) else { continue };
            if member.latest == Some(silent) {
                member.latest = None;
                if let Some(speed) = member.interval().and_then(|interval| self.speeds.get_mut(&interval)) {
                    speed.dark -= 1;
                }
            }
        }
    }

    /// When all of the panel has been silent since the last contact: the start of the first of these checks.
    pub fn silent_since(&self) -> Option<Timestamp> {
        let reach = self.reach()?;
        let all = self.speeds.range(..=reach).all(|(_, speed)| speed.dark == speed.units);
        self.silent.peek().filter(|_| all).map(|Reverse((start, _))| *start)
    }

    /// The start of the first silent check since the last contact.
    pub fn first_silent(&self) -> Option<Timestamp> {
        self.silent.peek().map(|Reverse((start, _))| *start)
    }

    /// Forgets what was heard and what was not, but not the units.
    pub fn forget_checks(&mut self) {
        (self.last_contact, self.silent) = (None, BinaryHeap::new());
        self.units.values_mut().for_each(|member| member.latest = None);
        self.speeds.values_mut().for_each(|speed| speed.dark = 0);
    }

    /// Keeps of each unit the first and the last silent check. A contact that started between two that are kept may then
    /// put the start of an outage later by some checks, never earlier.
    fn thin_out(&mut self) {
        let mut seen = HashSet::new();
        let mut all = std::mem::take(&mut self.silent).into_vec();
        all.sort_unstable_by_key(|Reverse(check)| *check);
        let is_last = |unit: &Unit, start| self.units.get(unit).is_some_and(|member| member.latest == Some(start));
        all.retain(|Reverse((start, unit))| seen.insert(*unit) || is_last(unit, *start));
        self.silent = all.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn unit(number: u8) -> Unit {
        Unit::V4([203, 0, number])
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn the_panel_is_the_three_fastest_and_all_within_a_minute() {
        let mut panel = Panel::default();
        let secs = Duration::from_secs;
        panel.join(unit(1), secs(10));
        panel.join(unit(2), secs(600));
        assert_eq!((panel.reach(), panel.len(), panel.units()), (None, 0, 2));
        panel.join(unit(3), secs(900));
        panel.join(unit(4), secs(3_600));
        assert_eq!((panel.reach(), panel.len(), panel.units()), (Some(900_000_000), 3, 4));
        // A second, faster site makes a unit faster.
        panel.join(unit(4), secs(30));
        assert_eq!((panel.reach(), panel.len()), (Some(600_000_000), 3));
        panel.join(unit(5), secs(60));
        assert_eq!((panel.reach(), panel.len()), (Some(60_000_000), 3), "10, 30 and 60 s");
        panel.leave(unit(4), secs(30));
        assert_eq!((panel.reach(), panel.len()), (Some(600_000_000), 3));
        panel.leave(unit(4), secs(3_600));
        panel.leave(unit(1), secs(10));
        panel.leave(unit(5), secs(60));
        assert_eq!((panel.reach(), panel.units()), (None, 2));
    }

    #[test]
    fn many_silent_checks_are_thinned_out_and_the_first_stays() {
        let mut panel = Panel::default();
        (0..4).for_each(|number| panel.join(unit(number), MINUTE));
        panel.contact(at(10));
        for (secs, number) in (0..20_000).zip([0, 1, 2].into_iter().cycle()) {
            panel.silent(unit(number), at(11 + secs));
        }
        assert!(panel.silent.len() <= CROWD_MIN, "{}", panel.silent.len());
        assert_eq!(panel.silent_since(), None, "the fourth unit did not finish a check");
        panel.silent(unit(3), at(50));
        assert_eq!(panel.silent_since(), Some(at(11)));
        // What started after a contact is still known of each unit.
        panel.contact(at(20_000));
        assert_eq!(panel.silent_since(), None);
        panel.silent(unit(3), at(20_020));
        assert!(panel.silent_since().is_some_and(|since| at(20_000) < since));
    }
}
