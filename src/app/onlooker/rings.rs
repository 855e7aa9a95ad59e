//! What a watcher keeps of the sites of all locations: a ring of the samples of an hour for each, and why its newest check failed.
//!
//! Invariant: the times of a ring increase. A site that is described otherwise, or whose clock was set back, gets another ring and
//! another slot, so that the engine begins with it anew.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::app::follow::load::{FollowedSite, tell_why};
use crate::engine::Engine;
use crate::fleet::frame::{FailureRun, Group, Roster};
use crate::fleet::gather::Keeper;
use crate::model::{Certificate, Location, SiteId, SiteSlot, StoreId, Timestamp};
use crate::ring::{Producer, capacity_for};
use crate::store::{Origin, Registered, StoreError, Why};

/// A clock that goes back by more than this was set; a check that seems older by less is left out.
const SET_BACK: Duration = Duration::from_secs(1);

/// A site of a location.
struct RingSite {
    origin: Origin,
    followed: FollowedSite,
    /// The number at the location that follows the newest sample.
    end: u64,
    why: Option<Why>,
    certificate: Option<Arc<Certificate>>,
    /// Whether the engine was not told of the newest sample's texts.
    is_untold: bool,
}

/// What a location checks, as it said last.
struct Described {
    store: StoreId,
    session: u64,
    revision: u64,
    sites: BTreeSet<SiteId>,
}

/// See the module.
pub(super) struct Rings {
    /// By their numbers.
    sites: Vec<RingSite>,
    numbers: HashMap<(Location, StoreId, SiteId), usize>,
    described: HashMap<Location, Described>,
    /// How far the rings reach back.
    horizon: Duration,
    next_slot: u32,
    /// Whether the sites are others than at the last [`Rings::current`].
    is_other: bool,
    newest: Option<Timestamp>,
    /// Samples taken since the start.
    taken: u64,
}

impl Rings {
    pub(super) fn new(horizon: Duration) -> Self {
        Self {
            sites: Vec::new(),
            numbers: HashMap::new(),
            described: HashMap::new(),
            horizon,
            next_slot: 0,
            is_other: false,
            newest: None,
            taken: 0,
        }
    }

    /// Notes what `location` checks, as a program with this store and session says; its sites were adopted before.
    pub(super) fn describe(&mut self, location: &Location, (store, session): (StoreId, u64), roster: &Roster) {
        let known = self.described.get_mut(location);
        let is_of_it =
            |known: &Described| (known.store, known.session, known.revision) == (store, session, roster.revision);
        // Those beyond the bound have no ring.
        let is_kept = |site: &SiteId| self.numbers.contains_key(&(location.clone(), store, *site));
        let sites: Vec<SiteId> = roster.sites.iter().map(|site| site.site).filter(is_kept).collect();
        if let Some(known) = known.filter(|known| is_of_it(known)) {
            let before = known.sites.len();
            known.sites.extend(sites);
            self.is_other |= known.sites.len() != before;
            return;
        }
        let described = Described { store, session, revision: roster.revision, sites: sites.into_iter().collect() };
        self.described.insert(location.clone(), described);
        self.is_other = true;
    }

    /// Whether the sites are others than when this was asked last.
    pub(super) fn is_other(&mut self) -> bool {
        std::mem::take(&mut self.is_other)
    }

    /// The sites that the locations check now, in the order of locations and of the sites there.
    pub(super) fn current(&self) -> Vec<(&FollowedSite, &Origin)> {
        let is_current = |site: &&RingSite| {
            let origin = &site.origin;
            let described = self.described.get(&origin.location);
            described.is_some_and(|it| it.store == origin.store && it.sites.contains(&origin.site))
        };
        let mut current: Vec<_> =
            self.sites.iter().filter(is_current).map(|site| (&site.followed, &site.origin)).collect();
        current.sort_by(|(_, one), (_, other)| (&one.location, one.site).cmp(&(&other.location, other.site)));
        // A location has each name once, unless it lies.
        let mut names = BTreeSet::new();
        current.retain(|(_, origin)| names.insert((&origin.location, &origin.name)));
        current
    }

