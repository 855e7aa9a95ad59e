//! The outbox: messages wait here until their outlet has taken them, over restarts and crashes.
//!
//! A message is a row in the commit of its alert. It is marked as begun before its request goes out, and removed after the
//! outlet took it; rows that are begun are sent again as the same set, under the same
//! number.
//!
//! Laws, for each outlet: what it was told of as open it is told of as closed; a close is never told without its open; when
//! the open could not be sent yet, people get one message of both ("was down") and services that keep incidents get nothing;
//! within an incident messages go out in order, one at a time. A request that certainly was not sent takes its mark back.
//! Bounds: [`ROWS_MAX`] rows an outlet; beyond it its oldest is given up and counted.

mod clock_set;
mod expiry;
mod failing;
mod handover;
mod joining;
mod late;
pub mod queue;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::model::Timestamp;

use super::kept::change::{Change, ChangeKey, Counter, Record};
use super::kept::numbers::Numbers;
use super::kept::row::{Row, Told};
use super::{News, NewsKind, RuleKind};
use queue::{Delivery, OutletState, OutletTerms, Queue};

/// Most messages that wait for an outlet.
pub const ROWS_MAX: usize = 10_000;

/// An outlet that forgets hears of the end again for this long.
pub const REPEAT_END: Duration = Duration::from_mins(5);

/// Whom a message is for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Audience<'a> {
    /// The group of its site.
    pub group: Option<&'a str>,
    /// The names of the outlets that hear of the site; `None`: all.
    pub tell: Option<&'a [Arc<str>]>,
    /// The keys of outlets that do not hear of it.
    pub except: &'a [Arc<str>],
}

/// See the module.
#[derive(Debug)]
pub struct Outbox {
    pub(super) terms: BTreeMap<Arc<str>, OutletTerms>,
    pub(super) queues: BTreeMap<Arc<str>, Queue>,
    pub(super) told: HashMap<(Arc<str>, u64), Told>,
    /// Outlets that are gone from sites.yaml, of which something is kept.
    absent: BTreeSet<Arc<str>>,
    numbers: Numbers,
    seed: u64,
}

/// A row that goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The rows as they were before: those that are begun an earlier request may have brought.
    pub rows: Vec<Row>,
    /// Names them: a repeat has the same, any other request another one.
    pub number: u64,
    /// Whether the outlet may have one of them already.
    pub is_perhaps_repeat: bool,
    /// Whether a row was marked as begun, so that the mark has to be stored before the request.
    pub is_marked: bool,
}

impl OutletTerms {
    /// Whether this outlet is among the `audience` of `news`.
    fn hears(&self, news: &News, audience: Audience<'_>) -> bool {
        let alert = &news.alert;
        !audience.except.contains(&self.key)
            && self.only <= alert.rule.severity()
            && (alert.rule.is_own() || self.sites.selects(&alert.site, audience.group))
            && (alert.rule.is_own() || audience.tell.is_none_or(|names| names.contains(&self.name)))
    }
}

