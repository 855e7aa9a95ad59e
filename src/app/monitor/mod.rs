//! One running monitor: schedulers, control loop and store, connected, started and stopped in order.
//!
//! It touches no terminal, signal or network by itself: the caller passes the prober, the clock, the store and the lines,
//! so that a test runs all of it on paused time with a scripted prober. It stops in this order: no more probes, the last
//! step of the engine, the last commit.

pub(crate) mod control;
mod controls;
pub(crate) mod start;
use std::io;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
#[cfg(test)]
use tokio_util::sync::CancellationToken;

use crate::alert::Alert;
use crate::alert::incident::list::IncidentList;
use crate::alert::incident::terms::LedgerTerms;
use crate::config::{Config, ConfiguredSite};
use crate::engine::{Board, Engine, SiteInput};
use crate::model::{DomainBook, FleetHealth, Health, SiteId, SiteIndex, SiteSlot, Timestamp};
use crate::probe::Prober;
use crate::store::{Intake, Writer};
use crate::tui::{Arrangement, SiteCommand};

use super::alerts::book::AlertBook;
use super::alerts::context::words;
use super::alerts::delivery::{Deliveries, DeliveryContext};
use super::alerts::heartbeat::HeartbeatTask;
use super::alerts::history::AlertLog;
use super::alerts::outlets::{ledger_terms, outlets};
use super::alerts::publisher::Publisher;
use super::alerts::stored_report::ReportSender;
use super::clock::Clock;
use super::domains::{DomainTask, watched};
use super::exit::CommandError;
use super::headless::{Feed, Headless};
use super::locations::groups::Rules;
use super::network::Schedulers;
use super::orders::folder::OrderFolder;
use super::orders::inbox::Inbox;
use super::publish::{self, ReportPlan, ReportTask};
use super::reload::reconcile::{REVISIONS, Reconciler};
use super::scheduler::manual_checks::Rechecks;
use super::scheduler::{CheckTexts, ORDERS};
use super::status::counters::SchedulerCounters;
use super::status::health_meter::{HealthMeter, StoreStatus};
use super::storage::export_handle::ExportHandle;
use super::storage::restore::{Assembly, Restored};
use super::storage::task::StoreTask;
use super::system::limits::Limits;
use super::system::systemd::Service;
use super::web::{EventSource, Running, WebTerms};
use control::clock_set::SystemClock;
use control::health::{HealthReporter, Narrator};
use control::own_network::OwnNetwork;
use control::store_link::StoreLink;
use control::{Control, Inputs};
use start::NetworkLinks;

pub use controls::{Controls, SHUTDOWN};
pub use start::OpenStore;

/// The parts of a monitor.
pub struct MonitorOptions<P> {
    /// The configuration.
    pub config: Config,
    /// Makes the checks.
    pub prober: Arc<P>,
    /// The clock.
    pub clock: Clock,
    /// The zone of messages.
    pub zone: TimeZone,
    /// The store.
    pub store: Option<OpenStore>,
    /// Asks the kernel for a route to any network.
    pub has_network: fn() -> bool,
    /// The system's clock, if the monitor follows it.
    pub wall: Option<fn() -> Timestamp>,
    /// Bounds of the schedulers.
    pub limits: Limits,
    /// The number of network threads, each with a scheduler.
    pub threads: NonZero<usize>,
    /// Permanent notices in the banner.
    pub notices: Vec<String>,
    /// Accepts notices for the user.
    pub store_status: watch::Sender<StoreStatus>,
    /// Whether every check is printed.
    pub wants_checks: bool,
    /// Whether a client listens to events, if webmon serves any.
    pub events: Option<Arc<AtomicBool>>,
    /// Describes a demonstration.
    pub narrator: Option<Narrator>,
    /// The export of the stored samples.
    pub outlet: Option<ExportHandle>,
    /// How this location of a fleet is, if it is one.
    pub fleet: Option<watch::Receiver<FleetHealth>>,
}

/// The dashboard's access to a monitor.
#[derive(Clone)]
pub struct MonitorHandle {
    /// The snapshots.
    pub board: Arc<Board>,
    /// All alerts.
    pub alerts: Arc<AlertLog>,
    /// The health of webmon itself.
    pub health: watch::Receiver<Arc<Health>>,
    /// The manual checks of the user.
    pub rechecks: watch::Receiver<Rechecks>,
    /// The open incidents and the silences.
    pub incidents: IncidentSource,
    /// Accepts the user's commands.
    pub commands: mpsc::Sender<SiteCommand>,
    /// Accepts the sites on the screen: long views read those first.
    pub seen: Arc<watch::Sender<Vec<SiteIndex>>>,
    /// The keys and columns of the dashboard.
    pub arrangement: watch::Receiver<Arc<Arrangement>>,
    /// At a hub, when a site over its locations is down.
    pub rules: Rules,
}

