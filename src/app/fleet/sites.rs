//! A site over all its locations: as sites.yaml has it, or, where there is none, as the locations describe it.

use std::sync::Arc;

use crate::alert::Policies;
use crate::alert::quorum::QuorumRule;
use crate::app::locations::groups::rule_of;
use crate::config::{Config, ConfiguredSite};
use crate::engine::SiteFacts;
use crate::model::{Assignment, Place, SiteSlot, repeat};
use crate::store::Origin;

/// See the module.
#[derive(Clone, Debug)]
pub struct FleetSite {
    /// Name, address and rules; the board that shows it gives it its slot.
    pub facts: SiteFacts,
    /// Who checks it.
    pub assignment: Assignment,
    /// How many must see it down.
    pub quorum: QuorumRule,
    /// The same of its past, when others may have checked it.
    pub past: QuorumRule,
    /// The host that it is at: locations that see only one host down are not blind.
    pub host: String,
}

impl FleetSite {
    /// The sites of `config`.
    #[must_use]
    pub fn all(config: &Config) -> Vec<Self> {
        config.sites.iter().map(Self::from).collect()
    }

    /// A site that a location describes so. Every location that has it checks it; the rules are the defaults.
    #[must_use]
    pub fn described(origin: &Origin) -> Self {
        let url = url::Url::parse(&origin.url).ok();
        let host = url.as_ref().and_then(url::Url::host_str).unwrap_or(&origin.url).to_owned();
        let facts = SiteFacts {
            slot: SiteSlot(0),
            name: Arc::clone(&origin.name),
            url: Arc::clone(&origin.url),
            curl: Arc::default(),
            group: origin.group.clone(),
            interval: origin.interval,
            timeout: origin.timeout,
            max_response_time: None,
            policies: Policies::default(),
            maintenance: Arc::default(),
            place: Place::Everywhere,
        };
        let quorum = QuorumRule::default();
        Self { facts, assignment: Assignment::default(), quorum, past: quorum, host }
    }
}

impl From<&ConfiguredSite> for FleetSite {
    fn from(watched: &ConfiguredSite) -> Self {
        let site = &watched.site;
        let facts = SiteFacts {
            slot: SiteSlot(0),
            name: Arc::clone(&site.name),
            url: Arc::clone(&site.shown),
            curl: repeat::line(site).into(),
            group: watched.group.clone(),
            interval: site.interval,
            timeout: site.timeout,
            max_response_time: site.expect.max_response_time,
            policies: watched.policies,
            maintenance: Arc::clone(&watched.maintenance),
            place: Place::Everywhere,
        };
        Self {
            facts,
            assignment: watched.locations.assignment.clone(),
            quorum: watched.locations.quorum,
            past: rule_of(watched),
            host: site.url.expose().host_str().unwrap_or_default().to_owned(),
        }
    }
}
