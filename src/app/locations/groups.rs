//! Which stored sites are one site at several locations.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::alert::quorum::QuorumRule;
use crate::config::{Config, ConfiguredSite};
use crate::model::{Assignment, Location, SiteId, Timestamp};
use crate::stats::Cadence;
use crate::store::{Origins, StoredSite};

/// A stored site of a location.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Its number.
    pub id: SiteId,
    /// Its name in the store.
    pub name: Arc<str>,
    /// The location.
    pub location: Location,
    /// How often it is checked there.
    pub cadence: Cadence,
    /// Its newest sample.
    pub newest: Option<Timestamp>,
    /// Whether more of it is awaited: it is to check the site, as far as that is known.
    pub is_awaited: bool,
}

/// A site over its locations.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Its name, the same at all of them.
    pub name: Arc<str>,
    /// Its own number, under which its alerts and what its locations saw together are stored; none if sites.yaml never had it.
    pub id: Option<SiteId>,
    /// When it is down.
    pub rule: QuorumRule,
    /// In the order of their locations; one of them has several if its store was replaced.
    pub members: Vec<Member>,
}

/// When each site of a sites.yaml is down, over its locations; the default of those that it does not have.
#[derive(Clone, Debug, Default)]
pub struct Rules(HashMap<Arc<str>, QuorumRule>);

impl Rules {
    /// Those of the sites of `config`, also of disabled ones.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let sites = config.sites.iter().chain(&config.disabled);
        Self(sites.map(|watched| (Arc::clone(&watched.site.name), rule_of(watched))).collect())
    }

    /// Whether they have the site of this name.
    #[must_use]
    #[cfg(feature = "nats")]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// That of the site of this name.
    fn named(&self, name: &str) -> QuorumRule {
        self.0.get(name).copied().unwrap_or_default()
    }
}

/// The sites of a hub's store over their locations, by name; none in another store. `rules` says when each is down.
pub(crate) fn groups(sites: &[StoredSite], origins: &Origins, rules: &Rules) -> Vec<Group> {
    let mut members: BTreeMap<&Arc<str>, Vec<Member>> = BTreeMap::new();
    for site in sites {
        let Some(origin) = origins.get(&site.id) else { continue };
        members.entry(&origin.name).or_default().push(Member {
            id: site.id,
            name: Arc::clone(&site.name),
            location: origin.location.clone(),
            cadence: Cadence { interval: origin.interval, timeout: origin.timeout },
            newest: site.last_at,
            is_awaited: true,
        });
    }
    let own: HashMap<&str, SiteId> =
        sites.iter().filter(|site| !origins.contains_key(&site.id)).map(|site| (&*site.name, site.id)).collect();
    let group = |(name, mut members): (&Arc<str>, Vec<Member>)| {
        members.sort_by(|one, other| (&one.location, one.id).cmp(&(&other.location, other.id)));
        Group { name: Arc::clone(name), id: own.get(&**name).copied(), rule: rules.named(name), members }
    };
    members.into_iter().map(group).collect()
}

impl Group {
    /// How many locations check it.
    #[must_use]
    pub(crate) fn locations(&self) -> usize {
        self.members.chunk_by(|one, other| one.location == other.location).count()
    }
}

/// When the site `watched` is down: what a number of locations checks has so many votes at most, however many have checked it before.
#[must_use]
pub(crate) fn rule_of(watched: &ConfiguredSite) -> QuorumRule {
    let (rule, checking) = (watched.locations.quorum, &watched.locations.assignment);
    let most = match checking {
        Assignment::All => return rule,
        Assignment::Number(number) => *number,
        Assignment::Named(names) => u32::try_from(names.len()).unwrap_or(u32::MAX),
    };
    QuorumRule { min_locations: Some(rule.min_votes(most)), ..rule }
}
