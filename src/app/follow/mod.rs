//! A read-only monitor over a store that another webmon process writes.
//!
//! Stored samples pass through rings into an own engine, so every figure is computed as in the monitor itself; only verdicts
//! are not, they are the stored alerts. Time stands where the store is complete: at the newest stored sample or, without new
//! ones, at now minus the duration of a commit. A reload replaces everything behind the same handle.
//!
//! Invariants: nothing is written but orders to the monitor; each look opens and closes the file, so monitors may start and stop meanwhile.
//! Bounds: the sites of the file, and those that the store has seen lately at the time of the (re)load.

mod commands;
#[cfg(feature = "nats")]
mod joined;
#[cfg(feature = "nats")]
mod judged;
pub(crate) mod load;
mod writer;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::alert::incident::list::IncidentList;
use crate::alert::incident::terms::LedgerTerms;
use crate::engine::{Engine, EngineStep};
use crate::model::command::SiteCommand;
use crate::model::time::leap::Leap;
use crate::model::{Health, HubHealth, SiteId, SiteSlot, StoreHealth, Timestamp, View, Watched, Watching};
use crate::store::{Archive, Changes, Outages, Signature, StoreError, StoredSite};
use crate::tui::Arrangement;

use super::alerts::history::AlertLog;
use super::clock::{Clock, ClockSet, Looks};
use super::locations::groups::Rules;
use super::monitor::{IncidentSource, MonitorHandle};
use super::scheduler::ORDERS;
use super::status::counters::SchedulerCounters;
use super::status::health_meter::{HealthMeter, StoreStatus};
use super::storage::archive_views::ReadOnlyArchiveViews;
use super::storage::site_spec::SiteSpec;
use load::{FollowedSite, StoreContents, patiently, tell_why};
use writer::is_running;

/// Longest duration of a commit.
const COMMIT: Duration = Duration::from_secs(2);

/// The options of a read-only monitor.
pub struct FollowOptions {
    /// The store.
    pub path: PathBuf,
    /// The sites, in order.
    pub subjects: Vec<SiteSpec>,
    /// The views.
    pub views: Vec<View>,
    /// Time between two commits of the monitor.
    pub flush: Duration,
    /// The clock.
    pub clock: Clock,
    /// The system clock, which `clock` follows.
    pub wall: fn() -> Timestamp,
    /// Whether rules are judged here, by those of the subjects; otherwise verdicts are the stored alerts.
    pub judges: bool,
}

/// The read-only monitor.
pub struct ReadOnlyMonitor {
    path: PathBuf,
    clock: Clock,
    wall: fn() -> Timestamp,
    looks: Looks,
    flush: Duration,
    judges: bool,
    subjects: Vec<SiteSpec>,
    sites: Vec<FollowedSite>,
    engine: Engine,
    alerts: Arc<AlertLog>,
    next_alert: u64,
    incidents: watch::Sender<Arc<IncidentList>>,
    /// How incidents are reported, which decides about the messages of a rule that is tried.
    pub terms: watch::Sender<LedgerTerms>,
    /// The keys and columns of the dashboard.
    pub arrangement: watch::Sender<Arc<Arrangement>>,
    /// The names of sites that stand on a board of the caller's and not in the engine.
    others: HashMap<SiteSlot, Arc<str>>,
    /// Commands of the dashboard.
    commands: (mpsc::Sender<SiteCommand>, mpsc::Receiver<SiteCommand>),
    /// How the locations are whose samples the store gathers, at their hub.
    pub gathered: Option<Arc<HubHealth>>,
    /// The path of the store without links.
    resolved: PathBuf,
    signature: Option<Signature>,
    /// The outages of the monitor's own network.
    outages: Outages,
    /// The time of the newest sample of all, and of the last look that found one.
    newest: Option<Timestamp>,
    stored: Option<Timestamp>,
    /// Whether the monitor's clock or ours was set back, so that everything must be read again.
    fell: bool,
    /// The time up to which the store is complete, and the watched time until then.
    until: Timestamp,
    covered: Duration,
    far: ReadOnlyArchiveViews,
    gauges: Arc<SchedulerCounters>,
    meter: HealthMeter,
    keeping: watch::Sender<StoreStatus>,
    health: watch::Sender<Arc<Health>>,
}

