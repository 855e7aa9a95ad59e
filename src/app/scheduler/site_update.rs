//! Applies a new list of its sites to a running scheduler, at once and between two probes.
//!
//! Invariants: a kept site keeps its slot, its sequence numbers, its probes in flight, its pause and, if its interval is the
//! same, its phase. The probes in flight of a removed site are aborted, and its slot is never reused.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::model::{Sample, Site, SiteSlot, Timestamp};
use crate::probe::Prober;
use crate::ring::{Producer, Ring};

use super::{Reverse, RunningSite, ScheduledSite, Scheduler};

/// The new list of sites.
#[derive(Debug)]
pub struct UpdateSites {
    /// One per site.
    pub sites: Vec<SiteUpdate>,
    /// Receives the result.
    pub done: oneshot::Sender<SitesUpdated>,
}

/// A site of the new list.
#[derive(Debug)]
pub enum SiteUpdate {
    /// A site of the old list.
    Kept {
        /// Its slot.
        slot: SiteSlot,
        /// What to probe.
        site: Arc<Site>,
        /// When its next check is due from now, if its new interval has passed already.
        offset: Duration,
        /// The new ring, if the size changes.
        moves: Option<RingResize>,
    },
    /// A new site; its `first_due` counts from now.
    New(ScheduledSite),
}

/// The size and the older samples of a new ring.
#[derive(Debug)]
pub struct RingResize {
    /// How many samples it holds.
    pub slots: usize,
    /// Stored samples that precede those of the old ring, and the sequence number of the first one.
    pub past: Option<(u64, Vec<Sample>)>,
}

/// The result of an update.
#[derive(Debug)]
pub struct SitesUpdated {
    /// The sites with a new ring.
    pub moved: Vec<(SiteSlot, Arc<Ring>)>,
    /// The removed sites.
    pub left: Vec<RemovedSite>,
}

/// The last state of a removed site.
#[derive(Clone, Copy, Debug)]
pub struct RemovedSite {
    /// Its slot.
    pub slot: SiteSlot,
    /// The sequence number after its newest sample.
    pub next_seq: u64,
    /// The time of its newest sample.
    pub last_at: Option<Timestamp>,
}

impl<P: Prober> Scheduler<P> {
    /// Replaces the site list.
    pub(crate) fn revise(&mut self, revision: UpdateSites) {
        let now = self.shared.clock.monotonic();
        let mut due: HashMap<SiteSlot, Duration> = self.due.drain().map(|Reverse((due, slot))| (slot, due)).collect();
        let mut revised = SitesUpdated { moved: Vec::new(), left: Vec::new() };
        let mut kept = HashSet::new();
        for berth in revision.sites {
            match berth {
                SiteUpdate::Kept { slot, site, offset, moves } => {
                    let Some(stays) = self.sites.get_mut(slot) else { continue };
                    kept.insert(slot);
                    let next = stays.held.take().or(due.remove(&slot)).unwrap_or(now);
                    self.due.push(Reverse((stays.next_due(next, site.interval, (now, offset)), slot)));
                    stays.in_flight_limit = site.in_flight_limit();
                    stays.site = site;
                    if let Some(room) = moves {
                        stays.producer = moved(&stays.producer, room);
                        revised.moved.push((slot, Arc::clone(stays.producer.ring())));
                    }
                }
                SiteUpdate::New(watch) => {
                    let watch = ScheduledSite { first_due: now + watch.first_due, ..watch };
                    kept.insert(watch.slot);
                    self.due.push(Reverse((watch.first_due, watch.slot)));
                    self.sites.insert(RunningSite::new(watch, &self.shared.clock));
                }
            }
        }
        for gone in self.sites.take_unless(|slot| kept.contains(&slot)) {
            let (next_seq, last_at) = (gone.producer.next_seq(), gone.last_at);
            revised.left.push(RemovedSite { slot: gone.slot, next_seq, last_at });
        }
        for flight in self.flights.values().filter(|flight| !self.sites.has(flight.slot)) {
            flight.handle.abort();
        }
        // The receiver is gone only during shutdown.
        let _unheard = revision.done.send(revised);
    }
}

impl RunningSite {
    /// When the next check is due if the interval becomes `interval`; it was due at `next`.
    fn next_due(&self, next: Duration, interval: Duration, (now, offset): (Duration, Duration)) -> Duration {
        if interval == self.site.interval {
            return next;
        }
        // Before the first check there is no last one.
        let after_last = next.checked_sub(self.site.interval).map_or(next, |last| last + interval);
        if after_last > now { after_last } else { now + offset }
    }
}

/// A producer that continues `before` in a new ring, which holds the samples of the old ring and the stored ones.
fn moved(before: &Producer, room: RingResize) -> Producer {
    let oldest = before.ring().reader_at_oldest();
    let past = room.past.filter(|(_, samples)| !samples.is_empty());
    let (mut first_seq, mut samples) = past.unwrap_or((oldest.next_seq(), Vec::new()));
    let mut rest = before.ring().reader_at(first_seq + samples.len() as u64);
    let mut newer = Vec::new();
    let drained = rest.drain(&mut newer);
    if drained.lost > 0 || first_seq + samples.len() as u64 != drained.first_seq {
        // There is a hole between the two, so the stored samples cannot be numbered.
        (first_seq, samples) = (drained.first_seq, Vec::new());
    }
    samples.append(&mut newer);
    let mut producer = Producer::new(room.slots, first_seq);
    for sample in samples {
        producer.push(sample);
    }
    debug_assert_eq!(producer.next_seq(), before.next_seq(), "the numbers go on");
    producer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Micros, Observation};

    fn sample(seq: u64) -> Sample {
        Observation::failed(Cause::Reset, "").sample(Timestamp::from_secs(1_000 + seq), Micros::ZERO, 0)
    }

    fn ring(slots: usize, numbers: std::ops::Range<u64>) -> Producer {
        let mut producer = Producer::new(slots, numbers.start);
        for seq in numbers {
            producer.push(sample(seq));
        }
        producer
    }

    #[test]
    fn a_ring_moves_with_everything_that_can_be_numbered() {
        // The size and samples of the old ring, the stored samples, the new size, and the samples then.
        for (slots, held, past, room, expected) in [
            (4, 0..10, None, 8, 6..10),
            (4, 0..10, Some(2..7), 8, 2..10),
            (4, 0..10, Some(2..6), 20, 2..10),
            (4, 0..10, Some(2..5), 20, 6..10),
            (4, 0..10, Some(2..10), 20, 2..10),
            (10, 0..10, Some(8..8), 3, 7..10),
            (10, 0..10, None, 3, 7..10),
            (4, 7..7, None, 3, 7..7),
            (4, 7..7, Some(2..7), 3, 4..7),
        ] {
            let before = ring(slots, held);
            let past = past.map(|past: std::ops::Range<u64>| (past.start, past.map(sample).collect()));
            let after = moved(&before, RingResize { slots: room, past });
            let mut found = Vec::new();
            let first = after.ring().reader_at_oldest().drain(&mut found).first_seq;
            assert_eq!(after.next_seq(), expected.end);
            assert_eq!(first..first + found.len() as u64, expected);
            assert_eq!(found, expected.map(sample).collect::<Vec<_>>());
        }
    }
}
