//! Handles a stall: the scheduler did not run because the process or its virtual machine was stopped.
//!
//! Unlike in a suspend the clock went on, so all sites are due at once, and a server of many sites would see the burst as an
//! attack. So the overdue checks are skipped and counted, and each site continues at its next due time. If that is far off,
//! one late check is made within a minute, at the offset of the site's name.
//!
//! Invariants: a site that missed more than two intervals has a hole, so failures before and after it are not judged
//! together. Bounds: less than [`STALL_MIN`] is lateness, and so is a wait for a free probe slot.

use std::cmp::Reverse;
use std::time::Duration;

use crate::probe::{Prober, is_stop};

use super::Scheduler;
use super::due_time::{SPREAD, offset, turn};

/// A scheduler that wakes this late has stalled.
const STALL_MIN: Duration = Duration::from_secs(5);

/// Shorter stops are not reported.
const STOP_MIN: Duration = Duration::from_millis(250);

/// Time between two measurements of the thread's processor time.
const ASK: Duration = Duration::from_millis(50);

impl<P: Prober> Scheduler<P> {
    /// Expects the scheduler to run again by `wake`, or soon if that has passed; `None` if only an event wakes it.
    pub(crate) fn expect_to_run(&mut self, wake: Option<Duration>) {
        let now = self.shared.clock.monotonic();
        self.runs_by = wake.map(|wake| wake.max(now));
        if self.spent.is_none_or(|(asked, _)| now >= asked + ASK) {
            self.spent = Some((now, (self.shared.spent)()));
        }
    }

    /// Reports a stop of the process, as opposed to an overloaded machine.
    fn note_stop(&self, stalled: Duration) {
        let before = self.spent.and_then(|(_, spent)| spent);
        if stalled > STOP_MIN && is_stop(stalled, before, (self.shared.spent)()) {
            self.shared.gauges.note_stop(stalled);
        }
    }

