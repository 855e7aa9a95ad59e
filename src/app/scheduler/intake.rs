//! Passes sites to a running scheduler, each as soon as its ring holds its stored samples.
//!
//! Reading an hour of ten thousand sites takes half a second, so the scheduler runs before that. The sites arrive in the order
//! of their due times, in growing batches, because each batch wakes the scheduler. Invariants: a site is not checked before it
//! arrives; its due times depend on the start only, so a site that arrives after its due time is late and counted so. Bounds:
//! the queue has room for all batches.

use tokio::sync::mpsc;

use crate::probe::Prober;

use super::{Reverse, RunningSite, ScheduledSite, Scheduler};

/// Sites per batch, after the first batches.
const BATCH: usize = 64;

/// Where sites come from.
#[derive(Debug)]
pub struct SiteIntake {
    batches: mpsc::Receiver<Vec<ScheduledSite>>,
    awaited: usize,
}

/// Sends sites to a scheduler in batches; drop sends the last one.
#[derive(Debug)]
pub struct IntakeSender {
    batches: mpsc::Sender<Vec<ScheduledSite>>,
    batch: Vec<ScheduledSite>,
    size: usize,
}

/// The way of this many sites into a scheduler: both of its ends.
#[must_use]
pub fn arrivals(sites: usize) -> (IntakeSender, SiteIntake) {
    // One more for each time that the size of the first batches doubles, and one that may not be full.
    let doubling = BATCH.ilog2() as usize;
    let (sender, batches) = mpsc::channel(sites / BATCH + doubling + 2);
    (IntakeSender { batches: sender, batch: Vec::new(), size: 1 }, SiteIntake { batches, awaited: sites })
}

impl IntakeSender {
    /// Adds a site.
    pub fn bring(&mut self, watch: ScheduledSite) {
        self.batch.push(watch);
        if self.batch.len() >= self.size {
            self.send();
            self.size = (2 * self.size).min(BATCH);
        }
    }

    fn send(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        // There is room, so the send fails only if the scheduler has ended.
        let _ended = self.batches.try_send(batch).is_err();
    }
}

impl Drop for IntakeSender {
    fn drop(&mut self) {
        if !self.batch.is_empty() {
            self.send();
        }
    }
}

impl SiteIntake {
    /// How many sites have not arrived yet.
    pub(crate) const fn awaited(&self) -> usize {
        self.awaited
    }

    /// The next batch; `None` once the sender is dropped.
    pub(crate) async fn next(&mut self) -> Option<Vec<ScheduledSite>> {
        self.batches.recv().await
    }
}

impl<P: Prober> Scheduler<P> {
    /// Starts to check these sites.
    pub(crate) fn seat(&mut self, watches: Vec<ScheduledSite>) {
        self.arrivals.awaited = self.arrivals.awaited.saturating_sub(watches.len());
        for watch in watches {
            self.due.push(Reverse((watch.first_due, watch.slot)));
            self.sites.insert(RunningSite::new(watch, &self.shared.clock));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::app::clock::Clock;
    use crate::app::scheduler::SchedulerContext;
    use crate::app::scheduler::manual_checks::ManualChecks;
    use crate::app::system::limits::{FlightPermits, Limits};
    use crate::app::tests::monitor::parsed;
    use crate::model::{Cause, Observation, Sample, Site, SiteSlot, Timestamp};
    use crate::ring::{Producer, Ring};

    const START: Timestamp = Timestamp::from_secs(1_795_340_000);
    const SECOND: Duration = Duration::from_secs(1);

    struct AtOnce;

    impl Prober for AtOnce {
        async fn probe(&self, _: &Site) -> Observation {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Observation::failed(Cause::Ok, "")
        }
    }

    fn watch(slot: usize, first_due: Duration) -> (ScheduledSite, Arc<Ring>) {
        let config = parsed("sites: [{ name: a, url: 'http://a/', interval: 10s }]");
        let producer = Producer::new(100, 7);
        let ring = Arc::clone(producer.ring());
        let site = Arc::clone(&config.sites[0].site);
        (ScheduledSite { slot: SiteSlot::new(slot), site, producer, first_due, last_at: None, paused: None }, ring)
    }

    fn held(ring: &Arc<Ring>) -> Vec<Sample> {
        let mut held = Vec::new();
        ring.reader_at_oldest().drain(&mut held);
        held
    }

    #[tokio::test(start_paused = true)]
    async fn a_site_is_checked_from_its_arrival_on_in_the_phase_of_the_start() {
        let clock = Clock::start_at(START);
        let (mut sender, arrivals) = arrivals(3);
        let ((first, first_ring), (second, second_ring)) = (watch(2, Duration::ZERO), watch(0, SECOND));
        let (manual_checks, _rechecks) = ManualChecks::open();
        let (_revisions, revised) = mpsc::channel(1);
        let (_prober, prober) = watch::channel(Arc::new(AtOnce));
        let (gauges, permits) = (Arc::default(), FlightPermits::new(Limits { in_flight: 10 }));
        let shared =
            SchedulerContext { prober, clock: clock.clone(), gauges, texts: Vec::new(), permits, spent: || None };
        let scheduler = Scheduler::new((0, shared), arrivals, manual_checks, revised);
        let stop = CancellationToken::new();
        let meanwhile = async {
            sender.bring(first);
            tokio::time::sleep(4 * SECOND).await;
            assert_eq!((held(&first_ring).len(), held(&second_ring).len()), (1, 0));
            sender.bring(second);
            // Slot 1 never arrives: its sender has failed.
            drop(sender);
            tokio::time::sleep(20 * SECOND).await;
            stop.cancel();
        };
        tokio::join!(scheduler.run(stop.clone()), meanwhile);
        let told = |ring: &Arc<Ring>| -> Vec<(u64, u64)> {
            let whole = |time: Duration| time.as_millis().div_euclid(1_000).try_into().unwrap();
            let told = |sample: &Sample| (whole(sample.at.since(START)), whole(sample.late.as_duration()));
            held(ring).iter().map(told).collect()
        };
        // The second of its outcome, and by how many whole seconds it was late.
        assert_eq!(told(&first_ring), [(0, 0), (10, 0), (20, 0)]);
        assert_eq!(told(&second_ring), [(4, 3), (11, 0), (21, 0)]);
    }

    #[tokio::test]
    async fn every_site_gets_through_however_many_there_are() {
        for sites in [0, 1, 2, 63, 64, 65, 127, 128, 1_000] {
            let (mut sender, mut arrivals) = arrivals(sites);
            // All are sent before any is received.
            for number in 0..sites {
                sender.bring(watch(number, Duration::ZERO).0);
            }
            drop(sender);
            let mut came = Vec::new();
            while let Some(batch) = arrivals.next().await {
                assert!(!batch.is_empty() && batch.len() <= BATCH);
                came.extend(batch.iter().map(|watch| watch.slot.get()));
            }
            assert_eq!(came, (0..sites).collect::<Vec<_>>());
        }
    }
}
