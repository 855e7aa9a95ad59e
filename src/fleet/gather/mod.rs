//! What a hub takes of the frames of all locations, without I/O: each sample once, in order, and nothing that is not certain.
//!
//! The hub takes the samples of a site in the order of their numbers. It passes over those that it has, and takes none beyond a
//! gap: its word to the location then says so, and the location sends again from there. So nothing depends on what the server
//! acknowledged, kept or repeated.
//!
//! Invariants: the numbers taken of a (location, store, site) are those from the first one on, without those that the location
//! declares gone; a frame that cannot be read changes nothing. Bounds: `most` sites of all locations together.

mod keeping;
mod places;
mod source;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Certificate, Location, Moment, SiteId, StoreId, Timestamp};
use crate::store::{Origin, Origins, Registered, StoreError};

use super::frame::{Body, FailureRun, Frame, FrameFault, Group, Roster};
pub use keeping::WriterKeeper;
use places::Place;
use source::Source;
pub use source::{Report, Word};

/// For how long two programs under one name are reported after the stream changed from one to the other and back.
const SHARED: Duration = Duration::from_mins(1);

/// What sites.yaml allows: a location that says anything else must not make the hub reserve memory for it.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_hours(7 * 24);
const TIMEOUT_MAX: Duration = Duration::from_mins(10);

/// Keeps what is taken.
pub trait Keeper {
    /// Finds or makes a site for each of `origins`.
    ///
    /// # Errors
    /// Those of the store; the frame has to be given again.
    fn adopt(&mut self, origins: &[Origin]) -> Result<Vec<Registered>, StoreError>;

    /// Takes the samples of `group` from the `passed`th on as samples of `site`.
    fn take(&mut self, site: SiteId, group: &Group, passed: usize);

    /// Takes the text of the failures of `site` that `run` is about.
    fn text(&mut self, site: SiteId, run: &FailureRun);

    /// Takes the certificate that `site` presents.
    fn certificate(&mut self, site: SiteId, certificate: Certificate);
}

/// When a frame was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// By the steady clock of the hub; of a frame that waited in the stream, when the server got it, as far as that is known.
    pub at: Timestamp,
    /// Whether it came as soon as it was sent.
    pub is_live: bool,
}

impl Heard {
    /// At `now`, a frame came as soon as it was sent, or after it had waited since the server got it, by that one's clock.
    #[must_use]
    pub fn new(now: Moment, waited_since: Option<Timestamp>) -> Self {
        let at = waited_since.map_or(now.steady, |published| now.steadily(published).min(now.steady));
        Self { at, is_live: waited_since.is_none() }
    }
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Samples taken.
    pub taken: u64,
    /// Samples passed over, because they had been taken before.
    pub doubled: u64,
    /// Samples beyond a gap, which come again.
    pub early: u64,
    /// Samples that their locations declared gone.
    pub gone: u64,
    /// Frames of a kind that this program does not know.
    pub unknown: u64,
    /// Frames that could not be read.
    pub refused: u64,
}

/// The gathered sites of all locations.
#[derive(Debug)]
pub struct Gathering {
    sources: BTreeMap<(Location, StoreId), Source>,
    /// Of each location, the store that was heard last, and when one was heard again after another one.
    last: BTreeMap<Location, (StoreId, Option<Timestamp>)>,
    /// What could not be read, by location: the newest fault.
    faults: BTreeMap<Location, FrameFault>,
    places: usize,
    most: usize,
    /// Whether gaps are passed over, because nothing is sent again for this program.
    looks_on: bool,
    /// Counts up whenever a site becomes known or is described otherwise.
    revision: u64,
    tally: Tally,
}

impl Gathering {
    /// What the store knows: `known` sites of others, of which it has everything before these numbers. At most `most` sites are
    /// gathered.
    #[must_use]
    pub fn new(known: &Origins, next: impl Fn(SiteId) -> u64, most: usize) -> Self {
        let (places, tally) = (known.len(), Tally::default());
        let (sources, last, faults) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut gathering = Self { sources, last, faults, places, most, looks_on: false, revision: 0, tally };
        for (&id, origin) in known {
            let source = gathering.sources.entry((origin.location.clone(), origin.store)).or_default();
            source.places.put(origin.site, Place::new(id, next(id)));
            source.know(origin.clone());
        }
        gathering
    }

    /// One that knows nothing and only looks on: it takes the samples of each site from the first one that it sees on, and goes on
    /// behind a gap, since no location hears of it.
    #[must_use]
    pub fn looking_on(most: usize) -> Self {
        Self { looks_on: true, ..Self::new(&Origins::new(), |_| 0, most) }
    }

