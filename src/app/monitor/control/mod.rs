//! The control loop: steps the engine, publishes its alerts, reports the health, feeds the output.
//!
//! Invariants: it never makes the network side wait; alerts reach the log and the store before the output. A text that
//! arrives too late for its check is not waited for.

pub(crate) mod apply_config;
pub(crate) mod clock_set;
pub(crate) mod decisions;
pub(crate) mod health;
pub(crate) mod own_network;
pub(crate) mod store_link;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::alert::incident::list::IncidentList;
use crate::alert::incident::order::OrderedBy;
use crate::alert::network::Outage;
use crate::alert::{Alert, RuleKind};
use crate::app::alerts::history::AlertLog;
use crate::app::alerts::orders::order_of;
use crate::app::alerts::publisher::Publisher;
use crate::app::headless::Headless;
use crate::app::log::events;
use crate::app::orders::client::login_name;
use crate::app::reload::reconcile::ConfigChange;
use crate::app::status::own_incidents::OwnIncidents;
use crate::app::storage::archive_views::ViewRows;
use crate::app::system::systemd::Service;
use crate::engine::{Board, Engine, EngineStep};
use crate::model::{Health, Timestamp};
use crate::tui::SiteCommand;

use super::start::SchedulerLink;
use clock_set::SystemClock;
use decisions::Decisions;
use health::HealthReporter;
use own_network::OwnNetwork;
use store_link::StoreLink;

/// Time between two steps of the engine.
pub const STEP: Duration = Duration::from_millis(250);

/// The control side of a running monitor.
pub struct Control {
    engine: Engine,
    clock: SystemClock,
    inputs: Inputs,
    scheduler: SchedulerLink,
    store: Option<StoreLink>,
    publisher: Publisher,
    health: HealthReporter,
    own_incidents: OwnIncidents,
    own_network: OwnNetwork,
    /// What was decided about the network, to be published with the next step.
    decided: Decisions,
    /// The list of incidents of which the engine knows the maintenance.
    known: Option<Arc<IncidentList>>,
    outputs: Outputs,
}

/// The requests to the control loop.
pub struct Inputs {
    /// The user's commands.
    pub commands: mpsc::Receiver<SiteCommand>,
    /// Changes of the configuration.
    pub changes: mpsc::Receiver<ConfigChange>,
}

#[derive(Default)]
struct Outputs {
    /// Rows of long views, read by the store task.
    archive_rows: Option<mpsc::Receiver<ViewRows>>,
    headless: Option<Headless>,
    service: Option<Service>,
    /// The steps of the engine.
    steps: Arc<AtomicU64>,
}

impl Control {
    /// A control loop without outputs.
    #[must_use]
    pub fn new(
        (engine, clock): (Engine, SystemClock),
        inputs: Inputs,
        scheduler: SchedulerLink,
        store: Option<StoreLink>,
        publisher: Publisher,
        (health, own_network): (HealthReporter, OwnNetwork),
    ) -> Self {
        let own_incidents = OwnIncidents::new(|rule| publisher.book().is_breached(rule));
        let mut control = Self {
            engine,
            clock,
            inputs,
            scheduler,
            store,
            publisher,
            health,
            own_incidents,
            own_network,
            decided: Decisions::default(),
            known: None,
            outputs: Outputs::default(),
        };
        control.read_archive_views();
        control
    }

    /// Counts its steps in `steps`.
    pub fn count_steps(&mut self, steps: Arc<AtomicU64>) {
        self.outputs.steps = steps;
    }

    /// Publishes `alerts` that were found before the first step.
    pub fn announce(&mut self, alerts: &[Alert], now: Timestamp) {
        let (_, lost) = self.publisher.publish(alerts, &self.engine.board(), now);
        self.health.add_lost(lost);
    }

    /// Continues the outages of the network that the store has as `open`, or ends them.
    pub fn resume_outages(&mut self, open: &[Outage], now: Timestamp) {
        let is_told = self.publisher.book().is_breached(RuleKind::Network);
        let decisions = self.own_network.resume(open, is_told, now);
        self.carry_out(decisions, now);
    }

    /// Prints lines to `headless`.
    pub fn set_headless(&mut self, headless: Headless) {
        self.outputs.headless = Some(headless);
    }

    /// Reports to the service manager, if there is one.
    pub fn set_service(&mut self, service: Option<Service>) {
        self.outputs.service = service;
    }

    /// The sources of the dashboard: snapshots, alerts, and the health.
    #[must_use]
    pub fn results(&self) -> (Arc<Board>, Arc<AlertLog>, watch::Receiver<Arc<Health>>) {
        (self.engine.board(), Arc::clone(self.publisher.history()), self.health.subscribe())
    }

