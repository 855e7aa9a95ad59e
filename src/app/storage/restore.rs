//! Restores the state of sites from the store: rings with their stored samples, readers at their heads, open incidents.
//!
//! Invariants, per site: stored samples enter the ring first; then the writer's reader is created, so that no sample is stored
//! twice; then the scheduler gets the site. Sites come in the order of their due times, so that checks begin while others are
//! still read. Cost: samples go from the store straight into the ring, because an hour of 10,000 sites takes 250 MB.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::kept::incident::Incident;
use crate::alert::network::Mask;
use crate::alert::policy::Minutes;
use crate::alert::{Alert, AlertRecord, Rule, StandingIncident};
use crate::app::clock::AHEAD_MAX;
use crate::app::exit::CommandError;
use crate::app::scheduler::due_time::first_due;
use crate::app::scheduler::resume::{self, PlannedSite};
use crate::app::scheduler::{CheckTexts, ScheduledSite};
use crate::app::system::machine;
use crate::config::{Config, ConfiguredSite};
use crate::engine::SiteInput;
use crate::model::{Cause, Certificate, OWN_NAME, Observation, Sample, SiteId, SiteSlot, Timestamp, View, figures};
use crate::ring::{Producer, Reader, Ring, SLOT_BYTES, Slab, capacity_for};
use crate::store::{Kept, OpenIncident, Outages, Query, Registered, Store, StoreError};

use super::site_spec::SiteSpec;

/// The stored state of the sites of a configuration.
#[derive(Debug, Default)]
pub struct Restored {
    /// One per site, in the order of the configuration; empty without a store.
    pub registered: Vec<Registered>,
    /// Every site of the store by name, watched or not: an incident that was kept is written under its own site.
    pub stored_sites: HashMap<Arc<str>, SiteId>,
    /// The samples of the same sites within their horizons; empty at the start, which reads them into the rings.
    pub samples: Vec<Vec<Sample>>,
    /// The open incidents of each site.
    pub open: HashMap<SiteId, Vec<StandingIncident>>,
    /// Until when a site is paused.
    pub paused: HashMap<SiteId, Timestamp>,
    /// The last certificate of a site.
    pub certificates: HashMap<SiteId, Certificate>,
    /// Every stored alert, oldest first.
    pub alerts: Vec<AlertRecord>,
    /// Alerts that end the incidents of sites that left the file.
    pub ended: Vec<(SiteId, Alert)>,
    /// The incidents, waiting messages and silences.
    pub kept: Kept,
    /// The outages of this machine's network.
    pub outages: Outages,
    /// The alerts that opened incidents of an earlier version.
    pub adopted: Vec<Alert>,
    /// The random number of the store, part of every key of a message.
    pub agent: u64,
    /// Notices to the user.
    pub notices: Vec<String>,
}

/// The tracks and readers of all sites, in the order of the configuration.
#[derive(Debug, Default)]
pub struct Assembly {
    /// For the engine.
    pub tracks: Vec<SiteInput>,
    /// For the writer: readers of the samples from now on.
    pub readers: Vec<Reader>,
}

/// The span that the ring of this site has to hold.
#[must_use]
pub fn horizon(views: &[View], watched: &ConfiguredSite) -> Duration {
    let recent = views.iter().filter(|view| !view.is_long());
    let longest = recent.map(|view| view.timeframe.length()).max().unwrap_or_default();
    longest.max(watched.policies.reach(watched.site.interval))
}

/// The span of stored samples that this site needs: more than its ring holds, if it has an objective.
#[must_use]
pub fn memory_span(views: &[View], watched: &ConfiguredSite) -> Duration {
    let horizon = horizon(views, watched);
    if watched.policies.slo.is_some() { horizon.max(Minutes::REACH) } else { horizon }
}

/// The checks of a site with an objective that are too old for its ring of `slots`; those that `mask` covers are unknown.
#[must_use]
pub fn older_minutes(watched: &ConfiguredSite, samples: &[Sample], slots: usize, mask: &Mask) -> Option<Minutes> {
    let older = samples.len().saturating_sub(slots);
    let seen = || samples[..older].iter().map(|sample| mask.seen(sample)).collect::<Vec<Sample>>();
    watched.policies.slo.map(|_| Minutes::of(&seen()))
}

