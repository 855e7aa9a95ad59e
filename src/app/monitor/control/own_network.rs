//! Tells an outage of this machine's network from outages of sites, for the control loop.
//!
//! It hears of every finished check and every delivered message, and holds the alerts of a down that rests on silence until
//! [`Network`] has decided: released, they are published as the rule found them; dropped, they are never reported.
//!
//! Invariants: the alerts of a site keep their order. What was held and is released is not changed. An incident whose down
//! is dropped is taken back in the engine, also while the outage lasts, so no `up` follows. Without a panel nothing is held.
//! A stop forgets what is held: the next start judges the last check of each site itself.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::alert::network::{Blind, Finished, Mask, Network, NetworkChange, NetworkEvent, NetworkState, Outage, Realm};
use crate::alert::{Alert, AlertState, RuleKind};
use crate::app::alerts::stored_report::KeptOutage;
use crate::app::scheduler::CheckTexts;
use crate::engine::{EngineStep, SiteState, Snapshot, StateChange};
use crate::model::{Cause, OWN_NAME, Observation, Outcome, OwnOutage, Sample, SiteSlot, Timestamp};
use crate::report::network::sentence;

use super::decisions::{Decisions, openings};

/// An outage of so long is told.
const TOLD: Duration = Duration::from_secs(30);

/// See the module.
pub struct OwnNetwork {
    network: Network,
    is_on: bool,
    zone: TimeZone,
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

/// Alerts of one site that wait for a decision.
struct HeldDown {
    alerts: Vec<Alert>,
    changes: Vec<StateChange>,
    /// When the newest failed check started.
    start: Timestamp,
    /// Whether its incidents were taken back in the engine, because an outage explains them.
    is_taken_back: bool,
}

/// An outage that lasts.
struct Ongoing {
    since: Timestamp,
    hosts: usize,
    sites: Vec<SiteSlot>,
    names: Arc<[Arc<str>]>,
    is_told: bool,
}

impl OwnNetwork {
    /// Watches no site yet. Messages show times in `zone`.
    #[must_use]
    pub fn new(is_on: bool, zone: TimeZone) -> Self {
        Self {
            network: Network::default(),
            is_on,
            zone,
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
            let (failed, mask) = known.map_or_else(|| (None, mask(slot)), |known| (known.failed, known.mask));
            self.sites.insert(slot, WatchedSite { name, interval, timeout, is_checked, failed, mask });
        }
        for slot in before.into_keys() {
            self.forget(slot, now);
        }
        self.slots = self.sites.iter().map(|(slot, site)| (Arc::clone(&site.name), *slot)).collect();
    }

    /// Continues the outages that the store has as open; each concerns the sites whose masks last.
    pub fn resume(&mut self, open: &[Outage]) {
        for Outage { blind, hosts, .. } in open.iter().filter(|_| self.is_on) {
            let is_open = |site: &&WatchedSite| site.mask.spans().contains(&(blind.from, Timestamp::MAX));
            let concerned = self.sites.iter().filter(|(_, site)| is_open(site));
            let sites: Vec<SiteSlot> = concerned.map(|(slot, _)| *slot).collect();
            self.network.resume(blind.realm, blind.from);
            self.ongoing[blind.realm as usize] = Some(self.begin(blind.from, *hosts, sites));
        }
    }

    fn begin(&self, since: Timestamp, hosts: usize, sites: Vec<SiteSlot>) -> Ongoing {
        let names = sites.iter().filter_map(|slot| Some(Arc::clone(&self.sites.get(slot)?.name))).collect();
        Ongoing { since, hosts, sites, names, is_told: false }
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
        self.apply_events(now, &mut decisions);
        self.tell(now, &mut decisions);
        decisions
    }

