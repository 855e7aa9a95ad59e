//! What a watcher shows: takes frames as they come, and once a second lets the engine, the judge and the board follow.
//!
//! Invariants: nothing is shown before the past hour has been read, and each site is judged from its next check on, as after the start
//! of a hub. Cost: as that of a hub, without a disk.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use crate::alert::incident::terms::LedgerTerms;
use crate::alert::{AlertRecord, Calm};
use crate::app::alerts::book::AlertBook;
use crate::app::alerts::context::words;
use crate::app::alerts::history::AlertLog;
use crate::app::alerts::publisher::Publisher;
use crate::app::clock::Clock;
use crate::app::fleet::hub::news::LocationNews;
use crate::app::fleet::judging::Judging;
use crate::app::fleet::over::{Over, Shape};
use crate::app::fleet::sites::FleetSite;
use crate::app::follow::load::{FollowedSite, availability};
use crate::app::follow::until;
use crate::app::headless::Headless;
use crate::app::locations::groups::Rules;
use crate::app::monitor::{IncidentSource, MonitorHandle};
use crate::app::scheduler::manual_checks::Rechecks;
use crate::app::status::counters::SchedulerCounters;
use crate::app::status::health_meter::{HealthMeter, StoreStatus};
use crate::app::status::warnings::Warning;
use crate::app::storage::site_spec::SiteSpec;
use crate::app::storage::task::blocking;
use crate::engine::{Engine, EngineStep};
use crate::fleet::agent::ROSTER_EVERY;
use crate::fleet::frame::{self, Body};
use crate::fleet::gather::{Gathering, Heard, Report};
use crate::model::{FleetHealth, FleetState, Health, Location, Moment, Timestamp, View, Watched, Watching};
use crate::store::{Kept, Origin};
use crate::tui::Arrangement;

use super::rings::Rings;
use super::{Arrived, Watcher};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Frames wait at a location for about so long before they are sent.
const LINGER: Duration = Duration::from_secs(1);

/// A server that does not answer for so long is reported.
const TOLD_AFTER: Duration = Duration::from_secs(5);

/// How far views may reach: so much of the stream is read.
const HORIZON: Duration = Duration::from_hours(1);

/// What an onlooker begins with.
pub struct OnlookerPlan {
    /// The sites of sites.yaml, whose rules hold for sites of these names; others have the defaults.
    pub sites: Vec<FleetSite>,
    /// The locations to show, by their own rules; all of them and what they see together, if it is empty.
    pub locations: Vec<Location>,
    /// The views; those that reach further back than an hour are left out.
    pub views: Vec<View>,
    /// How the dashboard is arranged.
    pub arrangement: Arrangement,
    /// A location that was not heard for so long is silent.
    pub silent_after: Duration,
    /// Most sites of all locations.
    pub max_pairs: usize,
    /// The zone of messages.
    pub zone: TimeZone,
    /// The clock.
    pub clock: Clock,
}

/// The judge of a fleet and its board, which a look works on.
struct Shown {
    rings: Rings,
    engine: Engine,
    judging: Judging,
    over: Over,
}

/// See the module.
pub struct Onlooker {
    watcher: Watcher,
    gathering: Gathering,
    /// Away during a look.
    shown: Option<Shown>,
    /// The sites of sites.yaml, by name.
    rules: HashMap<Arc<str>, FleetSite>,
    /// The sites over their locations so far.
    names: HashSet<Arc<str>>,
    plan: OnlookerPlan,
    news: LocationNews,
    publisher: Publisher,
    arrangement: watch::Sender<Arc<Arrangement>>,
    has_caught_up: bool,
    /// Whether it was said what the past hour lacks.
    has_judged_past: bool,
    /// Whether the user knows that the server does not answer.
    is_lost: bool,
    /// Up to when everything is shown, and the time that was watched until then.
    until: Timestamp,
    covered: Duration,
    gauges: Arc<SchedulerCounters>,
    meter: HealthMeter,
    keeping: watch::Sender<StoreStatus>,
    health: watch::Sender<Arc<Health>>,
}

