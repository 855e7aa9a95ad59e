//! One running monitor: scheduler, control loop and store, wired together, started and stopped in order.
//!
//! Nothing here touches a terminal, a signal or a network by itself: the prober, the clock, the store and the
//! lines are given, so that a test runs the whole of it on paused time with a scripted prober. The order of a
//! stop is: no more probes → the last step of the engine → the last commit.

pub(crate) mod control;
pub(crate) mod start;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::alert::Alert;
use crate::config::Config;
use crate::engine::{Board, Engine, SiteInput};
use crate::model::{Health, SiteId, SiteIndex, SiteSlot, Timestamp};
use crate::probe::Prober;
use crate::stats::Cadence;
use crate::store::{Flushed, Store, Writer};
use crate::tui::SiteCommand;

use super::alerts::dispatcher::{self, AlertDispatcher};
use super::alerts::history::AlertLog;
use super::alerts::publisher::Publisher;
use super::clock::{Clock, Looks};
use super::exit::CommandError;
use super::headless::{Feed, Headless};
use super::reload::reconcile::{REVISIONS, Reconciler};
use super::scheduler::manual_checks::Rechecks;
use super::scheduler::{CheckTexts, ORDERS, Scheduler};
use super::status::health_meter::{HealthMeter, StoreStatus};
use super::status::warnings::WarningTracker;
use super::storage::archive_views::ArchiveViews;
use super::storage::export_handle::{ExportHandle, LAST_FLUSH};
use super::storage::restore::Restored;
use super::storage::task::StoreTask;
use super::system::limits::Limits;
use super::system::systemd::Service;
use control::{Control, Narrator};
use start::NetworkLinks;

/// What a monitor is made of.
pub struct MonitorOptions<P> {
    /// What to watch and how to judge it.
    pub config: Config,
    /// How to probe.
    pub prober: Arc<P>,
    /// The clock.
    pub clock: Clock,
    /// The zone of messages.
    pub zone: TimeZone,
    /// Where to keep samples and alerts, and what it remembers.
    pub store: Option<OpenStore>,
    /// Asks the kernel for a route to any network.
    pub has_network: fn() -> bool,
    /// The system's clock, if the monitor's is to follow it.
    pub wall: Option<fn() -> Timestamp>,
    /// Bounds of the scheduler.
    pub limits: Limits,
    /// Things that a person should see all the time.
    pub notices: Vec<String>,
    /// Where notices to a person are put in.
    pub store_status: watch::Sender<StoreStatus>,
    /// Whether every check is to be printed.
    pub wants_checks: bool,
    /// Who tells what happens, under a demonstration.
    pub narrator: Option<Narrator>,
    /// An export of what is stored.
    pub outlet: Option<ExportHandle>,
}

/// A store, what it remembers, and how often to commit.
pub struct OpenStore {
    /// The store.
    pub store: Store,
    /// What it remembers of the sites.
    pub memory: Restored,
    /// Time between commits.
    pub flush: Duration,
}

impl OpenStore {
    fn apart(self) -> (Option<(Store, Duration)>, Restored) {
        (Some((self.store, self.flush)), self.memory)
    }
}

fn cadence(track: &SiteInput) -> Cadence {
    Cadence { interval: track.interval, timeout: track.timeout }
}

/// What a dashboard looks at.
#[derive(Clone)]
pub struct MonitorHandle {
    /// Figures and states.
    pub board: Arc<Board>,
    /// All alerts.
    pub alerts: Arc<AlertLog>,
    /// How webmon is.
    pub health: watch::Receiver<Arc<Health>>,
    /// The manual checks of the user.
    pub rechecks: watch::Receiver<Rechecks>,
    /// Accepts the user's commands.
    pub wishes: mpsc::Sender<SiteCommand>,
    /// Accepts the sites on the screen: long views read those first.
    pub seen: Arc<watch::Sender<Vec<SiteIndex>>>,
}

/// A monitor that is ready to run.
pub struct Monitor<P, N> {
    scheduler: N,
    feed: Option<Feed>,
    control: Control,
    dispatcher: AlertDispatcher,
    store_task: Option<StoreTask>,
    reconciler: Reconciler<P>,
    keeping: watch::Sender<StoreStatus>,
    rechecks: watch::Receiver<Rechecks>,
    wishes: mpsc::Sender<SiteCommand>,
    seen: Arc<watch::Sender<Vec<SiteIndex>>>,
}

