//! Publishes alerts: all of them go one way, to the incidents and the outbox, the store, the history and the log.

use std::sync::Arc;

use crate::alert::incident::terms::LedgerTerms;
use crate::alert::{Alert, AlertRecord};
use crate::app::log::events;
use crate::config::Heartbeat;
use crate::engine::Board;
use crate::model::Timestamp;
use tokio::sync::watch;

use super::book::AlertBook;
use super::context::Contexts;
use super::history::AlertLog;
use super::outlets::OutletSpec;

/// Hands alerts to everything that listens.
pub struct Publisher {
    history: Arc<AlertLog>,
    book: Arc<AlertBook>,
    outlets: watch::Sender<Vec<OutletSpec>>,
    heartbeat: watch::Sender<Option<Heartbeat>>,
}

impl Publisher {
    /// A publisher to `book` and `history`, whose deliveries follow `outlets`.
    #[must_use]
    pub fn new(history: Arc<AlertLog>, book: Arc<AlertBook>, outlets: watch::Sender<Vec<OutletSpec>>) -> Self {
        Self { history, book, outlets, heartbeat: watch::Sender::default() }
    }

    /// The settings of the heartbeat.
    #[must_use]
    pub fn heartbeat(&self) -> watch::Receiver<Option<Heartbeat>> {
        self.heartbeat.subscribe()
    }

    /// Changes the heartbeat.
    pub fn set_heartbeat(&self, heartbeat: Option<Heartbeat>) {
        self.heartbeat.send_if_modified(|now| {
            let is_new = *now != heartbeat;
            *now = heartbeat;
            is_new
        });
    }

    /// All alerts so far.
    #[must_use]
    pub const fn history(&self) -> &Arc<AlertLog> {
        &self.history
    }

    /// The incidents and the outbox.
    #[must_use]
    pub const fn book(&self) -> &Arc<AlertBook> {
        &self.book
    }

    /// Applies new settings.
    pub fn configure(&self, terms: LedgerTerms, specs: Vec<OutletSpec>) {
        let before = self.outlets.borrow().clone();
        let is_changed = |spec: &&OutletSpec| {
            before.iter().any(|before| before.terms.key == spec.terms.key && before.target != spec.target)
        };
        for spec in specs.iter().filter(is_changed) {
            self.book.renew(&spec.terms.key);
        }
        self.book.configure(terms, specs.iter().map(|spec| spec.terms.clone()).collect());
        self.outlets.send_if_modified(|now| {
            let is_new = *now != specs;
            *now = specs;
            is_new
        });
    }

    /// Publishes the alerts found by `now`, and lets time pass. Returns them with their messages, and how many the store
    /// could not take.
    pub fn publish(&self, alerts: &[Alert], board: &Board, now: Timestamp) -> (Vec<AlertRecord>, u64) {
        let snapshot = (!alerts.is_empty()).then(|| board.snapshot());
        let contexts = snapshot.as_ref().map_or_else(Contexts::default, Contexts::of);
        let records = self.book.publish(alerts, &contexts, now);
        self.history.append(records.clone());
        events::alerts(&records);
        (records, self.book.take_lost())
    }
}
