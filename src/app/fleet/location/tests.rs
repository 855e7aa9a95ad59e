//! A location, a real server and a plain hub on this machine.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::alert::incident::terms::LedgerTerms;
use crate::config;
use crate::engine::Engine;
use crate::fleet::connection::{Link, Role, connect};
use crate::fleet::frame::{Body, Have, decode, have};
use crate::fleet::stream::{StreamLimits, ensure};
use crate::fleet::subscription::{Arrival, Subscription};
use crate::model::{Cause, FleetState, Observation, Sample, SiteId, Timestamp};
use crate::ring::Producer;
use crate::store::tests::samples::day_of;
use crate::store::{Kept, Options, Writer};

const PROGRAM: &str = "/usr/sbin/nats-server";

/// A wait that only a failure reaches.
const LONG: Duration = Duration::from_mins(1);

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(folder: &Path, port: u16) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"]).arg(folder);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            std::thread::yield_now();
        }
        Self { child, port }
    }

    fn terms(&self) -> FleetTerms {
        let server = FleetServer::parse(&format!("nats://127.0.0.1:{}", self.port)).unwrap();
        FleetTerms { location: Location::new("fra1"), ..FleetTerms::at(vec![server]) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A store with two sites that are checked.
struct Rig {
    writer: Writer,
    rings: Vec<Producer>,
    days: Vec<Vec<Sample>>,
    now: Timestamp,
}

impl Rig {
    fn open(path: &Path) -> Self {
        let days: Vec<Vec<Sample>> = (0..2).map(|site| day_of(site, 2_000)).collect();
        let now = days[0][0].at;
        let store = Store::open(path, &Options::default(), now).unwrap().store;
        let known = store.register(&["a".into(), "b".into()], now).unwrap();
        let rings: Vec<Producer> = known.iter().map(|_| Producer::new(2_048, 0)).collect();
        let readers = known.iter().zip(&rings).map(|(site, ring)| (site.id, ring.ring().reader_at_head()));
        Self { writer: Writer::new(store, readers.collect()).unwrap(), rings, days, now }
    }

    /// `count` more checks of each site, committed.
    fn check(&mut self, count: usize) {
        for (site, ring) in self.rings.iter_mut().enumerate() {
            let from = usize::try_from(ring.next_seq()).unwrap();
            for sample in &self.days[site][from..from + count] {
                let seq = ring.next_seq();
                ring.push(*sample);
                if sample.cause != Cause::Ok {
                    self.writer.note_failure(site, seq, &Observation::failed(sample.cause, "no handshake"));
                }
                self.now = self.now.max(sample.at);
            }
        }
        assert_eq!(self.writer.flush(self.now).dropped, 0);
    }

    /// What a hub has to have.
    fn expected(&self) -> BTreeMap<(SiteId, u64), Sample> {
        let of = |(site, ring): (usize, &Producer)| {
            let samples = (0..ring.next_seq()).zip(self.days[site].clone());
            samples.map(move |(seq, sample)| ((SiteId(u32::try_from(site).unwrap()), seq), sample.saturated()))
        };
        self.rings.iter().enumerate().flat_map(of).collect()
    }
}

/// A hub that takes samples in order, and asks for nothing.
#[derive(Default)]
struct PlainHub {
    next: BTreeMap<SiteId, u64>,
    samples: BTreeMap<(SiteId, u64), Sample>,
    texts: usize,
    names: BTreeMap<SiteId, String>,
    statuses: usize,
}

impl PlainHub {
    fn take(&mut self, body: Body) {
        match body {
            Body::Samples(groups) => {
                for group in groups {
                    let next = self.next.entry(group.site).or_default();
                    if group.first_seq > *next {
                        continue;
                    }
                    for (seq, sample) in (group.first_seq..).zip(&group.samples).filter(|(seq, _)| *seq >= *next) {
                        self.samples.insert((group.site, seq), *sample);
                        let has_text = group.texts.iter().any(|text| (text.first..=text.last).contains(&seq));
                        assert_eq!(has_text, sample.cause != Cause::Ok);
                        self.texts += usize::from(has_text);
                    }
                    *next = group.next_seq().max(*next);
                }
            }
            Body::Roster(roster) => self.names.extend(roster.sites.into_iter().map(|site| (site.site, site.name))),
            Body::Status(_) => self.statuses += 1,
            other => panic!("{other:?}"),
        }
    }

    /// Listens until it has `expected`.
    async fn gather(&mut self, link: &Link, expected: &BTreeMap<(SiteId, u64), Sample>) {
        let terms = FleetTerms::at(Vec::new());
        ensure(link, &terms, StreamLimits::default()).await.unwrap();
        let mut subscription = Subscription::open(link, &terms.stream, None).await.unwrap();
        while self.samples.len() < expected.len() {
            match tokio::time::timeout(LONG, subscription.next()).await.expect("something arrives").unwrap() {
                Arrival::Frame { location, bytes, .. } => {
                    assert_eq!(location.name(), "fra1");
                    self.take(decode(&bytes).unwrap().body);
                }
                Arrival::Question { bytes, reply, .. } => {
                    assert!(have::asked(&bytes).is_ok());
                    let next = self.next.iter().map(|(site, next)| (*site, *next)).collect();
                    let answer = Have { hub: Location::new("hub").unwrap(), last_store: None, next };
                    let mut payload = Vec::new();
                    answer.encode(&mut payload);
                    link.client.publish(reply, payload.into()).await.unwrap();
                }
            }
        }
        assert_eq!(&self.samples, expected);
    }
}

fn around(rig: &Rig) -> (Surroundings, watch::Receiver<StoreStatus>) {
    let text = "sites: [{ name: a, url: 'http://a' }, { name: b, url: 'http://b/?token=x' }]";
    let config = config::parse(text, "sites.yaml", Path::new(""), &|_| None).unwrap();
    let status = watch::Sender::new(StoreStatus::default());
    let seen = status.subscribe();
    let word = (1, crate::app::alerts::context::words(jiff::tz::TimeZone::UTC));
    let clock = Clock::start_at(rig.now);
    let book = AlertBook::new(LedgerTerms::default(), Kept::default(), word, clock, (None, status.subscribe()));
    let around = Surroundings {
        sites: watch::channel(config.sites).1,
        board: Engine::new(Vec::new(), Vec::new(), rig.now).board(),
        health: watch::channel(Arc::new(Health::default())).1,
        status,
        book: Arc::new(book),
        entrance: rig.writer.entrance(),
    };
    (around, seen)
}

/// A hub gets what was stored before it came, what comes, what came while the server was away and had lost its disk, and at the end
/// what was committed last.
#[test]
fn every_sample_reaches_a_hub_though_the_server_loses_its_disk() {
    if !Path::new(PROGRAM).exists() {
        println!("skipped: {PROGRAM} is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let mut rig = Rig::open(&folder.path().join("webmon.redb"));
    rig.check(500);
    let server = Server::start(&folder.path().join("one"), port);
    let terms = server.terms();
    let plan = LocationPlan { location: Location::new("fra1").unwrap(), terms: terms.clone() };
    let share = plan.share(rig.writer.store().path());
    let start = plan.begin(rig.writer.store(), share, Path::new("sites.yaml")).unwrap();
    let (health, (around, _status)) = (start.health(), around(&rig));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let hub_of = |runtime: &tokio::runtime::Runtime| {
        runtime.block_on(async { connect(&terms, &Role::Hub, || Timestamp::ZERO).await.unwrap() })
    };
    let mut hub = PlainHub::default();

    let link = hub_of(&runtime);
    runtime.block_on(async {
        ensure(&link, &terms, StreamLimits::default()).await.unwrap();
    });
    let handle = start.start(Clock::start_at(rig.now), around).unwrap();
    runtime.block_on(hub.gather(&link, &rig.expected()));
    assert_eq!(hub.names.values().collect::<Vec<_>>(), ["a", "b"]);
    rig.check(100);
    runtime.block_on(hub.gather(&link, &rig.expected()));
    assert!(hub.texts > 0);

    drop((link, server));
    rig.check(100);
    let server = Server::start(&folder.path().join("two"), port);
    let link = hub_of(&runtime);
    runtime.block_on(hub.gather(&link, &rig.expected()));

    rig.check(7);
    handle.finish();
    runtime.block_on(hub.gather(&link, &rig.expected()));
    let health = health.borrow().clone();
    assert_eq!((&*health.location, health.state), ("fra1", FleetState::Ok));
    assert_eq!((health.waiting, health.lacked), (0, 0));
    drop((link, server));
}

#[test]
fn a_location_has_a_server_a_name_and_something_to_send() {
    let config = |text: &str| config::parse(text, "sites.yaml", Path::new(""), &|_| None).unwrap();
    let plain = config("sites: ['http://a']");
    let typed = |url: Option<&str>| FleetArgs { fleet: Some(url.map(str::to_owned)) };
    let refused = |args: &FleetArgs, config: &Config, has_store| match wanted(args, config, has_store) {
        Err(CommandError::Usage(text)) => text,
        _ => panic!("it is accepted"),
    };
    assert!(wanted(&FleetArgs::default(), &plain, false).unwrap().is_none());
    assert!(refused(&typed(None), &plain, true).contains("--fleet=URL"));
    assert!(refused(&typed(Some("nats://10.0.0.1")), &plain, true).starts_with("--fleet: "));
    assert!(refused(&typed(Some("nats://127.0.0.1")), &plain, false).contains("nothing is stored"));
    let named = config("sites: ['http://a']\nfleet: { server: 'nats://127.0.0.1:1', location: fra1 }");
    let found = wanted(&typed(None), &named, true).unwrap().unwrap();
    assert_eq!((found.location.name(), found.terms.servers[0].port), ("fra1", 1));
    let found = wanted(&typed(Some("tls://other:2")), &named, true).unwrap().unwrap();
    assert_eq!((found.location.name(), found.terms.servers[0].port), ("fra1", 2));
}