    /// Tells `engine` the texts of the newest samples.
    pub(super) fn tell_whys(&mut self, engine: &mut Engine) {
        for site in &mut self.sites {
            if std::mem::take(&mut site.is_untold) {
                tell_why(engine, &site.followed, (site.why.clone(), site.certificate.clone()));
            }
        }
    }

    /// The same again at the next time: these sites are new to the engine.
    pub(super) fn tell_again(&mut self) {
        self.sites.iter_mut().for_each(|site| site.is_untold = true);
    }

    /// The ring of the site in this slot, to read its samples.
    pub(super) fn of(&self, name: &str) -> Option<&FollowedSite> {
        self.sites.iter().map(|site| &site.followed).find(|site| *site.name == *name)
    }

    /// The time of the newest sample of all.
    pub(super) const fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// Samples taken since the start.
    pub(super) const fn taken(&self) -> u64 {
        self.taken
    }

    fn followed(&mut self, id: SiteId, origin: &Origin) -> FollowedSite {
        let slot = SiteSlot(self.next_slot);
        self.next_slot += 1;
        self.is_other = true;
        let capacity = capacity_for(self.horizon, origin.interval, origin.timeout);
        let producer = Producer::new(capacity, 0);
        let name = format!("{}/{}", origin.location, origin.name).into();
        FollowedSite { slot, name, id: Some(id), next_seq: 0, last_at: Timestamp::ZERO, paused_until: None, producer }
    }
}

impl Keeper for Rings {
    fn adopt(&mut self, origins: &[Origin]) -> Result<Vec<Registered>, StoreError> {
        let mut registered = Vec::with_capacity(origins.len());
        for origin in origins {
            let key = (origin.location.clone(), origin.store, origin.site);
            let number = self.numbers.get(&key).copied().unwrap_or(self.sites.len());
            let id = SiteId(u32::try_from(number).unwrap_or(u32::MAX));
            if self.sites.get(number).is_none_or(|known| known.origin != *origin) {
                let mut followed = self.followed(id, origin);
                if let Some(known) = self.sites.get_mut(number) {
                    let mut samples = Vec::new();
                    known.followed.producer.ring().reader_at_oldest().drain(&mut samples);
                    for sample in samples {
                        followed.producer.push(sample);
                    }
                    followed.last_at = known.followed.last_at;
                    (known.followed, known.origin, known.is_untold) = (followed, origin.clone(), true);
                } else {
                    self.numbers.insert(key, number);
                    let (origin, why, certificate) = (origin.clone(), None, None);
                    self.sites.push(RingSite { origin, followed, end: 0, why, certificate, is_untold: false });
                }
            }
            registered.push(Registered { id, next_seq: 0, last_at: None, known_since: Timestamp::ZERO });
        }
        Ok(registered)
    }

    fn take(&mut self, id: SiteId, group: &Group, passed: usize) {
        let number = id.0 as usize;
        for sample in &group.samples[passed..] {
            let Some(site) = self.sites.get_mut(number) else { return };
            if sample.at.after(SET_BACK) < site.followed.last_at {
                let origin = site.origin.clone();
                self.sites[number].followed = self.followed(id, &origin);
            }
            let site = &mut self.sites[number];
            if site.followed.last_at < sample.at {
                site.followed.last_at = sample.at;
                site.followed.producer.push(*sample);
                self.taken += 1;
            }
        }
        let Some(site) = self.sites.get_mut(number) else { return };
        (site.end, site.why, site.is_untold) = (group.next_seq(), None, true);
        self.newest = self.newest.max(Some(site.followed.last_at));
    }

    fn text(&mut self, id: SiteId, run: &FailureRun) {
        let Some(site) = self.sites.get_mut(id.0 as usize) else { return };
        if run.last.checked_add(1) == Some(site.end) {
            site.why = Some((run.detail.clone(), run.address));
            site.is_untold = true;
        }
    }

