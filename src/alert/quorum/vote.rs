//! Whether a location has a vote on a site, and what it says.
//!
//! A location is judged by its own clock and heard by the hub's, so the two are never compared: how old its newest sample is
//! counts from the time that it sent last, and whether it is silent counts from when the hub last heard it.

use std::time::Duration;

use crate::model::{Outcome, Timestamp};
use crate::stats::Cadence;

/// What one location says of one site: what its availability rule says, on its own samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vote {
    /// It is up.
    Up,
    /// It is down.
    Down,
}

/// Why a location has no vote on a site: the first that holds, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Abstention {
    /// It does not check the site.
    NotAssigned,
    /// The hub has not heard it for too long.
    Silent,
    /// It sees down what all others see up.
    Blind,
    /// The site is paused there.
    Paused,
    /// It has no recent sample of the site.
    Stale,
    /// Its last check failed for a reason on its own machine.
    Local,
    /// Its rule has not judged yet.
    New,
}

impl Abstention {
    /// The public name: `not_assigned`, `silent`, `blind`, `paused`, `stale`, `local`, `new`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAssigned => "not_assigned",
            Self::Silent => "silent",
            Self::Blind => "blind",
            Self::Paused => "paused",
            Self::Stale => "stale",
            Self::Local => "local",
            Self::New => "new",
        }
    }
}

/// What a hub has heard of a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When its last frame arrived, by the steady clock of the hub; `None` before the first.
    pub at: Option<Timestamp>,
    /// The time that it sent last, by its own clock.
    pub newest: Timestamp,
    /// Whether it is blind. Blindness itself is judged with `false` here.
    pub is_blind: bool,
}

impl Heard {
    /// Whether the hub has not heard the location within `silent_after` before `now`, by the steady clock of the hub.
    #[must_use]
    pub fn is_silent(&self, now: Timestamp, silent_after: Duration) -> bool {
        self.at.is_none_or(|at| silent_after < now.since(at))
    }
}

/// What a location knows of one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Whether the location is to check it.
    pub is_assigned: bool,
    /// Whether it is paused there.
    pub is_paused: bool,
    /// How often it is due there, and how long a check may take.
    pub cadence: Cadence,
    /// The time and the outcome of its newest sample.
    pub last: Option<(Timestamp, Outcome)>,
    /// What its availability rule says; `None` before it has judged.
    pub rule: Option<Vote>,
}

/// The vote of a location on a site at `now`, by the steady clock of the hub.
///
/// # Errors
/// Why it has none.
pub fn vote(heard: &Heard, watch: &Watch, now: Timestamp, silent_after: Duration) -> Result<Vote, Abstention> {
    if !watch.is_assigned {
        return Err(Abstention::NotAssigned);
    }
    if heard.is_silent(now, silent_after) {
        return Err(Abstention::Silent);
    }
    if heard.is_blind {
        return Err(Abstention::Blind);
    }
    if watch.is_paused {
        return Err(Abstention::Paused);
    }
    match watch.last {
        Some((at, _)) if heard.newest.since(at) > watch.cadence.silence() => Err(Abstention::Stale),
        Some((_, Outcome::Unknown)) => Err(Abstention::Local),
        Some(_) => watch.rule.ok_or(Abstention::New),
        None => Err(Abstention::New),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);
    const SILENT_AFTER: Duration = Duration::from_secs(30);

    /// Its own clock runs 400 s behind that of the hub.
    const HEARD: Heard =
        Heard { at: Some(Timestamp::from_secs(995)), newest: Timestamp::from_secs(600), is_blind: false };

    const WATCH: Watch = Watch {
        is_assigned: true,
        is_paused: false,
        cadence: Cadence { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) },
        last: Some((Timestamp::from_secs(598), Outcome::Up)),
        rule: Some(Vote::Up),
    };

    fn of(heard: Heard, watch: Watch) -> Result<Vote, Abstention> {
        vote(&heard, &watch, NOW, SILENT_AFTER)
    }

    #[test]
    fn the_vote_is_what_the_rule_says_and_not_the_last_check() {
        for rule in [Vote::Up, Vote::Down] {
            for outcome in [Outcome::Up, Outcome::Down] {
                let last = Some((Timestamp::from_secs(598), outcome));
                assert_eq!(of(HEARD, Watch { rule: Some(rule), last, ..WATCH }), Ok(rule));
            }
        }
    }

    #[test]
    fn each_condition_alone_takes_the_vote_away() {
        let at = |secs| Some((Timestamp::from_secs(secs), Outcome::Up));
        for (watch, why) in [
            (Watch { is_assigned: false, ..WATCH }, Abstention::NotAssigned),
            (Watch { is_paused: true, ..WATCH }, Abstention::Paused),
            (Watch { last: at(564), ..WATCH }, Abstention::Stale),
            (Watch { last: Some((Timestamp::from_secs(598), Outcome::Unknown)), ..WATCH }, Abstention::Local),
            (Watch { last: None, ..WATCH }, Abstention::New),
            (Watch { rule: None, ..WATCH }, Abstention::New),
        ] {
            assert_eq!(of(HEARD, watch), Err(why));
        }
        for (heard, why) in [
            (Heard { at: None, ..HEARD }, Abstention::Silent),
            (Heard { at: Some(Timestamp::from_secs(969)), ..HEARD }, Abstention::Silent),
            (Heard { is_blind: true, ..HEARD }, Abstention::Blind),
        ] {
            assert_eq!(of(heard, WATCH), Err(why));
        }
    }

    #[test]
    fn both_limits_are_inclusive_and_each_by_its_own_clock() {
        assert_eq!(of(HEARD, Watch { last: Some((Timestamp::from_secs(565), Outcome::Up)), ..WATCH }), Ok(Vote::Up));
        assert_eq!(of(Heard { at: Some(Timestamp::from_secs(970)), ..HEARD }, WATCH), Ok(Vote::Up));
        // A frame from the future is no silence.
        assert_eq!(of(Heard { at: Some(Timestamp::from_secs(2_000)), ..HEARD }, WATCH), Ok(Vote::Up));
    }
}