impl Outbox {
    /// An empty outbox without outlets; monitors should have different seeds.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            terms: BTreeMap::new(),
            queues: BTreeMap::new(),
            told: HashMap::new(),
            absent: BTreeSet::new(),
            numbers: Numbers::new(Counter::Row),
            seed,
        }
    }

    /// Takes over what was kept.
    pub fn restore(&mut self, rows: Vec<Row>, told: Vec<((Arc<str>, u64), Told)>, next_row: u64) {
        let known = rows.iter().map(|row| row.set.unwrap_or(0).max(row.number)).max();
        self.numbers.restore(next_row, known);
        self.told = told.into_iter().collect();
        for row in rows {
            let outlet = Arc::clone(&row.outlet);
            self.insert(&outlet, row);
        }
    }

    /// The numbers of the messages.
    pub const fn numbers(&mut self) -> &mut Numbers {
        &mut self.numbers
    }

    /// Replaces the outlets. Messages of an outlet that is no longer there wait for its return until they are given up.
    pub fn set_outlets(&mut self, outlets: Vec<OutletTerms>) {
        self.terms = outlets.into_iter().map(|terms| (Arc::clone(&terms.key), terms)).collect();
        for (key, terms) in &self.terms {
            let seed = self.seed.wrapping_add(self.queues.len() as u64);
            let queue = self.queues.entry(Arc::clone(key)).or_insert_with(|| Queue::new(terms.delivery, seed));
            queue.set_delivery(terms.delivery);
        }
        let kept = self.queues.keys().chain(self.told.keys().map(|(outlet, _)| outlet));
        self.absent = kept.filter(|outlet| !self.terms.contains_key(*outlet)).cloned().collect();
    }

    /// The outlets, by key.
    pub fn outlets(&self) -> impl Iterator<Item = &OutletTerms> {
        self.terms.values()
    }

    /// The states of all outlets with a queue, by key.
    pub fn states(&self) -> impl Iterator<Item = (&Arc<str>, OutletState)> {
        self.queues.iter().map(|(key, queue)| (key, queue.state()))
    }

    /// Whether `outlet` was told of `incident`.
    #[must_use]
    pub fn was_told(&self, outlet: &Arc<str>, incident: u64) -> bool {
        self.told.get(&(Arc::clone(outlet), incident)).is_some_and(|told| told.closed.is_none())
    }

    /// Marks `incident` as told to `outlet` by an earlier version.
    pub fn adopt(&mut self, outlet: &Arc<str>, incident: u64, at: Timestamp, changes: &mut Vec<Change>) {
        self.keep_told(outlet, incident, Some(Told { at, closed: None }), changes);
    }

    /// Adds `news` about `incident` for every outlet that hears of it, but not for programs.
    pub fn post(
        &mut self,
        incident: u64,
        news: &News,
        audience: Audience<'_>,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) {
        let known = |terms: &&OutletTerms| {
            let key = (Arc::clone(&terms.key), incident);
            self.told.contains_key(&key) || self.waits(&terms.key, incident)
        };
        let opens = |terms: &OutletTerms| match news.kind {
            NewsKind::Opened => true,
            // The outlet heard nothing while the incident was acknowledged.
            NewsKind::Withdrawn => !terms.after.is_zero(),
            _ => false,
        };
        let is_spared = |terms: &OutletTerms| news.kind == NewsKind::Reminder && audience.except.contains(&terms.key);
        // An outlet hears the rest of what it was told of, also when it would not hear of the incident any more.
        let wants = |terms: &&OutletTerms| {
            terms.delivery != Delivery::Program
                && !is_spared(terms)
                && (known(terms) || opens(terms) && terms.hears(news, audience))
        };
        let outlets: Vec<(OutletTerms, bool)> =
            self.terms.values().filter(wants).map(|terms| (terms.clone(), known(&terms))).collect();
        let opening = News { kind: NewsKind::Opened, ..news.clone() };
        for (terms, is_known) in outlets {
            self.post_to(&terms, incident, if is_known { news } else { &opening }, now, changes);
        }
        if news.kind.is_closing() {
            self.post_to_absent(incident, news, now, changes);
        }
    }

    /// Adds the end of `incident` for outlets that are gone from sites.yaml and know of it: one that returns must hear of it.
    fn post_to_absent(&mut self, incident: u64, news: &News, now: Timestamp, changes: &mut Vec<Change>) {
        let knows = |outlet: &&Arc<str>| self.was_told(outlet, incident) || self.waits(outlet, incident);
        let outlets: Vec<Arc<str>> = self.absent.iter().filter(knows).cloned().collect();
        for outlet in outlets {
            self.add(&outlet, incident, now, news.clone(), now, changes);
        }
    }

    /// Adds `news` for the programs: each alert, whatever is muted.
    pub fn post_to_programs(&mut self, incident: u64, news: &News, now: Timestamp, changes: &mut Vec<Change>) {
        let is_program = |terms: &&OutletTerms| terms.delivery == Delivery::Program;
        let programs: Vec<Arc<str>> =
            self.terms.values().filter(is_program).map(|terms| Arc::clone(&terms.key)).collect();
        for outlet in programs {
            self.add(&outlet, incident, now, news.clone(), now, changes);
        }
    }

    fn waits(&self, outlet: &Arc<str>, incident: u64) -> bool {
        self.queues.get(outlet).is_some_and(|queue| queue.of(incident).next().is_some())
    }

    fn post_to(&mut self, terms: &OutletTerms, incident: u64, news: &News, now: Timestamp, changes: &mut Vec<Change>) {
        let outlet = &terms.key;
        let queue = self.queues.get(outlet);
        let waiting: Vec<(u64, NewsKind, bool, bool)> = queue
            .into_iter()
            .flat_map(|queue| queue.of(incident))
            .map(|row| (row.number, row.news.kind, row.is_begun, row.due <= now))
            .collect();
        let is_told = self.was_told(outlet, incident);
        let unsent_open = waiting.first().filter(|(_, kind, is_begun, _)| *kind == NewsKind::Opened && !is_begun);
        match news.kind {
            NewsKind::Opened if is_told || !waiting.is_empty() => {}
            // It was acknowledged before its opening was reported, such as during a silence.
            NewsKind::Opened if !terms.after.is_zero() && news.context.by.is_some() => {}
            NewsKind::Opened => {
                let opened = news.alert.since.min(now);
                let due = if terms.after.is_zero() { now } else { opened.after(terms.after).max(now) };
                self.add(outlet, incident, due, news.clone(), now, changes);
            }
            NewsKind::Closed | NewsKind::Was | NewsKind::Ended if unsent_open.is_some() => {
                let was_due = unsent_open.is_some_and(|(.., is_due)| *is_due);
                self.join(outlet, incident, (news, was_due), now, changes);
            }
            NewsKind::Ended if matches!(terms.delivery, Delivery::Chat { .. }) && waiting.is_empty() => {
                // People hear nothing of a site that is no longer watched.
                self.note_end(outlet, incident, now, changes);
            }
            NewsKind::Acknowledged if !terms.after.is_zero() && unsent_open.is_some_and(|(.., is_due)| !is_due) => {
                for (number, ..) in waiting {
                    self.remove(outlet, number, changes);
                }
            }
            NewsKind::Reminder if waiting.iter().any(|(_, _, is_begun, _)| !is_begun) => {
                // A further outlet that breaks is named by the report that still waits.
                if let Some(&(number, ..)) = unsent_open.filter(|_| news.alert.rule == RuleKind::Outlet) {
                    let row = self.queues.get_mut(outlet).and_then(|queue| queue.retell(number, &news.alert));
                    let change = row.map(|row| (ChangeKey::Row(number), Some(Record::Row(Box::new(row.clone())))));
                    changes.extend(change);
                }
            }
            _ => self.add(outlet, incident, now, news.clone(), now, changes),
        }
    }

    pub(super) fn add(
        &mut self,
        outlet: &Arc<str>,
        incident: u64,
        due: Timestamp,
        news: News,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) {
        let number = self.numbers.take(changes);
        let row = Row {
            number,
            outlet: Arc::clone(outlet),
            incident,
            made: now,
            due,
            attempts: 0,
            is_begun: false,
            set: None,
            news,
        };
        changes.push((ChangeKey::Row(number), Some(Record::Row(Box::new(row.clone())))));
        self.insert(outlet, row);
        while let Some(oldest) = self.queues[outlet].surplus(ROWS_MAX) {
            self.give_up(outlet, oldest, changes);
        }
    }

    fn insert(&mut self, outlet: &Arc<str>, row: Row) {
        let (delivery, seed) = (self.delivery(outlet), self.seed.wrapping_add(self.queues.len() as u64));
        let queue = self.queues.entry(Arc::clone(outlet)).or_insert_with(|| Queue::new(delivery, seed));
        queue.insert(row);
    }

    pub(super) fn delivery(&self, outlet: &str) -> Delivery {
        self.terms.get(outlet).map_or(Delivery::Dedup, |terms| terms.delivery)
    }

    pub(super) fn remove(&mut self, outlet: &Arc<str>, number: u64, changes: &mut Vec<Change>) -> Option<Row> {
        let row = self.queues.get_mut(outlet)?.remove(number)?;
        changes.push((ChangeKey::Row(number), None));
        Some(row)
    }

    pub(super) fn keep_told(
        &mut self,
        outlet: &Arc<str>,
        incident: u64,
        told: Option<Told>,
        changes: &mut Vec<Change>,
    ) {
        let key = (Arc::clone(outlet), incident);
        match told {
            Some(told) => _ = self.told.insert(key, told),
            None if self.told.remove(&key).is_none() => return,
            None => {}
        }
        changes.push((ChangeKey::Told(Arc::clone(outlet), incident), told.map(Record::Told)));
    }

    /// The incidents that `outlet` must hear of again: those that it was told of, and those that ended lately.
    #[must_use]
    pub fn to_repeat(&self, outlet: &Arc<str>) -> Vec<(u64, Told)> {
        let mut told: Vec<(u64, Told)> = self
            .told
            .iter()
            .filter(|((key, incident), _)| key == outlet && !self.waits(outlet, *incident))
            .map(|((_, incident), told)| (*incident, *told))
            .collect();
        told.sort_unstable_by_key(|(incident, _)| *incident);
        told
    }

    /// Requests to `outlet` that failed in a row.
    #[must_use]
    pub fn failures(&self, outlet: &str) -> u32 {
        self.queues.get(outlet).map_or(0, Queue::failures)
    }

    /// When `outlet` is tried again.
    #[must_use]
    pub fn resume(&self, outlet: &str) -> Option<Duration> {
        self.queues.get(outlet).map(Queue::resume)
    }
}
