//! The incidents and the outbox of a running monitor, shared by the control loop and the deliveries.
//!
//! Each call changes both in memory and sends the changes to the store at once, together with their alerts, so that one
//! commit holds all of them. A ticket says when they are on the disk.
//!
//! Invariants: changes reach the store in the order in which they were made; without a store everything works in memory.
//! The lock is held for memory operations only.

mod notifying;
mod upkeep;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;

use crate::alert::incident::ledger::Ledger;
use crate::alert::incident::list::IncidentList;
use crate::alert::incident::order::OrderEvent;
use crate::alert::incident::terms::{Emitted, LedgerTerms};
use crate::alert::kept::change::{Change, ChangeKey};
use crate::alert::kept::incident::{Incident, Phase};
use crate::alert::outbox::queue::OutletTerms;
use crate::alert::outbox::{Audience, Outbox};
use crate::alert::{Alert, AlertRecord, AlertState, Locations, News, NewsKind, RuleKind};
use crate::app::clock::Clock;
use crate::app::status::health_meter::StoreStatus;
use crate::model::lock::lock;
use crate::model::{Location, OWN_NAME, StoreHealth, Timestamp};
use crate::store::Kept;

use crate::app::alerts::context::{Contexts, Part, Words};
use crate::app::alerts::stored_report::{KeptOutage, ReportSender, StoredReport};

/// The name of a program's queue; no outlet of sites.yaml can have it.
pub const PROGRAM: &str = "alerting.exec";

/// See the module.
pub struct AlertBook {
    inner: Mutex<Inner>,
    pub(in crate::app::alerts) clock: Clock,
    pub(in crate::app::alerts) store: Option<ReportSender>,
    pub(in crate::app::alerts) status: watch::Receiver<StoreStatus>,
    /// Counts changes, for those who wait for one.
    pub(in crate::app::alerts) version: watch::Sender<u64>,
    lost: AtomicU64,
}

pub(in crate::app::alerts) struct Inner {
    pub(in crate::app::alerts) ledger: Ledger,
    /// Names of orders that were obeyed.
    pub(in crate::app::alerts) obeyed: BTreeSet<Arc<str>>,
    /// Events of orders that the control loop has not taken.
    pub(in crate::app::alerts) events: Vec<OrderEvent>,
    /// The list for outputs.
    pub(in crate::app::alerts) list: Arc<IncidentList>,
    /// Whether incidents or silences may have changed since. Most changes are about messages.
    pub(in crate::app::alerts) is_list_old: bool,
    pub(in crate::app::alerts) outbox: Outbox,
    ticket: u64,
    /// Alerts about webmon itself that the control loop has not published.
    pub(in crate::app::alerts) own: Vec<Alert>,
    /// Outlets that cannot be notified, in an incident.
    pub(in crate::app::alerts) broken: Vec<Arc<str>>,
    /// Whether their incident has begun.
    pub(in crate::app::alerts) is_outlet_reported: bool,
    /// The location of a fleet that judges for itself here.
    pub(in crate::app::alerts) location: Option<Location>,
    /// Whether this webmon delivers.
    pub(in crate::app::alerts) part: Part,
    /// Messages that arrived since the last step: when they were begun, and where they arrived.
    delivered: Vec<(Timestamp, IpAddr)>,
}

impl AlertBook {
    /// A book that takes over `kept`; `word` words alerts. The agent's random number spreads retries.
    #[must_use]
    pub fn new(
        terms: LedgerTerms,
        kept: Kept,
        (agent, word): (u64, Words),
        clock: Clock,
        (store, status): (Option<ReportSender>, watch::Receiver<StoreStatus>),
    ) -> Self {
        let (mut ledger, mut outbox) = (Ledger::new(terms, word), Outbox::new(agent));
        let [next_incident, next_row, next_silence] = kept.next;
        ledger.restore(kept.incidents, kept.silences, (next_incident, next_silence));
        outbox.restore(kept.rows, kept.told, next_row);
        let obeyed = kept.orders.into_iter().map(|(name, _)| name).collect();
        let mut inner = Inner {
            ledger,
            obeyed,
            events: Vec::new(),
            list: Arc::default(),
            is_list_old: true,
            outbox,
            ticket: 0,
            own: Vec::new(),
            broken: Vec::new(),
            is_outlet_reported: false,
            location: None,
            part: Part::Delivers,
            delivered: Vec::new(),
        };
        inner.restore_broken();
        let version = watch::Sender::new(0);
        Self { inner: Mutex::new(inner), clock, store, status, version, lost: AtomicU64::new(0) }
    }

