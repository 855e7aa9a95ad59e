//! Tells an outage of this machine's network from outages of sites, for the control loop.
//!
//! It hears of every finished check and every delivered message, and holds the alerts of a down that rests on silence until
//! [`Network`] has decided: released, they are published as the rule found them; dropped, they are never reported.
//!
//! Invariants: the alerts of a site keep their order. What was held and is released is not changed. An incident whose down
//! is dropped is taken back in the engine, also while the outage lasts, so no `up` follows. Without a panel nothing is held.
//! A stop forgets what is held: the next start judges the last check of each site itself.

mod held;
mod incident;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::alert::network::{Blind, Finished, Mask, Network, NetworkChange, NetworkEvent, NetworkState, Outage, Realm};
use crate::app::alerts::stored_report::KeptOutage;
use crate::app::scheduler::CheckTexts;
use crate::engine::Snapshot;
use crate::model::{Cause, Observation, Outcome, OwnOutage, SiteId, SiteSlot, Timestamp};

use super::decisions::{Decisions, openings};
use held::HeldDown;
use incident::NetworkIncident;

/// An outage of so long is told.
const TOLD: Duration = Duration::from_secs(30);

/// See the module.
pub struct OwnNetwork {
    network: Network,
    is_on: bool,
    incident: NetworkIncident,
    sites: BTreeMap<SiteSlot, WatchedSite>,
    slots: HashMap<Arc<str>, SiteSlot>,
    held: BTreeMap<SiteSlot, HeldDown>,
    /// In the order of [`Realm::ALL`].
    ongoing: [Option<Ongoing>; 2],
    events: Vec<NetworkEvent>,
}

struct WatchedSite {
    name: Arc<str>,
    interval: Duration,
    timeout: Duration,
    /// Whether it is checked now.
    is_checked: bool,
    /// Its newest failed check: when it ended, when it started, and why it failed.
    failed: Option<(Timestamp, Timestamp, Cause)>,
    /// The outages that concern it.
    mask: Mask,
}

/// An outage that lasts.
struct Ongoing {
    since: Timestamp,
    hosts: usize,
    sites: Vec<SiteSlot>,
    names: Arc<[Arc<str>]>,
    /// Those that an earlier run wrote down.
    stored: Vec<SiteId>,
    is_told: bool,
}

impl WatchedSite {
    /// Whether an outage that lasts since then concerns it.
    fn is_masked_since(&self, since: Timestamp) -> bool {
        self.mask.spans().contains(&(since, Timestamp::MAX))
    }
}

impl OwnNetwork {
    /// Watches no site yet. Messages show times in `zone`.
    #[must_use]
    pub fn new(is_on: bool, zone: TimeZone) -> Self {
        Self {
            network: Network::default(),
            is_on,
            incident: NetworkIncident::new(zone),
            sites: BTreeMap::new(),
            slots: HashMap::new(),
            held: BTreeMap::new(),
            ongoing: [None, None],
            events: Vec::new(),
        }
    }

    /// Watches the sites of `snapshot` and no others, from `now` on; `mask` is what is known of a new one.
    pub fn follow(&mut self, snapshot: &Snapshot, mask: impl Fn(SiteSlot) -> Mask, now: Timestamp) {
        let mut before = std::mem::take(&mut self.sites);
        for site in &snapshot.sites {
            let (slot, name) = (site.slot, Arc::clone(&site.name));
            let (interval, timeout) = (site.interval, site.timeout);
            let known = before.remove(&slot);
            let is_checked = known.as_ref().map_or(site.paused_until.is_none(), |known| known.is_checked);
            if is_checked && self.is_on {
                self.network.watch(slot.get(), interval, timeout, None);
            }
            let is_new = known.is_none();
            let (failed, mask) = known.map_or_else(|| (None, mask(slot)), |known| (known.failed, known.mask));
            let site = WatchedSite { name, interval, timeout, is_checked, failed, mask };
            // One that left the file and is back has the mask of an outage that lasts, which has to end with it.
            for ongoing in self.ongoing.iter_mut().flatten().filter(|_| is_new) {
                ongoing.sites.extend(site.is_masked_since(ongoing.since).then_some(slot));
            }
            self.sites.insert(slot, site);
        }
        for slot in before.into_keys() {
            self.forget(slot, now);
        }
        self.slots = self.sites.iter().map(|(slot, site)| (Arc::clone(&site.name), *slot)).collect();
    }

