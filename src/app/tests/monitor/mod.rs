//! The whole monitor on paused time: scripted probes, a real store, lines caught in a channel. No test here waits.

pub(crate) mod clock_set;
mod health;
mod incidents;
mod network;
mod orders;
mod own_network;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::alert::incident::order::UserOrder;
use crate::app::cli::args::{Event, LineFormat};
use crate::app::clock::Clock;
use crate::app::headless::line_writer::{Chunk, Lines};
use crate::app::headless::{Headless, Style};
use crate::app::monitor::{Monitor, MonitorHandle, MonitorOptions, OpenStore};
use crate::app::reload::reconcile::Reconciler;
use crate::app::status::health_meter::StoreStatus;
use crate::app::storage::restore::{Restored, assemble, remember};
use crate::app::system::limits::Limits;
use crate::config::{self, Config};
use crate::engine::{Engine, SiteInput, SiteState};
use crate::model::{
    Cause, Certificate, Evidence, Micros, Observation, Phase, Phases, Site, SiteId, SiteSlot, Status, Timestamp,
};
use crate::probe::Prober;
use crate::store::{Options, Store};
use crate::tui::SiteCommand;

const START: Timestamp = Timestamp::from_secs(1_795_340_000);
const SECOND: Duration = Duration::from_secs(1);

/// What a scripted site answers to a probe that starts this long after [`START`].
type Script = fn(Duration) -> (Duration, Cause);

/// What the site `shown` shows.
fn certificate() -> Certificate {
    Certificate {
        subject: "shown.example.com".to_owned(),
        issuer: "R11".to_owned(),
        not_before: START,
        not_after: START.after(Duration::from_hours(24 * 61)),
        faults: Vec::new(),
    }
}

struct Scripted {
    clock: Clock,
    scripts: BTreeMap<&'static str, Script>,
}

impl Prober for Scripted {
    async fn probe(&self, site: &Site) -> Observation {
        let started = self.clock.now().since(START);
        let (takes, cause) = self.scripts[&*site.name](started);
        tokio::time::sleep(takes.min(site.timeout)).await;
        let takes = Micros::from_duration(takes.min(site.timeout));
        let mut observation = Observation::failed(cause, if cause == Cause::Ok { "" } else { "scripted" });
        // A site by its address.
        let address = site.url.expose().host_str().and_then(|host| host.parse().ok());
        observation.address = address.map(|address: IpAddr| (address, 80).into());
        observation.phases = Phases::NONE.with(Phase::Processing, takes).with(Phase::Transfer, Micros::ZERO);
        if cause == Cause::Ok {
            observation.status = Status::new(200);
        }
        if cause == Cause::Body {
            let headers = vec![("x-second".to_owned(), started.as_secs().to_string())];
            let body = Some("<h1>sorry</h1>".to_owned());
            let evidence = Evidence { url: "http://scripted/".to_owned(), headers, more_headers: 0, body };
            (observation.status, observation.evidence) = (Status::new(200), Some(Box::new(evidence)));
        }
        if &*site.name == "shown" {
            observation.certificate = Some(Arc::new(certificate()));
        }
        observation
    }
}

/// One run of a monitor over scripted sites.
struct TestMonitor {
    config: Config,
    scripts: BTreeMap<&'static str, Script>,
    store: Option<PathBuf>,
    /// What a person asks for, and when after [`START`].
    commands: Vec<(Duration, SiteCommand)>,
    /// What other processes order, and when after [`START`].
    orders: Vec<(Duration, UserOrder)>,
    /// Other files, and when after [`START`] they are read; each is to be taken.
    files: Vec<(Duration, String)>,
    /// By how many seconds the system's clock is off from its own at the start, if it is to be followed.
    wall: Option<fn(Duration) -> i64>,
    /// When after [`START`] a message arrives, and where.
    delivered: Vec<(Duration, IpAddr)>,
    /// When after [`START`] the machine wakes up from a suspend, and how long that was.
    suspend: Option<(Duration, Duration)>,
    /// The number of schedulers.
    threads: NonZero<usize>,
}

