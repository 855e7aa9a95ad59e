//! Tells an outage of this machine's own network from outages of sites, by what all hosts have in common.
//!
//! Hosts are counted in units of neighbours, per realm. A *contact* is a check in which anybody answered, also with an
//! error; *silence* is one in which nobody did. A realm is *offline* when every unit of its panel has finished a silent check
//! that started after the contact that started last; so one host that answers, wherever, rules it out. Until that is
//! decided, a down that rests on silence is held: the contact of another unit releases it, an outage drops it.
//!
//! Something that all units share looks the same from here. A message that is delivered meanwhile tells the two apart: if the
//! panel stays silent for another round, the outage is *refuted*, and what was held is released. A delivery alone is not
//! enough, since it may be the first to get through when the network is back.
//!
//! Invariants: pure, all times are arguments; of `Release` and `Drop` a held site gets one at most; `from < to` of each
//! outage. Bounds: a check costs O(log n) amortised, beside the different intervals of the panel and the downs that it
//! releases; memory is linear in sites and in the silent checks since the last contact, which `panel` bounds.

mod address;
mod blind;
mod change;
mod event;
mod mask;
mod panel;
mod realm;

pub use address::{Realm, Unit};
pub use blind::{Blind, Outage, is_silence};
pub use change::{NetworkChange, NetworkState};
pub use event::{Finished, NetworkEvent};
pub use mask::Mask;

use std::net::IpAddr;
use std::time::Duration;

use crate::model::{Cause, Timestamp};

use realm::{Evidence, Hold, RealmState};

/// What is known of the network of each realm, and of the downs that wait for it.
#[derive(Debug, Default)]
pub struct Network {
    sites: Vec<Option<Watched>>,
    /// In the order of [`Realm::ALL`].
    realms: [RealmState; 2],
    /// The longest timeout of any site so far.
    timeout: Duration,
    /// Sites without a finished check.
    unseen: usize,
    has_said_no_panel: bool,
}

/// A site that is checked now.
#[derive(Debug)]
struct Watched {
    interval: Duration,
    /// By the address of its last good check, or by an outage that was resumed.
    place: Option<(Realm, Unit)>,
    /// By the address that its last check tried, where it was never good.
    tried: Option<Realm>,
    is_seen: bool,
    /// The realm that holds its down, and the key there.
    held: Option<(Realm, Timestamp)>,
}

impl Network {
    /// Watches `site`, or changes how often. `address` is that of its last good check, as far as it is known.
    pub fn watch(&mut self, site: usize, interval: Duration, timeout: Duration, address: Option<IpAddr>) {
        self.timeout = self.timeout.max(timeout);
        if self.sites.len() <= site {
            self.sites.resize_with(site + 1, || None);
        }
        let fresh = Watched { interval, place: None, tried: None, is_seen: false, held: None };
        let before = self.sites[site].replace(fresh);
        match before {
            None => self.unseen += 1,
            Some(before) => {
                if let Some((realm, unit)) = before.place {
                    self.realm(realm).panel.leave(unit, before.interval);
                    self.realm(realm).panel.join(unit, interval);
                }
                self.sites[site] = Some(Watched { interval, ..before });
            }
        }
        if let Some(address) = address {
            self.settle(site, address);
        }
    }

    /// Stops watching `site`: it was removed, disabled or paused. A down of it is held no longer, and not released.
    pub fn forget(&mut self, site: usize, now: Timestamp, events: &mut Vec<NetworkEvent>) {
        self.cleared(site);
        let Some(watched) = self.sites.get_mut(site).and_then(Option::take) else { return };
        self.unseen -= usize::from(!watched.is_seen);
        if let Some((realm, unit)) = watched.place {
            self.realm(realm).panel.leave(unit, watched.interval);
            self.after_change(realm, now, events);
        }
    }

