//! A site over its locations without a hub: what the store tells of how they see it at an instant.
//!
//! A location votes what its last check says while that counts, and not while it is blind, as in the figures. A hub judges by the rules of
//! the locations instead, over their windows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::alert::quorum::{Tally, Verdict, Vote, Votes};
use crate::app::locations::groups::{Group, Member};
use crate::engine::SiteState;
use crate::model::{Assignment, Location, Outcome, Sample, SiteId, Timestamp};
use crate::stats::Answer;
use crate::store::BlindTimes;

use super::{Over, Part};

/// How the locations of `group` see it at `as_of`, from their `lasts` checks, and its state; `opened` says whether its incident is open.
pub(super) fn over(
    (group, assignment): (&Group, &Assignment),
    lasts: &HashMap<SiteId, Sample>,
    (blind, opened): (&BlindTimes, bool),
    as_of: Timestamp,
) -> (Over, SiteState) {
    // Of the stores of a location, the one with the newest check counts.
    let mut newest: BTreeMap<&Location, (&Member, Option<&Sample>)> = BTreeMap::new();
    for member in &group.members {
        let last = lasts.get(&member.id);
        let known = newest.entry(&member.location).or_insert((member, last));
        if known.1.map(|last| last.at) < last.map(|last| last.at) {
            *known = (member, last);
        }
    }
    let is_blind = |location: &Location| {
        blind.get(location).is_some_and(|spans| spans.iter().any(|span| span.start < as_of && as_of <= span.end))
    };
    let mut tally = Tally::default();
    for (location, (member, last)) in &newest {
        let hold = member.cadence.interval + member.cadence.timeout;
        let counts = last.filter(|last| as_of <= last.at.after(hold) && !is_blind(location));
        match counts.map(Sample::outcome) {
            Some(Outcome::Up) => tally.add(Vote::Up),
            Some(Outcome::Down) => tally.add(Vote::Down),
            Some(Outcome::Unknown) | None => {}
        }
    }
    let locations = u32::try_from(newest.len()).unwrap_or(u32::MAX);
    let assigned = match assignment {
        Assignment::All => locations,
        Assignment::Number(number) => locations.min(*number),
        Assignment::Named(names) => u32::try_from(names.len()).unwrap_or(u32::MAX),
    };
    let verdict = tally.verdict(&group.rule, assigned);
    let parts = newest.into_iter().map(|(location, (member, last))| part(location, member, last)).collect();
    (Over { votes: Some(Votes { verdict, tally, assigned }), parts }, state(verdict, opened))
}

/// Without the windows of the rules, single failed checks are no outage.
const fn state(verdict: Verdict, is_open: bool) -> SiteState {
    match (verdict, is_open) {
        (Verdict::Down | Verdict::Unknown, true) => SiteState::Down,
        (Verdict::Up | Verdict::Partial, true) => SiteState::Recovering,
        (Verdict::Down | Verdict::Partial, false) => SiteState::Failing,
        (Verdict::Up, false) => SiteState::Up,
        (Verdict::Unknown, false) => SiteState::Unknown,
    }
}

fn part(location: &Location, member: &Member, last: Option<&Sample>) -> Part {
    Part {
        location: location.clone(),
        name: Arc::clone(&member.name),
        cadence: member.cadence,
        state: match last.map(Sample::outcome) {
            Some(Outcome::Up) => SiteState::Up,
            Some(Outcome::Down) => SiteState::Failing,
            Some(Outcome::Unknown) | None => SiteState::Unknown,
        },
        checked: last.map(|last| last.at),
        last: last.map(|last| Answer::of(last.cause, last.status)),
    }
}
