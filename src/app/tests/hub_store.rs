//! The store of a hub for tests, filled without a server: one site, `api`, at locations with checks of their own.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use crate::app::locations::Gathered;
use crate::app::locations::figures::Past;
use crate::app::locations::groups::{Group, Rules};
use crate::config::Config;
use crate::model::lock::lock;
use crate::model::{Cause, Location, Micros, Observation, Phase, Sample, SiteId, Status, StoreId, Timestamp};
use crate::store::{Archive, Options, Origin, SeenNews, Store, Writer};

use super::monitor::parsed;

/// The start of an hour.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_795_255_200);

/// See the module.
pub(crate) struct HubStore {
    _folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) writer: Writer,
    /// The number of the site over its locations.
    pub(crate) own: SiteId,
    /// By location.
    pub(crate) members: Vec<SiteId>,
    taken: Vec<u64>,
}

pub(crate) fn at(second: u64) -> Timestamp {
    START.after(Duration::from_secs(second))
}

/// A check of `second` after [`START`].
pub(crate) fn check(second: u64, cause: Cause) -> Sample {
    let mut observation = Observation::failed(cause, "");
    observation.status = match cause {
        Cause::Ok => Status::new(200),
        Cause::Status => Status::new(503),
        _ => None,
    };
    observation.phases = observation.phases.with(Phase::Connect, Micros::new(20_000));
    observation.sample(at(second), Micros::ZERO, 0)
}

/// What a sites.yaml with this site says.
pub(crate) fn config() -> Config {
    parsed("sites: [{ name: api, url: 'http://a/' }]")
}

impl HubStore {
    /// `locations` check every so many seconds, with a timeout of one second.
    pub(crate) fn new(locations: &[(&str, u64)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        let store = Store::open(&path, &Options::default(), START).unwrap().store;
        let own = store.register(&["api".into()], START).unwrap()[0].id;
        let writer = Writer::new(store, Vec::new()).unwrap();
        let mut hub = Self { _folder: folder, path, writer, own, members: Vec::new(), taken: Vec::new() };
        for location in locations {
            hub.join(*location);
        }
        hub
    }

    /// Another location, which checks every `secs`.
    pub(crate) fn join(&mut self, (name, secs): (&str, u64)) {
        let origin = Origin {
            location: Location::new(name).unwrap(),
            store: StoreId([1; 16]),
            site: SiteId(0),
            name: "api".into(),
            group: None,
            interval: Duration::from_secs(secs),
            timeout: Duration::from_secs(1),
            url: "http://a/".into(),
        };
        self.members.push(self.writer.store().adopt(&[origin], START).unwrap()[0].id);
        self.taken.push(0);
    }

    /// The next checks of a location.
    pub(crate) fn take(&mut self, location: usize, samples: &[Sample]) {
        lock(&self.writer.entrance()).take_samples(self.members[location], self.taken[location], samples);
        self.taken[location] += samples.len() as u64;
        self.writer.flush(samples.last().map_or(START, |last| last.at));
    }

    /// Stores what a hub has found.
    pub(crate) fn note(&mut self, news: &SeenNews) {
        lock(&self.writer.entrance()).take_seen(news);
        self.writer.flush(START);
    }

    /// Stores these hours after [`START`], as a hub does once they are over.
    pub(crate) fn store_hours(&mut self, hours: Range<u64>) {
        let first = START.as_micros() / 3_600_000_000;
        for hour in first + hours.start..first + hours.end {
            let seen = self.with(|past, group| past.hour(group, hour).unwrap());
            if let Some(seen) = seen {
                self.note(&SeenNews::Hour(self.own, hour, seen));
            }
        }
    }

    pub(crate) fn archive(&self) -> Archive {
        Archive::open(&self.path).unwrap()
    }

    /// Asks what the locations saw together.
    pub(crate) fn with<T>(&self, ask: impl FnOnce(&Past<'_>, &Group) -> T) -> T {
        let archive = self.archive();
        let gathered = Gathered::of(&archive, &Rules::of(&config())).unwrap();
        let moment = archive.moment().unwrap();
        let now = at(1_000_000_000);
        ask(&Past::new(&archive, &moment, &gathered.blind, now), gathered.named("api").unwrap())
    }

    /// The worked example of docs/locations.md: for ten minutes a and b check every second and fail for 60 and for 50 s, 47 s of them
    /// together, and c checks once a minute and never fails. 92.17 %.
    pub(crate) fn worked_example() -> Self {
        let mut hub = Self::new(&[("a", 1), ("b", 1), ("c", 60)]);
        let every = |step: usize, failing: Range<u64>| -> Vec<Sample> {
            let cause = |second| if failing.contains(&second) { Cause::Status } else { Cause::Ok };
            (0..600).step_by(step).map(|second| check(second, cause(second))).collect()
        };
        hub.take(0, &every(1, 100..160));
        hub.take(1, &every(1, 113..163));
        hub.take(2, &every(60, 0..0));
        hub
    }
}