/// Reads the stored state of the sites of `config` at `now`, without samples; `all_names` are all sites of the file, selected
/// or not.
///
/// # Errors
/// The store's.
pub fn remember(
    store: &Store,
    config: &Config,
    all_names: &[Arc<str>],
    now: Timestamp,
) -> Result<Restored, StoreError> {
    let names: Vec<Arc<str>> = config.sites.iter().map(|watched| Arc::clone(&watched.site.name)).collect();
    let mut memory = known(store, &names, now)?;
    // Watched sites come last: of two sites of one name the watched one is meant.
    let watched = memory.registered.iter().map(|registered| registered.id);
    let watched: Vec<(Arc<str>, SiteId)> = names.iter().cloned().zip(watched).collect();
    memory.stored_sites = store.names()?.into_iter().chain(watched).collect();
    memory.alerts = store.alerts(&Query::ALL)?;
    memory.kept = store.kept()?;
    let (agent, is_copy) = store.agent(random(), machine::host_name().as_deref())?;
    memory.agent = agent;
    if is_copy {
        memory.notices.push(COPIED.to_owned());
    }
    for OpenIncident { site: id, name, rule: kind, since, number, .. } in store.open_incidents()? {
        if kind.is_own() {
            // It has no site that could be gone; the location that opened it goes on with it.
            continue;
        }
        if !all_names.contains(&name) {
            let rule = rule_then(&memory.alerts, &name, since);
            let ended = Alert { rule: kind, incident: number, ..Alert::ended(name, &rule, since, now) };
            memory.ended.push((id, ended));
        } else if number.is_none() {
            let opening = memory.alerts.iter().rfind(|alert| alert.site == name && alert.at == since);
            memory.adopted.extend(opening.map(|alert| alert.facts.clone()));
        }
    }
    end_misplaced(&mut memory, all_names, now);
    Ok(memory)
}

/// Ends the incidents of sites that an earlier version wrote under webmon's own name: no check would ever end them.
fn end_misplaced(memory: &mut Restored, all_names: &[Arc<str>], now: Timestamp) {
    if all_names.iter().any(|name| **name == *OWN_NAME) {
        return;
    }
    let is_misplaced =
        |incident: &&Incident| incident.is_open() && !incident.rule().is_own() && **incident.site() == *OWN_NAME;
    for incident in memory.kept.incidents.iter().filter(is_misplaced) {
        let Alert { threshold, window, .. } = incident.opening;
        let rule = Rule { threshold, window, ..Rule::default() };
        let ended = Alert::ended(Arc::clone(incident.site()), &rule, incident.opened(), now);
        memory.ended.push((SiteId::OWN, Alert { rule: incident.rule(), incident: Some(incident.number), ..ended }));
    }
}

/// What a user should know of a store that came from another machine.
const COPIED: &str = "the store was copied from another machine: its messages have keys of their own from now on, so that no \
                      service takes two monitors for one; incidents that were open at a service have to be closed there";

/// A number that no other store has.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Reads the stored state of the sites of these names without alerts, and their samples within these horizons.
///
/// # Errors
/// The store's.
pub fn recall(store: &Store, wanted: &[(Arc<str>, Duration)], now: Timestamp) -> Result<Restored, StoreError> {
    if wanted.is_empty() {
        // A store that cannot be read must not prevent a change that does not need it.
        return Ok(Restored::default());
    }
    let names: Vec<Arc<str>> = wanted.iter().map(|(name, _)| Arc::clone(name)).collect();
    let mut memory = known(store, &names, now)?;
    let samples = wanted.iter().zip(&memory.registered).map(|((_, horizon), registered)| {
        let mut samples = Vec::new();
        replay(store, registered, now.before(*horizon), &mut samples).map(|()| samples)
    });
    memory.samples = samples.collect::<Result<_, _>>()?;
    Ok(memory)
}

/// Appends the samples of a site from `since` on to `samples`; none if its last one lies in the future.
fn replay(
    store: &Store,
    registered: &Registered,
    since: Timestamp,
    samples: &mut Vec<Sample>,
) -> Result<(), StoreError> {
    if registered.last_at.is_some() {
        store.replay(registered.id, since, samples)?;
    }
    Ok(())
}

/// The stored state of the sites of these names, without samples and alerts.
fn known(store: &Store, names: &[Arc<str>], now: Timestamp) -> Result<Restored, StoreError> {
    let mut memory = Restored { registered: store.register(names, now)?, ..Restored::default() };
    for (name, registered) in names.iter().zip(&mut memory.registered) {
        if registered.last_at.is_some_and(|last| last > now.after(AHEAD_MAX)) {
            memory
                .notices
                .push(format!("{name}: stored checks lie in the future; was the clock wrong? its windows begin empty"));
            registered.last_at = None;
        }
    }
    memory.outages = store.outages()?;
    memory.paused = store.pauses()?.into_iter().filter(|(_, until)| *until > now).collect();
    memory.certificates = store.certificates()?.into_iter().collect();
    for OpenIncident { site, rule, since, reading, .. } in store.open_incidents()? {
        memory.open.entry(site).or_default().push(StandingIncident { rule, since, reading });
    }
    Ok(memory)
}