/// The control side of a monitor whose scheduler runs elsewhere.
pub struct Controls {
    control: Control,
    messenger: AlertDispatcher,
    keeper: Option<StoreTask>,
}

/// The engine over `tracks` as of `now`, with what `memory` knows besides samples.
fn engine(config: &Config, tracks: Vec<SiteInput>, memory: &mut Restored, now: Timestamp) -> Engine {
    let shown = memory.shown(&tracks);
    let mut engine = Engine::new(config.views.clone(), tracks, now);
    for CheckTexts { site, seq, observation } in shown {
        engine.attach(site, seq, observation);
    }
    for site in 0..config.sites.len() {
        if let Some(until) = memory.of(site).paused {
            engine.pause(SiteSlot::new(site), Some(until), now);
        }
    }
    engine
}

impl<P: Prober, N> Monitor<P, N> {
    /// Wires `parts`. The scheduler is given to `launch`, to run from then on or later; nothing else runs yet.
    ///
    /// # Errors
    /// [`CommandError`]: the store, when what it holds cannot be read, or the system, when `launch` fails.
    pub fn new(
        mut parts: MonitorOptions<P>,
        launch: impl FnOnce(Scheduler<P>) -> io::Result<N>,
    ) -> Result<Self, CommandError> {
        let (store, mut memory) = parts.store.take().map_or_else(Default::default, OpenStore::apart);
        let stored = store.as_ref().map(|(store, _)| store);
        let begun = NetworkLinks::of(&parts, (&memory, stored), launch)?;
        let NetworkLinks { now, tracks, gauges, feed, network, rechecks, .. } = begun;
        let keeping = parts.store_status;
        let (outbox, messenger) = dispatcher::open(parts.config.exec.clone(), keeping.clone());
        let (mut keeper, mut to_store, mut keep_pauses, mut adoptions, mut to_ask) = (None, None, None, None, None);
        let seen = Arc::new(watch::Sender::new(Vec::new()));
        let (export, terms) = parts.outlet.as_ref().map(|to| (to.health.clone(), to.terms.clone())).unzip();
        let mut parts_of_views = None;
        if let Some(((store, flush), (inbox, slots))) = store.zip(begun.inbox) {
            let ids: Vec<SiteId> = memory.registered.iter().map(|registered| registered.id).collect();
            let watched = ids.iter().copied().map(Some).zip(tracks.iter().map(cadence)).collect();
            let (long_views, made) = ArchiveViews::new(&parts.config.views, watched, seen.subscribe()).unzip();
            parts_of_views = made;
            let writer = Writer::new(store, ids.into_iter().zip(begun.readers).collect());
            let writer = writer?;
            (to_store, keep_pauses) = (Some(slots.alerts), Some(slots.pauses));
            let (ask_sender, asks) = mpsc::channel(REVISIONS);
            (adoptions, to_ask) = (Some(slots.adoptions), Some(ask_sender));
            let (clock, keeping, outlet) = (parts.clock.clone(), keeping.clone(), parts.outlet);
            keeper = Some(StoreTask { writer, inbox, asks, flush, clock, long_views, keeping, outlet });
        }
        let narration = parts.narrator.map(|narrator| narrator(Duration::ZERO));
        let (wishes, requested) = mpsc::channel(ORDERS);
        let (to_control, changes) = mpsc::channel(REVISIONS);
        let history = Arc::new(AlertLog::new(std::mem::take(&mut memory.alerts)));
        let publisher = Publisher::new(parts.zone.clone(), history, outbox, to_store);
        let ended: Vec<Alert> = memory.ended.iter().map(|(_, alert)| alert.clone()).collect();
        let mut meter = HealthMeter::new(gauges, keeping.subscribe()).with(export);
        meter.lost(publisher.publish(&ended).1);
        let control = Control {
            news: WarningTracker::new(parts.zone),
            engine: engine(&parts.config, tracks, &mut memory, now),
            clock: parts.clock,
            texts: begun.texts,
            long_views: parts_of_views,
            publisher,
            keep_pauses,
            has_network: parts.has_network,
            wall: parts.wall,
            looks: Looks::default(),
            keeping: keeping.clone(),
            meter,
            health: watch::Sender::new(Arc::new(Health { narration, notices: parts.notices, ..Health::default() })),
            narrator: parts.narrator,
            headless: None,
            service: None,
            commands: requested,
            ids: (0..).map(SiteSlot).zip(memory.registered.iter().map(|registered| registered.id)).collect(),
            seen: Arc::clone(&seen),
            changes,
            orders: begun.orders,
            adoptions,
        };
        let reviser = Reconciler::new(parts.config, to_ask, to_control, begun.prober).telling(terms);
        Ok(Self {
            scheduler: network,
            feed,
            control,
            dispatcher: messenger,
            store_task: keeper,
            reconciler: reviser,
            keeping,
            rechecks,
            wishes,
            seen,
        })
    }