    /// Skips or delays the overdue checks if the scheduler has stalled.
    pub(crate) fn note_stall(&mut self) {
        let Some(expected) = self.runs_by.take() else { return };
        let now = self.shared.clock.monotonic();
        let stalled = now.saturating_sub(expected);
        self.note_stop(stalled);
        if stalled < STALL_MIN {
            return;
        }
        let (mut overdue, wall) = (Vec::new(), self.shared.clock.now());
        while let Some(&Reverse((due, slot))) = self.due.peek()
            && due <= now
        {
            self.due.pop();
            overdue.push((due, slot));
        }
        for (due, slot) in overdue {
            let Some(site) = self.sites.get_mut(slot) else { continue };
            let interval = site.site.interval;
            let due = site.held.take().unwrap_or(due);
            let turn = turn(due, interval, now);
            site.note_gap(stalled);
            let starts = now + offset(&site.site);
            if turn.next <= now + SPREAD || turn.next <= starts {
                let skipped = turn.skipped.saturating_add(1);
                site.skip(skipped, &self.shared.gauges);
                if !site.is_paused(wall) {
                    self.shared.gauges.note_due(skipped.into(), skipped.into());
                }
                self.due.push(Reverse((turn.next, slot)));
            } else {
                site.held = Some(due);
                self.due.push(Reverse((starts, slot)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::{mpsc, watch};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::app::clock::Clock;
    use crate::app::scheduler::due_time::first_due;
    use crate::app::scheduler::manual_checks::ManualChecks;
    use crate::app::scheduler::{ScheduledSite, SchedulerContext, arrivals};
    use crate::app::system::limits::{FlightPermits, Limits};
    use crate::app::tests::monitor::parsed;
    use crate::model::{Cause, Flags, Observation, Sample, Site, SiteSlot, Timestamp};
    use crate::probe::Spent;
    use crate::ring::Producer;

    const START: Timestamp = Timestamp::from_secs(1_795_340_000);
    const SECOND: Duration = Duration::from_secs(1);
    /// More sites than are spread over one second only.
    const SITES: usize = 120;
    /// Between two due times.
    const STOPPED: Duration = Duration::from_millis(60_002);

    struct AtOnce;

    impl Prober for AtOnce {
        async fn probe(&self, _: &Site) -> Observation {
            Observation::failed(Cause::Ok, "")
        }
    }

    thread_local! {
        static SINCE: Clock = Clock::start_at(START);
    }

    /// A thread that waited for a processor all the time was not stopped.
    #[tokio::test(start_paused = true)]
    async fn a_stop_is_told_and_a_machine_that_is_busy_is_not() {
        let idle: fn() -> Option<Spent> = || Some(Spent::default());
        let starved: fn() -> Option<Spent> = || {
            let waiting = SINCE.with(Clock::monotonic);
            Some(Spent { running: Duration::ZERO, waiting })
        };
        SINCE.with(|_| ());
        for (spent, stop, told) in
            [(idle, 2_500, 2_500), (idle, 100, 0), (starved, 2_500, 0), (|| None, 900, 0), (|| None, 2_500, 2_500)]
        {
            let gauges: Arc<crate::app::status::counters::SchedulerCounters> = Arc::default();
            let (_prober, prober) = watch::channel(Arc::new(AtOnce));
            let (clock, permits) = (Clock::start_at(START), FlightPermits::new(Limits { in_flight: 1 }));
            let shared =
                SchedulerContext { prober, clock, gauges: Arc::clone(&gauges), texts: Vec::new(), permits, spent };
            let (manual_checks, _rechecks) = ManualChecks::open();
            let (_orders, ordered) = mpsc::channel(1);
            let mut scheduler = Scheduler::new((0, shared), arrivals(1).1, manual_checks, ordered);
            scheduler.expect_to_run(Some(Duration::ZERO));
            tokio::time::advance(Duration::from_millis(stop)).await;
            scheduler.note_stall();
            assert_eq!(gauges.take_stopped(), Duration::from_millis(told), "{stop} ms");
        }
    }

    /// The samples of sites on `interval` after a minute, `stop` without the processor, and two more minutes.
    async fn samples(interval: &str, stop: Duration) -> Vec<Vec<Sample>> {
        let sites: Vec<String> = (0..SITES).map(|n| format!("  - {{ name: s{n}, url: 'http://a/' }}")).collect();
        let config = parsed(&format!("defaults: {{ interval: {interval} }}\nsites:\n{}", sites.join("\n")));
        let clock = Clock::start_at(START);
        let (mut sender, arrivals) = arrivals(SITES);
        let (manual_checks, _rechecks) = ManualChecks::open();
        let (_revisions, revised) = mpsc::channel(1);
        let (_prober, prober) = watch::channel(Arc::new(AtOnce));
        let (gauges, permits) = (Arc::default(), FlightPermits::new(Limits { in_flight: SITES }));
        let shared = SchedulerContext { prober, clock, gauges, texts: Vec::new(), permits, spent: || None };
        let scheduler = Scheduler::new((0, shared), arrivals, manual_checks, revised);
        let due = first_due(config.sites.iter().map(|watched| &*watched.site));
        let mut rings = Vec::new();
        for (slot, (watched, first_due)) in config.sites.iter().zip(due).enumerate() {
            let producer = Producer::new(1_000, 0);
            rings.push(Arc::clone(producer.ring()));
            let site = Arc::clone(&watched.site);
            sender.bring(ScheduledSite {
                slot: SiteSlot::new(slot),
                site,
                producer,
                first_due,
                last_at: None,
                paused: None,
            });
        }
        let stopping = CancellationToken::new();
        let meanwhile = async {
            tokio::time::sleep(STOPPED).await;
            tokio::time::advance(stop).await;
            tokio::time::sleep(120 * SECOND).await;
            stopping.cancel();
        };
        tokio::join!(scheduler.run(stopping.clone()), meanwhile);
        let held = |ring: Arc<crate::ring::Ring>| {
            let mut held = Vec::new();
            ring.reader_at_oldest().drain(&mut held);
            held
        };
        rings.into_iter().map(held).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_is_followed_by_one_check_a_site_spread_as_always() {
        let stop = 95 * SECOND;
        let resumed = START.after(STOPPED + stop);
        for (interval, spread, skipped) in [("10s", 10, 9..=10), ("1m", 60, 1..=2), ("1h", 60, 0..=0)] {
            let mut a_second = vec![0; 120];
            for samples in samples(interval, stop).await {
                let after: Vec<&Sample> = samples.iter().filter(|sample| sample.at >= resumed).collect();
                // A site on a long interval is checked now only if a check fell into the stop.
                let Some(first) = after.first() else { continue };
                let second = first.at.since(resumed).as_secs();
                a_second[usize::try_from(second).unwrap()] += 1;
                assert!(second <= spread, "{interval}: {second} s");
                assert!(skipped.contains(&first.skipped), "{interval}: {}", first.skipped);
                assert_eq!(first.flags.has(Flags::AFTER_HOLE), interval == "10s" || samples.len() == after.len());
                let early = after.iter().filter(|sample| sample.at.since(resumed).as_secs() < spread).count();
                assert_eq!(early, 1, "{interval}: at most one check a site");
            }
            assert!(a_second.iter().all(|&checks| checks <= 30), "{interval}: {a_second:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_stop_makes_checks_late_and_skips_none() {
        let all: Vec<Sample> = samples("10s", 4 * SECOND).await.concat();
        assert!(all.iter().all(|sample| sample.skipped == 0));
        assert!(all.iter().any(|sample| sample.late.as_duration() >= SECOND));
    }
}