    /// Continues the outages that the store has as open, by their starts; each concerns the sites whose masks last. One that
    /// cannot be judged any more ends: too few of its sites are watched, which are none if it is turned off. `is_told`: the
    /// incident about the network is open.
    pub fn resume(&mut self, open: &[Outage], is_told: bool, now: Timestamp) -> Decisions {
        let mut decisions = Decisions::default();
        if is_told {
            self.incident.resume();
        }
        for Outage { blind, hosts, sites: stored } in open {
            let concerned = self.sites.iter().filter(|(_, site)| site.is_masked_since(blind.from));
            let sites: Vec<SiteSlot> = concerned.map(|(slot, _)| *slot).collect();
            let ongoing = Ongoing { stored: stored.clone(), ..self.begin(blind.from, *hosts, sites) };
            if let Some(earlier) = self.ongoing[blind.realm as usize].replace(ongoing) {
                // Its end did not reach the store.
                self.end(blind.realm, &earlier, Some(blind.from), &mut decisions);
            }
        }
        for realm in Realm::ALL {
            // One that begins after `now` has no end: the clock was set meanwhile.
            let begun = |ongoing: &&Ongoing| ongoing.since < now;
            let Some(ongoing) = self.ongoing[realm as usize].as_ref().filter(begun) else { continue };
            let sites = ongoing.sites.iter().map(|slot| slot.get());
            self.network.resume((realm, ongoing.since), sites, now, &mut self.events);
        }
        self.conclude(now, &mut decisions);
        decisions
    }

    fn begin(&self, since: Timestamp, hosts: usize, sites: Vec<SiteSlot>) -> Ongoing {
        let names = sites.iter().filter_map(|slot| Some(Arc::clone(&self.sites.get(slot)?.name))).collect();
        Ongoing { since, hosts, sites, names, stored: Vec::new(), is_told: false }
    }

    fn forget(&mut self, slot: SiteSlot, now: Timestamp) {
        self.held.remove(&slot);
        self.network.forget(slot.get(), now, &mut self.events);
    }

    /// A site is paused, or checked again.
    pub fn set_paused(&mut self, slot: SiteSlot, is_paused: bool, now: Timestamp) {
        let Some(site) = self.sites.get_mut(&slot) else { return };
        site.is_checked = !is_paused;
        if is_paused {
            self.forget(slot, now);
        }
    }

    /// Takes in a finished check.
    pub fn note(&mut self, texts: &CheckTexts) {
        let CheckTexts { site: slot, at, ref observation, .. } = *texts;
        let Some(site) = self.sites.get_mut(&slot).filter(|_| self.is_on) else { return };
        let Observation { cause, address, phases, .. } = **observation;
        let start = at.minus(phases.total());
        if cause.outcome() != Outcome::Up {
            site.failed = Some((at, start, cause));
        }
        if !std::mem::replace(&mut site.is_checked, true) {
            // A pause is over.
            self.network.watch(slot.get(), site.interval, site.timeout, None);
        }
        let check = Finished { site: slot.get(), start, at, cause, address: address.map(|address| address.ip()) };
        self.network.check(&check, &mut self.events);
    }

    /// Decides by what was taken in, by messages that arrived, each with when sending it began, and by the time.
    pub fn decide(&mut self, delivered: &[(Timestamp, IpAddr)], now: Timestamp) -> Decisions {
        let mut decisions = Decisions::default();
        if self.is_on {
            for &(start, address) in delivered {
                self.network.delivered(start, address, &mut self.events);
            }
            self.network.tick(now, &mut self.events);
        }
        self.conclude(now, &mut decisions);
        decisions
    }

    /// Follows a clock that was set: outages end at `now`, and what was held is released.
    pub fn clock_set(&mut self, now: Timestamp) -> Decisions {
        let mut decisions = Decisions::default();
        self.network.clock_set(now, &mut self.events);
        self.conclude(now, &mut decisions);
        decisions
    }

    /// Turns it on or off.
    pub fn switch(&mut self, is_on: bool, now: Timestamp) -> Decisions {
        if is_on == self.is_on {
            return Decisions::default();
        }
        let decisions = self.clock_set(now);
        (self.is_on, self.network) = (is_on, Network::default());
        for (slot, site) in self.sites.iter().filter(|(_, site)| is_on && site.is_checked) {
            self.network.watch(slot.get(), site.interval, site.timeout, None);
        }
        decisions
    }

    /// The outage that lasts, for the screen: of the realm with more hosts.
    #[must_use]
    pub fn shown(&self) -> Option<OwnOutage> {
        let ongoing = self.ongoing.iter().flatten().max_by_key(|ongoing| ongoing.hosts)?;
        Some(OwnOutage { since: ongoing.since, hosts: ongoing.hosts })
    }

    /// See [`Network::undecided`].
    #[must_use]
    pub fn undecided(&self, now: Timestamp) -> Option<Timestamp> {
        self.network.undecided(now).filter(|_| self.is_on)
    }

    /// Says what follows from the events and the time.
    fn conclude(&mut self, now: Timestamp, decisions: &mut Decisions) {
        self.apply_events(now, decisions);
        for realm in Realm::ALL {
            if self.network.blind(realm).is_none()
                && let Some(ongoing) = self.ongoing[realm as usize].take()
            {
                // It began after `now`: nothing is left of it.
                self.end(realm, &ongoing, None, decisions);
            }
        }
        self.tell(now, decisions);
    }

