//! The scheduler of a network thread: starts the probes of its sites when they are due and pushes their samples into the rings.
//!
//! Invariants: the only producer of its sites' rings, and it never waits for a reader; a panic of a probe is an observation
//! (`local`). A hanging site is still checked on time, so its failures are counted as often as its successes would be
//! (coordinated omission). A manual check is no sample. Bounds: [`FlightPermits`] over all schedulers, ⌈timeout / interval⌉ + 1
//! probes per site; a due check waits at the former, and a check that its successor overtakes is skipped and counted.

pub(crate) mod clock_set;
pub(crate) mod due_time;
pub(crate) mod intake;
mod known_answers;
pub(crate) mod manual_checks;
mod record;
pub(crate) mod resume;
pub(crate) mod site_update;
mod sites;
mod stall;
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

use crate::app::system::limits::{FlightPermit, FlightPermits};
use crate::model::{Cause, Observation, Site, SiteSlot, Timestamp};
use crate::probe::{Prober, Spent};
use crate::ring::Producer;
use crate::tui::SiteCommand;

use super::clock::Clock;
use super::prober::unless_suspended;
use super::status::counters::SchedulerCounters;
use due_time::{is_tardy, missed, turn};
use manual_checks::ManualChecks;
use timer::WakeTimer;
use wakeup::{WakeGuard, Wakeup};

use sites::{Pause, RunningSite, SiteTable};

pub use clock_set::{ORDERS, Order, SetClock};
pub use intake::{IntakeSender, SiteIntake, arrivals};
pub use site_update::{RemovedSite, RingResize, SiteUpdate, SitesUpdated, UpdateSites};

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

/// Everything that the schedulers share.
#[derive(Debug)]
pub struct SchedulerContext<P> {
    /// The current prober of the first scheduler, of which the others have siblings; a reload replaces it.
    pub prober: watch::Receiver<Arc<P>>,
    /// The clock.
    pub clock: Clock,
    /// Their counters.
    pub gauges: Arc<SchedulerCounters>,
    /// One queue per consumer of texts.
    pub texts: Vec<TextQueue>,
    /// Bounds the probes in flight.
    pub permits: FlightPermits,
    /// Measures the processor time of the current thread, if the system supports it.
    pub spent: fn() -> Option<Spent>,
}

impl<P> Clone for SchedulerContext<P> {
    fn clone(&self) -> Self {
        Self {
            prober: self.prober.clone(),
            clock: self.clock.clone(),
            gauges: Arc::clone(&self.gauges),
            texts: self.texts.clone(),
            permits: self.permits.clone(),
            spent: self.spent,
        }
    }
}

/// A probe under way.
struct Flight {
    slot: SiteSlot,
    late: Duration,
    asleep: Duration,
    /// When the user requested it, if it is a manual check.
    asked: Option<Timestamp>,
    handle: AbortHandle,
    _permit: FlightPermit,
}

struct Landed {
    /// On the monotonic clock.
    at: Duration,
    observation: Observation,
}

/// See the module.
pub struct Scheduler<P> {
    shared: SchedulerContext<P>,
    /// The number of its network thread.
    thread: usize,
    /// The prober that all share, and its sibling for this thread.
    prober: Option<(Arc<P>, Arc<P>)>,
    sites: SiteTable,
    due: BinaryHeap<Reverse<(Duration, SiteSlot)>>,
    probes: JoinSet<Landed>,
    bell: Arc<Wakeup>,
    flights: HashMap<Id, Flight>,
    /// Kept from the wait for it until the next check: given back it would go to another scheduler that waits, and so on.
    permit: Option<FlightPermit>,
    manual_checks: ManualChecks,
    arrivals: SiteIntake,
    orders: mpsc::Receiver<Order>,
    /// When it has to run again at the latest.
    runs_by: Option<Duration>,
    /// The processor time of its thread, and when it was measured.
    spent: Option<(Duration, Option<Spent>)>,
    /// Suspends that were noted, as a sum.
    asleep: Duration,
}

impl<P: Prober> Scheduler<P> {
    /// The scheduler of network thread number `thread`, of the sites in `arrivals`; it carries out `orders`.
    #[must_use]
    pub fn new(
        (thread, shared): (usize, SchedulerContext<P>),
        arrivals: SiteIntake,
        manual_checks: ManualChecks,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        let asleep = shared.clock.asleep();
        Self {
            shared,
            thread,
            prober: None,
            sites: SiteTable::default(),
            due: BinaryHeap::new(),
            probes: JoinSet::new(),
            bell: Arc::default(),
            flights: HashMap::new(),
            permit: None,
            manual_checks,
            arrivals,
            orders,
            runs_by: None,
            spent: None,
            asleep,
        }
    }