    /// What a dashboard looks at.
    #[must_use]
    pub fn face(&self) -> MonitorHandle {
        MonitorHandle {
            board: self.control.engine.board(),
            alerts: Arc::clone(self.control.publisher.history()),
            health: self.control.health.subscribe(),
            rechecks: self.rechecks.clone(),
            wishes: self.wishes.clone(),
            seen: Arc::clone(&self.seen),
        }
    }

    /// Prints lines while it runs. `make` is given a feed of every check if these are wanted.
    #[must_use]
    pub fn with_headless(mut self, make: impl FnOnce(Option<Feed>) -> Headless) -> Self {
        self.control.headless = Some(make(self.feed.take()));
        self
    }

    /// Tells the service manager how it goes, if there is one.
    #[must_use]
    pub fn with_service(mut self, service: Option<Service>) -> Self {
        self.control.service = service;
        self
    }

    /// Where notices to a person are put in.
    #[must_use]
    pub fn keeping(&self) -> watch::Sender<StoreStatus> {
        self.keeping.clone()
    }

    /// The network side and the control side, to run on threads of their own, and who changes both.
    #[must_use]
    pub fn split(self) -> (N, Controls, Reconciler<P>) {
        let controls = Controls { control: self.control, messenger: self.dispatcher, keeper: self.store_task };
        (self.scheduler, controls, self.reconciler)
    }
}

#[cfg(test)]
impl<P: Prober> Monitor<P, Scheduler<P>> {
    /// Runs everything on the current runtime until `stop`.
    pub async fn run(self, stop: CancellationToken, meanwhile: impl AsyncFnOnce(Reconciler<P>)) {
        let (scheduler, controls, reviser) = self.split();
        let probing = scheduler.run(stop.clone());
        Box::pin(async { tokio::join!(controls.run(probing), meanwhile(reviser)) }).await;
    }
}

impl Controls {
    /// What an end may take beside [`SHUTDOWN`]: the last moment of an export.
    #[must_use]
    pub fn last_flush(&self) -> Duration {
        self.keeper.as_ref().and_then(|keeper| keeper.outlet.as_ref()).map_or(Duration::ZERO, |_| LAST_FLUSH)
    }

    /// Runs the engine and the store until `probing` has ended, then stops them in order. Returns the last commit.
    pub async fn run(self, probing: impl Future<Output = ()>) -> Last {
        let (stop_control, stop_keeper) = (CancellationToken::new(), CancellationToken::new());
        let control = self.control.run(stop_control.clone());
        let keeper = async {
            match self.keeper {
                Some(keeper) => Some(keeper.run(stop_keeper.clone()).await),
                None => None,
            }
        };
        let probing = async {
            probing.await;
            stop_control.cancel();
        };
        let control = async {
            control.await;
            stop_keeper.cancel();
        };
        let messages = Box::pin(self.messenger.run(stop_keeper.clone()));
        let ((), (), commit, unsent) = tokio::join!(probing, control, keeper, messages);
        Last { commit, unsent }
    }
}

/// What came after the last step of the engine.
pub struct Last {
    /// The last commit, with a store.
    pub commit: Option<Flushed>,
    /// What there was no time for, as a sentence.
    pub unsent: Option<String>,
}

/// All that a clean end may take, from the signal to the exit, but for the last moment of an export.
pub const SHUTDOWN: Duration = Duration::from_secs(3);
