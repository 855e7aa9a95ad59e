//! Judges sites over all their locations, by what each of them would say.
//!
//! The engine of a hub judges each site of each location by the rule of sites.yaml on that location's own checks; what it finds is
//! a vote here. Invariants: a location votes by its store that was heard last, and only once it made a check that the engine judged,
//! so that neither a start nor a change of the sites makes anybody vote; a location that was not heard since the start counts as silent
//! after the time that `silent_after` names, and a location that was blind for so long is an alert. Cost: a pass over all sites of all locations a look.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::kept::incident::{Incident, Phase};
use crate::alert::quorum::{
    Attendance, Found, Heard, LocationSlot, QuorumJudge, Seat, SiteTerms, Vote, Votes, Watch, vote,
};
use crate::alert::{Alert, Policies, Reading, RuleKind};
use crate::engine::{SiteSnapshot, Snapshot};
use crate::fleet::gather::Report;
use crate::model::{
    Assignment, HubHealth, Location, LocationHealth, Members, Moment, Presence, SiteId, SiteSlot, StoreId, Timestamp,
};
use crate::stats::{Availability, Cadence};
use crate::store::Origin;

use super::sites::FleetSite;

/// How far the engine may be behind what was heard: a commit and a look take a second each.
const BEHIND: Duration = Duration::from_secs(5);

/// A site over its locations.
struct JudgedSite {
    name: Arc<str>,
    policies: Policies,
    assignment: Assignment,
}

/// A site of a location.
#[derive(Clone, Copy, Debug)]
struct Pair {
    location: LocationSlot,
    store: StoreId,
    /// Its number there.
    there: SiteId,
    site: SiteSlot,
    /// Its slot in the engine.
    slot: Option<SiteSlot>,
    /// A check with this number or a later one has been judged since the engine began with it; none: any.
    judged_from: Option<u64>,
}

/// See the module.
pub struct Judging {
    sites: Vec<JudgedSite>,
    by_name: HashMap<Arc<str>, SiteSlot>,
    terms: Vec<SiteTerms>,
    hosts: HashMap<String, u32>,
    judge: QuorumJudge,
    attendance: Attendance,
    locations: Vec<Location>,
    /// Those of which the store has no site any more.
    left: BTreeSet<Location>,
    /// By the name in the hub's store.
    pairs: HashMap<Arc<str>, Pair>,
    /// Of a blind location: since when, and which sites it sees down of those that it could.
    blind: BTreeMap<LocationSlot, (Moment, Reading)>,
    silent_after: Duration,
    tells_locations: bool,
    /// Since when locations could be heard, by the steady clock.
    heard_from: Timestamp,
}

impl Judging {
    /// Judges `sites` from `now` on, and reports what becomes of locations if it `tells_locations`.
    #[must_use]
    pub fn new(sites: &[FleetSite], (silent_after, tells_locations): (Duration, bool), now: Moment) -> Self {
        let mut judging = Self {
            sites: Vec::new(),
            by_name: HashMap::new(),
            terms: Vec::new(),
            hosts: HashMap::new(),
            judge: QuorumJudge::default(),
            attendance: Attendance::default(),
            locations: Vec::new(),
            left: BTreeSet::new(),
            pairs: HashMap::new(),
            blind: BTreeMap::new(),
            silent_after,
            tells_locations,
            heard_from: now.steady,
        };
        judging.extend(sites);
        judging
    }

    /// Judges these sites, too, once [`Judging::follow`] has said who checks them.
    pub fn extend(&mut self, sites: &[FleetSite]) {
        for site in sites {
            let next = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
            let host = *self.hosts.entry(site.host.clone()).or_insert(next);
            let slot = SiteSlot(u32::try_from(self.sites.len()).unwrap_or(u32::MAX));
            let terms = SiteTerms { rule: site.quorum, assigned: 0, host };
            let (name, assignment) = (Arc::clone(&site.facts.name), site.assignment.clone());
            self.judge.watch(slot, terms);
            self.terms.push(terms);
            self.by_name.insert(Arc::clone(&name), slot);
            self.sites.push(JudgedSite { name, policies: site.facts.policies, assignment });
        }
    }

    /// Takes over the incidents of sites that an earlier run left open.
    pub fn resume(&mut self, open: impl IntoIterator<Item = (Arc<str>, RuleKind, Timestamp)>) {
        for (name, rule, since) in open {
            if let Some(&site) = self.by_name.get(&name) {
                self.judge.reopen(site, rule, since);
            }
        }
    }

