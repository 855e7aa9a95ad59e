//! Nothing is lost and nothing is doubled, whatever is killed, wiped or copied: at the end the hub's store has, line for line,
//! what each location has.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use webmon::fleet::frame::{Body, Frame, Origin, Packing, Status};
use webmon::fleet::subjects::frames;
use webmon::model::{Location, SiteId, StoreId, Timestamp};
use webmon::store::Archive;

use crate::server::{Server as Nats, at};
use crate::support::program::{Folder, PATIENCE, Running, now};
use crate::support::{Behaviour, Server, Step, response};

/// Time between two looks at a store.
const POLL: Duration = Duration::from_millis(50);

/// The hub has long committed by now what a location sent at its end.
const LONG_ENOUGH: Duration = Duration::from_secs(10);

/// A server of NATS, a hub, locations, and what they check.
struct Fleet {
    server: Nats,
    folder: Folder,
    _web: Server,
    hub: Option<Running>,
    locations: Vec<(&'static str, Option<Running>)>,
}

impl Fleet {
    /// One with these locations, nothing of which runs yet but the server.
    fn new(locations: &[&'static str]) -> Option<Self> {
        let server = Nats::of(locations)?;
        let web = Server::start(Behaviour::answering(|request| match request.target.as_str() {
            "/bad" => vec![Step::send(response(500, "broken"))],
            _ => vec![Step::send(response(200, "ok"))],
        }));
        let folder = Folder::empty();
        for name in locations.iter().chain(&["hub1"]) {
            let text = format!(
                "defaults: {{ interval: 200ms, timeout: 150ms }}\n\
                 sites:\n\
                 - {{ name: good, url: '{good}' }}\n\
                 - {{ name: bad, url: '{bad}', group: g }}\n\
                 - {{ name: closed, url: 'http://127.0.0.1:1/' }}\n\
                 {fleet}",
                good = web.url("/"),
                bad = web.url("/bad"),
                fleet = server.section(name, ""),
            );
            folder.write(&format!("{name}.yaml"), &text);
        }
        let locations = locations.iter().map(|name| (*name, None)).collect();
        Some(Self { server, folder, _web: web, hub: None, locations })
    }

    fn start_hub(&mut self) {
        self.hub = Some(self.folder.start("hub --headless --config hub1.yaml --store hub.redb"));
    }

    fn start(&mut self, location: usize) {
        let name = self.locations[location].0;
        let command = format!("run --fleet --headless --config {name}.yaml --store {name}.redb");
        self.locations[location].1 = Some(self.folder.start(&command));
    }

    fn start_all(&mut self) {
        self.start_hub();
        (0..self.locations.len()).for_each(|location| self.start(location));
    }

    /// Ends a location in order.
    fn stop(&mut self, location: usize) {
        let running = self.locations[location].1.take().unwrap();
        running.end_by(Signal::TERM).with(128 + 15);
    }

    fn stop_hub(&mut self) {
        self.hub.take().unwrap().end_by(Signal::TERM).with(128 + 15);
    }

    /// Kills the hub.
    fn kill_hub(&mut self) {
        drop(self.hub.take());
    }

    /// Kills a location.
    fn kill(&mut self, location: usize) {
        drop(self.locations[location].1.take());
    }

    fn store(&self, name: &str) -> PathBuf {
        self.folder.path(&format!("{name}.redb"))
    }

    /// Samples in the store `name`.
    fn count(&self, name: &str) -> u64 {
        let sites = Archive::open(&self.store(name)).and_then(|archive| archive.sites());
        sites.map_or(0, |sites| sites.iter().map(|site| site.next_seq).sum())
    }

    /// Waits until the store `name` has so many samples more.
    #[track_caller]
    fn until_more(&self, name: &str, more: u64) {
        let (began, before) = (now(), self.count(name));
        while self.count(name) < before + more {
            assert!(now() - began < PATIENCE, "{name} has {} after {before}", self.count(name));
            std::thread::sleep(POLL);
        }
    }

    /// Every sample of a store, or of a location in the hub's, as lines in order.
    fn samples(&self, arguments: &str) -> Vec<String> {
        let command = format!("samples --config hub1.yaml --since 1d --format json {arguments}");
        let mut lines: Vec<String> = self.folder.run(&command).with(0).stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Ends every location, and waits until the hub has what they have.
    #[track_caller]
    fn settle(&mut self) {
        for location in 0..self.locations.len() {
            if self.locations[location].1.is_none() {
                self.start(location);
            }
        }
        let names: Vec<&str> = self.locations.iter().map(|(name, _)| *name).collect();
        let began = now();
        // What a location had when it ended, it may not have sent yet: it sends that after its start. What it checks meanwhile is always
        // on its way.
        let own: Vec<Vec<String>> = names.iter().map(|name| self.samples(&format!("--store {name}.redb"))).collect();
        loop {
            let is_there = |(name, own): (&&str, &Vec<String>)| {
                let there = self.samples(&format!("--store hub.redb --location {name}"));
                own.iter().all(|line| there.binary_search(line).is_ok())
            };
            if self.count("hub") > 0 && names.iter().zip(&own).all(is_there) {
                break;
            }
            let counts: Vec<usize> = own.iter().map(Vec::len).collect();
            assert!(now() - began < PATIENCE, "of {names:?} {counts:?} samples, {} at the hub", self.count("hub"));
            std::thread::sleep(POLL);
        }
        (0..names.len()).for_each(|location| self.stop(location));
        // The end of a location sends the samples of the last second; what it had no time for, the next start sends.
        for (location, name) in names.iter().enumerate() {
            let mut began = now();
            for tries in 0.. {
                let own = self.samples(&format!("--store {name}.redb"));
                let there = self.samples(&format!("--store hub.redb --location {name}"));
                assert!(there.iter().all(|line| own.binary_search(line).is_ok()), "{name}: more than it has");
                if own == there && !own.is_empty() {
                    break;
                }
                assert!(tries < 500, "the hub does not get the last samples of {name}");
                if now() - began > LONG_ENOUGH {
                    self.start(location);
                    self.until_more(name, 1);
                    self.stop(location);
                    began = now();
                }
                std::thread::sleep(POLL);
            }
        }
        for name in &names {
            let own = self.samples(&format!("--store {name}.redb"));
            assert!(own.iter().any(|line| line.contains("\"detail\"")), "{}", own[0]);
        }
    }
}

#[test]
fn the_hub_has_line_for_line_what_each_location_has() {
    let Some(mut fleet) = Fleet::new(&["a", "b", "c"]) else { return };
    fleet.start_all();
    fleet.until_more("hub", 100);
    fleet.settle();
    let archive = Archive::open(&fleet.store("hub")).unwrap();
    let origins = archive.origins().unwrap();
    assert_eq!(origins.len(), 9);
    let site = |id: SiteId| archive.sites().unwrap().into_iter().find(|site| site.id == id).unwrap();
    for (id, origin) in &origins {
        assert_eq!(*site(*id).name, format!("{}/{}", origin.location, origin.name));
    }
    // What was never a location has no samples.
    let unknown = fleet.folder.run("samples --config hub1.yaml --store hub.redb --location d").with(2);
    assert!(unknown.stderr.contains("there are: a, b, c"), "{}", unknown.stderr);
    let no_hub = fleet.folder.run("samples --config hub1.yaml --store a.redb --location a").with(2);
    assert!(no_hub.stderr.contains("not the store of a hub"), "{}", no_hub.stderr);
}

#[test]
fn whatever_is_killed_comes_back_with_everything() {
    let Some(mut fleet) = Fleet::new(&["a", "b"]) else { return };
    fleet.start_all();
    fleet.until_more("hub", 40);
    // The server goes, and the locations go on without it.
    fleet.server.kill();
    fleet.until_more("a", 60);
    fleet.server.run();
    fleet.until_more("hub", 60);
    fleet.kill_hub();
    fleet.until_more("a", 40);
    fleet.kill(0);
    fleet.until_more("b", 20);
    fleet.start(0);
    fleet.start_hub();
    fleet.until_more("hub", 60);
    // The hub and the server at once, and a location while they are gone.
    fleet.kill_hub();
    fleet.server.kill();
    fleet.until_more("a", 30);
    fleet.kill(1);
    fleet.start(1);
    fleet.until_more("b", 30);
    fleet.server.run();
    fleet.start_hub();
    fleet.settle();
}

#[test]
fn a_server_that_lost_its_disk_costs_no_sample() {
    let Some(mut fleet) = Fleet::new(&["a", "b"]) else { return };
    fleet.start_all();
    fleet.until_more("hub", 40);
    // While the hub is away: what it never read is nowhere but at the locations.
    fleet.stop_hub();
    fleet.until_more("a", 40);
    fleet.server.kill();
    fleet.server.wipe();
    fleet.server.run();
    fleet.until_more("a", 20);
    fleet.start_hub();
    fleet.until_more("hub", 60);
    // While the hub is there.
    fleet.server.kill();
    fleet.server.wipe();
    fleet.until_more("b", 20);
    fleet.server.run();
    fleet.until_more("hub", 60);
    fleet.settle();
}

#[test]
fn a_server_whose_disk_is_full_is_told_and_costs_no_sample() {
    let Some(mut fleet) = Fleet::new(&["a"]) else { return };
    fleet.server.kill();
    let Some(disk) = fleet.server.with_disk_of(24) else { return };
    fleet.server.run();
    fleet.start_all();
    fleet.until_more("hub", 40);
    disk.fill();
    let running = fleet.locations[0].1.as_mut().unwrap();
    running.until(|lines| lines.iter().any(|line| line.contains("no answer from NATS")));
    fleet.until_more("a", 20);
    disk.clear();
    // nats-server 2.9 needs a start to write again, and may not end by itself before.
    fleet.server.kill();
    fleet.server.run();
    fleet.settle();
}

/// Whoever has the key of a location can publish anything in its name.
#[test]
fn garbage_is_told_and_nothing_of_it_is_taken() {
    let Some(mut fleet) = Fleet::new(&["a"]) else { return };
    fleet.start_all();
    fleet.until_more("hub", 30);
    let origin = Origin { store: StoreId([9; 16]), session: 1, number: 1, sent: Timestamp::from_secs(1_795_340_000) };
    let status = Status { version: "x".repeat(40), lag: 0, is_network_down: false, paused: Vec::new() };
    let mut sound = Vec::new();
    Frame { origin, body: Body::Status(status) }.encode(Packing::Plain, &mut sound);
    let mut garbage: Vec<Vec<u8>> = vec![Vec::new(), b"hello\x1b[2J".to_vec(), vec![0xff; 600 << 10]];
    garbage.extend((0..sound.len()).step_by(5).map(|length| sound[..length].to_vec()));
    for byte in (0..sound.len()).step_by(3) {
        let mut flipped = sound.clone();
        flipped[byte] ^= 1 << (byte % 8);
        garbage.push(flipped);
    }
    let link = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    link.block_on(async {
        let link = fleet.server.link(&at("a")).await.unwrap();
        let subject = frames(&Location::new("a").unwrap());
        for frame in garbage {
            link.jetstream.publish(subject.clone(), frame.into()).await.unwrap().await.unwrap();
        }
    });
    let hub = fleet.hub.as_mut().unwrap();
    let told = hub.until(|lines| lines.iter().any(|line| line.contains("a frame of a cannot be read")));
    assert!(told.iter().all(|line| !line.contains('\x1b')), "{told:?}");
    fleet.settle();
    let stores = Archive::open(&fleet.store("hub")).unwrap().origins().unwrap();
    assert!(stores.values().all(|origin| origin.store != StoreId([9; 16])));
}

/// Its numbers would be used twice: the location takes another number for its store, and nothing is taken for a double.
#[test]
fn a_store_that_is_an_older_copy_becomes_another_store() {
    let Some(mut fleet) = Fleet::new(&["a"]) else { return };
    fleet.start_all();
    fleet.until_more("hub", 30);
    fleet.stop(0);
    std::fs::copy(fleet.store("a"), fleet.folder.path("copy.redb")).unwrap();
    fleet.start(0);
    fleet.until_more("hub", 60);
    fleet.stop(0);
    std::fs::copy(fleet.folder.path("copy.redb"), fleet.store("a")).unwrap();
    fleet.start(0);
    let (began, mut stores) = (now(), 0);
    while stores < 2 {
        assert!(now() - began < PATIENCE, "the hub knows one store");
        std::thread::sleep(POLL);
        let origins = Archive::open(&fleet.store("hub")).and_then(|archive| archive.origins()).unwrap_or_default();
        stores = origins.values().map(|origin| origin.store).collect::<std::collections::BTreeSet<_>>().len();
    }
    fleet.until_more("hub", 30);
    fleet.stop(0);
    let own = fleet.samples("--store a.redb");
    let began = now();
    // Everything of the copy, under its new number; and what was checked between the copy and now is still there.
    while !own.iter().all(|line| fleet.samples("--store hub.redb --location a").iter().any(|there| there == line)) {
        assert!(now() - began < PATIENCE, "the hub does not get the copy");
    }
    assert!(fleet.samples("--store hub.redb --location a").len() > own.len());
}
