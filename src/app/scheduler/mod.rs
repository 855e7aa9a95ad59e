//! The scheduler of the network thread: starts probes when they are due and pushes their samples into the rings.
//!
//! Invariants: the only producer of its sites' rings, and it never waits for a reader; a panic of a probe is an observation
//! (`local`). A hanging site is still checked on time, so its failures are counted as often as its successes would be
//! (coordinated omission). A manual check is no sample. Bounds: [`Limits::in_flight`] probes, ⌈timeout / interval⌉ + 1 per site;
//! a due check waits at the former, and a check that its successor overtakes is skipped and counted.

pub(crate) mod clock_set;
pub(crate) mod due_time;
pub(crate) mod intake;
pub(crate) mod manual_checks;
mod pause;
mod record;
pub(crate) mod resume;
pub(crate) mod site_update;
mod stall;
pub(crate) mod thread;
pub(crate) mod timer;
pub(crate) mod wakeup;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::app::system::limits::Limits;
use crate::model::{Cause, Certificate, Observation, Site, SiteSlot, Timestamp};
use crate::probe::{Prober, Spent};
use crate::ring::Producer;
use crate::tui::SiteCommand;

use super::clock::Clock;
use super::prober::unless_suspended;
use super::status::counters::SchedulerCounters;
use due_time::{is_tardy, missed, turn};
use manual_checks::ManualChecks;
use pause::Pause;
use timer::WakeTimer;
use wakeup::{WakeGuard, Wakeup};

pub use clock_set::{ORDERS, Order, SetClock};
pub use intake::{SiteIntake, arrivals};
pub use site_update::{RemovedSite, RingResize, SiteUpdate, UpdateSites};

/// The texts of one check, which do not fit its sample.
#[derive(Clone, Debug)]
pub struct CheckTexts {
    /// The slot of the site.
    pub site: SiteSlot,
    /// The sequence number of the sample.
    pub seq: u64,
    /// When its outcome was known.
    pub at: Timestamp,
    /// The observation of the probe.
    pub observation: Arc<Observation>,
}

/// A bounded queue of texts to one consumer.
#[derive(Clone, Debug)]
pub struct TextQueue {
    /// Its sender.
    pub sender: mpsc::Sender<CheckTexts>,
    /// Whether it takes the texts of failed checks and of changed certificates only.
    pub failures_only: bool,
    /// Whether anybody wants them now; always, if there is none.
    pub is_wanted: Option<Arc<AtomicBool>>,
}

impl TextQueue {
    /// A queue of all texts, or of those of failures and changed certificates only.
    #[must_use]
    pub const fn new(sender: mpsc::Sender<CheckTexts>, failures_only: bool) -> Self {
        Self { sender, failures_only, is_wanted: None }
    }
}

/// A site to be scheduled.
#[derive(Debug)]
pub struct ScheduledSite {
    /// Its number while webmon runs.
    pub slot: SiteSlot,
    /// What to probe.
    pub site: Arc<Site>,
    /// The only writer of its ring.
    pub producer: Producer,
    /// When its first check is due, after the start.
    pub first_due: Duration,
    /// The time of the newest stored sample.
    pub last_at: Option<Timestamp>,
    /// The end of its pause.
    pub paused: Option<Timestamp>,
}

/// Everything that a scheduler shares.
#[derive(Debug)]
pub struct SchedulerContext<P> {
    /// The current prober; a reload replaces it.
    pub prober: watch::Receiver<Arc<P>>,
    /// The clock.
    pub clock: Clock,
    /// Its counters.
    pub gauges: Arc<SchedulerCounters>,
    /// One queue per consumer of texts.
    pub texts: Vec<TextQueue>,
    /// Its bounds.
    pub limits: Limits,
    /// Measures the processor time of the current thread, if the system supports it.
    pub spent: fn() -> Option<Spent>,
}

struct RunningSite {
    slot: SiteSlot,
    site: Arc<Site>,
    producer: Producer,
    /// The last certificate that all queues took.
    certificate: Option<Arc<Certificate>>,
    /// Failed answers that evidence was kept of.
    known_answers: record::KnownAnswers,
    in_flight: usize,
    in_flight_limit: usize,
    skipped: u32,
    last_at: Option<Timestamp>,
    after_hole: bool,
    /// Since when every check was `local`.
    blind_since: Option<Timestamp>,
    pause: Option<Pause>,
    /// When a check was due that is made later, at the time in the heap.
    held: Option<Duration>,
}

