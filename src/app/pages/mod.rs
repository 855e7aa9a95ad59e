//! What the pages show, read from the store: for the listener and for `webmon report` alike.
//!
//! Invariants: every figure is what `webmon stats` prints of the same period, since both come from the same sums; the end of a period is
//! exclusive. Cost: days come from hourly or daily sums; all figures of a page are of one moment of the store.

mod incidents;
mod locations;
mod memory;
mod over;
mod periods;
mod site;
mod states;
mod status;

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::alert::SloRule;
use crate::alert::maintenance::Maintenance;
use crate::alert::quorum::Votes;
use crate::app::locations::Gathered;
use crate::app::locations::figures;
use crate::app::locations::groups::Group;
use crate::engine::{SiteSnapshot, SiteState, Snapshot};
use crate::model::{Certificate, DomainExpiry, Location, PageTerms, Place, SiteId, Timestamp};
use crate::serve::page::model::Frame;
use crate::stats::{Answer, Cadence};
use crate::store::{Archive, Moment, StoreError};

pub use crate::app::locations::groups::Rules;
pub use memory::Memory;
pub use periods::summed_up;
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
    /// How its locations see it, of a site over all of them.
    pub over: Option<Over>,
}

/// What a hub knows of a site over all its locations.
#[derive(Clone, Debug)]
pub struct Over {
    /// How they voted.
    pub votes: Option<Votes>,
    /// The locations.
    pub parts: Vec<Part>,
}

/// A site as one location sees it.
#[derive(Clone, Debug)]
pub struct Part {
    /// The location.
    pub location: Location,
    /// Its name in the store.
    pub name: Arc<str>,
    /// How often it is checked there.
    pub cadence: Cadence,
    /// Its state there.
    pub state: SiteState,
    /// When it was last checked there.
    pub checked: Option<Timestamp>,
    /// What the last check answered.
    pub last: Option<Answer>,
}

impl Part {
    fn of(site: &SiteSnapshot) -> Option<Self> {
        Some(Self {
            location: site.place.location()?.clone(),
            name: Arc::clone(&site.name),
            cadence: Cadence { interval: site.interval, timeout: site.timeout },
            state: site.state,
            checked: site.last.as_ref().map(|last| last.sample.at),
            last: answer(site),
        })
    }
}

fn answer(site: &SiteSnapshot) -> Option<Answer> {
    site.last.as_ref().map(|last| Answer::of(last.sample.cause, last.sample.status))
}

impl PageSite {
    /// The sites that pages list: at a hub those over all their locations, and those that only a location has.
    #[must_use]
    pub fn listed(snapshot: &Snapshot) -> Vec<Self> {
        snapshot.subjects().map(|(place, site)| Self::at(snapshot, place, site)).collect()
    }

    /// The site of this name, if there is one.
    #[must_use]
    pub fn named(snapshot: &Snapshot, name: &str) -> Option<Self> {
        let place = snapshot.sites.iter().position(|site| *site.name == *name)?;
        Some(Self::at(snapshot, place, &snapshot.sites[place]))
    }

    fn at(snapshot: &Snapshot, place: usize, site: &SiteSnapshot) -> Self {
        let parts = || snapshot.sites[snapshot.parts(place)].iter().filter_map(|part| Part::of(part)).collect();
        let over = (site.place == Place::Everywhere).then(|| Over { votes: site.votes, parts: parts() });
        Self { over, ..Self::from(site) }
    }
}

impl From<&SiteSnapshot> for PageSite {
    fn from(site: &SiteSnapshot) -> Self {
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
            last: answer(site),
            certificate: shown.cloned(),
            domain: observation.and_then(|observation| observation.domain.clone()),
            over: None,
        }
    }
}

/// The store that pages are made from, and the moment of it that their figures are of.
pub struct Past<'a> {
    archive: &'a Archive,
    gathered: Gathered,
    moment: Moment,
    memory: Option<&'a Memory>,
    now: Timestamp,
}

impl<'a> Past<'a> {
    /// The present moment of `archive`, `now`. Sites over locations are down as `rules` say.
    ///
    /// # Errors
    /// Those of the database.
    pub fn of(archive: &'a Archive, rules: &Rules, now: Timestamp) -> Result<Self, StoreError> {
        // The moment is the later one: it has every check that is known of.
        let gathered = Gathered::of(archive, rules)?;
        Ok(Self { archive, gathered, moment: archive.moment()?, memory: None, now })
    }

    /// With what was read for earlier pages of the same store.
    #[must_use]
    pub fn remembering(self, memory: &'a Memory) -> Self {
        Self { memory: Some(memory), ..self }
    }
}

impl Past<'_> {
    /// The stored sites whose checks are those of `site`, and how often each is checked: itself, or those of its locations.
    fn sources(&self, site: &PageSite) -> Result<Vec<(SiteId, Cadence)>, StoreError> {
        if site.over.is_none() {
            return Ok(self.archive.named(&site.name)?.map(|id| (id, site.cadence)).into_iter().collect());
        }
        let members = self.group(site).into_iter().flat_map(|group| &group.members);
        Ok(members.map(|member| (member.id, member.cadence)).collect())
    }

    /// The stored sites of a site over its locations; none before one of them has sent a check.
    fn group(&self, site: &PageSite) -> Option<&Group> {
        site.over.as_ref().and_then(|_| self.gathered.named(&site.name))
    }

    /// What the locations saw together.
    fn together(&self) -> figures::Past<'_> {
        figures::Past::new(self.archive, &self.moment, &self.gathered.blind, self.now)
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

#[cfg(test)]
mod tests;
