//! One realm: its panel, whether it is offline, and the downs that it holds.
//!
//! Invariants: nothing is held without a panel, or after a refutation until the panel answers again; an outage lasts only
//! while there is a panel, since nothing else could tell that it is none; while offline, a hold whose check started after T0 waits for the end of the outage, any other for the contact of another unit.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::Timestamp;

use super::panel::Panel;
use super::{NetworkEvent, Realm, Unit};

/// A fact about the network.
#[derive(Clone, Copy, Debug)]
pub enum Evidence {
    /// A check without an answer.
    Silence {
        /// Of whom.
        unit: Unit,
        /// When it started.
        start: Timestamp,
    },
    /// A check with an answer.
    Contact {
        /// By whom.
        unit: Unit,
        /// When it started.
        start: Timestamp,
    },
    /// A message that arrived.
    Delivery {
        /// When sending it began.
        start: Timestamp,
    },
}

/// A down that waits.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    /// Whose contact does not count: the unit of the site itself.
    pub unit: Option<Unit>,
    /// The time of the rule's verdict.
    pub began: Timestamp,
}

/// An outage that lasts.
#[derive(Clone, Copy, Debug)]
struct Offline {
    /// T0.
    since: Timestamp,
    /// When the delivery began that will refute it, if the panel stays silent.
    doubt: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub struct RealmState {
    pub panel: Panel,
    /// By the start of the newest failed check, and site.
    pub held: BTreeMap<(Timestamp, usize), Hold>,
    offline: Option<Offline>,
    /// Whether an outage was refuted and the panel has not answered since.
    is_refuted: bool,
    /// The two latest contacts of different hosts, the later one first; `None` is an outlet.
    contacts: [Option<(Timestamp, Option<Unit>)>; 2],
    /// The longest that a decision takes, for [`RealmState::release_overdue`]: the last known R and timeout.
    patience: Duration,
}

impl RealmState {
    /// T0 while offline.
    pub fn offline_since(&self) -> Option<Timestamp> {
        self.offline.map(|offline| offline.since)
    }

    /// Nothing before it can become part of an outage by the checks so far; `None` without a panel.
    pub fn undecided(&self) -> Option<Timestamp> {
        let is_watched = self.panel.reach().is_some() || self.offline.is_some();
        let first = [self.offline_since(), self.panel.first_silent()].into_iter().flatten().min();
        is_watched.then(|| first.unwrap_or(Timestamp::MAX))
    }

    /// Continues an outage.
    pub fn resume(&mut self, since: Timestamp) {
        self.offline = Some(Offline { since, doubt: None });
    }

    /// Holds the down of `site`, whose newest failed check started at `start`, unless another unit has answered since.
    pub fn hold(&mut self, site: usize, start: Timestamp, hold: Hold, timeout: Duration) -> bool {
        let Some(reach) = self.panel.reach().filter(|_| !self.is_refuted) else { return false };
        if self.other_contact(hold.unit).is_some_and(|contact| start <= contact) {
            return false;
        }
        self.patience = Duration::from_micros(reach).saturating_add(timeout).saturating_mul(2);
        self.held.insert((start, site), hold);
        true
    }

    /// Takes in `evidence` and says what follows.
    pub fn decide(&mut self, realm: Realm, evidence: Evidence, events: &mut Vec<NetworkEvent>) {
        match evidence {
            Evidence::Silence { unit, start } => {
                self.panel.silent(unit, start);
                self.judge_silence(realm, events);
            }
            Evidence::Contact { unit, start } => {
                self.is_refuted &= !self.panel.has(unit);
                self.contact(realm, Some(unit), start, events);
            }
            Evidence::Delivery { start } => match &mut self.offline {
                Some(offline) if offline.since < start => {
                    // Only the first counts, or frequent messages would put off the decision for ever.
                    if offline.doubt.is_none() {
                        offline.doubt = Some(start);
                        self.panel.contact(start);
                    }
                }
                _ => self.contact(realm, None, start, events),
            },
        }
    }

