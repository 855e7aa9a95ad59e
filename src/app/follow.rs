//! Somebody else's monitor, followed through the store that it writes.
//!
//! Idea: what the store holds goes through rings into an engine of our own, so that every figure is made as the monitor
//! makes it; only verdicts are not: they are the stored alerts. Invariants: nothing is written; the file is opened for
//! each look and let go, so that a monitor may come and go meanwhile. Time stands where the store knows everything: at
//! the newest stored sample, or, when nothing comes, at now less what a commit may take. Limits: sites are those of
//! the file at the start, and those that the store had seen lately then.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};

use crate::alert::{Alert, AlertState, Rule};
use crate::config::Watched;
use crate::engine::{Engine, Track};
use crate::model::{Health, Observation, Sample, SiteId, StoreHealth, Timestamp, View, Watching};
use crate::ring::{Producer, capacity_for};
use crate::store::{Archive, Arrived, News, Signature, StoreError, StoredSite, Why};

use super::alert_log::AlertLog;
use super::clock::Clock;
use super::gauges::Gauges;
use super::health::{Keeping, Meter};
use super::long_views::Far;
use super::monitor::Face;
use super::roster::Roster;

/// What a commit may take beyond the time between two of them.
const COMMIT: Duration = Duration::from_secs(2);
/// The interval and the timeout of a site of which too little is stored to tell.
const INTERVAL: Duration = Duration::from_secs(10);

/// Looks at a locked store, and the time between two.
const LOCK_LOOKS: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A site as it is shown.
#[derive(Clone, Debug)]
pub struct Subject {
    name: Arc<str>,
    url: Arc<str>,
    group: Option<Arc<str>>,
    interval: Duration,
    timeout: Duration,
    rule: Rule,
}

impl From<&Watched> for Subject {
    fn from(watched: &Watched) -> Self {
        Self {
            name: Arc::clone(&watched.site.name),
            url: Arc::clone(&watched.site.shown),
            group: watched.group.clone(),
            interval: watched.site.interval,
            timeout: watched.site.timeout,
            rule: watched.rule,
        }
    }
}

impl Subject {
    /// A site that only the store knows: how often it is checked is told by its newest samples.
    fn of_store(name: &Arc<str>, samples: &[Sample]) -> Self {
        let mut gaps: Vec<Duration> = samples.windows(2).map(|pair| pair[1].at.since(pair[0].at)).collect();
        gaps.sort_unstable();
        let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(INTERVAL);
        // What was configured was hardly ever a fraction of a tenth of a second.
        let tenths = u64::try_from((usual.as_millis() + 50) / 100).unwrap_or(u64::MAX).max(1);
        let interval = Duration::from_millis(tenths.saturating_mul(100));
        let (name, rule) = (Arc::clone(name), Rule::default());
        Self { url: Arc::clone(&name), name, group: None, interval, timeout: INTERVAL, rule }
    }
}

/// What to follow, and how it is shown.
pub struct Plan {
    /// The store.
    pub path: PathBuf,
    /// The sites, in order.
    pub subjects: Vec<Subject>,
    /// The views.
    pub views: Vec<View>,
    /// Time between two commits of the monitor.
    pub flush: Duration,
    /// The zone of messages.
    pub zone: TimeZone,
    /// The clock.
    pub clock: Clock,
}

/// See the module.
pub struct Follower {
    path: PathBuf,
    clock: Clock,
    flush: Duration,
    sites: Vec<Followed>,
    engine: Engine,
    alerts: Arc<AlertLog>,
    next_alert: u64,
    signature: Option<Signature>,
    /// The time of the newest sample of all, and when a look last brought one.
    newest: Option<Timestamp>,
    stored: Option<Timestamp>,
    far: Far,
    gauges: Arc<Gauges>,
    meter: Meter,
    keeping: watch::Sender<Keeping>,
    health: watch::Sender<Arc<Health>>,
}

struct Followed {
    name: Arc<str>,
    /// Its number in the store, once the store knows it.
    id: Option<SiteId>,
    /// The number of the sample that comes next.
    next_seq: u64,
    last_at: Timestamp,
    paused_until: Option<Timestamp>,
    producer: Producer,
}

