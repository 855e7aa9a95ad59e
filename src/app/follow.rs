//! Somebody else's monitor, followed through the store that it writes.
//!
//! Idea: what the store holds goes through rings into an engine of our own, so that every figure is made as the monitor
//! makes it; only verdicts are not: they are the stored alerts. Invariants: nothing is written; the file is opened for
//! each look and let go, so that a monitor may come and go meanwhile. Time stands where the store knows everything: at
//! the newest stored sample, or, when nothing comes, at now less what a commit may take. Another sites.yaml begins all of
//! it anew behind the same face. Limits: sites are those of the file, and those that the store had seen lately when the
//! file was read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};

use crate::alert::AlertState;
use crate::engine::{Engine, Seat};
use crate::model::{Health, SiteId, StoreHealth, Timestamp, View, Watching};
use crate::store::{Archive, News, Signature, StoreError, StoredSite};

use super::alert_log::AlertLog;
use super::clock::Clock;
use super::gauges::Gauges;
use super::health::{Keeping, Meter};
use super::long_views::Far;
use super::monitor::Face;
use super::opening::{Followed, Opening, tell_why};
use super::roster::{Entry, Roster};
use super::subject::Subject;

/// What a commit may take beyond the time between two of them.
const COMMIT: Duration = Duration::from_secs(2);
/// Looks at a locked store, and the time between two.
const LOCK_LOOKS: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

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
    roster: Arc<Roster>,
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

impl Follower {
    /// Reads what the store remembers.
    ///
    /// # Errors
    /// The store's.
    pub fn open(plan: Plan) -> Result<Self, StoreError> {
        let archive = patiently(&plan.path)?;
        let Plan { path, subjects, views, flush, zone, clock } = plan;
        let now = clock.now();
        let mut opening = Opening::read(&archive, subjects, &views, now)?;
        let (tracks, newest) = (std::mem::take(&mut opening.tracks), opening.newest());
        let far = Far::new(&views, &tracks);
        let mut engine = Engine::new(views, tracks, zone, until(newest, now, flush));
        engine.look_on();
        opening.tell_whys(&mut engine);
        let Opening { sites, alerts, next_alert, signature, .. } = opening;
        let gauges = Arc::new(Gauges::default());
        let (keeping, kept) = watch::channel(Keeping::default());
        let mut follower = Self {
            path,
            clock,
            flush,
            sites,
            engine,
            roster: Arc::default(),
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
        follower.tell_who();
        follower.tell_health(now);
        Ok(follower)
    }

    /// Goes on with other sites and other views. Nothing is changed when the store cannot be read.
    ///
    /// # Errors
    /// The store's.
    pub fn turn_to(&mut self, subjects: Vec<Subject>, views: Vec<View>, flush: Duration) -> Result<(), StoreError> {
        let archive = Archive::open(&self.path)?;
        let mut opening = Opening::read(&archive, subjects, &views, self.clock.now())?;
        let tracks = std::mem::take(&mut opening.tracks);
        self.far.turn_to(&views, &tracks);
        let seats = tracks.into_iter().map(|track| Seat { was: None, track }).collect();
        self.engine.revise(views, seats);
        self.engine.look_on();
        opening.tell_whys(&mut self.engine);
        (self.newest, self.flush) = (self.newest.max(opening.newest()), flush);
        // Alerts and who writes stay as they were seen last: the next look finds what is new.
        self.sites = opening.sites;
        self.tell_who();
        Ok(())
    }

    /// Says `notice` to whoever looks.
    pub fn tell(&self, notice: String) {
        self.keeping.send_modify(|keeping| keeping.tell(notice));
    }

    /// Tells those who look by name where the samples are.
    fn tell_who(&self) {
        let entry = |(slot, site): (usize, &Followed)| {
            (Arc::clone(&site.name), Entry { slot, ring: Arc::clone(site.producer.ring()) })
        };
        self.roster.replace(self.sites.iter().enumerate().map(entry));
    }

    /// What a dashboard looks at. Nobody hears its wishes.
    #[must_use]
    pub fn face(&self) -> Face {
        Face {
            board: self.engine.board(),
            alerts: Arc::clone(&self.alerts),
            health: self.health.subscribe(),
            roster: Arc::clone(&self.roster),
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
            tell_why(engine, index, site, (arrived.why, arrived.certificate));
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
            // A writer keeps a lock; its number may be another process's by now, or one of a container.
            alive: Archive::has_writer(&self.path)
                .unwrap_or_else(|| process.map_or(lately, |process| lately || is_running(process))),
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