    /// The incidents and the outbox.
    #[cfg(test)]
    pub fn book(&self) -> Arc<crate::app::alerts::book::AlertBook> {
        Arc::clone(self.publisher.book())
    }

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
                Some(command) = self.inputs.commands.recv() => self.apply_command(command),
                Some(change) = self.inputs.changes.recv() => self.apply_config(change).await,
            }
        }
        self.scheduler.counters.note_ending();
        if let Some(service) = &self.outputs.service {
            service.stopping();
        }
        self.step(true);
    }

    fn apply_command(&mut self, command: SiteCommand) {
        let name = |slot| self.engine.site(slot).map(|site| Arc::clone(&site.name));
        if let Some(order) = order_of(command, name) {
            let ordered = OrderedBy { by: login_name(), at: self.clock.now(), text: String::new() };
            if let Err(refusal) = self.publisher.book().obey(&order, &ordered, None) {
                self.health.notify(refusal.to_string());
            }
            return;
        }
        if !self.scheduler.orders.command(command) {
            // A command that the scheduler cannot take has no effect, and the screen shows that.
            return;
        }
        if let SiteCommand::Pause(site, until) = command {
            self.engine.pause(site, until, self.clock.now());
            if let Some(site) = self.engine.site(site) {
                self.publisher.book().set_paused(&site.name, until);
            }
            self.own_network.set_paused(site, until.is_some(), self.clock.now());
            self.send_to_store(|store| store.save_pause(site, until));
        }
    }

    /// Sends to the store task, if there is a store, and counts what it cannot take.
    fn send_to_store(&mut self, send: impl FnOnce(&mut StoreLink) -> u64) {
        if let Some(store) = &mut self.store {
            self.health.add_lost(send(store));
        }
    }

    /// Reads the long views of the current sites from now on.
    fn read_archive_views(&mut self) {
        let Some(store) = &self.store else { return };
        let (rows, lost) = store.read_archive_views(&self.engine.board().snapshot());
        self.outputs.archive_rows = rows;
        self.health.add_lost(lost);
    }

    /// Tells the engine of silences that count as maintenance, if they may have changed.
    fn leave_out_maintenance(&mut self) {
        let list = self.publisher.book().incident_list();
        if !self.known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &list)) {
            self.engine.leave_out(&list.silences);
            self.known = Some(list);
        }
    }

    fn step(&mut self, last: bool) {
        while let Ok(texts) = self.scheduler.texts.try_recv() {
            self.own_network.note(&texts);
            self.engine.attach(texts.site, texts.seq, texts.observation);
        }
        while let Some(ViewRows { view, as_of, rows, is_refresh }) =
            self.outputs.archive_rows.as_mut().and_then(|rows| rows.try_recv().ok())
        {
            self.engine.supply(view, as_of, rows, is_refresh);
        }
        self.leave_out_maintenance();
        let now = self.clock.now();
        let delivered = self.publisher.book().take_delivered();
        let decisions = self.own_network.decide(&delivered, now);
        self.carry_out(decisions, now);
        let step = if last { self.engine.finish(now) } else { self.engine.step(now) };
        self.publish(step, now);
        self.outputs.steps.fetch_add(1, Ordering::Relaxed);
        self.scheduler.counters.note_step(self.clock.monotonic());
        if let Some(service) = self.outputs.service.as_mut().filter(|_| !last) {
            let elapsed = self.clock.monotonic();
            let failing: Vec<Arc<str>> =
                self.health.current().failing_outlets.iter().map(|outlet| Arc::clone(&outlet.key)).collect();
            let is_alive = !self.health.is_stuck(elapsed);
            service.stepped(elapsed, (&self.engine.board().snapshot(), &failing), is_alive);
        }
    }

    /// Does at once what was decided about the network; the rest is published with the next step.
    fn carry_out(&mut self, mut decisions: Decisions, now: Timestamp) {
        if !decisions.masks.is_empty() {
            let EngineStep { changes, lost, .. } = self.engine.set_masks(std::mem::take(&mut decisions.masks));
            self.health.add_lost(lost);
            decisions.changes.splice(0..0, changes);
        }
        for (site, rule, open_since, at) in decisions.verdicts.drain(..) {
            self.engine.overrule(site, rule, open_since, at);
        }
        if !decisions.kept.is_empty() {
            self.publisher.book().keep_outages(std::mem::take(&mut decisions.kept));
        }
        if let Some(store) = &self.store {
            store.set_decided(self.own_network.undecided(now).unwrap_or(Timestamp::MAX));
        }
        for (realm, units) in decisions.no_panel.drain(..) {
            events::no_panel(realm, units);
        }
        self.decided.append(decisions);
    }

    fn publish(&mut self, mut step: EngineStep, now: Timestamp) {
        let board = self.engine.board();
        if !step.alerts.is_empty() || self.own_network.is_holding() {
            self.own_network.sift(&mut step, &board.snapshot(), now);
        }
        let Decisions { alerts, changes, news, .. } = std::mem::take(&mut self.decided);
        step.alerts.splice(0..0, alerts);
        step.changes.splice(0..0, changes);
        let step = &step;
        let (alerts, lost) = self.publisher.publish(&step.alerts, &board, now);
        self.health.add_lost(step.lost + lost);
        self.health.add_lost_texts(step.lost_texts);
        let (book, elapsed) = (self.publisher.book(), self.clock.monotonic());
        let noted = (|| book.failing_outlets(), self.own_network.shown());
        let warnings = self.health.report(&board, noted, elapsed, now);
        book.add_own(self.own_incidents.look(&self.health.current(), elapsed, now));
        events::network(&news, self.health.zone());
        events::states(&step.changes, || board.snapshot(), self.health.zone());
        events::warnings(&warnings);
        let orders = self.publisher.book().take_events();
        events::orders(&orders, self.health.zone());
        if let Some(headless) = &mut self.outputs.headless {
            headless.orders(&orders);
            headless.step((step, &alerts), &board, (&self.health.current(), &warnings, &news), now);
        }
    }
}
