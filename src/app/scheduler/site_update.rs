//! A scheduler goes on with other sites.
//!
//! Invariants: a site that stays keeps its number, its ring's numbers, what is in flight, its pause and, while its interval
//! is the same, its phase. A site that goes is asked no more and what is in flight of it is no outcome. The number of
//! a site that went is never another's. Between two probes everything is done at once: no sample is made meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::model::{Sample, Site, Timestamp};
use crate::probe::Prober;
use crate::ring::{Producer, Ring};

use super::{Reverse, RunningSite, ScheduledSite, Scheduler};

/// All sites from now on.
#[derive(Debug)]
pub struct UpdateSites {
    /// One a site.
    pub berths: Vec<SiteUpdate>,
    /// Where to say what came of it.
    pub done: oneshot::Sender<SitesUpdated>,
}

/// One site from now on.
#[derive(Debug)]
pub enum SiteUpdate {
    /// It was there before.
    Kept {
        /// Its number.
        slot: usize,
        /// What to probe.
        site: Arc<Site>,
        /// When its next check is due from now, if the one of a new interval would have been due already.
        offset: Duration,
        /// The ring to move to, if not the one that it has.
        moves: Option<RingResize>,
    },
    /// It was not; its first check is due that long after now.
    New(ScheduledSite),
}

/// A ring that is to be.
#[derive(Debug)]
pub struct RingResize {
    /// How many samples it holds.
    pub slots: usize,
    /// Samples before those of the ring that there is, and the number of the first one.
    pub past: Option<(u64, Vec<Sample>)>,
}

/// What came of a revision.
#[derive(Debug)]
pub struct SitesUpdated {
    /// Sites with another ring, by their numbers.
    pub moved: Vec<(usize, Arc<Ring>)>,
    /// Sites that are gone.
    pub left: Vec<RemovedSite>,
}

/// Where a site that is gone stopped.
#[derive(Clone, Copy, Debug)]
pub struct RemovedSite {
    /// Its number here.
    pub slot: usize,
    /// The number of the sample that would have come next.
    pub next_seq: u64,
    /// Its newest sample.
    pub last_at: Option<Timestamp>,
}

impl<P: Prober> Scheduler<P> {
    /// Goes on as `revision` says.
    pub(crate) fn revise(&mut self, revision: UpdateSites) {
        let now = self.shared.clock.monotonic();
        let mut due: HashMap<usize, Duration> = self.due.drain().map(|Reverse((due, slot))| (slot, due)).collect();
        let mut revised = SitesUpdated { moved: Vec::new(), left: Vec::new() };
        let mut kept = vec![false; self.slots.len()];
        for berth in revision.berths {
            match berth {
                SiteUpdate::Kept { slot, site, offset, moves } => {
                    let Some(stays) = self.slots.get_mut(slot).and_then(Option::as_mut) else { continue };
                    kept[slot] = true;
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
                    debug_assert_eq!(watch.index, self.slots.len(), "numbers are given in order and never twice");
                    self.due.push(Reverse((watch.first_due, self.slots.len())));
                    self.slots.push(Some(RunningSite::new(watch, &self.shared.clock)));
                }
            }
        }
        for (slot, _) in kept.into_iter().enumerate().filter(|(_, kept)| !kept) {
            if let Some(gone) = self.slots[slot].take() {
                revised.left.push(RemovedSite { slot, next_seq: gone.producer.next_seq(), last_at: gone.last_at });
            }
        }
        for flight in self.flights.values().filter(|flight| self.slots[flight.slot].is_none()) {
            flight.handle.abort();
        }
        // Whoever asked has left when the program ends.
        let _unheard = revision.done.send(revised);
    }
}

impl RunningSite {
    /// When the check after those that were due before `next` is due, every `interval` from now on.
    fn next_due(&self, next: Duration, interval: Duration, (now, offset): (Duration, Duration)) -> Duration {
        if interval == self.site.interval {
            return next;
        }
        // Before the first check there was none.
        let after_last = next.checked_sub(self.site.interval).map_or(next, |last| last + interval);
        if after_last > now { after_last } else { now + offset }
    }
}

/// A producer that goes on where `before` stops, in a ring of its own that holds what that one does and the past.
fn moved(before: &Producer, room: RingResize) -> Producer {
    let oldest = before.ring().reader_at_oldest();
    let past = room.past.filter(|(_, samples)| !samples.is_empty());
    let (mut first_seq, mut samples) = past.unwrap_or((oldest.next_seq(), Vec::new()));
    let mut rest = before.ring().reader_at(first_seq + samples.len() as u64);
    let mut newer = Vec::new();
    let drained = rest.drain(&mut newer);
    if drained.lost > 0 || first_seq + samples.len() as u64 != drained.first_seq {
        // There is a hole between the two: what is before it cannot be numbered.
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
        // What the ring holds, what the store knew, how large the new one is, and what it then holds.
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