/// Where the open incidents and the silences come from.
#[derive(Clone)]
pub enum IncidentSource {
    /// The monitor of this process.
    Book(Arc<AlertBook>),
    /// What another process stored, and the settings of the file.
    Stored(watch::Receiver<Arc<IncidentList>>, watch::Receiver<LedgerTerms>),
}

impl IncidentSource {
    /// The list; the same `Arc` until something changes.
    #[must_use]
    pub fn list(&self) -> Arc<IncidentList> {
        match self {
            Self::Book(book) => book.incident_list(),
            Self::Stored(list, _) => Arc::clone(&list.borrow()),
        }
    }

    /// How `site` is reported now, and its parent.
    #[must_use]
    pub fn terms_of(&self, site: &str) -> LedgerTerms {
        match self {
            Self::Book(book) => book.terms_of(site),
            Self::Stored(_, terms) => terms.borrow().of_site(site),
        }
    }
}

/// A monitor that is ready to run.
pub struct Monitor<P, N> {
    scheduler: N,
    feed: Option<Feed>,
    controls: Controls,
    reconciler: Reconciler<P>,
    store_status: watch::Sender<StoreStatus>,
    counters: Arc<SchedulerCounters>,
    event_texts: Option<mpsc::Receiver<CheckTexts>>,
    handle: MonitorHandle,
    /// The way into the store.
    #[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "only a location of a fleet needs it"))]
    entrance: Option<Arc<Mutex<Intake>>>,
}

/// The publisher of alerts and the deliveries to the outlets of `config`, with what `memory` holds of them.
pub(crate) fn alerting(
    config: &Config,
    memory: &mut Restored,
    clock: &Clock,
    zone: TimeZone,
    (reports, status): (Option<ReportSender>, watch::Sender<StoreStatus>),
) -> (Publisher, Deliveries) {
    let terms = ledger_terms(config);
    let word = (memory.agent, words(zone.clone()));
    let store = (reports, status.subscribe());
    let book = AlertBook::new(terms.clone(), std::mem::take(&mut memory.kept), word, clock.clone(), store);
    let book = Arc::new(book);
    book.reserve_numbers();
    for opening in &memory.adopted {
        book.adopt(opening);
    }
    let ids = config.sites.iter().zip(&memory.registered);
    for (watched, registered) in ids {
        book.set_paused(&watched.site.name, memory.paused.get(&registered.id).copied());
    }
    let (to_deliveries, specs) = watch::channel(Vec::new());
    let agent = format!("{:x}", memory.agent);
    let context = DeliveryContext { agent, zone, clock: clock.clone(), status };
    let deliveries = Deliveries::new(Arc::clone(&book), specs, context);
    let history = Arc::new(AlertLog::new(std::mem::take(&mut memory.alerts)));
    let publisher = Publisher::new(history, book, to_deliveries);
    publisher.configure(terms, outlets(config));
    publisher.set_heartbeat(config.alerting.heartbeat.clone());
    (publisher, deliveries)
}

/// The engine over `tracks` as of `now`, with the texts and pauses of `memory`.
fn engine(config: &Config, tracks: Vec<SiteInput>, memory: &mut Restored, now: Timestamp) -> Engine {
    let shown = memory.shown(&tracks);
    let mut engine = Engine::new(config.views.clone(), tracks, now);
    // A URL that is http now may have been https: what was stored says nothing of it, and the first check says it anew.
    let is_current = |texts: &CheckTexts| config.sites[texts.site.get()].site.is_https();
    for CheckTexts { site, seq, observation, .. } in shown.into_iter().filter(is_current) {
        engine.attach(site, seq, observation);
    }
    for site in 0..config.sites.len() {
        if let Some(until) = memory.of(site).paused {
            engine.pause(SiteSlot::new(site), Some(until), now);
        }
    }
    engine
}

/// The detector of outages of this machine's network, with the sites of `engine` and their masks in `memory`.
fn own_network(config: &Config, zone: TimeZone, memory: &Restored, engine: &Engine, now: Timestamp) -> OwnNetwork {
    let mut own_network = OwnNetwork::new(config.alerting.own_network, zone);
    own_network.follow(&engine.board().snapshot(), |slot| memory.mask(slot.get()), now);
    own_network
}