    /// Takes in a finished check; those of one site in order.
    pub fn check(&mut self, check: &Finished, events: &mut Vec<NetworkEvent>) {
        let Some(watched) = self.sites.get_mut(check.site).and_then(Option::as_mut) else { return };
        let is_first = !std::mem::replace(&mut watched.is_seen, true);
        watched.tried = check.address.map_or(watched.tried, Realm::of);
        let before = watched.place;
        if let Some(address) = check.address.filter(|_| check.cause == Cause::Ok) {
            self.settle(check.site, address);
        }
        let place = self.place(check.site);
        if is_silence(check.cause) {
            if let Some((realm, unit)) = place {
                self.decide(realm, Evidence::Silence { unit, start: check.start }, events);
            }
        } else {
            // A redirect or a new address may lead elsewhere than the last good check.
            let elsewhere = check.address.map(|address| Realm::of(address).map(|realm| (realm, Unit::of(address))));
            if let Some((realm, unit)) = elsewhere.unwrap_or(place) {
                self.decide(realm, Evidence::Contact { unit, start: check.start }, events);
            }
        }
        if let Some((realm, _)) = before.filter(|_| before != place) {
            self.after_change(realm, check.at, events);
        }
        self.unseen -= usize::from(is_first);
        if is_first && self.unseen == 0 {
            self.say_no_panel(events);
        }
    }

    /// A message, begun at `start`, reached an outlet at `address`.
    pub fn delivered(&mut self, start: Timestamp, address: IpAddr, events: &mut Vec<NetworkEvent>) {
        if let Some(realm) = Realm::of(address) {
            self.decide(realm, Evidence::Delivery { start }, events);
        }
    }

    /// The rule of `site` says down at `now`; its newest failed check started at `start`, with this cause. Returns whether the
    /// down is held: it is told only when [`NetworkEvent::Release`] says so. Call it after [`Network::check`] of that check.
    pub fn down(&mut self, site: usize, start: Timestamp, cause: Cause, now: Timestamp) -> bool {
        self.cleared(site);
        let place = self.place(site);
        let tried = self.sites.get(site).and_then(Option::as_ref).and_then(|watched| watched.tried);
        let Some(realm) = place.map(|(realm, _)| realm).or(tried).filter(|_| is_silence(cause)) else {
            return false;
        };
        let timeout = self.timeout;
        let hold = Hold { unit: place.map(|(_, unit)| unit), began: now };
        let is_held = self.realm(realm).hold(site, start, hold, timeout);
        if let Some(watched) = self.sites[site].as_mut().filter(|_| is_held) {
            watched.held = Some((realm, start));
        }
        is_held
    }

    /// The rule of `site` says up again, or its incident ended. Returns whether its down was held, so never told.
    pub fn cleared(&mut self, site: usize) -> bool {
        let held = self.sites.get_mut(site).and_then(Option::as_mut).and_then(|watched| watched.held.take());
        if let Some((realm, start)) = held {
            self.realm(realm).held.remove(&(start, site));
        }
        held.is_some()
    }

    /// Releases what was held twice as long as a decision takes: something stalls, and no outage should be missed for it.
    /// Cost: linear in the held downs.
    pub fn tick(&mut self, now: Timestamp, events: &mut Vec<NetworkEvent>) {
        for realm in Realm::ALL {
            let seen = events.len();
            self.realm(realm).release_overdue(now, events);
            self.let_go(&events[seen..]);
        }
    }

    /// Follows a clock that was set: earlier times mean nothing now. Outages end at `now` and held downs are released.
    pub fn clock_set(&mut self, now: Timestamp, events: &mut Vec<NetworkEvent>) {
        for realm in Realm::ALL {
            let seen = events.len();
            self.realm(realm).start_anew(realm, now, events);
            self.let_go(&events[seen..]);
        }
    }