    pub(in crate::app::alerts) fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Sends `alerts` and `changes` to the store. Returns their ticket.
    pub(in crate::app::alerts) fn keep(
        &self,
        inner: &mut Inner,
        alerts: Vec<AlertRecord>,
        changes: Vec<Change>,
        is_urgent: bool,
    ) -> u64 {
        if alerts.is_empty() && changes.is_empty() {
            return inner.ticket;
        }
        inner.ticket += 1;
        inner.is_list_old |=
            changes.iter().any(|(key, _)| matches!(key, ChangeKey::Incident(_) | ChangeKey::Silence(_)));
        if let Some(store) = &self.store {
            let count = alerts.len() as u64;
            if !store.send(StoredReport { ticket: inner.ticket, alerts, changes, outages: Vec::new() }, is_urgent) {
                self.lost.fetch_add(count, Ordering::Relaxed);
            }
        }
        self.version.send_modify(|version| *version += 1);
        inner.ticket
    }

    /// Sends `outages` to the store.
    pub fn keep_outages(&self, outages: Vec<KeptOutage>) {
        let inner = &mut *self.inner();
        inner.ticket += 1;
        if let Some(store) = &self.store {
            let report = StoredReport { ticket: inner.ticket, outages, ..StoredReport::default() };
            if !store.send(report, true) {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// A message, which was begun at `start`, arrived at `peer`.
    pub fn note_delivery(&self, start: Timestamp, peer: Option<IpAddr>) {
        self.inner().delivered.extend(peer.map(|peer| (start, peer)));
    }

    /// The messages that arrived since the last call: when they were begun, and where they arrived.
    pub fn take_delivered(&self) -> Vec<(Timestamp, IpAddr)> {
        std::mem::take(&mut self.inner().delivered)
    }

    /// Whether what waits is kept over a restart.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.store.is_some()
    }

    /// Alerts that the store could not take since the last call.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// Changes from now on.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Waits until everything up to `ticket` is on the disk, or the store cannot save: better told twice than not.
    pub async fn stored(&self, ticket: u64) {
        if self.store.is_none() {
            return;
        }
        let is_done = |status: &StoreStatus| {
            status.ticket >= ticket || status.stuck.is_some() || matches!(status.store, StoreHealth::NotSaving { .. })
        };
        let mut status = self.status.clone();
        // The sender is gone when the program ends.
        let _over = status.wait_for(is_done).await;
    }

    /// Publishes `alerts`, found by `now`, and lets time pass. Returns them with their messages and incidents.
    pub fn publish(&self, alerts: &[Alert], contexts: &Contexts<'_>, now: Timestamp) -> Vec<AlertRecord> {
        let inner = &mut *self.inner();
        let own = std::mem::take(&mut inner.own);
        let (mut out, mut records) = (Emitted::default(), Vec::new());
        for alert in alerts.iter().chain(&own) {
            let context = contexts.context(&alert.site);
            let place = inner.location.as_ref().filter(|_| !alert.rule.is_own()).cloned();
            let locations = alert.locations.clone().or(place.map(Locations::Alone));
            let alert = Alert { locations, ..alert.clone() };
            let number = inner.ledger.note(&alert, context.clone(), now, &mut out);
            let facts = Alert { incident: number.or(alert.incident), ..alert };
            let record = AlertRecord { message: inner.ledger.word(&facts), facts };
            let kind = match record.state {
                AlertState::Down | AlertState::Breached => NewsKind::Opened,
                AlertState::Up | AlertState::Cleared => NewsKind::Closed,
                AlertState::Ended => NewsKind::Ended,
            };
            if !record.rule.is_own() && inner.part != Part::Follows {
                let news = News { kind, alert: record.clone(), context };
                inner.outbox.post_to_programs(number.unwrap_or(0), &news, now, &mut out.changes);
            }
            records.push(record);
        }
        inner.ledger.step(now, &mut out);
        let is_urgent = !records.is_empty() || !out.news.is_empty();
        let changes = inner.fan_out(out, now);
        self.keep(inner, records.clone(), changes, is_urgent);
        records
    }

    /// Opens the incident of an alert of an earlier version, which was reported to programs.
    pub fn adopt(&self, opening: &Alert) {
        let inner = &mut *self.inner();
        let mut out = Emitted::default();
        inner.ledger.adopt(opening, &mut out);
        let changes = out.changes;
        self.keep(inner, Vec::new(), changes, false);
    }

    /// Notes alerts about webmon itself, to publish with the next ones. Without an outlet they would reach no one.
    pub fn add_own(&self, alerts: Vec<Alert>) {
        let inner = &mut *self.inner();
        let has_outlets = inner.outbox.states().any(|(key, _)| **key != *PROGRAM);
        inner.own.extend(alerts.into_iter().filter(|alert| has_outlets || !alert.state.is_opening()));
    }

    /// Whether the rule about webmon itself is breached.
    #[must_use]
    pub fn is_breached(&self, rule: RuleKind) -> bool {
        self.inner().is_breached(rule)
    }

    /// The settings that concern `site` and its parent.
    #[must_use]
    pub fn terms_of(&self, site: &str) -> LedgerTerms {
        self.inner().ledger.terms().of_site(site)
    }

    /// Replaces the settings.
    pub fn configure(&self, terms: LedgerTerms, outlets: Vec<OutletTerms>) {
        let inner = &mut *self.inner();
        let mut out = Emitted::default();
        inner.ledger.set_terms(terms, self.clock.now(), &mut out);
        self.keep(inner, Vec::new(), out.changes, false);
        inner.is_list_old = true;
        inner.outbox.set_outlets(outlets);
        inner.settle_outlets(self.clock.now());
        self.version.send_modify(|version| *version += 1);
    }

    /// Notes that checks of `site` are paused until then, or no longer.
    pub fn set_paused(&self, site: &Arc<str>, until: Option<Timestamp>) {
        self.inner().ledger.set_paused(site, until);
    }

    /// The open incidents, by site and rule.
    #[must_use]
    pub fn incidents(&self) -> Vec<Incident> {
        self.inner().ledger.open_incidents().cloned().collect()
    }
}

impl Inner {
    pub(in crate::app::alerts) fn is_breached(&self, rule: RuleKind) -> bool {
        let is_breached = |incident: &Incident| incident.rule() == rule && incident.phase == Phase::Breached;
        self.ledger.open_incidents().any(is_breached)
    }

    /// Adds the emitted news to the outbox. Returns all changes.
    pub(in crate::app::alerts) fn fan_out(&mut self, out: Emitted, now: Timestamp) -> Vec<Change> {
        let Emitted { news, mut changes } = out;
        for (incident, news) in &news {
            let terms = self.ledger.site(&news.alert.site).cloned().unwrap_or_default();
            let audience = Audience {
                group: terms.group.as_deref(),
                tell: terms.tell.as_deref(),
                except: if news.alert.rule == RuleKind::Outlet { &self.broken } else { &[] },
            };
            self.outbox.post(*incident, news, audience, now, &mut changes);
        }
        self.settle_outlets(now);
        changes
    }

    /// Notes an alert about webmon itself.
    pub(in crate::app::alerts) fn own_alert(&mut self, rule: RuleKind, state: AlertState, text: &str, at: Timestamp) {
        self.own.push(Alert::own(OWN_NAME.into(), rule, state, text.to_owned(), at));
    }
}