    fn apply_events(&mut self, now: Timestamp, decisions: &mut Decisions) {
        let events = std::mem::take(&mut self.events);
        for (place, event) in events.iter().enumerate() {
            match *event {
                NetworkEvent::Offline { realm, since, units } => self.offline((realm, since, units), now, decisions),
                NetworkEvent::Online { realm, from, to } => {
                    let dropped = events[place + 1..].iter().take_while(|next| matches!(next, NetworkEvent::Drop(_)));
                    let state = NetworkState::Online { until: to, held_back: dropped.count() };
                    self.back((realm, from), state, now, decisions);
                }
                NetworkEvent::Refuted { realm, since } => {
                    self.back((realm, since), NetworkState::Refuted, now, decisions);
                }
                NetworkEvent::Release(site) => self.release(SiteSlot::new(site), decisions),
                NetworkEvent::Drop(site) => self.drop_held(SiteSlot::new(site), now, decisions),
                NetworkEvent::NoPanel { realm, units } => decisions.no_panel.push((realm, units)),
            }
        }
    }

    fn offline(&mut self, (realm, since, hosts): (Realm, Timestamp, usize), now: Timestamp, decisions: &mut Decisions) {
        let is_in = |slot: &SiteSlot| self.network.realm_of(slot.get()) == Some(realm);
        let sites: Vec<SiteSlot> = self.sites.keys().copied().filter(is_in).collect();
        let ongoing = self.begin(since, hosts, sites);
        self.mask(&ongoing.sites, since, Some(Timestamp::MAX), decisions);
        decisions.kept.push(kept(realm, &ongoing, Some(Timestamp::MAX)));
        for (slot, held) in &mut self.held {
            // What started before it was not of this outage.
            if since <= held.start && ongoing.sites.contains(slot) {
                held.is_taken_back = true;
                decisions.verdicts.extend(openings(&held.alerts).map(|(rule, _)| (*slot, rule, None, now)));
            }
        }
        self.ongoing[realm as usize] = Some(ongoing);
        decisions.news.push(NetworkChange { at: now, realm, since, hosts, state: NetworkState::Offline });
    }

    /// The outage of `realm` is over, or was none.
    fn back(
        &mut self,
        (realm, since): (Realm, Timestamp),
        state: NetworkState,
        now: Timestamp,
        decisions: &mut Decisions,
    ) {
        let Some(ongoing) = self.ongoing[realm as usize].take() else { return };
        let until = match state {
            NetworkState::Online { until, .. } => Some(until),
            NetworkState::Offline | NetworkState::Refuted => None,
        };
        self.end(realm, &ongoing, until, decisions);
        let change = NetworkChange { at: now, realm, since, hosts: ongoing.hosts, state };
        decisions.news.push(change);
        if !ongoing.is_told && change.lasted() >= TOLD {
            decisions.alerts.push(self.incident.tell(change));
        }
        if ongoing.is_told || change.lasted() >= TOLD {
            self.incident.note_end(change);
        }
    }

    /// Ends the masks and the row of `ongoing` at `until`; `None`: it was none.
    fn end(&mut self, realm: Realm, ongoing: &Ongoing, until: Option<Timestamp>, decisions: &mut Decisions) {
        self.mask(&ongoing.sites, ongoing.since, until, decisions);
        decisions.kept.push(kept(realm, ongoing, until));
    }

    /// Replaces the span of `sites` that began at `since`.
    fn mask(&mut self, sites: &[SiteSlot], since: Timestamp, until: Option<Timestamp>, decisions: &mut Decisions) {
        for slot in sites {
            let Some(site) = self.sites.get_mut(slot) else { continue };
            let others = site.mask.spans().iter().copied().filter(|(from, _)| *from != since);
            site.mask = Mask::new(others.chain(until.map(|until| (since, until))));
            decisions.masks.push((*slot, site.mask.clone()));
        }
    }

    /// Tells people of an outage that lasts, and that none does any more.
    fn tell(&mut self, now: Timestamp, decisions: &mut Decisions) {
        for realm in Realm::ALL {
            let due = |ongoing: &&mut Ongoing| !ongoing.is_told && now.since(ongoing.since) >= TOLD;
            let Some(ongoing) = self.ongoing[realm as usize].as_mut().filter(due) else { continue };
            ongoing.is_told = true;
            let (since, hosts) = (ongoing.since, ongoing.hosts);
            let change = NetworkChange { at: now, realm, since, hosts, state: NetworkState::Offline };
            decisions.alerts.push(self.incident.tell(change));
        }
        if self.ongoing.iter().all(Option::is_none) {
            decisions.alerts.extend(self.incident.close(now));
        }
    }
}

fn kept(realm: Realm, ongoing: &Ongoing, until: Option<Timestamp>) -> KeptOutage {
    let blind = Blind { realm, from: ongoing.since, to: until.unwrap_or(Timestamp::MAX) };
    let outage = Outage { blind, hosts: ongoing.hosts, sites: ongoing.stored.clone() };
    KeptOutage { outage, sites: Arc::clone(&ongoing.names), is_kept: until.is_some_and(|until| ongoing.since < until) }
}
