//! The static description of a site, from sites.yaml, or reconstructed from the samples of a site that only the store knows.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::maintenance::Maintenance;
use crate::alert::network::Mask;
use crate::alert::{Policies, StandingIncident};
use crate::config::ConfiguredSite;
use crate::engine::SiteInput;
use crate::model::{Place, Sample, SiteSlot, repeat};
use crate::ring::Ring;
#[cfg(feature = "nats")]
use crate::store::Origin;

/// The interval and the timeout of a site with too few stored samples.
const INTERVAL: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteSpec {
    /// Its unique name.
    pub name: Arc<str>,
    url: Arc<str>,
    curl: Arc<str>,
    group: Option<Arc<str>>,
    /// Time between due checks.
    pub interval: Duration,
    /// For a whole check.
    pub timeout: Duration,
    max_response_time: Option<Duration>,
    /// How it is judged.
    pub policies: Policies,
    maintenance: Arc<[Maintenance]>,
    place: Place,
}

impl From<&ConfiguredSite> for SiteSpec {
    fn from(watched: &ConfiguredSite) -> Self {
        Self {
            name: Arc::clone(&watched.site.name),
            url: Arc::clone(&watched.site.shown),
            curl: repeat::line(&watched.site).into(),
            group: watched.group.clone(),
            interval: watched.site.interval,
            timeout: watched.site.timeout,
            max_response_time: watched.site.expect.max_response_time,
            policies: watched.policies,
            maintenance: Arc::clone(&watched.maintenance),
            place: Place::Here,
        }
    }
}

impl SiteSpec {
    /// A site that only the store knows; its interval is the median of the gaps between its newest samples.
    #[must_use]
    pub fn of_store(name: &Arc<str>, samples: &[Sample]) -> Self {
        let mut gaps: Vec<Duration> = samples.windows(2).map(|pair| pair[1].at.since(pair[0].at)).collect();
        gaps.sort_unstable();
        let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(INTERVAL);
        // A configured interval is hardly ever a fraction of a tenth of a second.
        let tenths = u64::try_from((usual.as_millis() + 50) / 100).unwrap_or(u64::MAX).max(1);
        let interval = Duration::from_millis(tenths.saturating_mul(100));
        let (name, policies) = (Arc::clone(name), Policies::default());
        let maintenance = Arc::default();
        Self {
            url: Arc::clone(&name),
            curl: Arc::default(),
            name,
            group: None,
            interval,
            timeout: INTERVAL,
            max_response_time: None,
            policies,
            maintenance,
            place: Place::Here,
        }
    }

    /// A site that another webmon checks as `origin` says, called `name` in this store and judged by `policies`.
    #[cfg(feature = "nats")]
    #[must_use]
    pub fn of_origin(name: &Arc<str>, origin: &Origin, policies: Policies) -> Self {
        Self {
            name: Arc::clone(name),
            url: Arc::clone(&origin.url),
            curl: Arc::default(),
            group: origin.group.clone(),
            interval: origin.interval,
            timeout: origin.timeout,
            max_response_time: None,
            policies,
            maintenance: Arc::default(),
            place: Place::At { location: origin.location.clone(), site: Arc::clone(&origin.name) },
        }
    }

    /// The track for the engine of this site, whose samples come through `ring`, with its open incidents.
    #[must_use]
    pub fn track(self, slot: SiteSlot, ring: Arc<Ring>, open: Vec<StandingIncident>) -> SiteInput {
        let Self { name, url, curl, group, interval, timeout, max_response_time, policies, maintenance, place } = self;
        SiteInput {
            slot,
            name,
            url,
            curl,
            interval,
            timeout,
            max_response_time,
            group,
            policies,
            maintenance,
            place,
            ring,
            open,
            minutes: None,
            mask: Mask::default(),
        }
    }
}