/// A probe under way.
struct Flight {
    slot: SiteSlot,
    late: Duration,
    asleep: Duration,
    /// When the user requested it, if it is a manual check.
    asked: Option<Timestamp>,
    handle: AbortHandle,
}

struct Landed {
    /// On the monotonic clock.
    at: Duration,
    observation: Observation,
}

/// See the module.
pub struct Scheduler<P> {
    shared: SchedulerContext<P>,
    /// By slot; `None` for a site that was removed or has not arrived.
    slots: Vec<Option<RunningSite>>,
    due: BinaryHeap<Reverse<(Duration, SiteSlot)>>,
    probes: JoinSet<Landed>,
    bell: Arc<Wakeup>,
    flights: HashMap<Id, Flight>,
    manual_checks: ManualChecks,
    arrivals: SiteIntake,
    orders: mpsc::Receiver<Order>,
    /// When it has to run again at the latest.
    runs_by: Option<Duration>,
    /// The processor time of its thread, and when it was measured.
    spent: Option<(Duration, Option<Spent>)>,
}

impl<P: Prober> Scheduler<P> {
    /// A scheduler of the sites in `arrivals`, whose slots start at 0; it carries out `orders`.
    #[must_use]
    pub fn new(
        shared: SchedulerContext<P>,
        arrivals: SiteIntake,
        manual_checks: ManualChecks,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        let slots = std::iter::repeat_with(|| None).take(arrivals.awaited()).collect();
        let (due, probes, bell, flights) = (BinaryHeap::new(), JoinSet::new(), Arc::default(), HashMap::new());
        Self { shared, slots, due, probes, bell, flights, manual_checks, arrivals, orders, runs_by: None, spent: None }
    }