impl<P: Prober, N> Monitor<P, N> {
    /// Connects the parts of a monitor. The schedulers go to `launch`, to run at once or later; nothing else runs yet.
    ///
    /// # Errors
    /// [`CommandError`]: the store, when its contents cannot be read, or the system, when `launch` fails.
    pub fn new(
        mut options: MonitorOptions<P>,
        launch: impl FnOnce(Schedulers<P>) -> io::Result<N>,
    ) -> Result<Self, CommandError> {
        let (store, mut memory) = options.store.take().map_or_else(Default::default, OpenStore::apart);
        let stored = store.as_ref().map(|(store, _)| store);
        let links = NetworkLinks::open(&options, (&memory, stored), launch)?;
        let Assembly { tracks, readers } = links.assembly;
        let (clock, store_status) = (options.clock, options.store_status);
        let seen = Arc::new(watch::Sender::new(Vec::new()));
        let (export, terms) = options.outlet.as_ref().map(|to| (to.health.clone(), to.terms.clone())).unzip();
        let (to_store, requests) = mpsc::channel(REVISIONS);
        let (mut reports, mut store_link, mut store_task, mut order_folder) = (None, None, None, None);
        let mut entrance = None;
        if let Some(((store, flush), (receivers, senders))) = store.zip(links.store) {
            let ids: Vec<SiteId> = memory.registered.iter().map(|registered| registered.id).collect();
            order_folder = Some(OrderFolder::of(store.path()));
            let writer = Writer::new(store, ids.iter().copied().zip(readers).collect());
            let writer = writer?;
            entrance = Some(writer.entrance());
            reports = Some(senders.reports.clone());
            store_link = Some(StoreLink::new(senders, ids, Arc::clone(&seen)));
            let (clock, keeping, outlet) = (clock.clone(), store_status.clone(), options.outlet);
            store_task = Some(StoreTask { writer, receivers, requests, flush, clock, keeping, export: outlet });
        }
        let ended: Vec<Alert> = memory.ended.iter().map(|(_, alert)| alert.clone()).collect();
        let status = (reports, store_status.clone());
        let silences = memory.kept.silences.clone();
        let (publisher, deliveries) = alerting(&options.config, &mut memory, &clock, options.zone.clone(), status);
        let heartbeat = HeartbeatTask {
            terms: publisher.heartbeat(),
            steps: Arc::default(),
            book: Arc::clone(publisher.book()),
            status: store_status.clone(),
            clock: clock.clone(),
        };
        let meter = HealthMeter::new(Arc::clone(&links.control.counters), store_status.subscribe())
            .with(export)
            .located(options.fleet);
        let banner = (options.zone.clone(), options.notices);
        let health = HealthReporter::new(meter, store_status.clone(), banner, options.has_network, options.narrator);
        let (wishes, commands) = mpsc::channel(ORDERS);
        let (to_control, changes) = mpsc::channel(REVISIONS);
        let mut engine = engine(&options.config, tracks, &mut memory, links.now);
        engine.leave_out(&silences);
        let book = Arc::clone(publisher.book());
        let inbox = order_folder.map(|folder| Inbox::new(folder, Arc::clone(&book)));
        let orders = inbox.map(|inbox| (inbox, clock.clone(), store_status.clone()));
        let engine = (engine, SystemClock::new(clock, options.wall));
        let inputs = Inputs { commands, changes };
        let counters = Arc::clone(&links.control.counters);
        let own_network = own_network(&options.config, options.zone.clone(), &memory, &engine.0, links.now);
        let health = (health, own_network);
        let mut control = Control::new(engine, inputs, links.control, store_link, publisher, health);
        control.count_steps(Arc::clone(&heartbeat.steps));
        control.announce(&ended, links.now);
        // Also for the first commit, which may be before the first step.
        control.resume_outages(&memory.outages.open().cloned().collect::<Vec<_>>(), links.now);
        let to_store = store_task.is_some().then_some(to_store);
        let (arranging, arrangement) = watch::channel(Arc::new(options.config.dashboard.arrangement.clone()));
        let reconciler =
            Reconciler::new(options.config, to_store, to_control, links.prober).telling(terms).arranging(arranging);
        let (board, alerts, health) = control.results();
        let (rechecks, incidents) = (links.rechecks, IncidentSource::Book(book));
        let (commands, rules) = (wishes, Rules::default());
        let handle = MonitorHandle { board, alerts, health, rechecks, incidents, commands, seen, arrangement, rules };
        let controls = Controls { control, deliveries, orders, heartbeat, report: None, domains: None, store_task };
        let (scheduler, feed, event_texts) = (links.scheduler, links.feed, links.event_texts);
        Ok(Self { scheduler, feed, controls, reconciler, store_status, counters, event_texts, handle, entrance })
    }