    /// Continues an outage that the store knows as open, of these sites. Their addresses are not stored, so each counts as a
    /// host of its own until it is reached. Without a panel of them the outage ends at `now`.
    pub fn resume(
        &mut self,
        (realm, since): (Realm, Timestamp),
        sites: impl IntoIterator<Item = usize>,
        now: Timestamp,
        events: &mut Vec<NetworkEvent>,
    ) {
        for site in sites {
            if self.place(site).is_none() {
                self.put(site, Some((realm, Unit::Site(site))));
            }
        }
        self.realm(realm).resume(since);
        self.after_change(realm, now, events);
    }

    /// Whether a down of `site` is held.
    #[must_use]
    pub fn is_held(&self, site: usize) -> bool {
        self.sites.get(site).and_then(Option::as_ref).is_some_and(|watched| watched.held.is_some())
    }

    /// The mask of an outage that lasts.
    #[must_use]
    pub fn blind(&self, realm: Realm) -> Option<Blind> {
        let since = self.realms[realm as usize].offline_since()?;
        Some(Blind::open(realm, since))
    }

    /// The realm of `site`, by its last good check; `None` on loopback or if it was never good.
    #[must_use]
    pub fn realm_of(&self, site: usize) -> Option<Realm> {
        self.place(site).map(|(realm, _)| realm)
    }

    /// The units of the panel of `realm`, 0 without one.
    #[must_use]
    pub fn panel(&self, realm: Realm) -> usize {
        self.realms[realm as usize].panel.len()
    }

    /// From when on an outage may be declared yet, at `now`; `None` where there is no panel, so never. Silent checks that
    /// started before are settled.
    #[must_use]
    pub fn undecided(&self, now: Timestamp) -> Option<Timestamp> {
        let realms = self.realms.iter().filter_map(RealmState::undecided);
        realms.min().map(|since| since.min(now).before(self.timeout))
    }

    fn place(&self, site: usize) -> Option<(Realm, Unit)> {
        self.sites.get(site).and_then(Option::as_ref).and_then(|watched| watched.place)
    }

    fn realm(&mut self, realm: Realm) -> &mut RealmState {
        &mut self.realms[realm as usize]
    }

    /// Moves `site` to the unit of `address`.
    fn settle(&mut self, site: usize, address: IpAddr) {
        self.put(site, Realm::of(address).map(|realm| (realm, Unit::of(address))));
    }

    fn put(&mut self, site: usize, place: Option<(Realm, Unit)>) {
        let Some(watched) = self.sites.get_mut(site).and_then(Option::as_mut) else { return };
        let (before, interval) = (std::mem::replace(&mut watched.place, place), watched.interval);
        watched.tried = place.map(|(realm, _)| realm);
        if before == place {
            return;
        }
        if let Some((realm, unit)) = before {
            self.realm(realm).panel.leave(unit, interval);
        }
        if let Some((realm, unit)) = place {
            self.realm(realm).panel.join(unit, interval);
        }
    }

    fn decide(&mut self, realm: Realm, evidence: Evidence, events: &mut Vec<NetworkEvent>) {
        let seen = events.len();
        self.realm(realm).decide(realm, evidence, events);
        self.let_go(&events[seen..]);
    }

    fn after_change(&mut self, realm: Realm, now: Timestamp, events: &mut Vec<NetworkEvent>) {
        let seen = events.len();
        self.realm(realm).after_change(realm, now, events);
        self.let_go(&events[seen..]);
    }

    /// Forgets the holds that `events` ended.
    fn let_go(&mut self, events: &[NetworkEvent]) {
        for event in events {
            if let NetworkEvent::Release(site) | NetworkEvent::Drop(site) = event
                && let Some(watched) = self.sites.get_mut(*site).and_then(Option::as_mut)
            {
                watched.held = None;
            }
        }
    }

    fn say_no_panel(&mut self, events: &mut Vec<NetworkEvent>) {
        if std::mem::replace(&mut self.has_said_no_panel, true) {
            return;
        }
        for realm in Realm::ALL {
            let units = self.realm(realm).panel.units();
            if (1..panel::PANEL_MIN).contains(&units) {
                events.push(NetworkEvent::NoPanel { realm, units });
            }
        }
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
