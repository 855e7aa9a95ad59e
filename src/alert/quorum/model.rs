//! The reference model, literal and slow: what the module has to agree with.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Outcome, Timestamp};

use super::{Quorum, Seen, Verdict, Vote};

/// How many of `votes` must say down.
pub fn need(quorum: Quorum, votes: u64) -> u64 {
    match quorum {
        Quorum::Any => 1,
        Quorum::All => votes.max(1),
        Quorum::Majority => votes / 2 + 1,
        Quorum::Percent(percent) => (u64::from(percent) * votes).div_ceil(100).max(1),
        Quorum::Number(number) => u64::from(number).min(votes),
    }
}

/// The verdict over the votes of the assigned locations.
pub fn verdict(votes: &[Option<Vote>], quorum: Quorum, assigned: u64, minimum: Option<u64>) -> Verdict {
    let minimum = minimum.unwrap_or(assigned.min(2));
    let cast: Vec<Vote> = votes.iter().copied().flatten().collect();
    let down = cast.iter().filter(|vote| **vote == Vote::Down).count() as u64;
    let votes = cast.len() as u64;
    if votes == 0 {
        return Verdict::Unknown;
    }
    if down == 0 {
        return Verdict::Up;
    }
    if votes < minimum {
        return Verdict::Unknown;
    }
    if need(quorum, votes) <= down { Verdict::Down } else { Verdict::Partial }
}

/// The votes on one site: its host, and what each location says.
pub type Votes = (u32, BTreeMap<u16, Vote>);

/// Who is blind where `blind` were: first some see again, then others go blind.
pub fn blind_after(sites: &[Votes], locations: u16, blind: &BTreeSet<u16>) -> BTreeSet<u16> {
    let mut blind = blind.clone();
    // Each round changes one at least, or nothing.
    for _ in 0..locations {
        blind = blind.iter().copied().filter(|location| is_blind(sites, *location, 4, &blind)).collect();
    }
    for _ in 0..locations {
        let begin: Vec<u16> = (0..locations).filter(|location| is_blind(sites, *location, 2, &blind)).collect();
        blind.extend(begin);
    }
    blind
}

/// Whether `location` sees one in `share` down of what the others see up, apart from those that are `blind`.
fn is_blind(sites: &[Votes], location: u16, share: u32, blind: &BTreeSet<u16>) -> bool {
    let (mut known, mut bad, mut hosts) = (0, 0, BTreeSet::new());
    for (host, votes) in sites {
        let Some(&mine) = votes.get(&location) else { continue };
        let others = votes.iter().filter(|(other, _)| **other != location && !blind.contains(other));
        let others: Vec<_> = others.map(|(_, vote)| Some(*vote)).collect();
        if verdict(&others, Quorum::Majority, others.len() as u64, Some(1)) != Verdict::Up {
            continue;
        }
        known += 1;
        if mine == Vote::Down {
            bad += 1;
            hosts.insert(*host);
        }
    }
    2 <= known && 2 <= hosts.len() && known <= share * bad
}

/// The samples of one location, for how long each counts, and when it was blind; µs.
#[derive(Clone, Debug)]
pub struct Past {
    pub samples: Vec<(u64, Outcome)>,
    pub hold: u64,
    pub blind: Vec<(u64, u64)>,
}

/// The time of each verdict between `from` and `to`.
pub fn seen(pasts: &[Past], (from, to): (u64, u64), quorum: Quorum, minimum: Option<u64>) -> Seen {
    let mut edges = BTreeSet::from([from, to]);
    for past in pasts {
        edges.extend(past.samples.iter().flat_map(|(at, _)| [*at, at + past.hold]));
        edges.extend(past.blind.iter().flat_map(|(from, to)| [*from, *to]));
    }
    let edges: Vec<u64> = edges.into_iter().filter(|at| (from..=to).contains(at)).collect();
    let mut seen = Seen::default();
    for pair in edges.windows(2) {
        let shown: Vec<_> = pasts.iter().map(|past| shown(past, pair[0])).collect();
        let slot = match verdict(&shown, quorum, pasts.len() as u64, minimum) {
            Verdict::Up | Verdict::Partial => &mut seen.up,
            Verdict::Down => &mut seen.down,
            Verdict::Unknown => &mut seen.unknown,
        };
        *slot += pair[1] - pair[0];
    }
    seen
}

fn shown(past: &Past, at: u64) -> Option<Vote> {
    let (sampled, outcome) = *past.samples.iter().rfind(|(sampled, _)| *sampled <= at)?;
    let is_old = sampled + past.hold <= at;
    let is_blind = past.blind.iter().any(|(from, to)| *from <= at && at < *to);
    match outcome {
        _ if is_old || is_blind => None,
        Outcome::Up => Some(Vote::Up),
        Outcome::Down => Some(Vote::Down),
        Outcome::Unknown => None,
    }
}

/// An instant, µs after the epoch.
pub fn at(micros: u64) -> Timestamp {
    Timestamp::from_micros(micros)
}