impl Onlooker {
    /// Shows what `watcher` hears.
    #[must_use]
    pub fn new(watcher: Watcher, mut plan: OnlookerPlan) -> Self {
        let now = plan.clock.now();
        plan.views.retain(|view| view.timeframe.length() <= HORIZON && !view.is_long());
        if plan.views.is_empty() {
            plan.views = crate::config::default_views();
            plan.views.retain(|view| view.timeframe.length() <= HORIZON && !view.is_long());
        }
        let rules: HashMap<_, _> = plan.sites.drain(..).map(|site| (Arc::clone(&site.facts.name), site)).collect();
        let horizon = rules.values().map(|site| site.facts.policies.reach(site.facts.interval)).max();
        let rings = Rings::new(horizon.unwrap_or_default().max(HORIZON));
        let engine = Engine::new(plan.views.clone(), Vec::new(), now);
        let judging = Judging::new(&[], (plan.silent_after, true), plan.clock.moment());
        let over = Over::new(&[], (&engine.board(), &judging), None, now);
        let (keeping, kept) = watch::channel(StoreStatus::default());
        let terms = LedgerTerms { calm: Some(Calm::default()), ..LedgerTerms::default() };
        let word = (0, words(plan.zone.clone()));
        let book = AlertBook::new(terms, Kept::default(), word, plan.clock.clone(), (None, kept.clone()));
        let publisher = Publisher::new(Arc::new(AlertLog::default()), Arc::new(book), watch::Sender::default());
        let gauges = Arc::new(SchedulerCounters::default());
        let arrangement = watch::Sender::new(Arc::new(std::mem::take(&mut plan.arrangement)));
        Self {
            watcher,
            gathering: Gathering::looking_on(plan.max_pairs),
            shown: Some(Shown { rings, engine, judging, over }),
            rules,
            names: HashSet::new(),
            news: LocationNews::default(),
            publisher,
            arrangement,
            has_caught_up: false,
            has_judged_past: false,
            is_lost: false,
            until: until(None, now, LINGER),
            covered: Duration::ZERO,
            meter: HealthMeter::new(Arc::clone(&gauges), kept),
            gauges,
            keeping,
            health: watch::Sender::default(),
            plan,
        }
    }

    fn shown(&self) -> &Shown {
        self.shown.as_ref().expect("it is away only during a look")
    }

    /// The handle for a dashboard, which can change nothing.
    #[must_use]
    pub fn face(&self) -> MonitorHandle {
        let over = &self.shown().over;
        MonitorHandle {
            board: over.board(),
            alerts: Arc::clone(self.publisher.history()),
            health: self.health.subscribe(),
            incidents: IncidentSource::Book(Arc::clone(self.publisher.book())),
            rechecks: watch::channel(Rechecks::default()).1,
            // Nothing hears them: the keys say that there are none.
            commands: mpsc::channel(1).0,
            seen: over.seen(),
            arrangement: self.arrangement.subscribe(),
            rules: Rules::default(),
        }
    }

    /// Accepts notices for the user.
    #[must_use]
    pub fn keeping(&self) -> watch::Sender<StoreStatus> {
        self.keeping.clone()
    }

