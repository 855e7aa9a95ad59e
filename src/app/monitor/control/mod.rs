//! The control loop: steps the engine, hands its alerts on, keeps the health, feeds the output.
//!
//! It reads what the network side has published and never makes it wait. Invariants: alerts reach the log and the
//! store before the output; a text that comes too late is not worth a wait.

pub(crate) mod apply_config;
pub(crate) mod clock_set;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::alerts::publisher::Publisher;
use crate::app::clock::{Clock, Looks};
use crate::app::headless::Headless;
use crate::app::log::events;
use crate::app::reload::reconcile::ConfigChange;
use crate::app::scheduler::{CheckTexts, Order};
use crate::app::status::health_meter::{HealthMeter, StoreStatus};
use crate::app::status::warnings::WarningTracker;
use crate::app::storage::archive_views::ViewRows;
use crate::app::storage::request::ReaderChange;
use crate::app::system::systemd::Service;
use crate::engine::{Engine, EngineStep};
use crate::model::{Cause, Health, SiteId, SiteIndex, SiteSlot, Timestamp};
use crate::tui::SiteCommand;

/// Time between two steps of the engine.
pub const STEP: Duration = Duration::from_millis(250);

/// What to say this long after the start of a demonstration.
pub type Narrator = fn(Duration) -> String;

/// The control side of a running monitor.
pub struct Control {
    /// Figures and alerts.
    pub engine: Engine,
    /// The clock.
    pub clock: Clock,
    /// Texts of checks, for the last check of each site.
    pub texts: mpsc::Receiver<CheckTexts>,
    /// Figures of views that are read from the store, if there are any.
    pub long_views: Option<mpsc::Receiver<ViewRows>>,
    /// Publishes alerts.
    pub publisher: Publisher,
    /// To the store, if there is one: the number of a site, and until when it is paused.
    pub keep_pauses: Option<mpsc::Sender<(SiteSlot, Option<Timestamp>)>>,
    /// How webmon is.
    pub meter: HealthMeter,
    /// Asks the kernel for a route to any network.
    pub has_network: fn() -> bool,
    /// The system's clock, if ours is to follow it, and what was found of it.
    pub wall: Option<fn() -> Timestamp>,
    /// See [`Control::wall`].
    pub looks: Looks,
    /// Where notices to a person are put in.
    pub keeping: watch::Sender<StoreStatus>,
    /// What of it was told.
    pub news: WarningTracker,
    /// Where the dashboard and the output read it.
    pub health: watch::Sender<Arc<Health>>,
    /// Who tells what happens, under a demonstration.
    pub narrator: Option<Narrator>,
    /// Lines for a terminal or a pipe; none under the dashboard.
    pub headless: Option<Headless>,
    /// The way to a service manager, if one wants to hear.
    pub service: Option<Service>,
    /// What a person asks for.
    pub commands: mpsc::Receiver<SiteCommand>,
    /// The ids of the sites in the store, if there is one.
    pub ids: HashMap<SiteSlot, SiteId>,
    /// The sites on the dashboard's screen.
    pub seen: Arc<watch::Sender<Vec<SiteIndex>>>,
    /// Other configurations.
    pub changes: mpsc::Receiver<ConfigChange>,
    /// To the network side: what to do.
    pub orders: mpsc::Sender<Order>,
    /// To the store, if there is one: whose samples to save.
    pub adoptions: Option<mpsc::Sender<Vec<ReaderChange>>>,
}

impl Control {
    /// Steps until `stop`, then once more, with every view refreshed.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = ticks.tick() => {
                    self.follow_clock().await;
                    self.step(false);
                }
                Some(wish) = self.commands.recv() => self.apply_command(wish),
                Some(change) = self.changes.recv() => self.revise(change).await,
            }
        }
        if let Some(service) = &self.service {
            service.stopping();
        }
        self.step(true);
    }

    fn apply_command(&mut self, command: SiteCommand) {
        if self.orders.try_send(Order::Site(command)).is_err() {
            // The queue is full: the command has no effect, as the screen shows.
            return;
        }
        if let SiteCommand::Pause(site, until) = command {
            self.engine.pause(site, until, self.clock.now());
            let kept = self.keep_pauses.as_ref().is_none_or(|keep| keep.try_send((site, until)).is_ok());
            self.meter.lost(u64::from(!kept));
        }
    }

    fn step(&mut self, last: bool) {
        while let Ok(texts) = self.texts.try_recv() {
            self.engine.attach(texts.site, texts.seq, texts.observation);
        }
        while let Some(ViewRows { view, as_of, rows, is_refresh }) =
            self.long_views.as_mut().and_then(|parts| parts.try_recv().ok())
        {
            self.engine.supply(view, as_of, rows, is_refresh);
        }
        let now = self.clock.now();
        let step = if last { self.engine.finish(now) } else { self.engine.step(now) };
        self.tell(&step, now);
        if let Some(service) = self.service.as_mut().filter(|_| !last) {
            let elapsed = self.clock.monotonic();
            service.stepped(elapsed, &self.engine.board().snapshot(), !self.meter.is_stuck(elapsed));
        }
    }

    fn tell(&mut self, step: &EngineStep, now: Timestamp) {
        self.meter.lost(step.lost);
        self.meter.lost_texts(step.lost_texts);
        let (alerts, lost) = self.publisher.publish(&step.alerts);
        self.meter.lost(lost);
        self.tell_health(now);
        let board = self.engine.board();
        let news = self.news.of(&self.health.borrow(), now);
        events::states(&step.changes, || board.snapshot(), self.news.zone());
        events::warnings(&news);
        if let Some(headless) = &mut self.headless {
            headless.step((step, &alerts), &board, (&self.health.borrow(), &news), now);
        }
    }

    fn tell_health(&mut self, now: Timestamp) {
        let elapsed = self.clock.monotonic();
        if let Some(health) = self.meter.read(elapsed) {
            let narration = self.health.borrow().narration.clone();
            let offline_since = self.offline_since(now);
            self.health.send_replace(Arc::new(Health { offline_since, narration, ..health }));
        }
        let Some(narrator) = self.narrator else { return };
        let narration = Some(narrator(elapsed));
        self.health.send_if_modified(|health| {
            let is_new = health.narration != narration;
            if is_new {
                Arc::make_mut(health).narration = narration;
            }
            is_new
        });
    }

    /// Since when there is no route, as far as checks suffer from it: the kernel is asked only while some site's
    /// last check was `local`.
    fn offline_since(&self, now: Timestamp) -> Option<Timestamp> {
        let snapshot = self.engine.board().snapshot();
        let blind = snapshot.sites.iter().filter_map(|site| site.last.as_ref());
        let blind = blind.filter(|last| last.sample.cause == Cause::Local).map(|last| last.sample.started()).min()?;
        let before = self.health.borrow().offline_since;
        (!(self.has_network)()).then(|| before.unwrap_or(blind.min(now)))
    }
}