impl ReadOnlyMonitor {
    /// Opens the store and reads its state.
    ///
    /// # Errors
    /// The store's.
    pub fn open(plan: FollowOptions) -> Result<Self, StoreError> {
        let archive = patiently(&plan.path)?;
        let FollowOptions { path, subjects, views, flush, clock, wall, judges } = plan;
        let now = clock.now();
        let mut opening = StoreContents::read(&archive, subjects.clone(), (&views, SiteSlot(0)), now)?;
        let (tracks, newest) = (std::mem::take(&mut opening.tracks), opening.newest());
        let far = ReadOnlyArchiveViews::new(&views, &tracks);
        let mut engine = Engine::new(views, tracks, until(newest, now, flush));
        if !judges {
            engine.look_on();
        }
        opening.tell_whys(&mut engine);
        let StoreContents { sites, alerts, next_alert, signature, outages, .. } = opening;
        let gauges = Arc::new(SchedulerCounters::default());
        let (keeping, kept) = watch::channel(StoreStatus::default());
        let mut follower = Self {
            path,
            clock,
            wall,
            looks: Looks::default(),
            flush,
            judges,
            subjects,
            sites,
            engine,
            alerts: Arc::new(AlertLog::new(alerts)),
            next_alert,
            incidents: watch::Sender::default(),
            terms: watch::Sender::default(),
            arrangement: watch::Sender::default(),
            others: HashMap::new(),
            commands: mpsc::channel(ORDERS),
            gathered: None,
            resolved: archive.path().to_owned(),
            signature,
            outages,
            newest,
            stored: None,
            fell: false,
            until: until(newest, now, flush),
            covered: Duration::ZERO,
            far,
            meter: HealthMeter::new(Arc::clone(&gauges), kept),
            gauges,
            keeping,
            health: watch::Sender::default(),
        };
        follower.tell_health(now);
        Ok(follower)
    }

    /// Replaces sites and views. Changes nothing if the store cannot be read.
    ///
    /// # Errors
    /// The store's.
    pub fn turn_to(&mut self, subjects: Vec<SiteSpec>, views: Vec<View>, flush: Duration) -> Result<(), StoreError> {
        let archive = Archive::open(&self.path)?;
        // New slots, so that the engine takes over nothing of the sites before.
        let first_slot = SiteSlot(self.sites.iter().map(|site| site.slot.0 + 1).max().unwrap_or(0));
        let mut opening = StoreContents::read(&archive, subjects.clone(), (&views, first_slot), self.clock.now())?;
        let tracks = std::mem::take(&mut opening.tracks);
        self.far.turn_to(&views, &tracks);
        self.engine.revise(views, tracks);
        if !self.judges {
            self.engine.look_on();
        }
        opening.tell_whys(&mut self.engine);
        (self.newest, self.flush, self.subjects) = (self.newest.max(opening.newest()), flush, subjects);
        // Alerts and the signature stay as last seen: the next look finds what is new.
        (self.sites, self.outages) = (opening.sites, opening.outages);
        Ok(())
    }

    /// Shows `notice`.
    pub fn tell(&self, notice: String) {
        self.keeping.send_modify(|keeping| keeping.tell(notice));
    }

    /// The handle for a dashboard; of its commands, those about incidents go to the monitor as orders.
    #[must_use]
    pub fn face(&self) -> MonitorHandle {
        MonitorHandle {
            board: self.engine.board(),
            alerts: Arc::clone(&self.alerts),
            health: self.health.subscribe(),
            incidents: IncidentSource::Stored(self.incidents.subscribe(), self.terms.subscribe()),
            rechecks: watch::channel(super::scheduler::manual_checks::Rechecks::default()).1,
            commands: self.commands.0.clone(),
            seen: self.far.seen(),
            arrangement: self.arrangement.subscribe(),
            rules: Rules::default(),
        }
    }

