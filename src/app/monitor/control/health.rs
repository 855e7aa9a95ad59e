//! Reports the health of webmon itself: once a second to the dashboard and the outputs, and as warnings when it changes.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::watch;

use crate::app::status::health_meter::{HealthMeter, StoreStatus};
use crate::app::status::warnings::{Warning, WarningTracker};
use crate::engine::Board;
use crate::model::{Cause, ClosedProxy, Health, Notice, OutletHealth, OwnOutage, Timestamp};

/// Describes a demonstration, this long after its start.
pub type Narrator = fn(Duration) -> String;

/// Measures and publishes the health.
pub struct HealthReporter {
    meter: HealthMeter,
    status: watch::Sender<StoreStatus>,
    warnings: WarningTracker,
    health: watch::Sender<Arc<Health>>,
    has_network: fn() -> bool,
    narrator: Option<Narrator>,
}

impl HealthReporter {
    /// A reporter that starts with `notices` in the banner. Warnings give times in `zone`; `has_network` asks the kernel
    /// for a route to any network.
    #[must_use]
    pub fn new(
        meter: HealthMeter,
        status: watch::Sender<StoreStatus>,
        (zone, notices): (TimeZone, Vec<String>),
        has_network: fn() -> bool,
        narrator: Option<Narrator>,
    ) -> Self {
        let narration = narrator.map(|narrator| narrator(Duration::ZERO));
        let notices = notices.into_iter().map(Notice::from).collect();
        let health = watch::Sender::new(Arc::new(Health { notices, narration, ..Health::default() }));
        Self { meter, status, warnings: WarningTracker::new(zone), health, has_network, narrator }
    }

    /// The health from now on.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Health>> {
        self.health.subscribe()
    }

    /// The zone of times in warnings.
    #[must_use]
    pub const fn zone(&self) -> &TimeZone {
        self.warnings.zone()
    }

    /// The last reported health.
    #[must_use]
    pub fn current(&self) -> Arc<Health> {
        Arc::clone(&self.health.borrow())
    }

    /// Counts lost samples, alerts and pauses.
    pub fn add_lost(&mut self, lost: u64) {
        self.meter.lost(lost);
    }

    /// Counts lost texts of checks.
    pub fn add_lost_texts(&mut self, lost: u64) {
        self.meter.lost_texts(lost);
    }

    /// Shows `notice` to the user.
    pub fn notify(&self, notice: String) {
        self.status.send_modify(|status| status.tell(notice));
    }

    /// Whether a flush hangs for so long that the program counts as broken, `elapsed` after the start.
    #[must_use]
    pub fn is_stuck(&self, elapsed: Duration) -> bool {
        self.meter.is_stuck(elapsed)
    }

    /// Reports the health at `now`, `elapsed` after the start. Returns warnings about what changed.
    pub fn report(
        &mut self,
        board: &Board,
        (failing_outlets, own_outage): (impl FnOnce() -> Vec<OutletHealth>, Option<OwnOutage>),
        elapsed: Duration,
        now: Timestamp,
    ) -> Vec<Warning> {
        if let Some(health) = self.meter.read(elapsed) {
            let failing_outlets = failing_outlets();
            let narration = self.current().narration.clone();
            let offline_since = self.offline_since(board, now);
            let closed_proxy = self.closed_proxy(board).filter(|_| offline_since.is_none());
            let reported = Health { offline_since, closed_proxy, own_outage, failing_outlets, narration, ..health };
            self.health.send_replace(Arc::new(reported));
        }
        if let Some(narration) = self.narrator.map(|narrator| Some(narrator(elapsed))) {
            self.health.send_if_modified(|health| {
                let is_new = health.narration != narration;
                if is_new {
                    Arc::make_mut(health).narration = narration;
                }
                is_new
            });
        }
        self.warnings.of(&self.health.borrow(), now)
    }

    /// The proxy that fails the last check of some site.
    fn closed_proxy(&self, board: &Board) -> Option<ClosedProxy> {
        let snapshot = board.snapshot();
        let last = snapshot.sites.iter().filter_map(|site| site.last.as_ref());
        let mut closed = last.filter_map(|last| {
            let seen = last.observation.as_deref().filter(|seen| seen.is_proxy_closed)?;
            Some((last.sample.started(), &seen.detail))
        });
        let (first, reason) = closed.next()?;
        let (sites, first) = closed.fold((1, first), |(sites, first), (at, _)| (sites + 1, first.min(at)));
        let before = self.health.borrow().closed_proxy.as_ref().map(|closed| closed.since);
        Some(ClosedProxy { since: before.unwrap_or(first), sites, reason: reason.clone() })
    }

    /// Since when checks fail for want of a route. Asks the kernel only while the last check of some site was `local`.
    fn offline_since(&self, board: &Board, now: Timestamp) -> Option<Timestamp> {
        let snapshot = board.snapshot();
        let last = snapshot.sites.iter().filter_map(|site| site.last.as_ref());
        let local = last.filter(|last| last.sample.cause == Cause::Local).map(|last| last.sample.started()).min()?;
        let before = self.health.borrow().offline_since;
        (!(self.has_network)()).then(|| before.unwrap_or(local.min(now)))
    }
}
