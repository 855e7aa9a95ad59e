//! Follows a change of the system's clock, at once and between two probes.
//!
//! Forward is a hole in observation. Back means that all times since the clock was last anchored were late by the same amount:
//! their samples move to new rings with corrected times, so windows and rules continue as if the clock had been right. Stored
//! samples keep their times, so times in the store fall once, as at a restart. Invariants: times in a ring rise and none is
//! later than now; sequence numbers continue.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Barrier, oneshot};

use crate::app::clock::ClockSet;
use crate::model::{Sample, SiteSlot, Timestamp};
use crate::probe::Prober;
use crate::ring::{Producer, Ring};
use crate::tui::SiteCommand;

use super::due_time::missed;
use super::{RunningSite, Scheduler, UpdateSites};

/// Orders to a scheduler that may wait.
pub const ORDERS: usize = 64;

/// An order to a scheduler, which it carries out between two probes.
#[derive(Debug)]
pub enum Order {
    /// Check or pause a site.
    Site(SiteCommand),
    /// Replace the site list.
    Revise(UpdateSites),
    /// Follow the system's clock.
    Set(SetClock),
    /// Note that the machine was suspended.
    Wake,
}

/// How the clock was set.
#[derive(Debug)]
pub struct SetClock {
    /// By how much.
    pub set: ClockSet,
    /// Where all schedulers meet: none makes a sample while the clock changes.
    pub meeting: Arc<Barrier>,
    /// Receives the sites that continue in another ring.
    pub done: oneshot::Sender<Vec<(SiteSlot, Arc<Ring>)>>,
}

impl<P: Prober> Scheduler<P> {
    pub(crate) async fn obey(&mut self, order: Order) {
        match order {
            Order::Site(command) => self.apply_command(command),
            Order::Revise(revision) => self.revise(revision),
            Order::Set(set) => self.set_clock(set).await,
            Order::Wake => self.note_suspend(),
        }
    }

    async fn set_clock(&mut self, SetClock { set, meeting, done }: SetClock) {
        let clock = &self.shared.clock;
        let anchored = clock.anchored();
        if meeting.wait().await.is_leader() {
            clock.follow(set);
        }
        meeting.wait().await;
        let now = clock.now();
        let mut moved = Vec::new();
        for site in self.sites.iter_mut() {
            site.retell(set, anchored);
            match set {
                ClockSet::Forward(by) => site.note_leap(by),
                ClockSet::Back(by) => {
                    site.turn_back(by, anchored, now);
                    moved.push((site.slot, Arc::clone(site.producer.ring())));
                }
            }
        }
        // The receiver is gone only during shutdown.
        let _unheard = done.send(moved);
    }
}

impl RunningSite {
    /// Corrects the times that were noted since `anchored`.
    fn retell(&mut self, set: ClockSet, anchored: Timestamp) {
        let retold = |at: Timestamp| if at >= anchored { set.moved(at) } else { at };
        self.blind_since = self.blind_since.map(retold);
        if let Some(pause) = &mut self.pause {
            if pause.since >= anchored && pause.until < Timestamp::MAX {
                pause.until = set.moved(pause.until);
            }
            pause.since = retold(pause.since);
        }
    }

    fn note_leap(&mut self, by: Duration) {
        let interval = self.site.interval;
        if self.last_at.is_some() {
            self.skipped = self.skipped.saturating_add(missed(by, interval));
        }
        self.note_gap(by);
    }

    fn turn_back(&mut self, by: Duration, anchored: Timestamp, now: Timestamp) {
        self.producer = retold(&self.producer, (anchored, by), (now, self.site.interval));
        let last = self.last_at.map(|last| if last >= anchored { last.before(by) } else { last });
        // A stored time in the future says nothing about the last check.
        self.last_at = last.filter(|&last| last <= now);
    }
}

/// A producer that continues `before` in a new ring. Samples since `anchored` become earlier by `by`. Older samples stay if
/// they remain older than those and `now`; otherwise they are discarded, because times in a ring rise.
fn retold(
    before: &Producer,
    (anchored, by): (Timestamp, Duration),
    (now, interval): (Timestamp, Duration),
) -> Producer {
    let mut samples: Vec<Sample> = Vec::new();
    let mut first_seq = before.ring().reader_at_oldest().drain(&mut samples).first_seq;
    let begins = samples.partition_point(|sample| sample.at < anchored);
    for sample in &mut samples[begins..] {
        sample.at = sample.at.before(by);
    }
    let (older, newer) = samples.split_at_mut(begins);
    let limit = newer.first().map_or(now, |first| first.at);
    match (older.last(), newer.first_mut()) {
        (Some(last), _) if last.at >= limit => {
            first_seq += begins as u64;
            samples.drain(..begins);
        }
        (Some(last), Some(first)) => {
            let skipped = missed(first.at.since(last.at), interval);
            first.skipped = first.skipped.min(skipped);
        }
        _ => {}
    }
    let mut producer = Producer::new(before.ring().capacity(), first_seq);
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

    fn sample(secs: u64, skipped: u32) -> Sample {
        Observation::failed(Cause::Reset, "").sample(Timestamp::from_secs(secs), Micros::ZERO, skipped)
    }

    #[test]
    fn what_came_by_the_wrong_clock_gets_its_right_time_and_what_came_before_stays() {
        let at = Timestamp::from_secs;
        // The times before, the anchor, the change, and the times after.
        for (held, anchored, by, expected) in [
            (&[900, 910, 5_000, 5_010][..], 4_000, 4_000, &[900, 910, 1_000, 1_010][..]),
            (&[900, 910, 5_000, 5_010], 4_000, 4_100, &[900, 910]),
            (&[900, 1_000, 5_000, 5_010], 4_000, 4_000, &[1_000, 1_010]),
            (&[5_000, 5_010], 4_000, 4_000, &[1_000, 1_010]),
            (&[900, 910], 4_000, 4_000, &[900, 910]),
            (&[900, 2_000], 4_000, 4_000, &[]),
            (&[], 4_000, 4_000, &[]),
        ] {
            let mut before = Producer::new(10, 7);
            for &secs in held {
                before.push(sample(secs, 50));
            }
            let after = retold(&before, (at(anchored), Duration::from_secs(by)), (at(1_020), Duration::from_secs(10)));
            let mut found = Vec::new();
            let first_seq = after.ring().reader_at_oldest().drain(&mut found).first_seq;
            let expected: Vec<Timestamp> = expected.iter().copied().map(at).collect();
            assert_eq!(found.iter().map(|sample| sample.at).collect::<Vec<_>>(), expected, "{held:?}");
            assert_eq!((after.next_seq(), first_seq + found.len() as u64), (before.next_seq(), before.next_seq()));
        }
    }
}