fn every_event() -> Style {
    let events = vec![Event::Sample, Event::Stats, Event::Alert];
    Style { format: LineFormat::Json, events, is_ascii: false }
}

struct TestRun {
    face: MonitorHandle,
    events: Vec<Value>,
}

impl TestMonitor {
    /// Sites checked every 10 s, judged over 2 min at 80 %.
    fn new(scripts: &[(&'static str, Script)]) -> Self {
        let sites: Vec<String> =
            scripts.iter().map(|(name, _)| format!("  - {{ name: {name}, url: \"http://{name}/\" }}")).collect();
        let sites = sites.join("\n");
        let text = format!("defaults: {{ interval: 10s, timeout: 5s }}\nsites:\n{sites}");
        let config = parsed(&text);
        Self {
            config,
            scripts: scripts.iter().copied().collect(),
            store: None,
            commands: Vec::new(),
            orders: Vec::new(),
            files: Vec::new(),
            wall: None,
            delivered: Vec::new(),
            suspend: None,
            threads: NonZero::new(3).unwrap(),
        }
    }

    fn parts(&self, clock: &Clock, store: Option<OpenStore>) -> MonitorOptions<Scripted> {
        let prober = Arc::new(Scripted { clock: clock.clone(), scripts: self.scripts.clone() });
        MonitorOptions { store, ..self.parts_of(clock, prober) }
    }

    fn parts_of<P>(&self, clock: &Clock, prober: Arc<P>) -> MonitorOptions<P> {
        MonitorOptions {
            config: self.config.clone(),
            prober,
            clock: clock.clone(),
            zone: TimeZone::UTC,
            store: None,
            has_network: || false,
            wall: self.wall.map(|off| clock_set::wall(clock, off)),
            limits: Limits { in_flight: 100 },
            threads: self.threads,
            notices: Vec::new(),
            store_status: watch::Sender::new(StoreStatus::default()),
            wants_checks: true,
            events: None,
            narrator: None,
            outlet: None,
            fleet: None,
        }
    }

    /// Runs from `from` to `to` after [`START`].
    async fn run(&self, from: Duration, to: Duration) -> TestRun {
        let clock = Clock::start_at(START.after(from));
        let names: Vec<Arc<str>> = self.config.sites.iter().map(|watched| Arc::clone(&watched.site.name)).collect();
        let store = self.store.as_deref().map(|path| {
            let opened = Store::open(path, &Options::default(), clock.now()).unwrap();
            let memory = remember(&opened.store, &self.config, &names, clock.now()).unwrap();
            OpenStore { store: opened.store, memory, flush: SECOND }
        });
        let parts = self.parts(&clock, store);
        let monitor = Monitor::new(parts, Ok).unwrap_or_else(|failure| panic!("{failure}"));
        let (face, book) = (monitor.handle(), monitor.book());
        let (lines, read) = Lines::channel();
        let monitor = monitor.with_headless(|feed| Headless::new(every_event(), lines, TimeZone::UTC, feed));
        let stop = CancellationToken::new();
        let prober = Arc::new(Scripted { clock: clock.clone(), scripts: self.scripts.clone() });
        let changes = async |mut reviser: Reconciler<Scripted>| {
            for (at, text) in self.files.iter().filter(|(at, _)| (from..to).contains(at)) {
                tokio::time::sleep_until(clock.instant(at.saturating_sub(from))).await;
                let config = parsed(text);
                let names: Vec<Arc<str>> = config.sites.iter().map(|watched| Arc::clone(&watched.site.name)).collect();
                reviser.revise(config, &names, Arc::clone(&prober)).await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let ends = async {
            if let Some((at, by)) = self.suspend {
                tokio::time::sleep_until(clock.instant(at.saturating_sub(from))).await;
                clock.suspend(by);
            }
            for &(at, address) in self.delivered.iter().filter(|(at, _)| (from..to).contains(at)) {
                tokio::time::sleep_until(clock.instant(at.saturating_sub(from))).await;
                book.note_delivery(clock.now(), Some(address));
            }
            for &(at, wish) in self.commands.iter().filter(|(at, _)| (from..to).contains(at)) {
                tokio::time::sleep_until(clock.instant(at.saturating_sub(from))).await;
                face.commands.try_send(wish).unwrap();
            }
            tokio::time::sleep_until(clock.instant(to.saturating_sub(from))).await;
            stop.cancel();
        };
        let orders = async {
            self.leave_orders(&clock, from, to).await;
            std::future::pending::<()>().await;
        };
        let meanwhile = async |reviser| {
            tokio::select! {
                () = changes(reviser) => {}
                () = orders => {}
                () = ends => {}
            }
        };
        Box::pin(monitor.run(stop.clone(), meanwhile)).await;
        TestRun { face, events: parse(&read) }
    }
}

impl TestRun {
    fn of<'a>(&'a self, event: &'a str, site: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |object| object["event"] == event && object["site"] == site)
    }
}

pub(crate) fn parsed(text: &str) -> Config {
    config::parse(text, "sites.yaml", Path::new("."), &|_| None).unwrap_or_else(|error| panic!("{error}"))
}

/// What an engine is made of, with the past from `store`.
fn tracks(store: &Store, config: &Config, memory: &Restored, now: Timestamp) -> Vec<SiteInput> {
    assemble(config, (memory, Some(store)), now, drop).unwrap().tracks
}

fn parse(read: &Receiver<Chunk>) -> Vec<Value> {
    let bytes: Vec<u8> = read.try_iter().flat_map(|chunk| chunk.bytes).collect();
    String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn steady(_: Duration) -> (Duration, Cause) {
    (Duration::from_millis(20), Cause::Ok)
}

/// Down from minute 3 to minute 6.
fn flapping(at: Duration) -> (Duration, Cause) {
    let down = (180..360).contains(&at.as_secs());
    (Duration::from_millis(30), if down { Cause::ConnectRefused } else { Cause::Ok })
}

fn hanging(_: Duration) -> (Duration, Cause) {
    (Duration::from_mins(1), Cause::ResponseTimeout)
}

#[tokio::test(start_paused = true)]
async fn every_due_check_is_made_once_and_on_time() {
    let trial = TestMonitor::new(&[("a", steady), ("b", steady), ("hung", hanging)]);
    let outcome = trial.run(Duration::ZERO, 600 * SECOND).await;
    for site in ["a", "b", "hung"] {
        let samples: Vec<&Value> = outcome.of("sample", site).collect();
        let seqs: Vec<u64> = samples.iter().map(|sample| sample["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, (0..samples.len() as u64).collect::<Vec<_>>(), "{site}");
        assert!((59..=60).contains(&samples.len()), "{site}: {}", samples.len());
        assert!(samples.iter().all(|sample| sample["late_us"].as_u64().unwrap() <= 2_000), "{site} was late");
        assert!(samples.iter().all(|sample| sample["skipped"] == 0), "{site} skipped");
    }
}

#[tokio::test(start_paused = true)]
async fn an_incident_is_announced_once_down_and_once_up() {
    let trial = TestMonitor::new(&[("a", steady), ("flappy", flapping)]);
    let outcome = trial.run(Duration::ZERO, 600 * SECOND).await;
    let states: Vec<&str> = outcome.of("alert", "flappy").map(|alert| alert["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["down", "up"]);
    assert_eq!(outcome.of("alert", "a").count(), 0);
    let messages: Vec<String> = outcome.face.alerts.list().iter().map(|alert| alert.message.clone()).collect();
    assert!(messages[0].starts_with("Website flappy is down. availability="), "{messages:?}");
    assert!(messages[1].starts_with("Website flappy is up. availability="), "{messages:?}");
}

#[tokio::test(start_paused = true)]
async fn figures_change_at_their_refresh_and_once_at_the_end() {
    let trial = TestMonitor::new(&[("a", steady)]);
    let outcome = trial.run(Duration::ZERO, 125 * SECOND).await;
    let times = |timeframe: &str| -> Vec<String> {
        let of_view = outcome.of("stats", "a").filter(|stats| stats["timeframe"] == timeframe);
        of_view.map(|stats| stats["time"].as_str().unwrap().to_owned()).collect()
    };
    // Twelve ticks of 10 s and two of a minute in 125 s, and the last figures at the end.
    assert_eq!(times("10m").len(), 13, "{:?}", times("10m"));
    assert_eq!(times("1h").len(), 3, "{:?}", times("1h"));
}

/// A trial of a rule counts messages by the file as it is now.
#[tokio::test(start_paused = true)]
async fn a_reload_changes_how_sites_are_reported() {
    let file = |calm: &str, parent: &str| {
        format!(
            "defaults: {{ interval: 10s, timeout: 5s }}\nalerting: {{ calm: {calm} }}\n\
             sites: [{{ name: a, url: 'http://a/' }}, {{ name: b, url: 'http://b/'{parent} }}, 'http://c/']"
        )
    };
    let mut trial = TestMonitor::new(&[("a", steady), ("b", steady), ("http://c/", steady)]);
    trial.config = parsed(&file("off", ""));
    let before = trial.run(Duration::ZERO, 40 * SECOND).await.face.incidents.terms_of("b");
    assert_eq!((before.calm, before.sites.len()), (None, 1));
    trial.files = vec![(50 * SECOND, file("1m..2m", ", parent: a"))];
    let after = trial.run(Duration::ZERO, 100 * SECOND).await.face.incidents.terms_of("b");
    assert!(after.calm.is_some(), "{after:?}");
    assert_eq!(after.sites["b"].parent.as_deref(), Some("a"));
    assert_eq!(after.sites.len(), 2, "those that concern it: {after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_remembers_everything_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut trial = TestMonitor::new(&[("a", steady), ("flappy", flapping)]);
    trial.store = Some(folder.path().join("webmon.redb"));
    // Stopped in the middle of the incident, started again 12 s later.
    let before = trial.run(Duration::ZERO, 300 * SECOND).await;
    let after = trial.run(312 * SECOND, 600 * SECOND).await;
    let states = |outcome: &TestRun| -> Vec<String> {
        outcome.of("alert", "flappy").map(|alert| alert["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(states(&before), ["down"]);
    assert_eq!(states(&after), ["up"], "neither repeated nor lost");
    assert_eq!(after.face.alerts.list().len(), 2, "past alerts are listed");
    // The first numbers of the second run follow the last ones of the first, and its windows are full at once.
    for site in ["a", "flappy"] {
        let last = before.of("sample", site).last().unwrap()["seq"].as_u64().unwrap();
        let first = after.of("sample", site).next().unwrap()["seq"].as_u64().unwrap();
        assert_eq!(first, last + 1, "{site}");
    }
    let first_hour = after.of("stats", "a").find(|stats| stats["timeframe"] == "1h").unwrap();
    assert!(first_hour["checks"].as_u64().unwrap() >= 30, "{first_hour}");
}

#[tokio::test(start_paused = true)]
async fn what_a_certificate_said_is_known_before_the_first_check_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut trial = TestMonitor::new(&[("a", steady), ("shown", steady)]);
    let path = folder.path().join("webmon.redb");
    trial.store = Some(path.clone());
    let before = trial.run(Duration::ZERO, 60 * SECOND).await;
    let last = before.of("sample", "shown").last().unwrap()["seq"].as_u64().unwrap();
    let now = START.after(70 * SECOND);
    let store = Store::open(&path, &Options::default(), now).unwrap().store;
    let names: Vec<Arc<str>> = trial.config.sites.iter().map(|watched| Arc::clone(&watched.site.name)).collect();
    let mut memory = remember(&store, &trial.config, &names, now).unwrap();
    let tracks = tracks(&store, &trial.config, &memory, now);
    let shown = memory.shown(&tracks);
    let told: Vec<_> = shown.iter().map(|texts| (&*names[texts.site.get()], texts.seq)).collect();
    assert_eq!(told, [("shown", last)]);
    assert_eq!(shown[0].observation.certificate.as_deref(), Some(&certificate()));
    // And a dashboard has it with the check that it belongs to.
    let mut engine = Engine::new(trial.config.views.clone(), tracks, now);
    for texts in shown {
        engine.attach(texts.site, texts.seq, texts.observation);
    }
    engine.step(now);
    let snapshot = engine.board().snapshot();
    let site = snapshot.sites.iter().find(|site| &*site.name == "shown").unwrap();
    let last = site.last.as_ref().unwrap().observation.as_ref().unwrap();
    assert_eq!(last.certificate.as_deref(), Some(&certificate()));
}

#[tokio::test(start_paused = true)]
async fn a_long_stop_is_no_downtime() {
    let folder = tempfile::tempdir().unwrap();
    let mut trial = TestMonitor::new(&[("late", |at| {
        // Good before the stop; the first check after it fails, the rest are good.
        let failed = (3_600..3_605).contains(&at.as_secs());
        (Duration::from_millis(5), if failed { Cause::ConnectTimeout } else { Cause::Ok })
    })]);
    trial.store = Some(folder.path().join("webmon.redb"));
    trial.run(Duration::ZERO, 300 * SECOND).await;
    let after = trial.run(3_600 * SECOND, 4_000 * SECOND).await;
    assert_eq!(after.of("alert", "late").count(), 0);
    let first = after.of("sample", "late").next().unwrap();
    assert_eq!(first["up"], false);
    assert!(first["skipped"].as_u64().unwrap() > 300, "{first}");
}

/// Every second check fails. There are two in a step, and it ends on a good one for one of the sites.
#[tokio::test(start_paused = true)]
async fn checks_that_fail_in_turn_alert_also_when_each_step_ends_on_a_good_one() {
    fn turn(at: Duration, is_down: bool) -> (Duration, Cause) {
        let is_even = (at.as_millis() / 125).is_multiple_of(2);
        (Duration::from_millis(1), if is_even == is_down { Cause::ConnectRefused } else { Cause::Ok })
    }
    let mut trial = TestMonitor::new(&[("a", |at| turn(at, true)), ("b", |at| turn(at, false))]);
    let sites = "[{ name: a, url: 'http://a/' }, { name: b, url: 'http://b/' }]";
    trial.config = parsed(&format!("defaults: {{ interval: 125ms, timeout: 100ms }}\nsites: {sites}"));
    let outcome = trial.run(Duration::ZERO, 130 * SECOND).await;
    for site in ["a", "b"] {
        let states: Vec<&Value> = outcome.of("alert", site).map(|alert| &alert["state"]).collect();
        assert_eq!(states, ["down"], "{site}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_network_nobody_is_down_and_the_first_failure_after_it_does_not_alert() {
    let trial = TestMonitor::new(&[("far", |at| {
        let cause = match at.as_secs() {
            300..900 => Cause::Local,
            900..905 => Cause::ConnectTimeout,
            _ => Cause::Ok,
        };
        (Duration::from_millis(5), cause)
    })]);
    let outcome = trial.run(Duration::ZERO, 1_200 * SECOND).await;
    assert_eq!(outcome.of("alert", "far").count(), 0);
    assert!(outcome.of("sample", "far").any(|sample| sample["up"].is_null()));
    let told: Vec<&str> = outcome
        .events
        .iter()
        .filter(|object| object["event"] == "warning")
        .map(|object| object["message"].as_str().unwrap())
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("offline: no route to the network since"), "{told:?}");
    assert!(told[1].starts_with("network back after"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_check_by_hand_is_shown_and_enters_no_figure() {
    let mut trial = TestMonitor::new(&[("a", steady), ("flappy", flapping)]);
    let quiet = trial.run(Duration::ZERO, 300 * SECOND).await;
    trial.commands = vec![
        (100 * SECOND, SiteCommand::Check(SiteSlot(1))),
        (200 * SECOND, SiteCommand::Check(SiteSlot(0))),
        (201 * SECOND, SiteCommand::Check(SiteSlot(1))),
    ];
    trial.commands.push((202 * SECOND, SiteCommand::Check(SiteSlot(7))));
    let outcome = trial.run(Duration::ZERO, 300 * SECOND).await;
    assert_eq!(outcome.events, quiet.events, "neither samples nor figures nor alerts know of it");
    let rechecks = outcome.face.rechecks.borrow().clone();
    let told: Vec<(u32, Cause)> = rechecks
        .iter()
        .map(|recheck| (recheck.site.0, recheck.outcome.as_ref().expect("it ended long ago").1.cause))
        .collect();
    assert_eq!(told, [(0, Cause::Ok), (1, Cause::ConnectRefused)], "the newest of each site");
    assert_eq!(outcome.face.health.borrow().checks, quiet.face.health.borrow().checks);
}

#[tokio::test(start_paused = true)]
async fn a_paused_site_is_not_checked_nobody_is_alerted_and_a_restart_remembers() {
    let folder = tempfile::tempdir().unwrap();
    // It fails just before the pause: 50 % when the good checks have aged out, if anybody judged.
    let mut trial = TestMonitor::new(&[
        ("a", steady),
        ("flappy", |at| {
            let failed = (180..215).contains(&at.as_secs());
            (Duration::from_millis(30), if failed { Cause::ConnectRefused } else { Cause::Ok })
        }),
    ]);
    trial.store = Some(folder.path().join("webmon.redb"));
    trial.commands = vec![(200 * SECOND, SiteCommand::Pause(SiteSlot(1), Some(START.after(900 * SECOND))))];
    let before = trial.run(Duration::ZERO, 600 * SECOND).await;
    let after = trial.run(610 * SECOND, 1_200 * SECOND).await;
    let checked = |outcome: &TestRun| -> Vec<u64> {
        let at = |sample: &Value| sample["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
        outcome
            .of("sample", "flappy")
            .map(|sample| u64::try_from(at(sample)).unwrap() - START.as_micros() / 1_000_000)
            .collect()
    };
    assert!(checked(&before).iter().all(|at| *at <= 201), "{:?}", checked(&before));
    let again = checked(&after);
    assert!((900..=911).contains(&again[0]), "{again:?}");
    assert_eq!(before.of("alert", "flappy").count() + after.of("alert", "flappy").count(), 0);
    let first = after.of("sample", "flappy").next().unwrap();
    assert!((68..=71).contains(&first["skipped"].as_u64().unwrap()), "{first}");
    assert!(checked(&before).len() >= 20 && again.len() >= 29);
    let state = |outcome: &TestRun| outcome.face.board.snapshot().sites[1].state;
    assert_eq!((state(&before), state(&after)), (SiteState::Paused, SiteState::Up));
    // Resumed by hand before its time; neither falls on an instant at which a check is due.
    trial.commands = vec![
        (1_304 * SECOND, SiteCommand::Pause(SiteSlot(0), Some(Timestamp::MAX))),
        (1_404 * SECOND, SiteCommand::Pause(SiteSlot(0), None)),
    ];
    let resumed = trial.run(1_210 * SECOND, 1_500 * SECOND).await;
    let times: Vec<_> = resumed.of("sample", "a").map(|sample| sample["time"].to_string()).collect();
    assert_eq!(times.len(), 19, "ten before, none during, nine after: {times:?}");
    let store = Store::open(&folder.path().join("webmon.redb"), &Options::default(), START).unwrap().store;
    let kept = store.pauses().unwrap();
    assert_eq!(kept, [(SiteId(1), START.after(900 * SECOND))], "the one that ended by itself stands for nothing");
}

mod reload {
    //! Other configurations while it runs.

    use crate::store::Query;

    use super::*;

    /// A file of these sites, one a line, checked every 10 s.
    fn file(sites: &str, more: &str) -> String {
        let lines: Vec<String> = sites.lines().map(|line| format!("  - {{ {} }}", line.trim())).collect();
        format!("defaults: {{ interval: 10s, timeout: 5s }}\nsites:\n{}\n{more}\n", lines.join("\n"))
    }

    const SCRIPTS: [(&str, Script); 4] = [("a", steady), ("flappy", flapping), ("hung", hanging), ("goes", flapping)];

    fn seqs(outcome: &TestRun, site: &str) -> Vec<u64> {
        outcome.of("sample", site).map(|sample| sample["seq"].as_u64().unwrap()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_changes_elsewhere_a_site_goes_on_as_if_nothing_had() {
        let trial = TestMonitor::new(&SCRIPTS);
        let quiet = trial.run(Duration::ZERO, 605 * SECOND).await;
        // In the middle of the incident, not on a tick: one goes, one comes first, one changes, and the order is another.
        let mut trial = TestMonitor::new(&SCRIPTS);
        trial.scripts.insert("new", |_| (Duration::from_millis(20), Cause::ConnectRefused));
        let other = "name: new, url: 'http://new/'\nname: hung, url: 'http://other/', interval: 20s\n\
                     name: flappy, url: 'http://flappy/'\nname: a, url: 'http://a/'";
        trial.files = vec![(257 * SECOND + Duration::from_millis(130), file(other, ""))];
        let outcome = trial.run(Duration::ZERO, 605 * SECOND).await;
        for site in ["a", "flappy"] {
            for event in ["sample", "stats", "alert"] {
                let [then, now] = [&quiet, &outcome].map(|outcome| outcome.of(event, site).collect::<Vec<_>>());
                for (then, now) in then.iter().zip(&now) {
                    assert_eq!(then, now, "{event} of {site}");
                }
                assert_eq!(then.len(), now.len(), "{event} of {site}");
            }
        }
        // The changed one goes on with its numbers, at its new pace: one more check in the old phase at most.
        let hung = seqs(&outcome, "hung");
        assert_eq!(hung, (0..hung.len() as u64).collect::<Vec<_>>());
        assert!((25 + 16..=27 + 18).contains(&hung.len()), "{}", hung.len());
        let new = outcome.of("sample", "new").map(|sample| sample["detail"].clone()).collect::<Vec<_>>();
        assert!((33..=36).contains(&new.len()), "{}", new.len());
        assert!(new.iter().all(|detail| *detail == "scripted"), "every text found its sample: {new:?}");
        assert_eq!(seqs(&outcome, "goes").len(), 26);
    }

    #[tokio::test(start_paused = true)]
    async fn everything_is_stored_through_any_change_and_figures_are_those_of_a_fresh_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let mut trial = TestMonitor::new(&SCRIPTS);
        trial.store = Some(path.clone());
        trial.scripts.insert("new", steady);
        let longer = "dashboard: { views: [{ timeframe: 1h, refresh: 10s }, { timeframe: 1m, refresh: 1s }] }";
        let strict = "alerting: { threshold: 99%, window: 5m }";
        let all = "name: goes, url: 'http://goes/'\nname: a, url: 'http://a/'\nname: flappy, url: 'http://flappy/'\n\
                   name: hung, url: 'http://hung/', interval: 5s, timeout: 2s";
        let short = "dashboard: { views: [{ timeframe: 1m, refresh: 5s }] }";
        let fewer = "name: a, url: 'http://a/'\nname: new, url: 'http://new/'";
        trial.files = vec![
            (100 * SECOND, file(all, short)),
            (200 * SECOND, file(all, longer)),
            (300 * SECOND, file(fewer, strict)),
            // Back at once: its last samples may not even be committed.
            (300 * SECOND, file(&format!("{all}\nname: new, url: 'http://new/'"), longer)),
            (400 * SECOND, file(&format!("name: new, url: 'http://new/'\n{all}"), &format!("{longer}\n{strict}"))),
        ];
        let outcome = trial.run(Duration::ZERO, 600 * SECOND).await;

        let config = parsed(&trial.files.last().unwrap().1);
        let names: Vec<Arc<str>> = config.sites.iter().map(|watched| Arc::clone(&watched.site.name)).collect();
        let snapshot = outcome.face.board.snapshot();
        let store = Store::open(&path, &Options::default(), snapshot.at).unwrap().store;
        let memory = remember(&store, &config, &names, snapshot.at).unwrap();
        for (index, name) in names.iter().enumerate() {
            let live: Vec<u64> = seqs(&outcome, name);
            assert_eq!(live, (0..live.len() as u64).collect::<Vec<_>>(), "{name}");
            assert!(live.len() > 25, "{name}: {}", live.len());
            assert_eq!(memory.registered[index].next_seq, live.len() as u64, "{name}: all of it is stored");
        }
        let tracks = tracks(&store, &config, &memory, snapshot.at);
        let fresh = Engine::new(config.views.clone(), tracks, snapshot.at).board().snapshot();
        for (now, fresh) in snapshot.views.iter().zip(&fresh.views) {
            for ((name, now), fresh) in names.iter().zip(&now.rows).zip(&fresh.rows) {
                assert_eq!(now.summary, fresh.summary, "{name}");
            }
        }
        for (now, fresh) in snapshot.sites.iter().zip(&fresh.sites) {
            assert_eq!((&now.name, now.state, now.policies), (&fresh.name, fresh.state, fresh.policies));
        }
        let listed: Vec<_> = outcome.face.alerts.list().iter().map(|alert| (**alert).clone()).collect();
        assert_eq!(listed, store.alerts(&Query::ALL).unwrap(), "every alert is stored");
    }

    #[tokio::test(start_paused = true)]
    async fn the_incident_of_a_site_that_goes_ends_without_a_message() {
        let folder = tempfile::tempdir().unwrap();
        let mut trial = TestMonitor::new(&[("a", steady), ("goes", flapping)]);
        trial.store = Some(folder.path().join("webmon.redb"));
        trial.files = vec![(250 * SECOND, file("name: a, url: 'http://a/'", ""))];
        let outcome = trial.run(Duration::ZERO, 400 * SECOND).await;
        let told = outcome.of("alert", "goes").map(|alert| (alert["state"].clone(), alert["message"].is_null()));
        assert_eq!(told.collect::<Vec<_>>(), [("down".into(), false), ("ended".into(), true)]);
        let store = Store::open(&folder.path().join("webmon.redb"), &Options::default(), START).unwrap().store;
        let stored = store.alerts(&Query::ALL).unwrap();
        assert_eq!(stored.iter().map(|alert| alert.state.name()).collect::<Vec<_>>(), ["down", "ended"]);
        assert!(stored[1].message.is_empty() && stored[1].downtime.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn wishes_and_pauses_are_of_the_site_whatever_its_place() {
        let mut trial = TestMonitor::new(&[("a", steady), ("flappy", flapping)]);
        trial.files = vec![(100 * SECOND, file("name: flappy, url: 'http://flappy/'\nname: a, url: 'http://a/'", ""))];
        // By number: 0 is a, before and after.
        trial.commands = vec![
            (54 * SECOND, SiteCommand::Pause(SiteSlot(0), Some(Timestamp::MAX))),
            (150 * SECOND, SiteCommand::Check(SiteSlot(1))),
            (204 * SECOND, SiteCommand::Pause(SiteSlot(0), None)),
        ];
        let outcome = trial.run(Duration::ZERO, 300 * SECOND).await;
        let rechecks = outcome.face.rechecks.borrow().clone();
        assert_eq!(rechecks.iter().map(|recheck| recheck.site.0).collect::<Vec<_>>(), [1]);
        assert!((14..=16).contains(&seqs(&outcome, "a").len()), "{}", seqs(&outcome, "a").len());
        assert!(seqs(&outcome, "flappy").len() >= 29);
        let states: Vec<(String, SiteState)> =
            outcome.face.board.snapshot().sites.iter().map(|site| (site.name.to_string(), site.state)).collect();
        assert_eq!(states, [("flappy".to_owned(), SiteState::Down), ("a".to_owned(), SiteState::Up)]);
        let snapshot = outcome.face.board.snapshot();
        assert_eq!(snapshot.sites.iter().find(|site| &*site.name == "a").map(|site| site.slot), Some(SiteSlot(0)));
    }
}