    /// Reads and shows what is new since the last look; returns what the engine met.
    pub fn look(&mut self) -> EngineStep {
        self.follow_clock();
        let now = self.clock.now();
        self.pass_commands(now);
        let mut step = match self.news() {
            Ok(news) => self.take(news, now),
            Err(error) => {
                self.keeping.send_modify(|keeping| {
                    let since = match keeping.store {
                        StoreHealth::NotSaving { since, .. } => since,
                        _ => now,
                    };
                    keeping.store = StoreHealth::NotSaving { since, reason: error.reason() };
                });
                EngineStep::default()
            }
        };
        if self.fell {
            self.fell = self.begin_anew(now).is_err();
        }
        let until = until(self.newest, now, self.flush);
        self.far.look(&self.path, self.sites.iter().map(|site| site.id), until, &mut self.engine);
        step.append(self.engine.step(until));
        self.tell_health(now);
        step
    }

    /// Follows a change of the system clock, and reports it. There is no scheduler that notices a suspend.
    fn follow_clock(&mut self) {
        if let Some(asleep) = self.clock.absorb_suspend() {
            // Suspends do not count towards rates.
            self.until = self.until.after(asleep);
        }
        let Some(set) = self.clock.look((self.wall)(), &mut self.looks) else { return };
        self.clock.follow(set);
        if let ClockSet::Forward(by) = set {
            self.until = self.until.after(by);
        }
        self.tell(set.told_of_another());
        self.fell |= matches!(set, ClockSet::Back(_));
    }

    /// Reads the store again as of the present time: as at a start, samples after its newest are ignored.
    fn begin_anew(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let known = self.engine.board().snapshot();
        let newest =
            StoreContents::read(&Archive::open(&self.path)?, self.subjects.clone(), (&[], SiteSlot(0)), now)?.newest();
        (self.newest, self.stored) = (newest, None);
        self.until = until(newest, now, self.flush);
        let leap = Leap { by: Duration::ZERO, is_back: true, since: Timestamp::MAX, now: self.until };
        self.engine.leap(&leap, &HashMap::new());
        self.turn_to(self.subjects.clone(), known.views.iter().map(|view| view.view()).collect(), self.flush)
    }

    fn news(&mut self) -> Result<Changes, StoreError> {
        let archive = Archive::open(&self.path)?;
        let (incidents, silences) = archive.standing()?;
        let list = IncidentList::new(&incidents, &silences);
        self.incidents.send_if_modified(|shown| {
            let is_new = **shown != list;
            if is_new {
                *shown = Arc::new(list);
            }
            is_new
        });
        if self.sites.iter().any(|site| site.id.is_none()) {
            self.recognise(&archive.sites()?);
        }
        let news = archive.news(&self.asked(), self.next_alert)?;
        if news.signature == self.signature {
            return Ok(news);
        }
        // Another monitor, and perhaps another file, in which ids may differ.
        self.signature = news.signature;
        let known = archive.sites()?;
        if self.recognise(&known) {
            self.next_alert = 0;
        }
        archive.news(&self.asked(), self.next_alert)
    }

    /// The known sites and the next sequence number of each.
    fn asked(&self) -> Vec<(SiteId, u64)> {
        self.sites.iter().filter_map(|site| Some((site.id?, site.next_seq))).collect()
    }

    /// Finds the ids of the sites. Returns whether the store holds less than was read, so that it is another one.
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

