//! One network thread's scheduler: a loop, a heap of due times, and the rings of its sites.
//!
//! It starts a probe when it is due, collects what the probe observed, and pushes one sample; it never waits for a
//! reader. A site may have ⌈timeout / interval⌉ + 1 probes in flight: a site that hangs is still asked on time, so
//! its failures are counted as often as its successes would be (coordinated omission). At the overall bound a due
//! check waits; a check that is overtaken by its successor, at either bound, is skipped and counted.
//!
//! Invariants: the only producer of its sites' rings; `at` strictly increases within a site; a probe that panics
//! is an observation (`local`), not the end of the loop. Limits: [`Limits::in_flight`] probes. A check by hand goes
//! back to the [`ManualChecks`] that it came from: it is no sample and is counted nowhere.

pub(crate) mod clock_set;
pub(crate) mod due_time;
pub(crate) mod intake;
pub(crate) mod manual_checks;
mod pause;
pub(crate) mod resume;
pub(crate) mod site_update;
mod stall;
pub(crate) mod thread;
pub(crate) mod timer;
pub(crate) mod wakeup;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::app::system::limits::Limits;
use crate::model::{Cause, Certificate, Flags, Micros, Observation, Site, SiteSlot, Timestamp};
use crate::probe::{Prober, Spent};
use crate::ring::Producer;
use crate::tui::SiteCommand;

use super::clock::Clock;
use super::log::events;
use super::prober::unless_suspended;
use super::status::counters::SchedulerCounters;
use due_time::{missed, turn};
use manual_checks::ManualChecks;
use pause::Pause;
use timer::WakeTimer;
use wakeup::{WakeGuard, Wakeup};

pub use clock_set::{Order, SetClock};
pub use intake::{SiteIntake, arrivals};
pub use site_update::{RemovedSite, RingResize, SiteUpdate, UpdateSites};

/// The texts of one check, on their way past the ring.
#[derive(Clone, Debug)]
pub struct CheckTexts {
    /// The slot of the site.
    pub site: SiteSlot,
    /// The sample's number within the site.
    pub seq: u64,
    /// What the probe observed.
    pub observation: Arc<Observation>,
}

/// A bounded queue of texts to one consumer.
#[derive(Clone, Debug)]
pub struct TextQueue {
    /// Its sending side.
    pub sender: mpsc::Sender<CheckTexts>,
    /// Whether the consumer wants the texts of failed checks only, and of those that showed another certificate.
    pub failures_only: bool,
}

/// A site as a scheduler needs it.
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
    /// The newest stored sample, if there is one.
    pub last_at: Option<Timestamp>,
    /// Until when it is not to be checked.
    pub paused: Option<Timestamp>,
}

/// Everything a scheduler shares with the rest.
#[derive(Debug)]
pub struct SchedulerContext<P> {
    /// How to probe; another one after a change of configuration.
    pub prober: watch::Receiver<Arc<P>>,
    /// The clock.
    pub clock: Clock,
    /// What it counts about itself.
    pub gauges: Arc<SchedulerCounters>,
    /// Queues of texts, one a consumer.
    pub texts: Vec<TextQueue>,
    /// Its bounds.
    pub limits: Limits,
    /// What its thread has had of the processors, where the system tells.
    pub spent: fn() -> Option<Spent>,
}

struct RunningSite {
    slot: SiteSlot,
    site: Arc<Site>,
    producer: Producer,
    /// What the certificate said that was last handed on.
    certificate: Option<Arc<Certificate>>,
    in_flight: usize,
    in_flight_limit: usize,
    skipped: u32,
    last_at: Option<Timestamp>,
    after_hole: bool,
    /// Since when every check was `local`: this machine could not look.
    blind_since: Option<Timestamp>,
    pause: Option<Pause>,
    /// When the check was due that is made later, at the time in the heap.
    held: Option<Duration>,
}

/// A probe under way.
struct Flight {
    slot: SiteSlot,
    late: Duration,
    asleep: Duration,
    /// When it was asked for, if it was by hand.
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
    /// By number; none for a site that is gone or has not arrived.
    slots: Vec<Option<RunningSite>>,
    due: BinaryHeap<Reverse<(Duration, SiteSlot)>>,
    probes: JoinSet<Landed>,
    bell: Arc<Wakeup>,
    flights: HashMap<Id, Flight>,
    manual_checks: ManualChecks,
    arrivals: SiteIntake,
    orders: mpsc::Receiver<Order>,
    /// When it is to run again at the latest.
    runs_by: Option<Duration>,
    /// What its thread had spent, and when that was asked.
    spent: Option<(Duration, Option<Spent>)>,
}