    /// Takes `frame` of `location`.
    ///
    /// # Errors
    /// Those of the store, for a roster: nothing was taken, and the frame has to be given again.
    pub fn take(
        &mut self,
        location: &Location,
        frame: &Frame,
        heard: Heard,
        keeper: &mut impl Keeper,
    ) -> Result<(), StoreError> {
        let origin = frame.origin;
        if let Body::Roster(roster) = &frame.body {
            self.adopt(location, origin.store, roster, keeper)?;
        }
        self.notice(location, origin.store, heard);
        let (source, tally) = (self.sources.entry((location.clone(), origin.store)).or_default(), &mut self.tally);
        source.hear(&origin, heard);
        match &frame.body {
            Body::Roster(_) => {}
            Body::Samples(groups) => {
                for group in groups {
                    if self.looks_on {
                        source.skip_to(group);
                    }
                    source.group(group, heard.at, tally, keeper);
                }
            }
            Body::Gone(holes) => holes.iter().for_each(|hole| source.hole(hole, heard.at, tally)),
            Body::Certificates(certificates) => {
                for (site, certificate) in certificates {
                    if let Some(place) = source.places.get(*site) {
                        keeper.certificate(place.id, certificate.clone());
                    }
                }
            }
            Body::Status(status) => source.status(status),
            Body::Unknown { .. } => tally.unknown += 1,
        }
        Ok(())
    }

    /// Counts a frame of `location` that could not be read.
    pub fn refuse(&mut self, location: &Location, fault: FrameFault) {
        self.tally.refused += 1;
        self.faults.insert(location.clone(), fault);
    }

    /// Everything taken so far is on the disk.
    pub fn committed(&mut self) {
        self.sources.values_mut().for_each(Source::committed);
    }

    /// The numbers that follow what is on the disk of `store` of `location`, by site, and the store that was heard last of the
    /// location. The location that asks sends again from there, so a gap is closed from then on. `now` is the steady time.
    pub fn have(
        &mut self,
        location: &Location,
        store: StoreId,
        now: Timestamp,
    ) -> (Option<StoreId>, Vec<(SiteId, u64)>) {
        let source = self.sources.get_mut(&(location.clone(), store));
        let next = source.map(|source| source.asked(now)).unwrap_or_default();
        (self.last.get(location).map(|(store, _)| *store), next)
    }

    /// The word to every location that was heard since the start.
    pub fn words(&self) -> impl Iterator<Item = (&Location, Word)> {
        self.sources.iter().filter_map(|((location, store), source)| Some((location, source.word(*store)?)))
    }

    /// How every location is at `now`: its store that was heard last.
    #[must_use]
    pub fn reports(&self, now: Moment) -> Vec<Report> {
        let mut reports: Vec<Report> = Vec::new();
        for ((location, store), source) in &self.sources {
            let report = source.report(location, *store, now);
            match reports.last_mut().filter(|last| last.location == *location) {
                Some(last) if last.heard >= report.heard => last.stores += 1,
                Some(last) => *last = Report { stores: last.stores + 1, ..report },
                None => reports.push(report),
            }
        }
        for report in &mut reports {
            let back = self.last.get(&report.location).and_then(|(_, back)| *back);
            report.is_shared = back.is_some_and(|back| now.steady.since(back) < SHARED);
            report.fault = self.faults.get(&report.location).copied();
            report.is_filling &= !self.looks_on;
        }
        reports
    }

    /// Counts up whenever a site becomes known or is described otherwise.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Sites of all locations together, and how many there may be.
    #[must_use]
    pub const fn places(&self) -> (usize, usize) {
        (self.places, self.most)
    }

    /// What was counted.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// Notes which store of `location` is heard.
    fn notice(&mut self, location: &Location, store: StoreId, heard: Heard) {
        let is_known = self.sources.get(&(location.clone(), store)).is_some_and(Source::was_heard);
        let last = self.last.entry(location.clone()).or_insert((store, None));
        if last.0 != store {
            // A store that was replaced by another one never comes back.
            let back = if is_known { Some(heard.at) } else { last.1 };
            *last = (store, back);
        }
    }

    /// Finds a place for each site of `roster`; those beyond the bound are refused.
    fn adopt(
        &mut self,
        location: &Location,
        store: StoreId,
        roster: &Roster,
        keeper: &mut impl Keeper,
    ) -> Result<(), StoreError> {
        let source = self.sources.entry((location.clone(), store)).or_default();
        let mut room = self.most.saturating_sub(self.places);
        let (mut origins, mut refused) = (Vec::new(), Vec::new());
        for site in &roster.sites {
            let is_known = source.places.get(site.site).is_some();
            if !is_known && room == 0 {
                refused.push(site.site);
                continue;
            }
            room -= usize::from(!is_known);
            origins.push(Origin {
                location: location.clone(),
                store,
                site: site.site,
                name: site.name.as_str().into(),
                group: (!site.group.is_empty()).then(|| site.group.as_str().into()),
                interval: site.interval.clamp(INTERVAL_MIN, INTERVAL_MAX),
                timeout: site.timeout.min(TIMEOUT_MAX),
                url: site.url.as_str().into(),
            });
        }
        if source.is_new(&origins) {
            let registered = keeper.adopt(&origins)?;
            self.revision += 1;
            for (origin, site) in origins.iter().zip(registered) {
                if source.places.get(origin.site).is_none() {
                    self.places += 1;
                    source.places.put(origin.site, Place::new(site.id, site.next_seq));
                }
            }
        }
        source.roster(roster, origins, refused);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