    /// Probes until `stop`, then aborts the probes in flight: an unfinished check is not an outcome.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut alarm = WakeTimer::new(self.shared.clock.instant(Duration::ZERO));
        let mut stopped = std::pin::pin!(stop.cancelled());
        loop {
            self.note_stall();
            self.land_all();
            let may_start = self.flights.len() < self.shared.limits.in_flight;
            let wake = self.due.peek().map(|Reverse((due, _))| *due).filter(|_| may_start);
            self.bell.expect(wake);
            self.expect_to_run(wake);
            self.shared.gauges.note_run(wake);
            if let Some(wake) = wake {
                alarm.set(self.shared.clock.instant(wake));
            }
            tokio::select! {
                biased;
                () = &mut stopped => break,
                () = self.bell.rung() => {}
                Some(watches) = self.arrivals.next(), if self.arrivals.awaited() > 0 => self.seat(watches),
                Some(order) = self.orders.recv() => self.obey(order),
                () = alarm.rung(), if wake.is_some() => {
                    // Finished probes make room for due ones.
                    self.land_all();
                    self.start_due();
                }
            }
        }
        self.land_all();
        self.probes.shutdown().await;
    }

    /// Collects finished probes.
    fn land_all(&mut self) {
        while let Some(landed) = self.probes.try_join_next_with_id() {
            self.land(landed);
        }
    }

    /// Starts all due checks, up to the overall bound.
    fn start_due(&mut self) {
        self.note_suspend();
        self.note_stall();
        let (now, wall) = (self.shared.clock.monotonic(), self.shared.clock.now());
        while let Some(&Reverse((due, slot))) = self.due.peek() {
            if due > now || self.flights.len() >= self.shared.limits.in_flight {
                break;
            }
            self.due.pop();
            let Some(site) = &mut self.slots[slot.get()] else { continue };
            let turn = turn(site.held.take().unwrap_or(due), site.site.interval, now);
            self.due.push(Reverse((turn.next, slot)));
            site.skip(turn.skipped, &self.shared.gauges);
            if site.is_paused(wall) || site.in_flight >= site.in_flight_limit {
                site.skip(1, &self.shared.gauges);
            } else {
                site.in_flight += 1;
                let is_tardy = is_tardy(turn.late, site.site.interval);
                self.shared.gauges.note_due(u64::from(turn.skipped) + 1, u64::from(turn.skipped) + u64::from(is_tardy));
                self.shared.gauges.started(turn.late);
                self.launch(slot, turn.late, None);
            }
        }
    }

    /// Pauses a site until then, or resumes it. Its due checks are skipped meanwhile, and counted.
    fn pause(&mut self, site: SiteSlot, until: Option<Timestamp>) {
        let now = self.shared.clock.now();
        let Some(slot) = self.slots.get_mut(site.get()).and_then(Option::as_mut) else { return };
        let since = slot.pause.map_or(now, |pause| pause.since);
        slot.pause = match until {
            None if slot.pause.is_none() => None,
            until => Some(Pause { since, until: until.unwrap_or(now) }),
        };
    }

    fn apply_command(&mut self, command: SiteCommand) {
        let site = match command {
            SiteCommand::Check(site) => site,
            SiteCommand::Pause(site, until) => return self.pause(site, until),
            // Those are about what is reported, never about checks.
            SiteCommand::Silence(..) | SiteCommand::Acknowledge { .. } => return,
        };
        // Otherwise the check would seem to have started before a past suspend.
        self.note_suspend();
        let is_there = self.slots.get(site.get()).is_some_and(Option::is_some);
        let now = self.shared.clock.now();
        if is_there && self.flights.len() < self.shared.limits.in_flight && self.manual_checks.begin(site, now) {
            self.launch(site, Duration::ZERO, Some(now));
        }
    }

    fn launch(&mut self, slot: SiteSlot, late: Duration, asked: Option<Timestamp>) {
        let Some(site) = self.slots[slot.get()].as_ref().map(|slot| Arc::clone(&slot.site)) else { return };
        let prober = Arc::clone(&self.shared.prober.borrow());
        let clock = self.shared.clock.clone();
        let asleep = clock.asleep();
        let ringer = WakeGuard::new(&self.bell, clock.clone());
        // Boxed, because it is large and the runtime moves it a dozen times.
        let handle = self.probes.spawn(Box::pin(async move {
            let _ringer = ringer;
            let observation = prober.probe(&site).await;
            Landed { at: clock.monotonic(), observation }
        }));
        self.flights.insert(handle.id(), Flight { slot, late, asleep, asked, handle });
    }

    fn land(&mut self, landed: Result<(Id, Landed), JoinError>) {
        self.note_suspend();
        let (id, landed) = match landed {
            Ok(landed) => landed,
            Err(error) => {
                let observation = Observation::failed(Cause::Local, "webmon: the probe failed by a fault of its own");
                (error.id(), Landed { at: self.shared.clock.monotonic(), observation })
            }
        };
        let flight = self.flights.remove(&id).expect("every probe that lands was started");
        if self.slots[flight.slot.get()].is_none() {
            match flight.asked {
                Some(_) => self.manual_checks.forget(flight.slot),
                None => self.shared.gauges.abandoned(),
            }
            return;
        }
        let observation = unless_suspended(landed.observation, &self.shared.clock, flight.asleep);
        if let Some(asked) = flight.asked {
            self.manual_checks.end(flight.slot, asked, (self.shared.clock.wall_at(landed.at), Arc::new(observation)));
            return;
        }
        self.shared.gauges.finished();
        let times = (self.shared.clock.wall_at(landed.at), flight.late);
        if let Some(site) = &mut self.slots[flight.slot.get()] {
            site.in_flight -= 1;
            site.record(times, observation, (&self.shared.texts, &self.shared.gauges));
        }
    }

    /// Counts the due checks of a suspend, which leaves a hole in their sites.
    fn note_suspend(&mut self) {
        let Some(asleep) = self.shared.clock.absorb_suspend() else { return };
        for slot in self.slots.iter_mut().flatten() {
            let interval = slot.site.interval;
            slot.skip(missed(asleep, interval), &self.shared.gauges);
            slot.note_gap(asleep);
        }
    }
}

impl RunningSite {
    fn new(watch: ScheduledSite, clock: &Clock) -> Self {
        let interval = watch.site.interval;
        let first = clock.wall_at(watch.first_due);
        let gap = watch.last_at.map(|last| first.since(last));
        Self {
            slot: watch.slot,
            in_flight: 0,
            in_flight_limit: watch.site.in_flight_limit(),
            skipped: gap.map_or(0, |gap| missed(gap, interval)),
            last_at: watch.last_at,
            after_hole: gap.is_none_or(|gap| gap > 2 * interval),
            blind_since: None,
            known_answers: record::KnownAnswers::default(),
            held: None,
            pause: watch.paused.map(|until| Pause { since: clock.now(), until }),
            site: watch.site,
            producer: watch.producer,
            certificate: None,
        }
    }
}