impl<P: Prober> Scheduler<P> {
    /// A scheduler of the sites that come by `arrivals`, with the numbers from 0 on, that does what is wished at `desk`
    /// and does as `orders` say.
    #[must_use]
    pub fn new(
        shared: SchedulerContext<P>,
        arrivals: SiteIntake,
        desk: ManualChecks,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        let slots = std::iter::repeat_with(|| None).take(arrivals.awaited()).collect();
        let (due, probes, bell, flights) = (BinaryHeap::new(), JoinSet::new(), Arc::default(), HashMap::new());
        Self {
            shared,
            slots,
            due,
            probes,
            bell,
            flights,
            manual_checks: desk,
            arrivals,
            orders,
            runs_by: None,
            spent: None,
        }
    }

    /// Probes until `stop`, then abandons what is in flight: an unfinished check is not an outcome.
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
            if let Some(wake) = wake {
                alarm.set(self.shared.clock.instant(wake));
            }
            tokio::select! {
                biased;
                () = &mut stopped => break,
                () = self.bell.rung() => {}
                Some(watches) = self.arrivals.next(), if self.arrivals.awaited() > 0 => self.seat(watches),
                Some(wish) = self.manual_checks.next() => self.apply_command(wish),
                Some(order) = self.orders.recv() => self.obey(order),
                () = alarm.rung(), if wake.is_some() => {
                    // What has landed makes room for what is due.
                    self.land_all();
                    self.start_due();
                }
            }
        }
        self.land_all();
        self.probes.shutdown().await;
    }

    /// Collects what has landed.
    fn land_all(&mut self) {
        while let Some(landed) = self.probes.try_join_next_with_id() {
            self.land(landed);
        }
    }

    /// Starts everything that is due now, up to the overall bound.
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
                self.shared.gauges.started(turn.late);
                self.launch(slot, turn.late, None);
            }
        }
    }

    /// Checks site number `site` no more until then, or again. Its due checks are skipped meanwhile, and counted.
    fn pause(&mut self, site: SiteSlot, until: Option<Timestamp>) {
        let now = self.shared.clock.now();
        let Some(slot) = self.slots.get_mut(site.get()).and_then(Option::as_mut) else { return };
        let since = slot.pause.map_or(now, |pause| pause.since);
        slot.pause = match until {
            None if slot.pause.is_none() => None,
            until => Some(Pause { since, until: until.unwrap_or(now) }),
        };
    }

    fn apply_command(&mut self, wish: SiteCommand) {
        let site = match wish {
            SiteCommand::Check(site) => site,
            SiteCommand::Pause(site, until) => return self.pause(site, until),
        };
        // Otherwise the check would seem to have begun before a suspend that is over.
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
        // Boxed, because it is large and moved a dozen times on its way into the runtime.
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
        self.record(&flight, self.shared.clock.wall_at(landed.at), observation);
    }

    fn record(&mut self, flight: &Flight, at: Timestamp, observation: Observation) {
        let Some(slot) = &mut self.slots[flight.slot.get()] else { return };
        slot.in_flight -= 1;
        let at = slot.last_at.map_or(at, |last| at.max(last.after(Duration::from_micros(1))));
        slot.last_at = Some(at);
        let skipped = std::mem::take(&mut slot.skipped);
        let mut sample = observation.sample(at, Micros::from_duration(flight.late), skipped);
        slot.note_blindness(sample.outcome(), at);
        if std::mem::take(&mut slot.after_hole) {
            sample.flags = sample.flags.with(Flags::AFTER_HOLE);
        }
        let shown = observation.certificate.clone().filter(|shown| slot.certificate.as_ref() != Some(shown));
        let texts = CheckTexts { site: slot.slot, seq: slot.producer.next_seq(), observation: Arc::new(observation) };
        let mut all_told = true;
        // The texts go first, so that whoever reads the sample finds them.
        for queue in &self.shared.texts {
            let wanted = !queue.failures_only || sample.cause != Cause::Ok || shown.is_some();
            if wanted && queue.sender.try_send(texts.clone()).is_err() {
                self.shared.gauges.lose_texts(1);
                all_told = false;
            }
        }
        if all_told && shown.is_some() {
            slot.certificate = shown;
        }
        events::check(&slot.site.name, texts.seq, &sample, &texts.observation);
        slot.producer.push(sample);
    }

    /// A suspend leaves a hole in every site that was due during it.
    fn note_suspend(&mut self) {
        let Some(asleep) = self.shared.clock.absorb_suspend() else { return };
        for slot in self.slots.iter_mut().flatten() {
            let interval = slot.site.interval;
            slot.skip(missed(asleep, interval), &self.shared.gauges);
            slot.after_hole |= asleep > 2 * interval;
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
            held: None,
            pause: watch.paused.map(|until| Pause { since: clock.now(), until }),
            site: watch.site,
            producer: watch.producer,
            certificate: None,
        }
    }

    /// `checks` due checks are not made.
    fn skip(&mut self, checks: u32, gauges: &SchedulerCounters) {
        if checks > 0 {
            self.skipped = self.skipped.saturating_add(checks);
            gauges.skip(checks);
        }
    }
}