    /// The dashboard's access to the monitor.
    #[must_use]
    pub fn handle(&self) -> MonitorHandle {
        self.handle.clone()
    }

    /// The way into the store, if there is one.
    #[must_use]
    #[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "only a location of a fleet needs it"))]
    pub fn entrance(&self) -> Option<Arc<Mutex<Intake>>> {
        self.entrance.clone()
    }

    /// Accepts notices for the user.
    #[must_use]
    #[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "only a location of a fleet needs it"))]
    pub fn status(&self) -> watch::Sender<StoreStatus> {
        self.store_status.clone()
    }

    /// Tells a location of a fleet of changes of the configuration.
    #[must_use]
    #[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "only a location of a fleet needs it"))]
    pub fn describing(mut self, location: Option<watch::Sender<Vec<ConfiguredSite>>>) -> Self {
        self.reconciler = self.reconciler.describing(location);
        self
    }

    /// What a listener serves of it; `store` is its file.
    #[must_use]
    pub fn running(&mut self, clock: Clock, store: Option<PathBuf>) -> (Running, Option<EventSource>) {
        let MonitorHandle { board, alerts, health, rules, .. } = self.handle.clone();
        let events = self.event_texts.take().map(|texts| EventSource { board: Arc::clone(&board), alerts, texts });
        let (counters, status) = (Arc::clone(&self.counters), self.store_status.subscribe());
        (Running { board, health, counters, status, started: clock.now(), clock, store, rules }, events)
    }

    /// Tells the listener of changes of the configuration.
    #[must_use]
    pub fn serving(mut self, terms: Option<WebTerms>) -> Self {
        self.reconciler = self.reconciler.serving(terms);
        self
    }

    /// Writes the reports of its configuration from the store at `store`.
    #[must_use]
    pub fn publishing(mut self, (clock, zone): (Clock, TimeZone), store: PathBuf) -> Self {
        let (plans, plan) = watch::channel(ReportPlan::of(self.reconciler.running()));
        let task = ReportTask { plan, clock: clock.clone(), status: self.store_status.clone() };
        let (memory, rules) = (Arc::default(), self.handle.rules.clone());
        let publisher = publish::Publisher { board: Arc::clone(&self.handle.board), store, zone, clock, memory, rules };
        self.controls.report = Some((task, publisher));
        Self { reconciler: self.reconciler.publishing(plans), ..self }
    }

    /// Watches the domains of its configuration, and notes in `book` what is known of them.
    #[must_use]
    pub fn watching_domains(mut self, clock: Clock, book: DomainBook) -> Self {
        let (to_task, sites) = watch::channel(watched(self.reconciler.running()));
        self.controls.domains = Some(DomainTask { sites, book, status: self.store_status.clone(), clock });
        Self { reconciler: self.reconciler.watching_domains(to_task), ..self }
    }

    /// Prints lines while it runs. `make` gets a feed of every check if these are printed.
    #[must_use]
    pub fn with_headless(mut self, make: impl FnOnce(Option<Feed>) -> Headless) -> Self {
        self.controls.control.set_headless(make(self.feed.take()));
        self
    }

    /// Reports to the service manager, if there is one.
    #[must_use]
    pub fn with_service(mut self, service: Option<Service>) -> Self {
        self.controls.control.set_service(service);
        self
    }

    /// Accepts notices for the user.
    #[must_use]
    pub fn keeping(&self) -> watch::Sender<StoreStatus> {
        self.store_status.clone()
    }

    /// The network side and the control side, to run on threads of their own, and the reconciler that changes both.
    #[must_use]
    pub fn split(self) -> (N, Controls, Reconciler<P>) {
        (self.scheduler, self.controls, self.reconciler)
    }
}

#[cfg(test)]
impl<P: Prober> Monitor<P, Schedulers<P>> {
    /// The incidents and the outbox.
    pub fn book(&self) -> Arc<AlertBook> {
        self.controls.control.book()
    }

    /// Runs everything on the current runtime until `stop`.
    pub async fn run(self, stop: CancellationToken, meanwhile: impl AsyncFnOnce(Reconciler<P>)) {
        let (scheduler, controls, reviser) = self.split();
        let probing = scheduler.run(stop.clone());
        Box::pin(async { tokio::join!(controls.run(probing), meanwhile(reviser)) }).await;
    }
}
