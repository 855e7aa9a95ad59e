//! Reads the stored state of the followed sites into rings and tracks.

use std::collections::HashMap;
#[cfg(feature = "nats")]
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{AlertRecord, StandingIncident};
use crate::app::storage::site_spec::SiteSpec;
use crate::engine::{Engine, SiteInput};
#[cfg(feature = "nats")]
use crate::model::Outcome;
use crate::model::{Certificate, Observation, SiteId, SiteSlot, Timestamp, View};
use crate::ring::{Producer, capacity_for};
#[cfg(feature = "nats")]
use crate::stats::Availability;
use crate::store::{Archive, Arrived, Changes, Outages, Signature, StoreError, StoredSite, Why};

/// Tries to open a locked store, and the time between two.
const LOCK_LOOKS: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A followed site.
pub struct FollowedSite {
    /// Its slot in the engine.
    pub slot: SiteSlot,
    pub name: Arc<str>,
    /// Its id, once the store knows it.
    pub id: Option<SiteId>,
    /// The sequence number of the next sample.
    pub next_seq: u64,
    /// The time of the newest sample.
    pub last_at: Timestamp,
    pub paused_until: Option<Timestamp>,
    pub producer: Producer,
}

/// Opens the store; waits while another reader repairs it after its writer was killed.
///
/// # Errors
/// The store's.
pub fn patiently(path: &Path) -> Result<Archive, StoreError> {
    for _ in 0..LOCK_LOOKS {
        match Archive::open(path) {
            Err(StoreError::Locked { .. }) => std::thread::sleep(LOCK_PAUSE),
            opened => return opened,
        }
    }
    Archive::open(path)
}

/// The stored state of all sites.
pub struct StoreContents {
    /// The requested sites in their order, then those that the store has seen lately.
    pub sites: Vec<FollowedSite>,
    /// Their tracks for an engine.
    pub tracks: Vec<SiteInput>,
    /// The failure text of the newest check of each, and its certificate.
    pub(super) whys: Vec<(Option<Why>, Option<Arc<Certificate>>)>,
    pub alerts: Vec<AlertRecord>,
    /// The number of the next alert.
    pub next_alert: u64,
    /// The outages of the writer's own network.
    pub outages: Outages,
    /// The writer.
    pub signature: Option<Signature>,
}

impl StoreContents {
    /// Reads `archive` at `now`, as far back as `views` reach.
    ///
    /// # Errors
    /// The store's.
    pub fn read(
        archive: &Archive,
        mut subjects: Vec<SiteSpec>,
        (views, first_slot): (&[View], SiteSlot),
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let known = archive.sites()?;
        let longest = longest(views);
        let past = remembered(archive, &known, now.before(longest))?;
        let strangers = known.iter().filter(|site| subjects.iter().all(|subject| subject.name != site.name));
        let strangers: Vec<SiteSpec> = strangers
            .filter(|site| site.last_at.is_some_and(|at| at > now.before(longest)))
            .map(|site| SiteSpec::of_store(&site.name, &past[&site.name].1.samples))
            .collect();
        subjects.extend(strangers);
        Self::of(archive, subjects, past, (longest, first_slot))
    }

    /// Reads only `subjects`.
    ///
    /// # Errors
    /// The store's.
    #[cfg(feature = "nats")]
    pub fn read_only(
        archive: &Archive,
        subjects: Vec<SiteSpec>,
        (views, first_slot): (&[View], SiteSlot),
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let wanted: HashSet<&str> = subjects.iter().map(|subject| &*subject.name).collect();
        let mut known = archive.sites()?;
        known.retain(|site| wanted.contains(&*site.name));
        let longest = longest(views);
        let past = remembered(archive, &known, now.before(longest))?;
        Self::of(archive, subjects, past, (longest, first_slot))
    }

    fn of(
        archive: &Archive,
        subjects: Vec<SiteSpec>,
        mut past: Remembered,
        (longest, first_slot): (Duration, SiteSlot),
    ) -> Result<Self, StoreError> {
        let Changes { alerts, next_alert, signature, outages, .. } = archive.news(&[], 0)?;
        let open = open_incidents(&alerts);
        let (mut sites, mut tracks, mut whys) = (Vec::new(), Vec::new(), Vec::new());
        for (slot, subject) in (first_slot.0..).map(SiteSlot).zip(subjects) {
            let (site, arrived) = past.remove(&subject.name).map_or_else(Default::default, |(id, it)| (Some(id), it));
            let (followed, mut track) = begin((slot, subject), site, &arrived, longest, &open);
            track.mask = site.map(|site| outages.of(site)).unwrap_or_default();
            sites.push(followed);
            tracks.push(track);
            whys.push((arrived.why, arrived.certificate));
        }
        Ok(Self { sites, tracks, whys, alerts, next_alert, outages, signature })
    }