/// The rule by which the incident of `name` that began at `since` was judged.
fn rule_then(alerts: &[AlertRecord], name: &str, since: Timestamp) -> Rule {
    let down = alerts.iter().rfind(|alert| *alert.site == *name && alert.at == since);
    down.map_or_else(Rule::default, |down| Rule { threshold: down.threshold, window: down.window, ..Rule::default() })
}

/// A ring of `slots` samples in `slab` that holds `samples` and continues at `next_seq`.
#[must_use]
pub fn filled(slab: &mut Slab, slots: usize, next_seq: u64, samples: &[Sample]) -> Producer {
    let mut producer = Producer::within(slab, slots, next_seq - samples.len() as u64);
    for sample in samples {
        producer.push(*sample);
    }
    debug_assert_eq!(producer.next_seq(), next_seq, "a replay ends with the newest stored sample");
    producer
}

/// Builds the rings of all sites with their stored samples at `now`, and everything that reads or writes the rings. Passes each
/// site to `begin` as soon as it may be checked, the earliest due first.
///
/// # Errors
/// The store's; `begin` may have got some sites by then.
pub fn assemble(
    config: &Config,
    (memory, store): (&Restored, Option<&Store>),
    now: Timestamp,
    mut begin: impl FnMut(ScheduledSite),
) -> Result<Assembly, StoreError> {
    let due = dues(config, memory, now);
    let mut order: Vec<usize> = (0..due.len()).collect();
    order.sort_by_key(|&index| due[index]);
    let (mut slab, mut samples) = (slab(config), Vec::new());
    let mut places: Vec<Option<(SiteInput, Reader)>> = std::iter::repeat_with(|| None).take(due.len()).collect();
    for index in order {
        let watched = &config.sites[index];
        samples.clear();
        if let (Some(store), Some(registered)) = (store, memory.registered.get(index)) {
            let mut since = now.before(memory_span(&config.views, watched));
            // A site shows its last check until the next one is due, however old it is.
            if let Some(last) = registered.last_at.filter(|&last| now.since(last) < watched.site.interval) {
                since = since.min(last);
            }
            replay(store, registered, since, &mut samples)?;
        }
        let (past, slots) = (memory.of(index), slots(&config.views, watched));
        let producer = filled(&mut slab, slots, past.next_seq, &samples);
        let (watch, mut track, reader) = seat(watched, (SiteSlot::new(index), due[index]), producer, past);
        track.mask = memory.mask(index);
        track.minutes = older_minutes(watched, &samples, slots, &track.mask);
        places[index] = Some((track, reader));
        begin(watch);
    }
    let (tracks, readers) = places.into_iter().flatten().unzip();
    Ok(Assembly { tracks, readers })
}

/// When the first check of each site is due, after `now`.
fn dues(config: &Config, memory: &Restored, now: Timestamp) -> Vec<Duration> {
    let planned = first_due(config.sites.iter().map(|watched| &*watched.site)).into_iter().zip(&config.sites);
    let known = |(index, (planned, watched)): (usize, (Duration, &ConfiguredSite))| {
        let past = memory.of(index);
        PlannedSite {
            planned,
            interval: watched.site.interval,
            last_at: past.last_at,
            is_paused: past.paused.is_some(),
        }
    };
    resume::first_due(&planned.enumerate().map(known).collect::<Vec<_>>(), now)
}

/// The parts of a site for the scheduler, the engine and the writer, whose reader delivers the samples from now on.
#[must_use]
pub fn seat(
    watched: &ConfiguredSite,
    (slot, first_due): (SiteSlot, Duration),
    producer: Producer,
    past: RestoredSite<'_>,
) -> (ScheduledSite, SiteInput, Reader) {
    let reader = producer.ring().reader_at_head();
    let track = SiteInput { open: past.open.to_vec(), ..track(slot, watched, Arc::clone(producer.ring())) };
    let RestoredSite { last_at, paused, .. } = past;
    (ScheduledSite { slot, site: Arc::clone(&watched.site), producer, first_due, last_at, paused }, track, reader)
}

fn slab(config: &Config) -> Slab {
    Slab::new(config.sites.iter().map(|watched| slots(&config.views, watched)).sum())
}

/// The memory that the rings of a configuration may take, bytes: sixty million checks. The system would kill a program that
/// takes more in the middle of its start.
const RINGS_MAX: u64 = 4 << 30;