    /// Follows a clock that was set: outages end at `now`, and what was held is released.
    pub fn clock_set(&mut self, now: Timestamp) -> Decisions {
        let mut decisions = Decisions::default();
        self.network.clock_set(now, &mut self.events);
        self.apply_events(now, &mut decisions);
        for realm in Realm::ALL {
            if let Some(ongoing) = self.ongoing[realm as usize].take() {
                // It began after `now`: nothing is left of it.
                self.end(realm, &ongoing, None, &mut decisions);
            }
        }
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

    /// Whether a down waits.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes the alerts out of `step` that have to wait, and the changes of state that they explain.
    pub fn sift(&mut self, step: &mut EngineStep, board: &Snapshot, now: Timestamp) {
        let alerts = std::mem::take(&mut step.alerts);
        for alert in alerts {
            self.sift_alert(alert, step, board, now);
        }
        if self.held.is_empty() {
            return;
        }
        let slot_of = |change: &StateChange| board.sites.get(change.site.get()).map(|site| site.slot);
        let is_held = |change: &mut StateChange| {
            change.to == SiteState::Down && slot_of(change).is_some_and(|slot| self.held.contains_key(&slot))
        };
        let changes: Vec<StateChange> = step.changes.extract_if(.., is_held).collect();
        for change in changes {
            if let Some(held) = slot_of(&change).and_then(|slot| self.held.get_mut(&slot)) {
                held.changes.push(change);
            }
        }
    }

    fn sift_alert(&mut self, alert: Alert, step: &mut EngineStep, board: &Snapshot, now: Timestamp) {
        let Some(&slot) = self.slots.get(&alert.site).filter(|_| self.is_on) else { return step.alerts.push(alert) };
        if !matches!(alert.rule, RuleKind::Availability | RuleKind::SloFast | RuleKind::SloSlow) {
            return step.alerts.push(alert);
        }
        let is_opening = alert.state.is_opening();
        match self.held.get_mut(&slot) {
            Some(held) if is_opening || alert.rule != RuleKind::Availability => held.alerts.push(alert),
            Some(_) => {
                // The site itself answered since, so no outage can explain the down any more; or it ended with its rule.
                self.network.cleared(slot.get());
                let Some(held) = self.held.remove(&slot).filter(|_| alert.state != AlertState::Ended) else { return };
                step.alerts.extend(held.alerts);
                step.alerts.push(alert);
                step.changes.splice(0..0, held.changes);
            }
            None if !is_opening => step.alerts.push(alert),
            None => match self.hold(slot, board, now) {
                Some(start) => {
                    let held = HeldDown { alerts: vec![alert], changes: Vec::new(), start, is_taken_back: false };
                    self.held.insert(slot, held);
                }
                None => step.alerts.push(alert),
            },
        }
    }

    /// The start of the newest failed check of `slot`, if a down has to wait for a decision about it.
    fn hold(&mut self, slot: SiteSlot, board: &Snapshot, now: Timestamp) -> Option<Timestamp> {
        let failed = self.sites.get(&slot).and_then(|site| site.failed);
        // Its texts may be on their way.
        let last = board.sites.iter().find(|site| site.slot == slot).and_then(|site| site.last.as_ref());
        let last = last.map(|last| last.sample).filter(|sample| sample.outcome() != Outcome::Up);
        let last = last.map(|sample: Sample| (sample.at, sample.started(), sample.cause));
        let (_, start, cause) = [failed, last].into_iter().flatten().max_by_key(|(at, ..)| *at)?;
        self.network.down(slot.get(), start, cause, now).then_some(start)
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
            decisions.alerts.push(self.own_alert(since, AlertState::Breached, &offline(&change)));
        }
        if ongoing.is_told || change.lasted() >= TOLD {
            decisions.alerts.push(self.own_alert(until.unwrap_or(now), AlertState::Cleared, &change));
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

    fn release(&mut self, slot: SiteSlot, decisions: &mut Decisions) {
        // What was taken back the engine finds again, now that its checks count.
        let Some(held) = self.held.remove(&slot).filter(|held| !held.is_taken_back) else { return };
        decisions.alerts.extend(held.alerts);
        decisions.changes.extend(held.changes);
    }

    fn drop_held(&mut self, slot: SiteSlot, now: Timestamp, decisions: &mut Decisions) {
        let Some(held) = self.held.remove(&slot).filter(|held| !held.is_taken_back) else { return };
        decisions.verdicts.extend(openings(&held.alerts).map(|(rule, _)| (slot, rule, None, now)));
    }

    /// Tells people of an outage that lasts.
    fn tell(&mut self, now: Timestamp, decisions: &mut Decisions) {
        for realm in Realm::ALL {
            let due = |ongoing: &&mut Ongoing| !ongoing.is_told && now.since(ongoing.since) >= TOLD;
            let Some(ongoing) = self.ongoing[realm as usize].as_mut().filter(due) else { continue };
            ongoing.is_told = true;
            let (since, hosts) = (ongoing.since, ongoing.hosts);
            let change = NetworkChange { at: now, realm, since, hosts, state: NetworkState::Offline };
            decisions.alerts.push(self.own_alert(since, AlertState::Breached, &change));
        }
    }

    fn own_alert(&self, at: Timestamp, state: AlertState, change: &NetworkChange) -> Alert {
        Alert::own(OWN_NAME.into(), RuleKind::Network, state, sentence(change, &self.zone), at)
    }
}

/// `change` as it began.
const fn offline(change: &NetworkChange) -> NetworkChange {
    NetworkChange { state: NetworkState::Offline, ..*change }
}

fn kept(realm: Realm, ongoing: &Ongoing, until: Option<Timestamp>) -> KeptOutage {
    let blind = Blind { realm, from: ongoing.since, to: until.unwrap_or(Timestamp::MAX) };
    let outage = Outage { blind, hosts: ongoing.hosts, sites: Vec::new() };
    KeptOutage { outage, sites: Arc::clone(&ongoing.names), is_kept: until.is_some_and(|until| ongoing.since < until) }
}