    fn take(&mut self, news: Changes, now: Timestamp) -> EngineStep {
        let engine = &mut self.engine;
        let known = self.sites.iter_mut().filter(|site| site.id.is_some());
        for (site, arrived) in known.zip(news.sites) {
            if !arrived.samples.is_empty() {
                self.stored = Some(now);
            }
            site.next_seq = arrived.next_seq();
            for sample in arrived.samples {
                // Windows need increasing times.
                self.fell |= sample.at <= site.last_at;
                if sample.at > site.last_at {
                    site.last_at = sample.at;
                    site.producer.push(sample);
                    self.gauges.started(sample.late.as_duration());
                    self.gauges.finished();
                }
            }
            self.newest = self.newest.max(Some(site.last_at));
            tell_why(engine, site, (arrived.why, arrived.certificate));
            let paused = news.pauses.iter().find(|(id, until)| Some(*id) == site.id && *until > now);
            let paused_until = paused.map(|(_, until)| *until);
            if paused_until != site.paused_until {
                site.paused_until = paused_until;
                engine.pause(site.slot, paused_until, now);
            }
        }
        if self.outages != news.outages {
            let mask = |site: &FollowedSite| Some((site.slot, news.outages.of(site.id?)));
            engine.set_masks(self.sites.iter().filter_map(mask).collect());
            self.outages = news.outages;
        }
        // Samples first: a verdict depends on them.
        let step = engine.step(until(self.newest, now, self.flush));
        for alert in &news.alerts {
            if let Some(site) = self.sites.iter().find(|site| site.name == alert.site) {
                let open_since = alert.state.is_opening().then_some(alert.since);
                engine.overrule(site.slot, alert.rule, open_since, alert.at);
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
        step
    }

    fn tell_health(&mut self, now: Timestamp) {
        let process = self.signature.map(|signature| signature.process);
        let lately = self.stored.is_some_and(|at| now.since(at) <= self.flush + COMMIT);
        let watching = Watching {
            process,
            // A writer holds a lock; its process id may be reused by now, or belong to a container.
            alive: Archive::has_writer(&self.path)
                .unwrap_or_else(|| process.map_or(lately, |process| lately || is_running(process))),
            until: until(self.newest, now, self.flush),
            stored: self.newest,
            of: if self.judges { Watched::Hub } else { Watched::Store },
        };
        // Samples arrive in bursts, so a rate is one over the time that they cover.
        self.covered += watching.until.since(self.until);
        self.until = watching.until;
        let read = self.meter.read(self.covered);
        self.health.send_modify(|health| {
            let next = read.unwrap_or_else(|| (**health).clone());
            *health = Arc::new(Health { watching: Some(watching), hub: self.gathered.clone(), ..next });
        });
    }
}

/// The time up to which what is written every `flush` is complete, `newest` being the time of its newest sample.
pub(crate) fn until(newest: Option<Timestamp>, now: Timestamp, flush: Duration) -> Timestamp {
    newest.unwrap_or(Timestamp::ZERO).max(now.before(flush + COMMIT)).min(now)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::alert::SiteSelector;
    use crate::alert::incident::order::UserOrder;
    use crate::alert::incident::terms::Target;
    use crate::app::orders::file_format::decode;
    use crate::app::orders::folder::OrderFolder;
    use crate::app::tests::monitor::clock_set::wall;
    use crate::app::tests::monitor::parsed;
    use crate::model::{Cause, Micros, Observation, View};
    use crate::ring::Producer;
    use crate::store::{Options, Store, Writer};

    const NOW: Timestamp = Timestamp::from_secs(1_795_340_000);

    /// Stores a good check of `a` at each of these times, in seconds after [`NOW`].
    fn store(path: &Path, ats: impl Iterator<Item = u64>) {
        let store = Store::open(path, &Options::default(), NOW).unwrap().store;
        let known = store.register(&["a".into()], NOW).unwrap()[0];
        let mut producer = Producer::new(5_000, known.next_seq);
        let writer = Writer::new(store, vec![(known.id, producer.ring().reader_at_head())]).unwrap();
        for at in ats {
            let at = NOW.after(Duration::from_secs(at));
            producer.push(Observation::failed(Cause::Ok, "").sample(at, Micros::ZERO, 0));
        }
        assert!(writer.close(NOW).notices.is_empty());
    }

    fn follower(path: &Path, start: u64, off: fn(Duration) -> i64) -> ReadOnlyMonitor {
        let clock = Clock::start_at(NOW.after(Duration::from_secs(start)));
        let wall = wall(&clock, off);
        let config = parsed("sites: [{ name: a, url: 'http://a/', interval: 1s, timeout: 1s }]");
        let subjects = config.sites.iter().map(Into::into).collect();
        let views = vec![View { timeframe: crate::model::Timeframe::new(Duration::from_mins(10)), refresh: LOOK }];
        let path = path.to_owned();
        let flush = Duration::from_secs(1);
        ReadOnlyMonitor::open(FollowOptions { path, subjects, views, flush, clock, wall, judges: false }).unwrap()
    }

    const LOOK: Duration = Duration::from_secs(1);

    /// The monitor's clock and ours were three hours ahead.
    #[tokio::test(start_paused = true)]
    async fn after_a_clock_was_set_back_it_shows_what_comes_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        store(&path, 10_800..10_810);
        let mut follower = follower(&path, 10_810, |elapsed| if elapsed < LOOK { 0 } else { -10_800 });
        follower.look();
        assert_eq!(follower.engine.board().snapshot().sites[0].last.as_ref().unwrap().seq, 9);
        store(&path, 12..15);
        for _ in 0..5 {
            tokio::time::advance(LOOK).await;
            follower.look();
        }
        let snapshot = follower.engine.board().snapshot();
        assert!(snapshot.at < NOW.after(Duration::from_mins(1)), "{:?}", snapshot.at);
        let last = snapshot.sites[0].last.as_ref().unwrap();
        assert_eq!((last.seq, last.sample.at), (12, NOW.after(Duration::from_secs(14))));
        let notices = &follower.health.borrow().notices;
        assert!(notices.iter().any(|notice| notice.contains("set back by 3h")), "{notices:?}");
        assert!(notices.iter().any(|notice| notice.contains("stored ones may be up to 3h late")), "{notices:?}");
    }

    /// Of the dashboard's commands those about incidents are left for the monitor, the others are not.
    #[tokio::test(start_paused = true)]
    async fn commands_about_incidents_become_orders() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        store(&path, 0..10);
        let mut follower = follower(&path, 10, |_| 0);
        let (face, slot, until) = (follower.face(), follower.sites[0].slot, NOW.after(Duration::from_hours(1)));
        for command in [
            SiteCommand::Check(slot),
            SiteCommand::Silence(slot, Some(until)),
            SiteCommand::Acknowledge { incident: 3, is_withdrawn: false },
        ] {
            face.commands.try_send(command).unwrap();
        }
        follower.look();
        let orders = OrderFolder::of(&follower.resolved);
        let names = orders.scan(NOW).unwrap().orders;
        let read: Vec<UserOrder> = names.iter().map(|name| decode(&orders.read(name).unwrap()).unwrap().0).collect();
        let sites = SiteSelector::of(["a"]);
        let silence = UserOrder::Silence { sites, until, is_maintenance: false, replaces: true };
        assert_eq!(read, [silence, UserOrder::Acknowledge(Target::Number(3))]);
        let notices = follower.keeping.borrow().notices.clone();
        assert!(notices.iter().any(|notice| notice.contains("waits for the next start")), "{notices:?}");
    }