    /// Takes over what an earlier run reported of locations and left open among `incidents`.
    pub fn reopen<'a>(&mut self, incidents: impl IntoIterator<Item = &'a Incident>) {
        for incident in incidents {
            if incident.rule() != RuleKind::Location || incident.phase != Phase::Breached {
                continue;
            }
            if let (Some(location), Some(trouble)) = (Location::new(incident.site()), incident.newest.reading.clone()) {
                self.attendance.reopen(location, trouble, incident.opened());
            }
        }
    }

    /// The rules by which the engine judges the site `name` of a location; those of sites.yaml, if it is there.
    #[must_use]
    pub fn policies(&self, name: &str) -> Option<Policies> {
        self.by_name.get(name).map(|slot| self.sites[slot.get()].policies)
    }

    /// The votes on the site of sites.yaml with this number at the last look, and its open incident: of which rule, and since when.
    #[must_use]
    pub fn verdict(&self, number: usize) -> Option<(Votes, Option<(RuleKind, Timestamp)>)> {
        let slot = SiteSlot(u32::try_from(number).ok()?);
        Some((self.judge.votes(slot)?, self.judge.open(slot)))
    }

    /// The locations that are blind, and since when.
    pub fn blind(&self) -> impl Iterator<Item = (&Location, Timestamp)> {
        self.blind.iter().map(|(slot, (since, _))| (&self.locations[slot.get()], since.wall))
    }

    /// Whether the location of `origin` is to check that site, where `members` share what only some of them check. What sites.yaml
    /// does not have, its location may check.
    #[must_use]
    pub fn is_assigned(&self, origin: &Origin, members: Option<&Members>) -> bool {
        let site = self.by_name.get(&origin.name).map(|slot| &self.sites[slot.get()]);
        site.is_none_or(|site| site.assignment.is_for(&origin.location, &origin.name, members))
    }

    /// Follows other sites of the locations, or other `members` of the fleet: `gathered` are all sites, with their names in the hub's
    /// store. What `snapshot` has is judged once there are newer checks. A location loses its vote on what it is not to check.
    pub fn follow(&mut self, gathered: &[(Arc<str>, Origin)], members: Option<&Members>, snapshot: &Snapshot) {
        let slots: HashMap<&str, SiteSlot> = snapshot.sites.iter().map(|site| (&*site.name, site.slot)).collect();
        let newest: HashMap<&str, u64> =
            snapshot.sites.iter().filter_map(|site| Some((&*site.name, site.last.as_ref()?.seq))).collect();
        let known = std::mem::take(&mut self.pairs);
        let mut assigned = vec![BTreeSet::new(); self.sites.len()];
        for (name, origin) in gathered {
            let Some(&site) = self.by_name.get(&origin.name) else { continue };
            let location = self.slot(&origin.location);
            if !self.is_assigned(origin, members) {
                self.judge.withdraw(site, location);
                continue;
            }
            assigned[site.get()].insert(location);
            let slot = slots.get(&**name).copied();
            // What the engine has kept goes on being judged.
            let judged_from = match known.get(name).filter(|known| known.slot == slot && slot.is_some()) {
                Some(known) => known.judged_from,
                None => newest.get(&**name).map(|seq| seq + 1),
            };
            let pair = Pair { location, store: origin.store, there: origin.site, site, slot, judged_from };
            self.pairs.insert(Arc::clone(name), pair);
        }
        let present: BTreeSet<&Location> = gathered.iter().map(|(_, origin)| &origin.location).collect();
        self.left = self.locations.iter().filter(|location| !present.contains(location)).cloned().collect();
        for ((slot, terms), assigned) in (0..).map(SiteSlot).zip(&mut self.terms).zip(assigned) {
            let JudgedSite { name, assignment, .. } = &self.sites[slot.get()];
            // One that has just got the site is assigned before the hub knows of it.
            let count = match (assignment, members) {
                (Assignment::Named(names), _) => names.len(),
                (Assignment::Number(_), Some(members)) => assignment.who(name, members.names()).len(),
                _ => assigned.len(),
            };
            terms.assigned = u32::try_from(count).unwrap_or(u32::MAX);
            self.judge.watch(slot, *terms);
        }
    }

    fn slot(&mut self, location: &Location) -> LocationSlot {
        let known = self.locations.iter().position(|known| known == location);
        let index = known.unwrap_or_else(|| {
            self.locations.push(location.clone());
            self.locations.len() - 1
        });
        let slot = LocationSlot(u16::try_from(index).unwrap_or(u16::MAX));
        if known.is_none() {
            self.judge.enter(slot, location.clone());
        }
        slot
    }

    /// The hub has no connection at `now`: it hears no location, and no location counts as silent before it had time to be heard
    /// again. Votes come in one by one then, as after a start.
    pub fn hear_none(&mut self, now: Moment) {
        self.heard_from = now.steady;
    }

    /// The new alerts at `now`, given how the engine sees each site of each location and how each location is. `judged` gives
    /// the availability that the rule of such a site judged, by its name in the hub's store.
    pub fn look(
        &mut self,
        snapshot: &Snapshot,
        reports: &[Report],
        judged: impl Fn(&str) -> Option<Availability>,
        now: Moment,
    ) -> Vec<Alert> {
        let by_location: HashMap<&Location, &Report> =
            reports.iter().map(|report| (&report.location, report)).collect();
        let mut names: HashMap<(SiteSlot, LocationSlot), &str> = HashMap::new();
        for site in &snapshot.sites {
            let Some(pair) = self.pairs.get(&site.name) else { continue };
            let Some(report) = by_location.get(&self.locations[pair.location.get()]) else { continue };
            // An older store of the location says nothing, not even that it has no vote.
            if report.store != pair.store {
                continue;
            }
            names.insert((pair.site, pair.location), &site.name);
            match vote(&heard(report), &watch(site, pair, report), now.steady, self.silent_after) {
                Ok(vote) => {
                    let seat = Seat { location: pair.location, vote, since: site.since, judged: None };
                    self.judge.cast(pair.site, seat);
                }
                Err(_) => self.judge.withdraw(pair.site, pair.location),
            }
        }
        let mut found = Found::default();
        // Votes come in one by one after a start, and after a time in which no location could be heard.
        self.judge.settle_until(now.on_wall(self.heard_from.after(self.silent_after)));
        self.judge.step(now.wall, &mut found);
        for sight in found.sights {
            self.blind.remove(&sight.location);
            if sight.is_blind {
                let reading = Reading::Blind { down: sight.down, sites: sight.known };
                self.blind.insert(sight.location, (now, reading));
            }
        }
        let mut alerts = self.attend(&by_location, now);
        for ruling in found.rulings {
            let voters = self.judge.seats(ruling.site).iter().filter(|seat| !self.judge.is_blind(seat.location));
            let counts = voters.filter_map(|seat| judged(names.get(&(ruling.site, seat.location))?));
            let sum = |sum: Availability, next: Availability| Availability {
                up: sum.up + next.up,
                checks: sum.checks + next.checks,
            };
            let mut transition = ruling.transition;
            transition.availability = counts.reduce(sum);
            let site = &self.sites[ruling.site.get()];
            alerts.push(Alert::new(Arc::clone(&site.name), &site.policies, &transition));
        }
        alerts
    }

    /// How each location of `reports` is at `now`.
    #[must_use]
    pub fn attendance(&self, reports: &[Report], now: Moment) -> HubHealth {
        let location = |report: &Report| {
            let slot = self.locations.iter().position(|known| *known == report.location);
            let blind = slot.and_then(|slot| self.blind.get(&LocationSlot(u16::try_from(slot).ok()?)));
            let last = report.heard.unwrap_or(self.heard_from).max(self.heard_from);
            let heard = report.heard.map(|heard| now.on_wall(heard));
            let (presence, since) = match blind {
                _ if self.silent_after < now.steady.since(last) => (Presence::Silent, heard),
                _ if report.heard.is_none() => (Presence::Awaited, None),
                Some((since, _)) => (Presence::Blind, Some(since.wall)),
                None => (Presence::Heard, None),
            };
            LocationHealth {
                location: report.location.clone(),
                presence,
                since,
                heard,
                ahead: report.ahead,
                is_filling: report.is_filling,
            }
        };
        let mut locations: Vec<LocationHealth> = reports.iter().map(location).collect();
        locations.sort_by(|a, b| a.location.cmp(&b.location));
        HubHealth { locations }
    }

    /// The new alerts about the locations themselves.
    fn attend(&mut self, reports: &HashMap<&Location, &Report>, now: Moment) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for (slot, location) in (0..).map(LocationSlot).zip(&self.locations) {
            if self.left.contains(location) {
                alerts.extend(self.attendance.leave(location, now.wall));
                continue;
            }
            let report = reports.get(location);
            let last = report.and_then(|report| report.heard);
            // No location is late before there was time to hear it.
            let since = last.unwrap_or(self.heard_from).max(self.heard_from);
            let trouble = if self.silent_after < now.steady.since(since) {
                Some(Reading::Silent { last: last.map(|last| now.on_wall(last)) })
            } else {
                // The first one to see an outage of several sites looks blind until the others see it too.
                let is_lasting = |since: &Moment| self.silent_after <= now.steady.since(since.steady);
                let lasting = self.blind.get(&slot).filter(|(since, _)| is_lasting(since));
                lasting.map(|(_, reading)| reading.clone())
            };
            alerts.extend(self.attendance.look(location, trouble, now.wall));
        }
        if self.tells_locations { alerts } else { Vec::new() }
    }
}

/// The hub's knowledge of a location. Its checks do not say what time it is there: they may have been made before its clock was set
/// back.
fn heard(report: &Report) -> Heard {
    // The engine sees a check later than the gatherer hears the frame.
    let newest = report.sent.map_or(Timestamp::ZERO, |sent| sent.before(BEHIND));
    // The judge leaves out the blind by itself.
    Heard { at: report.heard, newest, is_blind: false }
}

/// What a location knows of a site.
fn watch(site: &SiteSnapshot, pair: &Pair, report: &Report) -> Watch {
    let last = site.last.as_ref();
    let is_judged = last.is_some_and(|last| pair.judged_from.is_none_or(|from| last.seq >= from));
    let rule = match (is_judged, site.incident.is_some()) {
        (false, _) => None,
        (true, true) => Some(Vote::Down),
        (true, false) => site.judged_from.is_none().then_some(Vote::Up),
    };
    Watch {
        // Only what a location is to check is a pair.
        is_assigned: true,
        is_paused: report.paused.contains(&pair.there),
        cadence: Cadence { interval: site.interval, timeout: site.timeout },
        last: last.map(|last| (last.sample.at, last.sample.cause.outcome())),
        rule,
    }
}

#[cfg(test)]
pub(super) mod tests;