    /// After a site left the realm, was removed, or checks less often, and after an outage was resumed.
    pub fn after_change(&mut self, realm: Realm, now: Timestamp, events: &mut Vec<NetworkEvent>) {
        if self.panel.reach().is_some() {
            return;
        }
        if self.panel.units() == 0 || self.offline.is_some() {
            self.start_anew(realm, now, events);
        } else {
            self.release(|_, _| true, events);
        }
    }

    /// Ends an outage, releases what is held, and forgets the checks so far.
    pub fn start_anew(&mut self, realm: Realm, now: Timestamp, events: &mut Vec<NetworkEvent>) {
        if let Some(Offline { since, .. }) = self.offline.take().filter(|offline| offline.since < now) {
            events.push(NetworkEvent::Online { realm, from: since, to: now });
        }
        self.release(|_, _| true, events);
        (self.contacts, self.is_refuted) = ([None; 2], false);
        self.panel.forget_checks();
    }

    /// Releases what waits for longer than a decision can take. What an outage explains waits for its end.
    pub fn release_overdue(&mut self, now: Timestamp, events: &mut Vec<NetworkEvent>) {
        let (offline, patience) = (self.offline_since(), self.patience);
        let is_overdue = |hold: &Hold| patience < now.since(hold.began);
        self.release(|start, hold| is_overdue(hold) && offline.is_none_or(|since| start < since), events);
    }

    fn judge_silence(&mut self, realm: Realm, events: &mut Vec<NetworkEvent>) {
        let Some(since) = self.panel.silent_since() else { return };
        match self.offline {
            None if !self.is_refuted => {
                self.offline = Some(Offline { since, doubt: None });
                events.push(NetworkEvent::Offline { realm, since, units: self.panel.len() });
            }
            Some(Offline { since, doubt: Some(_) }) => {
                (self.offline, self.is_refuted) = (None, true);
                events.push(NetworkEvent::Refuted { realm, since });
                self.release(|_, _| true, events);
            }
            _ => {}
        }
    }

    /// There was an answer: of `unit`, or of an outlet.
    fn contact(&mut self, realm: Realm, unit: Option<Unit>, start: Timestamp, events: &mut Vec<NetworkEvent>) {
        self.panel.contact(start);
        self.remember(unit, start);
        if let Some(Offline { since, doubt }) = self.offline.filter(|offline| offline.since < start) {
            let to = doubt.map_or(start, |delivery| delivery.min(start));
            self.offline = None;
            events.push(NetworkEvent::Online { realm, from: since, to });
            let masked: Vec<_> = self.held.range((since, 0)..(to, 0)).map(|(&key, _)| key).collect();
            for key in masked {
                self.held.remove(&key);
                events.push(NetworkEvent::Drop(key.1));
            }
        }
        let is_answered = |from: Timestamp, hold: &Hold| from <= start && (unit.is_none() || hold.unit != unit);
        self.release(is_answered, events);
    }

    /// Keeps the two latest contacts of different hosts.
    fn remember(&mut self, unit: Option<Unit>, start: Timestamp) {
        let new = Some((start, unit));
        let is_same = |contact: Option<(Timestamp, Option<Unit>)>| contact.is_some_and(|(_, of)| of == unit);
        let [first, second] = &mut self.contacts;
        if is_same(*first) || first.is_none() {
            *first = (*first).max(new);
        } else if *first < new {
            (*second, *first) = (*first, new);
        } else {
            *second = (*second).max(new);
        }
    }

    /// The start of the latest contact of another host than `unit`.
    fn other_contact(&self, unit: Option<Unit>) -> Option<Timestamp> {
        let is_other = |(_, of): &&(Timestamp, Option<Unit>)| of.is_none() || *of != unit;
        self.contacts.iter().flatten().filter(is_other).map(|(start, _)| *start).max()
    }

    /// Releases the holds of which `is_over` is true.
    fn release(&mut self, is_over: impl Fn(Timestamp, &Hold) -> bool, events: &mut Vec<NetworkEvent>) {
        self.held.retain(|&(start, site), hold| {
            let is_over = is_over(start, hold);
            if is_over {
                events.push(NetworkEvent::Release(site));
            }
            !is_over
        });
    }
}
