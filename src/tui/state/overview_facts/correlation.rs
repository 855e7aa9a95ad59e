//! What sites that are down have in common: `9 of 30 in sa-east, all refused, since 03:27:10`.
//!
//! Invariants: it is said only of at least [`LEAST`] sites that are most of those down, and only if the trait tells them from the
//! others: at least half of those that have it are down, or three times as many as of all. Cost: one pass over the
//! sites, and a second one if enough of them are down.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::engine::snapshot::{SiteSnapshot, Snapshot};
use crate::model::{Outcome, Timestamp};
use crate::stats::Answer;

use crate::tui::state::state_counts::is_down;

/// Fewer sites have nothing in common.
const LEAST: usize = 3;

/// A property that sites share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Trait {
    /// A group.
    Group(Arc<str>),
    /// An address.
    Address(IpAddr),
    /// Nothing but what they answer.
    Answer,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// Sites that are down.
    pub down: usize,
    /// Sites that have the trait, as far as that is known; all sites, if it is the answer.
    pub of: usize,
    /// What they share.
    pub shared: Trait,
    /// How all of them fail, if it is the same.
    pub answer: Option<Answer>,
    /// Since when the first of them is down.
    pub since: Timestamp,
}

impl Correlation {
    /// That of the sites of `snapshot` that are down.
    pub fn of(snapshot: &Snapshot) -> Option<Self> {
        let sites = snapshot.subjects().map(|(_, site)| &**site);
        Self::among(&sites.filter(|site| is_down(site)).collect::<Vec<_>>(), snapshot)
    }

    /// The same, if those that are `down` are known.
    pub fn among(down: &[&SiteSnapshot], snapshot: &Snapshot) -> Option<Self> {
        if down.len() < LEAST {
            return None;
        }
        let mut candidates: HashMap<Trait, Candidate<'_>> = HashMap::new();
        for &site in down {
            for shared in traits(site) {
                candidates.entry(shared).or_default().down.push(site);
            }
        }
        let is_most = |count: usize| count >= LEAST && 3 * count >= 2 * down.len();
        candidates.retain(|_, candidate| is_most(candidate.down.len()));
        let mut all = 0;
        for (_, site) in snapshot.subjects() {
            all += 1;
            // One group and one address are left at most, so most sites end here.
            for (shared, candidate) in &mut candidates {
                candidate.all += usize::from(shared.is_of(site));
            }
        }
        let tells = |candidate: &Candidate<'_>| {
            2 * candidate.down.len() >= candidate.all || candidate.down.len() * all >= 3 * down.len() * candidate.all
        };
        let found = candidates.into_iter().filter(|(_, candidate)| candidate.all < all && tells(candidate));
        // A group says more to people than an address.
        let rank = |shared: &Trait| matches!(shared, Trait::Group(_));
        let best = found.max_by_key(|(shared, candidate)| (candidate.down.len(), rank(shared), candidate.all));
        if let Some((shared, candidate)) = best {
            return Some(Self::new(shared, &candidate.down, candidate.all));
        }
        Some(Self::new(Trait::Answer, down, all)).filter(|common| common.answer.is_some())
    }

    fn new(shared: Trait, down: &[&SiteSnapshot], of: usize) -> Self {
        let first = down.first().and_then(|site| answer(site));
        let answer = first.filter(|first| down.iter().all(|site| answer(site) == Some(*first)));
        let since = down.iter().map(|site| site.incident.map_or(site.since, |incident| incident.since)).min();
        Self { down: down.len(), of, shared, answer, since: since.unwrap_or_default() }
    }
}

/// The sites with a trait that those that are down may share.
#[derive(Default)]
struct Candidate<'a> {
    down: Vec<&'a SiteSnapshot>,
    all: usize,
}

fn traits(site: &SiteSnapshot) -> impl Iterator<Item = Trait> {
    site.group.clone().map(Trait::Group).into_iter().chain(address(site).map(Trait::Address))
}

impl Trait {
    fn is_of(&self, site: &SiteSnapshot) -> bool {
        match self {
            Self::Group(group) => site.group.as_ref() == Some(group),
            Self::Address(shared) => address(site) == Some(*shared),
            Self::Answer => false,
        }
    }
}

/// The address of its last failure, or of its URL if that names one.
fn address(site: &SiteSnapshot) -> Option<IpAddr> {
    let of_failure = || Some(site.last.as_ref()?.observation.as_ref()?.address?.ip());
    of_failure().or_else(|| literal(&site.url))
}

/// The address that stands in a URL in place of a name.
fn literal(url: &str) -> Option<IpAddr> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let with_port = || Some(host.parse::<SocketAddr>().ok()?.ip());
    with_port().or_else(|| host.trim_matches(['[', ']']).parse().ok())
}

/// What it answered, if that was a failure.
fn answer(site: &SiteSnapshot) -> Option<Answer> {
    let sample = site.last.as_ref()?.sample;
    (sample.outcome() == Outcome::Down).then(|| Answer::of(sample.cause, sample.status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixtures;

    /// `sites` of five that are down, with their groups.
    fn found(groups: [Option<&str>; 5], down: &[usize]) -> Option<Correlation> {
        let mut snapshot = fixtures::five_sites().snapshot;
        let failed = snapshot.sites[0].clone();
        for (place, site) in snapshot.sites.iter_mut().enumerate() {
            let (name, mut facts) = (Arc::clone(&site.name), (*site.facts).clone());
            let mut changed = if down.contains(&place) { (*failed).clone() } else { (**site).clone() };
            (facts.name, facts.group) = (name, groups[place].map(Arc::from));
            changed.facts = Arc::new(facts);
            if !down.contains(&place) {
                (changed.last, changed.state) = (None, crate::engine::SiteState::Up);
            }
            *site = Arc::new(changed);
        }
        Correlation::of(&snapshot)
    }

    #[test]
    fn a_group_is_named_if_most_of_what_is_down_is_in_it() {
        let (a, b) = (Some("sa-east"), Some("eu"));
        let common = found([a, a, a, b, b], &[0, 1, 2]).unwrap();
        assert_eq!((common.down, common.of, &common.shared), (3, 3, &Trait::Group("sa-east".into())));
        assert!(common.answer.is_some());
        assert_eq!(found([a, a, b, b, b], &[0, 1]), None, "two are no storm");
    }

    #[test]
    fn an_address_may_stand_in_a_url() {
        for (url, address) in [
            ("http://127.0.0.1:80/x?y", Some("127.0.0.1")),
            ("https://***@10.0.0.8", Some("10.0.0.8")),
            ("https://[::1]:8443/", Some("::1")),
            ("https://[::1]/", Some("::1")),
            ("https://a.example/127.0.0.1", None),
            ("nothing", None),
        ] {
            assert_eq!(literal(url), address.map(|address| address.parse().unwrap()), "{url}");
        }
    }

    #[test]
    fn sites_without_a_group_share_their_address_or_what_they_answer() {
        let common = found([None; 5], &[0, 1, 2]).unwrap();
        assert!(matches!(common.shared, Trait::Address(_)), "{common:?}");
        assert_eq!((common.down, common.of), (3, 3));
        let all = found([Some("one"); 5], &[0, 1, 2, 3, 4]).unwrap();
        assert_eq!((all.down, all.of, all.shared), (5, 5, Trait::Answer), "a trait of all tells nothing");
    }
}