    fn certificate(&mut self, id: SiteId, certificate: Certificate) {
        let Some(site) = self.sites.get_mut(id.0 as usize) else { return };
        (site.certificate, site.is_untold) = (Some(Arc::new(certificate)), true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::frame::RosterSite;
    use crate::model::{Cause, Micros, Observation, Sample};

    const STORE: StoreId = StoreId([7; 16]);

    fn fra1() -> Location {
        Location::new("fra1").unwrap()
    }

    fn origin(site: u32, name: &str) -> Origin {
        Origin {
            location: fra1(),
            store: STORE,
            site: SiteId(site),
            name: name.into(),
            group: None,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            url: "http://a/".into(),
        }
    }

    fn roster(revision: u64, sites: &[u32]) -> Roster {
        let site = |site: &u32| RosterSite {
            site: SiteId(*site),
            name: String::new(),
            group: String::new(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            url: String::new(),
            hash: 0,
        };
        Roster { revision, part: 0, parts: 1, sites: sites.iter().map(site).collect() }
    }

    fn sample(second: u64) -> Sample {
        Observation::failed(Cause::Reset, "").sample(Timestamp::from_secs(1_000_000 + second), Micros::ZERO, 0)
    }

    fn group(first_seq: u64, seconds: &[u64]) -> Group {
        let samples: Vec<Sample> = seconds.iter().map(|second| sample(*second)).collect();
        Group { site: SiteId(1), first_seq, samples, texts: Vec::new() }
    }

    fn names(rings: &Rings) -> Vec<&str> {
        rings.current().iter().map(|(site, _)| &*site.name).collect()
    }

    /// The seconds of the samples of the first site.
    fn seconds(rings: &Rings) -> Vec<u64> {
        let mut samples = Vec::new();
        rings.current()[0].0.producer.ring().reader_at_oldest().drain(&mut samples);
        samples.iter().map(|sample| sample.at.as_micros() / 1_000_000 - 1_000_000).collect()
    }

    #[test]
    fn the_sites_are_those_of_the_last_description() {
        let mut rings = Rings::new(Duration::from_mins(1));
        rings.adopt(&[origin(1, "api"), origin(2, "shop")]).unwrap();
        assert!(rings.current().is_empty(), "nothing says yet that they are checked now");
        rings.describe(&fra1(), (STORE, 1), &roster(1, &[1, 2, 3]));
        assert_eq!(names(&rings), ["fra1/api", "fra1/shop"], "a site without a ring has no place");
        assert!(rings.is_other() && !rings.is_other());
        // The same again, in another frame.
        rings.describe(&fra1(), (STORE, 1), &roster(1, &[2]));
        assert!(!rings.is_other());
        rings.describe(&fra1(), (STORE, 1), &roster(2, &[2]));
        assert!(rings.is_other());
        assert_eq!(names(&rings), ["fra1/shop"]);
        rings.describe(&fra1(), (StoreId([8; 16]), 2), &roster(1, &[1]));
        assert!(names(&rings).is_empty(), "the location has another store");
    }

    #[test]
    fn a_site_described_otherwise_keeps_its_samples_in_another_slot() {
        let mut rings = Rings::new(Duration::from_mins(1));
        rings.adopt(&[origin(1, "api")]).unwrap();
        rings.describe(&fra1(), (STORE, 1), &roster(1, &[1]));
        rings.take(SiteId(0), &group(40, &[10, 20, 30]), 1);
        let before = rings.current()[0].0.slot;
        rings.adopt(&[Origin { interval: Duration::from_secs(1), ..origin(1, "api2") }]).unwrap();
        assert_eq!((names(&rings), seconds(&rings)), (vec!["fra1/api2"], vec![20, 30]));
        assert_ne!(rings.current()[0].0.slot, before);
        rings.adopt(&[Origin { interval: Duration::from_secs(1), ..origin(1, "api2") }]).unwrap();
        assert_eq!((rings.sites.len(), rings.taken()), (1, 2));
    }

    #[test]
    fn times_increase_and_a_clock_that_was_set_back_begins_anew() {
        let mut rings = Rings::new(Duration::from_mins(10));
        rings.adopt(&[origin(1, "api")]).unwrap();
        rings.describe(&fra1(), (STORE, 1), &roster(1, &[1]));
        rings.take(SiteId(0), &group(0, &[100, 99, 110]), 0);
        assert_eq!(seconds(&rings), [100, 110], "a second is no change of the clock");
        rings.take(SiteId(0), &group(3, &[50, 60]), 0);
        assert_eq!(seconds(&rings), [50, 60]);
        assert_eq!(rings.newest(), Some(sample(110).at));
    }
}