impl Follower {
    /// Reads what the store remembers.
    ///
    /// # Errors
    /// The store's.
    pub fn open(plan: Plan) -> Result<Self, StoreError> {
        let archive = patiently(&plan.path)?;
        let Plan { path, mut subjects, views, flush, zone, clock } = plan;
        let now = clock.now();
        let known = archive.sites()?;
        let recent = views.iter().filter(|view| !view.is_long());
        let longest = recent.map(|view| view.timeframe.length()).max().unwrap_or_default();
        let mut past = remembered(&archive, &known, now.before(longest))?;
        let strangers = known.iter().filter(|site| subjects.iter().all(|subject| subject.name != site.name));
        let strangers: Vec<Subject> = strangers
            .filter(|site| site.last_at.is_some_and(|at| at > now.before(longest)))
            .map(|site| Subject::of_store(&site.name, &past[&site.name].1.samples))
            .collect();
        subjects.extend(strangers);
        let News { alerts, next_alert, signature, .. } = archive.news(&[], 0)?;
        let open = open_incidents(&alerts);
        let (mut sites, mut tracks) = (Vec::new(), Vec::new());
        for subject in subjects {
            let (site, arrived) = past.remove(&subject.name).map_or_else(Default::default, |(id, it)| (Some(id), it));
            let (followed, track) = begin(subject, site, &arrived, longest, &open);
            sites.push((followed, arrived.why));
            tracks.push(track);
        }
        let far = Far::new(&views, &tracks);
        let newest = sites.iter().filter(|(site, _)| site.next_seq > 0).map(|(site, _)| site.last_at).max();
        let mut engine = Engine::new(views, tracks, zone, until(newest, now, flush));
        engine.look_on();
        for (site, (followed, why)) in sites.iter_mut().enumerate() {
            tell_why(&mut engine, site, followed, why.take());
        }
        let gauges = Arc::new(Gauges::default());
        let (keeping, kept) = watch::channel(Keeping::default());
        let mut follower = Self {
            path,
            clock,
            flush,
            sites: sites.into_iter().map(|(site, _)| site).collect(),
            engine,
            alerts: Arc::new(AlertLog::new(alerts)),
            next_alert,
            signature,
            newest,
            stored: None,
            far,
            meter: Meter::new(Arc::clone(&gauges), kept),
            gauges,
            keeping,
            health: watch::Sender::default(),
        };
        follower.tell_health(now);
        Ok(follower)
    }

    /// What a dashboard looks at. Nobody hears its wishes.
    #[must_use]
    pub fn face(&self) -> Face {
        let board = self.engine.board();
        let names = board.snapshot().sites.into_iter().map(|site| Arc::clone(&site.name));
        let rings = self.sites.iter().map(|site| Arc::clone(site.producer.ring()));
        Face {
            board,
            alerts: Arc::clone(&self.alerts),
            health: self.health.subscribe(),
            roster: Arc::new(Roster::of(names.zip(rings))),
            rechecks: watch::channel(super::desk::Rechecks::default()).1,
            wishes: mpsc::channel(1).0,
            seen: self.far.seen(),
        }
    }

    /// Looks for what came since the last look, and shows it.
    pub fn look(&mut self) {
        let now = self.clock.now();
        match self.news() {
            Ok(news) => self.take(news, now),
            Err(error) => self.keeping.send_modify(|keeping| {
                let since = match keeping.store {
                    StoreHealth::NotSaving { since, .. } => since,
                    _ => now,
                };
                keeping.store = StoreHealth::NotSaving { since, reason: error.reason() };
            }),
        }
        let until = until(self.newest, now, self.flush);
        self.far.look(&self.path, self.sites.iter().map(|site| site.id), until, &mut self.engine);
        self.engine.step(until);
        self.tell_health(now);
    }

    fn news(&mut self) -> Result<News, StoreError> {
        let archive = Archive::open(&self.path)?;
        if self.sites.iter().any(|site| site.id.is_none()) {
            self.recognise(&archive.sites()?);
        }
        let news = archive.news(&self.asked(), self.next_alert)?;
        if news.signature == self.signature {
            return Ok(news);
        }
        // Another monitor, and perhaps another file: numbers may mean something else.
        self.signature = news.signature;
        let known = archive.sites()?;
        if self.recognise(&known) {
            self.next_alert = 0;
        }
        archive.news(&self.asked(), self.next_alert)
    }

    /// The known sites and the numbers from which on their samples are new.
    fn asked(&self) -> Vec<(SiteId, u64)> {
        self.sites.iter().filter_map(|site| Some((site.id?, site.next_seq))).collect()
    }

    /// Finds the numbers of the sites; whether the store holds less than was seen, so that it is another one.
    fn recognise(&mut self, known: &[StoredSite]) -> bool {
        let mut is_other = false;
        for site in &mut self.sites {
            let stored = known.iter().find(|stored| stored.name == site.name);
            site.id = stored.map(|stored| stored.id);
            if stored.is_some_and(|stored| stored.next_seq < site.next_seq) {
                (site.next_seq, is_other) = (0, true);
            }
        }
        is_other
    }