    /// The machine slept for eight hours, and the monitor went on when it woke up.
    #[tokio::test(start_paused = true)]
    async fn after_a_suspend_it_shows_what_comes_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        store(&path, 0..100);
        let mut follower = follower(&path, 100, |elapsed| if elapsed < 2 * LOOK { 0 } else { 28_800 });
        for _ in 0..2 {
            follower.look();
            tokio::time::advance(LOOK).await;
        }
        follower.clock.suspend(Duration::from_hours(8));
        let mut rates = Vec::new();
        for second in 28_902..28_912 {
            store(&path, std::iter::once(second));
            tokio::time::advance(LOOK).await;
            follower.look();
            rates.push(follower.health.borrow().checks_per_second);
        }
        let snapshot = follower.engine.board().snapshot();
        assert!(snapshot.at >= NOW.after(Duration::from_secs(28_911)), "{:?}", snapshot.at);
        let last = snapshot.sites[0].last.as_ref().unwrap();
        assert_eq!((last.seq, last.sample.at), (109, NOW.after(Duration::from_secs(28_911))));
        assert!(rates.last().is_some_and(|rate| *rate > 0.5), "{rates:?}");
        let notices = &follower.health.borrow().notices;
        assert!(notices.iter().all(|notice| !notice.contains("was set")), "{notices:?}");
    }

    /// Commits bring a second each, and the first look comes a while after the start.
    #[tokio::test(start_paused = true)]
    async fn checks_a_second_are_those_of_the_time_that_was_watched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        store(&path, 0..100);
        let mut follower = follower(&path, 100, |_| 0);
        let mut rates = Vec::new();
        for second in 0..6 {
            store(&path, 100 + second..101 + second);
            tokio::time::advance(if second == 0 { Duration::from_millis(300) } else { LOOK }).await;
            follower.look();
            rates.push(follower.health.borrow().checks_per_second);
        }
        assert!(rates.iter().all(|rate| *rate <= 1.01), "{rates:?}");
        assert!(rates.last().is_some_and(|rate| *rate > 0.9), "{rates:?}");
    }
}