    /// Probes until `stop`, then aborts the probes in flight: an unfinished check is not an outcome.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut alarm = WakeTimer::new(self.shared.clock.instant(Duration::ZERO));
        let mut stopped = std::pin::pin!(stop.cancelled());
        loop {
            self.note_stall();
            self.land_all();
            let wants_permit = self.wants_permit();
            let wake = self.due.peek().map(|Reverse((due, _))| *due).filter(|_| !wants_permit);
            self.bell.expect(wake);
            self.expect_to_run(wake);
            self.shared.gauges.note_run(self.thread, wake);
            if let Some(wake) = wake {
                alarm.set(self.shared.clock.instant(wake));
            }
            tokio::select! {
                biased;
                () = &mut stopped => break,
                () = self.bell.rung() => {}
                Some(watches) = self.arrivals.next(), if self.arrivals.awaited() > 0 => self.seat(watches),
                Some(order) = self.orders.recv() => tokio::select! {
                    biased;
                    () = &mut stopped => break,
                    () = self.obey(order) => {}
                },
                permit = self.shared.permits.take(), if wants_permit => self.permit = Some(permit),
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

    /// Whether a check is due that no permit is there for.
    fn wants_permit(&self) -> bool {
        self.permit.is_none()
            && !self.shared.permits.is_available()
            && self.due.peek().is_some_and(|Reverse((due, _))| *due <= self.shared.clock.monotonic())
    }

    /// Starts all due checks, as long as there are permits.
    fn start_due(&mut self) {
        self.note_suspend();
        self.note_stall();
        let (now, wall) = (self.shared.clock.monotonic(), self.shared.clock.now());
        let mut spare = self.permit.take();
        while let Some(&Reverse((due, slot))) = self.due.peek()
            && due <= now
            && let Some(permit) = spare.take().or_else(|| self.shared.permits.try_take())
        {
            self.due.pop();
            let Some(site) = self.sites.get_mut(slot) else {
                spare = Some(permit);
                continue;
            };
            let turn = turn(site.held.take().unwrap_or(due), site.site.interval, now);
            self.due.push(Reverse((turn.next, slot)));
            site.skip(turn.skipped, &self.shared.gauges);
            if site.is_paused(wall) || site.in_flight >= site.in_flight_limit {
                site.skip(1, &self.shared.gauges);
                spare = Some(permit);
            } else {
                site.in_flight += 1;
                let is_tardy = is_tardy(turn.late, site.site.interval);
                self.shared.gauges.note_due(u64::from(turn.skipped) + 1, u64::from(turn.skipped) + u64::from(is_tardy));
                self.shared.gauges.started(turn.late);
                self.launch(slot, (turn.late, None), permit);
            }
        }
    }

    /// Pauses a site until then, or resumes it. Its due checks are skipped meanwhile, and counted.
    fn pause(&mut self, site: SiteSlot, until: Option<Timestamp>) {
        let now = self.shared.clock.now();
        let Some(slot) = self.sites.get_mut(site) else { return };
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
        let now = self.shared.clock.now();
        if self.sites.has(site)
            && let Some(permit) = self.shared.permits.try_take()
            && self.manual_checks.begin(site, now)
        {
            self.launch(site, (Duration::ZERO, Some(now)), permit);
        }
    }

    /// The prober of this thread.
    fn prober(&mut self) -> Arc<P> {
        let shared = self.shared.prober.borrow();
        if let Some((of, own)) = &self.prober
            && Arc::ptr_eq(of, &shared)
        {
            return Arc::clone(own);
        }
        let own = if self.thread == 0 { Arc::clone(&shared) } else { shared.sibling() };
        self.prober = Some((Arc::clone(&shared), Arc::clone(&own)));
        own
    }

    fn launch(&mut self, slot: SiteSlot, (late, asked): (Duration, Option<Timestamp>), permit: FlightPermit) {
        let Some(site) = self.sites.get(slot).map(|running| Arc::clone(&running.site)) else { return };
        let prober = self.prober();
        let clock = self.shared.clock.clone();
        let asleep = clock.asleep();
        let ringer = WakeGuard::new(&self.bell, clock.clone());
        // Boxed, because it is large and the runtime moves it a dozen times.
        let handle = self.probes.spawn(Box::pin(async move {
            let _ringer = ringer;
            let observation = prober.probe(&site).await;
            Landed { at: clock.monotonic(), observation }
        }));
        self.flights.insert(handle.id(), Flight { slot, late, asleep, asked, handle, _permit: permit });
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
        if !self.sites.has(flight.slot) {
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
        if let Some(site) = self.sites.get_mut(flight.slot) {
            site.in_flight -= 1;
            site.record(times, observation, (&self.shared.texts, &self.shared.gauges));
        }
    }

    /// Counts the due checks of a suspend, which leaves a hole in their sites.
    fn note_suspend(&mut self) {
        // The scheduler of another thread may have absorbed it.
        let _absorbed = self.shared.clock.absorb_suspend();
        let so_far = self.shared.clock.asleep();
        let asleep = so_far.saturating_sub(std::mem::replace(&mut self.asleep, so_far));
        if asleep.is_zero() {
            return;
        }
        for site in self.sites.iter_mut() {
            let interval = site.site.interval;
            site.skip(missed(asleep, interval), &self.shared.gauges);
            site.note_gap(asleep);
        }
    }
}