    /// Looks on and prints to `headless`, for ever.
    pub async fn run(&mut self, mut headless: Option<Headless>) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => self.look(headless.as_mut()).await,
                Some(arrived) = self.watcher.arrivals.recv() => match arrived {
                    Arrived::Frame { location, bytes, heard } => self.take(&location, &bytes, heard),
                    Arrived::CaughtUp => {
                        self.has_caught_up = true;
                        if let Some(headless) = &mut headless {
                            let current = self.shown().rings.current();
                            let names: HashSet<&str> = current.iter().map(|(_, origin)| &*origin.name).collect();
                            headless.begin(names.len(), None);
                        }
                    }
                },
            }
        }
    }

    /// Ends the listener.
    pub fn end(self) {
        self.watcher.end();
    }

    fn take(&mut self, location: &Location, bytes: &[u8], heard: Heard) {
        let Some(shown) = &mut self.shown else { return };
        let frame = match frame::decode(bytes) {
            Ok(frame) => frame,
            Err(fault) => return self.gathering.refuse(location, fault),
        };
        let before = shown.rings.taken();
        // Only a store fails, and there is none.
        let _infallible = self.gathering.take(location, &frame, heard, &mut shown.rings);
        if let Body::Roster(roster) = &frame.body {
            shown.rings.describe(location, (frame.origin.store, frame.origin.session), roster);
        }
        // Those of the past count for no rate.
        let fresh = if self.has_caught_up { shown.rings.taken() - before } else { 0 };
        for _ in 0..fresh {
            self.gauges.started(Duration::ZERO);
            self.gauges.finished();
        }
    }

    async fn look(&mut self, headless: Option<&mut Headless>) {
        let moment = self.plan.clock.moment();
        let (now, reports) = (moment.wall, self.gathering.reports(moment));
        let said = self.notices(&reports, now);
        let (step, records) = if self.has_caught_up { self.follow(&reports, moment).await } else { Default::default() };
        self.tell_health(&reports, moment);
        if let Some(headless) = headless {
            let health = self.health.borrow().clone();
            headless.step((&step, &records), &self.shown().over.board(), (&health, &said, &[]), now);
        }
    }

    /// What is new, as warnings; they are shown.
    fn notices(&mut self, reports: &[Report], now: Timestamp) -> Vec<Warning> {
        let mut news: Vec<String> = std::iter::from_fn(|| self.watcher.notices.try_recv().ok()).collect();
        let server = unheard(&self.watcher.link.borrow());
        match server.as_ref().map(|server| (server.unheard(now), server.state.fault())) {
            Some((Some(why), Some((since, _)))) if !self.is_lost && TOLD_AFTER <= now.since(since) => {
                self.is_lost = true;
                news.push(why);
            }
            None if std::mem::take(&mut self.is_lost) => news.push("the NATS server answers again".to_owned()),
            _ => {}
        }
        if self.has_caught_up && !std::mem::replace(&mut self.has_judged_past, true) {
            news.extend(missing(&self.plan.locations, reports));
        }
        news.extend(self.news.of(reports));
        let said: Vec<Warning> = news.into_iter().map(|message| Warning { about: "fleet", message }).collect();
        for warning in &said {
            self.keeping.send_modify(|keeping| keeping.tell(warning.message.clone()));
        }
        said
    }

    /// Lets everything follow what was taken.
    async fn follow(&mut self, reports: &[Report], moment: Moment) -> (EngineStep, Vec<AlertRecord>) {
        let Some(mut shown) = self.shown.take() else { return Default::default() };
        let now = moment.wall;
        if shown.rings.is_other() {
            self.arrange(&mut shown);
        }
        if *self.watcher.link.borrow() != FleetState::Ok {
            shown.judging.hear_none(moment);
        }
        let (reports, until) = (reports.to_vec(), until(shown.rings.newest(), now, LINGER));
        let of_locations = !self.plan.locations.is_empty();
        let (shown, step, alerts) = blocking(move || {
            let Shown { rings, engine, judging, over } = &mut shown;
            rings.tell_whys(engine);
            let mut step = engine.set_clocks(&Report::clocks(&reports));
            step.append(engine.step(until));
            let board = engine.board();
            let snapshot = board.snapshot();
            let judged = |name: &str| {
                let site = snapshot.sites.iter().find(|site| *site.name == *name)?;
                availability(rings.of(name)?, site.policies.availability.window)
            };
            let alerts = judging.look(&snapshot, &reports, judged, moment);
            over.prepare(&board, Shape::of(&reports), now);
            let own = if of_locations { step.alerts.clone() } else { Vec::new() };
            let step = over.look(&board, judging, step, now);
            (shown, step, own.into_iter().chain(alerts).collect::<Vec<_>>())
        })
        .await;
        let (records, _lost) = self.publisher.publish(&alerts, &shown.over.board(), now);
        self.covered += until.since(self.until);
        self.until = until;
        self.shown = Some(shown);
        (step, records)
    }

    /// Shows and judges the sites that the locations check now.
    fn arrange(&mut self, shown: &mut Shown) {
        let Shown { rings, engine, judging, over } = shown;
        rings.tell_again();
        let current = rings.current();
        let spec = |(site, origin): &(&FollowedSite, &Origin)| {
            let rules = self.rules.get(&origin.name);
            let policies = rules.map(|site| site.facts.policies).unwrap_or_default();
            SiteSpec::of_origin(&site.name, origin, policies).track(
                site.slot,
                Arc::clone(site.producer.ring()),
                Vec::new(),
            )
        };
        engine.revise(self.plan.views.clone(), current.iter().map(spec).collect());
        let gathered: Vec<(Arc<str>, Origin)> =
            current.iter().map(|(site, origin)| (Arc::clone(&site.name), (*origin).clone())).collect();
        if self.plan.locations.is_empty() {
            let mut more = Vec::new();
            for (_, origin) in &gathered {
                // Names that come and go must not fill the memory.
                if self.names.len() < self.plan.max_pairs && self.names.insert(Arc::clone(&origin.name)) {
                    let known = self.rules.get(&origin.name).cloned();
                    more.push(known.unwrap_or_else(|| FleetSite::described(origin)));
                }
            }
            judging.extend(&more);
            over.extend(&more);
        }
        judging.follow(&gathered, None, &engine.board().snapshot());
    }

    fn tell_health(&mut self, reports: &[Report], now: Moment) {
        let newest = self.shown().rings.newest();
        let watching = Watching { process: None, alive: true, until: self.until, stored: newest, of: Watched::Fleet };
        let fleet = unheard(&self.watcher.link.borrow());
        let hub = Arc::new(self.shown().judging.attendance(reports, now));
        let read = self.meter.read(self.covered);
        self.health.send_modify(|health| {
            let next = read.unwrap_or_else(|| (**health).clone());
            *health = Arc::new(Health { watching: Some(watching), fleet, hub: Some(hub), ..next });
        });
    }
}