    fn take(&mut self, news: News, now: Timestamp) {
        let engine = &mut self.engine;
        let known = self.sites.iter_mut().enumerate().filter(|(_, site)| site.id.is_some());
        for ((index, site), arrived) in known.zip(news.sites) {
            if !arrived.samples.is_empty() {
                self.stored = Some(now);
            }
            site.next_seq = arrived.next_seq();
            for sample in arrived.samples {
                // Windows need times that grow; what a clock that was set back brought is in the store only.
                if sample.at > site.last_at {
                    site.last_at = sample.at;
                    site.producer.push(sample);
                    self.gauges.started(sample.late.as_duration());
                    self.gauges.finished();
                }
            }
            self.newest = self.newest.max(Some(site.last_at));
            tell_why(engine, index, site, arrived.why);
            let paused = news.pauses.iter().find(|(id, until)| Some(*id) == site.id && *until > now);
            let paused_until = paused.map(|(_, until)| *until);
            if paused_until != site.paused_until {
                site.paused_until = paused_until;
                engine.pause(index, paused_until, now);
            }
        }
        // The samples first: a verdict is about what was seen.
        engine.step(until(self.newest, now, self.flush));
        for alert in &news.alerts {
            if let Some(site) = self.sites.iter().position(|site| site.name == alert.site) {
                let open_since = (alert.state == AlertState::Down).then_some(alert.at);
                engine.overrule(site, open_since, alert.at);
            }
        }
        if self.next_alert == 0 && !news.alerts.is_empty() {
            self.alerts.replace(news.alerts);
        } else {
            self.alerts.append(news.alerts);
        }
        self.next_alert = news.next_alert;
        let bytes = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        self.keeping.send_modify(|keeping| keeping.store = StoreHealth::Ok { bytes });
    }

    fn tell_health(&mut self, now: Timestamp) {
        let process = self.signature.map(|signature| signature.process);
        let lately = self.stored.is_some_and(|at| now.since(at) <= self.flush + COMMIT);
        let watching = Watching {
            process,
            alive: process.map_or(lately, |process| lately || is_running(process)),
            until: until(self.newest, now, self.flush),
            stored: self.newest,
        };
        let read = self.meter.read(self.clock.monotonic());
        self.health.send_modify(|health| {
            let next = read.unwrap_or_else(|| (**health).clone());
            *health = Arc::new(Health { watching: Some(watching), ..next });
        });
    }
}

/// Opens the store; one that another reader repairs just now, after its writer was killed, is waited for.
fn patiently(path: &Path) -> Result<Archive, StoreError> {
    for _ in 0..LOCK_LOOKS {
        match Archive::open(path) {
            Err(StoreError::Locked { .. }) => std::thread::sleep(LOCK_PAUSE),
            opened => return opened,
        }
    }
    Archive::open(path)
}

/// The samples of every site since `since`, with its number.
fn remembered(
    archive: &Archive,
    known: &[StoredSite],
    since: Timestamp,
) -> Result<HashMap<Arc<str>, (SiteId, Arrived)>, StoreError> {
    let asked: Vec<(SiteId, Timestamp)> = known.iter().map(|site| (site.id, since)).collect();
    let arrived = archive.newest(&asked)?;
    Ok(known.iter().zip(arrived).map(|(site, arrived)| (Arc::clone(&site.name), (site.id, arrived))).collect())
}

/// The sites whose newest alert is a `down`, and its time.
fn open_incidents(alerts: &[Alert]) -> HashMap<Arc<str>, Timestamp> {
    let mut open = HashMap::new();
    for alert in alerts {
        match alert.state {
            AlertState::Down => open.insert(Arc::clone(&alert.site), alert.at),
            AlertState::Up | AlertState::Ended => open.remove(&alert.site),
        };
    }
    open
}

fn begin(
    subject: Subject,
    id: Option<SiteId>,
    arrived: &Arrived,
    longest: Duration,
    open: &HashMap<Arc<str>, Timestamp>,
) -> (Followed, Track) {
    let Subject { name, url, group, interval, timeout, rule } = subject;
    let slots = capacity_for(longest.max(rule.window), interval, timeout);
    let mut producer = Producer::new(slots.max(arrived.samples.len()), arrived.first_seq);
    let mut last_at = Timestamp::ZERO;
    for sample in &arrived.samples {
        last_at = sample.at;
        producer.push(*sample);
    }
    let open_since = open.get(&name).copied();
    let ring = Arc::clone(producer.ring());
    let followed =
        Followed { name: Arc::clone(&name), id, next_seq: arrived.next_seq(), last_at, paused_until: None, producer };
    (followed, Track { name, url, interval, timeout, group, rule, ring, open_since })
}

/// Hands over why the newest check of a site failed.
fn tell_why(engine: &mut Engine, index: usize, site: &Followed, why: Option<Why>) {
    let (Some((detail, address)), Some(seq)) = (why, site.producer.next_seq().checked_sub(1)) else { return };
    let mut newest = Vec::new();
    site.producer.ring().reader_at(seq).drain(&mut newest);
    let Some(last) = newest.last() else { return };
    let observation = Observation { address, ..Observation::failed(last.cause, detail) };
    engine.attach(index, seq, Arc::new(observation));
}

/// Up to when everything is known that was stored.
fn until(newest: Option<Timestamp>, now: Timestamp, flush: Duration) -> Timestamp {
    newest.unwrap_or(Timestamp::ZERO).max(now.before(flush + COMMIT)).min(now)
}

/// Whether there is a process of this number, as far as can be seen from here.
#[cfg(target_os = "linux")]
fn is_running(process: u32) -> bool {
    let pid = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
    let asked = pid.map(rustix::process::test_kill_process);
    matches!(asked, Some(Ok(()) | Err(rustix::io::Errno::PERM)))
}

#[cfg(not(target_os = "linux"))]
fn is_running(_: u32) -> bool {
    true
}