    /// The time of the newest sample of all.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.sites.iter().filter(|site| site.next_seq > 0).map(|site| site.last_at).max()
    }

    /// Gives the failure texts and certificates to `engine`, once it has the tracks.
    pub fn tell_whys(&mut self, engine: &mut Engine) {
        for (site, told) in self.sites.iter().zip(&mut self.whys) {
            tell_why(engine, site, std::mem::take(told));
        }
    }
}

/// Gives the failure text and the certificate of the newest check of a site to `engine`.
pub fn tell_why(engine: &mut Engine, site: &FollowedSite, (why, certificate): (Option<Why>, Option<Arc<Certificate>>)) {
    let Some(seq) = site.producer.next_seq().checked_sub(1) else { return };
    if why.is_none() && certificate.is_none() {
        return;
    }
    let (detail, address) = why.unwrap_or_default();
    let mut newest = Vec::new();
    site.producer.ring().reader_at(seq).drain(&mut newest);
    let Some(last) = newest.last() else { return };
    let observation = Observation { address, certificate, ..Observation::failed(last.cause, detail) };
    engine.attach(site.slot, seq, Arc::new(observation));
}

/// The availability of `site` in the `window` before its newest check.
#[cfg(feature = "nats")]
#[must_use]
pub fn availability(site: &FollowedSite, window: Duration) -> Option<Availability> {
    let mut samples = Vec::new();
    site.producer.ring().reader_at_oldest().drain(&mut samples);
    let judged = samples.iter().filter(|sample| site.last_at.before(window) < sample.at);
    let (mut up, mut checks) = (0, 0);
    for sample in judged {
        checks += u64::from(sample.outcome() != Outcome::Unknown);
        up += u64::from(sample.outcome() == Outcome::Up);
    }
    (checks > 0).then_some(Availability { up, checks })
}

/// The id of each site, and its samples, by name.
type Remembered = HashMap<Arc<str>, (SiteId, Arrived)>;

/// How far back the views reach that come from rings.
fn longest(views: &[View]) -> Duration {
    let recent = views.iter().filter(|view| !view.is_long());
    recent.map(|view| view.timeframe.length()).max().unwrap_or_default()
}

/// The samples of `known` since `since`.
fn remembered(archive: &Archive, known: &[StoredSite], since: Timestamp) -> Result<Remembered, StoreError> {
    let asked: Vec<(SiteId, Timestamp)> = known.iter().map(|site| (site.id, since)).collect();
    let arrived = archive.newest(&asked)?;
    Ok(known.iter().zip(arrived).map(|(site, arrived)| (Arc::clone(&site.name), (site.id, arrived))).collect())
}

/// The open incidents of each site, by their newest alerts.
fn open_incidents(alerts: &[AlertRecord]) -> HashMap<Arc<str>, Vec<StandingIncident>> {
    let mut open: HashMap<Arc<str>, Vec<StandingIncident>> = HashMap::new();
    for alert in alerts {
        let of_site = open.entry(Arc::clone(&alert.site)).or_default();
        of_site.retain(|open| open.rule != alert.rule);
        if alert.state.is_opening() {
            let (rule, since, reading) = (alert.rule, alert.since, alert.reading.clone());
            of_site.push(StandingIncident { rule, since, reading });
        }
    }
    open
}

fn begin(
    (slot, subject): (SiteSlot, SiteSpec),
    id: Option<SiteId>,
    arrived: &Arrived,
    longest: Duration,
    open: &HashMap<Arc<str>, Vec<StandingIncident>>,
) -> (FollowedSite, SiteInput) {
    let slots = capacity_for(longest.max(subject.policies.reach(subject.interval)), subject.interval, subject.timeout);
    let mut producer = Producer::new(slots.max(arrived.samples.len()), arrived.first_seq);
    let mut last_at = Timestamp::ZERO;
    for sample in &arrived.samples {
        last_at = sample.at;
        producer.push(*sample);
    }
    let (name, next_seq) = (Arc::clone(&subject.name), arrived.next_seq());
    let track = subject.track(slot, Arc::clone(producer.ring()), open.get(&name).cloned().unwrap_or_default());
    (FollowedSite { slot, name, id, next_seq, last_at, paused_until: None, producer }, track)
}