/// What the past hour lacks of `wanted` locations, or of all, as far as `reports` tell.
fn missing(wanted: &[Location], reports: &[Report]) -> Vec<String> {
    let has_sent = |location: &&Location| reports.iter().any(|report| report.location == **location);
    let silent = wanted.iter().filter(|location| !has_sent(location));
    let mut missing: Vec<String> =
        silent.map(|location| format!("{location} has sent nothing in the past hour")).collect();
    if wanted.is_empty() && reports.is_empty() {
        missing.push("no location has sent anything in the past hour".to_owned());
    }
    for report in reports.iter().filter(|report| report.sites == (0, 0)) {
        let (location, minutes) = (&report.location, ROSTER_EVERY.as_secs() / 60);
        missing.push(format!("{location} has not said yet which sites it checks; it does within {minutes} minutes"));
    }
    missing
}

/// The state of a server that does not answer.
fn unheard(link: &FleetState) -> Option<FleetHealth> {
    (*link != FleetState::Ok).then(|| FleetHealth { state: link.clone(), ..FleetHealth::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A location that was heard, and described so many sites.
    fn report(location: &str, sites: usize) -> Report {
        Report { sites: (sites, 0), ..Report::plain(location, Some(Timestamp::from_secs(1_000))) }
    }

    #[test]
    fn what_the_past_hour_lacks_has_a_sentence() {
        let [fra1, nyc1] = ["fra1", "nyc1"].map(|name| Location::new(name).unwrap());
        let both = [report("fra1", 3), report("nyc1", 0)];
        let nyc1_is_unknown = "nyc1 has not said yet which sites it checks; it does within 15 minutes";
        assert_eq!(missing(&[], &both), [nyc1_is_unknown]);
        assert_eq!(missing(std::slice::from_ref(&fra1), &both[..1]), Vec::<String>::new());
        assert_eq!(missing(&[fra1, nyc1], &both[..1]), ["nyc1 has sent nothing in the past hour"]);
        assert_eq!(missing(&[], &[]), ["no location has sent anything in the past hour"]);
    }

    #[test]
    fn a_server_that_answers_is_no_news() {
        assert_eq!(unheard(&FleetState::Ok), None);
        let (since, reason) = (Timestamp::from_secs(1_000), Some("connection refused".to_owned()));
        let lost = unheard(&FleetState::Unconnected { since, reason }).unwrap();
        let now = since.after(Duration::from_mins(4));
        assert_eq!(lost.unheard(now).as_deref(), Some("no NATS server for 4m00s: connection refused"));
    }
}
