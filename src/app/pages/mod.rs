//! What the pages show, read from the store: for the listener and for `webmon report` alike.
//!
//! Invariants: every figure is what `webmon stats` prints of the same period, since both come from the same sums; the end of a period is
//! exclusive. Cost: days come from hourly or daily sums; all figures of a page are of one moment of the store.

mod incidents;
mod memory;
mod periods;
mod site;
mod states;
mod status;

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::alert::SloRule;
use crate::alert::maintenance::Maintenance;
use crate::engine::{SiteSnapshot, SiteState};
use crate::model::{Certificate, DomainExpiry, PageTerms, Timestamp};
use crate::serve::page::model::Frame;
use crate::stats::{Answer, Cadence};
use crate::store::{Archive, Moment, StoreError};

pub use memory::Memory;
pub use periods::summed;
pub use site::site;
pub use states::judged;
pub use status::status;

/// A site as a page knows it.
#[derive(Clone, Debug)]
pub struct PageSite {
    /// Its name.
    pub name: Arc<str>,
    /// Its group.
    pub group: Option<Arc<str>>,
    /// Its URL, secrets as `***`.
    pub url: Arc<str>,
    /// How often it is checked.
    pub cadence: Cadence,
    /// Its objective.
    pub slo: Option<SloRule>,
    /// Its windows of maintenance, which its objective leaves out.
    pub maintenance: Arc<[Maintenance]>,
    /// Its state.
    pub state: SiteState,
    /// The start of that state, where known.
    pub since: Option<Timestamp>,
    /// What the last check answered.
    pub last: Option<Answer>,
    /// The certificate that it showed last.
    pub certificate: Option<Certificate>,
    /// The registration of its domain, where a running monitor knows it.
    pub domain: Option<Arc<DomainExpiry>>,
}

impl From<&SiteSnapshot> for PageSite {
    fn from(site: &SiteSnapshot) -> Self {
        let last = site.last.as_ref().map(|last| Answer::of(last.sample.cause, last.sample.status));
        let observation = site.last.as_ref().and_then(|last| last.observation.as_ref());
        let shown = observation.and_then(|observation| observation.certificate.as_deref());
        Self {
            name: Arc::clone(&site.name),
            group: site.group.clone(),
            url: Arc::clone(&site.url),
            cadence: Cadence { interval: site.interval, timeout: site.timeout },
            slo: site.policies.slo,
            maintenance: Arc::clone(&site.maintenance),
            state: site.state,
            since: Some(site.since).filter(|_| !site.is_older),
            last,
            certificate: shown.cloned(),
            domain: observation.and_then(|observation| observation.domain.clone()),
        }
    }
}

/// The store that pages are made from, and the moment of it that their figures are of.
pub struct Past<'a> {
    archive: &'a Archive,
    moment: Moment,
    memory: Option<&'a Memory>,
}

impl<'a> Past<'a> {
    /// The present moment of `archive`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn of(archive: &'a Archive) -> Result<Self, StoreError> {
        Ok(Self { archive, moment: archive.moment()?, memory: None })
    }

    /// With what was read for earlier pages of the same store.
    #[must_use]
    pub fn remembering(self, memory: &'a Memory) -> Self {
        Self { memory: Some(memory), ..self }
    }
}

/// What all pages of one instant share.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// How the pages look.
    pub terms: &'a PageTerms,
    /// The zone of their times and days.
    pub zone: &'a TimeZone,
    /// The instant.
    pub as_of: Timestamp,
}

impl Setting<'_> {
    fn frame(&self) -> Frame {
        Frame {
            title: Arc::clone(&self.terms.title),
            as_of: self.as_of,
            zone: self.zone.clone(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