/// Checks that the rings of all sites fit into memory.
///
/// # Errors
/// [`CommandError::Usage`] with the sum and what to do.
pub fn fits(config: &Config) -> Result<(), CommandError> {
    let bytes = |watched: &ConfiguredSite| (slots(&config.views, watched) as u64).saturating_mul(SLOT_BYTES as u64);
    let sum = config.sites.iter().map(bytes).fold(0, u64::saturating_add);
    if sum <= RINGS_MAX {
        return Ok(());
    }
    Err(CommandError::Usage(format!(
        "to keep the checks of every view and alert window at hand would take {} of memory, more than {}: check \
         less often, shorten the views and alert windows, or watch fewer sites",
        figures::bytes(sum),
        figures::bytes(RINGS_MAX)
    )))
}

/// How many samples the ring of this site holds.
#[must_use]
pub fn slots(views: &[View], watched: &ConfiguredSite) -> usize {
    capacity_for(horizon(views, watched), watched.site.interval, watched.site.timeout)
}

/// The track for the engine of a site whose samples come through `ring`, without open incidents.
#[must_use]
pub fn track(slot: SiteSlot, watched: &ConfiguredSite, ring: Arc<Ring>) -> SiteInput {
    SiteSpec::from(watched).track(slot, ring, Vec::new())
}

/// The stored state of one site.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoredSite<'a> {
    /// The sequence number of its next sample.
    pub next_seq: u64,
    /// The time of its newest sample.
    pub last_at: Option<Timestamp>,
    /// Its newest samples.
    pub samples: &'a [Sample],
    /// Its open incidents.
    pub open: &'a [StandingIncident],
    /// Until when it is paused.
    pub paused: Option<Timestamp>,
}

impl Restored {
    /// What is known of the newest stored checks besides their samples, which are in the rings of `tracks`: the
    /// certificates of sites that were up.
    pub fn shown(&mut self, tracks: &[SiteInput]) -> Vec<CheckTexts> {
        let mut shown = Vec::new();
        for (registered, track) in self.registered.iter().zip(tracks) {
            let certificate = self.certificates.remove(&registered.id).map(Arc::new);
            let Some(seq) = registered.next_seq.checked_sub(1).filter(|_| certificate.is_some()) else { continue };
            let newest = track.ring.reader_at(seq);
            // A failure without its reason would mislead.
            if newest.next_seq() == seq && newest.peek().is_some_and(|last| last.cause == Cause::Ok) {
                let observation = Arc::new(Observation { certificate, ..Observation::failed(Cause::Ok, "") });
                let at = newest.peek().map_or(Timestamp::ZERO, |last| last.at);
                shown.push(CheckTexts { site: track.slot, seq, at, observation });
            }
        }
        shown
    }

    /// What outages of this machine's network cover of the site at `index` of [`Restored::registered`].
    #[must_use]
    pub fn mask(&self, index: usize) -> Mask {
        self.registered.get(index).map_or_else(Mask::default, |registered| self.outages.of(registered.id))
    }

    /// Of the site at `index` of [`Restored::registered`].
    #[must_use]
    pub fn of(&self, index: usize) -> RestoredSite<'_> {
        let Some(registered) = self.registered.get(index) else { return RestoredSite::default() };
        RestoredSite {
            next_seq: registered.next_seq,
            last_at: registered.last_at,
            samples: self.samples.get(index).map_or(&[], Vec::as_slice),
            open: self.open.get(&registered.id).map_or(&[], Vec::as_slice),
            paused: self.paused.get(&registered.id).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::incident::ledger::Ledger;
    use crate::alert::incident::terms::{Emitted, LedgerTerms};
    use crate::alert::{AlertState, NewsContext, RuleKind};

    /// The record that an earlier version made of the incident of a site that was not selected.
    #[test]
    fn an_incident_of_a_site_under_webmons_own_name_ends_at_the_start() {
        let at = Timestamp::from_secs(5);
        let mut memory = Restored::default();
        for (site, rule) in
            [(OWN_NAME, RuleKind::Availability), (OWN_NAME, RuleKind::Outlet), ("api", RuleKind::Availability)]
        {
            let ended = Alert { rule, ..Alert::ended(site.into(), &Rule::default(), at, at) };
            let mut ledger = Ledger::new(LedgerTerms::default(), Box::new(|_| String::new()));
            let down = Alert { state: AlertState::Down, ..ended };
            ledger.note(&down, NewsContext::default(), at, &mut Emitted::default());
            memory.kept.incidents.extend(ledger.open_incidents().cloned());
        }
        end_misplaced(&mut memory, &["api".into()], at);
        let ended: Vec<_> =
            memory.ended.drain(..).map(|(_, alert)| (alert.rule, alert.incident, alert.state)).collect();
        assert_eq!(ended, [(RuleKind::Availability, Some(1), AlertState::Ended)]);
        end_misplaced(&mut memory, &[OWN_NAME.into()], at);
        assert!(memory.ended.is_empty(), "a site of this name is meant");
    }
}
