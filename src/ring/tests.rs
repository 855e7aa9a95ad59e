//! Native tests of the ring: against a plain model, and with readers that race the writer.

use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;
use crate::model::{Flags, Http, Micros, Phases, Status};

/// A sample whose every field follows from its number, so that a mix of two is detected.
pub(super) fn numbered(seq: u64) -> Sample {
    let low = u32::try_from(seq % 1_000_003).unwrap();
    Sample {
        at: Timestamp::from_micros(1_000 + seq * 10),
        phases: Phases::from_raw([low, low + 1, low + 2, low + 3, low + 4]),
        cause: if low % 3 == 0 { Cause::Ok } else { Cause::Status },
        status: Status::new(u16::try_from(100 + low % 900).unwrap()),
        http: Http::V11,
        flags: Flags::none(),
        bytes: low + 5,
        redirects: u8::try_from(low % 32).unwrap(),
        late: Micros::new(low),
        skipped: low + 6,
    }
}

fn at(seq: u64) -> Timestamp {
    numbered(seq).at
}

#[test]
fn a_reader_at_the_head_sees_only_what_comes() {
    let mut producer = Producer::new(4, 100);
    assert_eq!(producer.push(numbered(100)), 100);
    let mut head = producer.ring().reader_at_head();
    let mut oldest = producer.ring().reader_at_oldest();
    assert_eq!(producer.push(numbered(101)), 101);
    let mut out = Vec::new();
    assert_eq!(head.drain(&mut out), Drained { first_seq: 101, lost: 0 });
    assert_eq!(out, [numbered(101)]);
    assert_eq!(oldest.drain(&mut out), Drained { first_seq: 100, lost: 0 });
    assert_eq!(out, [numbered(101), numbered(100), numbered(101)]);
    assert_eq!(head.drain(&mut out), Drained { first_seq: 102, lost: 0 });
    assert_eq!((out.len(), producer.next_seq(), head.next_seq()), (3, 102, 102));
}

#[test]
fn a_lapped_reader_gets_the_intact_part_and_the_exact_loss() {
    let mut producer = Producer::new(3, 0);
    let mut reader = producer.ring().reader_at_head();
    for seq in 0..8 {
        producer.push(numbered(seq));
    }
    let mut out = Vec::new();
    assert_eq!(reader.drain(&mut out), Drained { first_seq: 5, lost: 5 });
    assert_eq!(out, [numbered(5), numbered(6), numbered(7)]);
}

#[test]
fn draining_before_a_cutoff_leaves_the_rest_and_includes_the_cutoff() {
    let mut producer = Producer::new(8, 0);
    let mut reader = producer.ring().reader_at_oldest();
    for seq in 0..5 {
        producer.push(numbered(seq));
    }
    let mut out = Vec::new();
    assert_eq!(reader.peek(), Some(numbered(0)));
    assert_eq!(reader.drain_before(at(2), &mut out), Drained { first_seq: 0, lost: 0 });
    assert_eq!(out.len(), 3);
    assert_eq!(reader.peek(), Some(numbered(3)));
    assert_eq!(reader.drain_before(at(2), &mut out), Drained { first_seq: 3, lost: 0 });
    assert_eq!(reader.drain_before(at(9), &mut out), Drained { first_seq: 3, lost: 0 });
    assert_eq!((out.len(), reader.peek()), (5, None));
}

#[test]
fn what_a_waiting_reader_will_not_find_any_more_shows_when_it_asks_for_it() {
    let mut producer = Producer::new(2, 0);
    let mut reader = producer.ring().reader_at_oldest();
    producer.push(numbered(0));
    let mut out = Vec::new();
    reader.drain_before(Timestamp::ZERO, &mut out);
    for seq in 1..6 {
        producer.push(numbered(seq));
    }
    assert_eq!(reader.peek(), None, "overwritten");
    assert_eq!(reader.drain_before(at(4), &mut out), Drained { first_seq: 4, lost: 4 });
    assert_eq!(out, [numbered(4)]);
}

#[test]
fn capacity_holds_the_horizon_what_is_in_flight_and_a_margin() {
    let secs = Duration::from_secs;
    for (horizon, interval, timeout, capacity) in [
        (secs(3_600), secs(10), secs(10), 360 + 2 + 18),
        (secs(3_600), Duration::from_millis(100), secs(10), 36_000 + 101 + 1_800),
        (secs(120), secs(3_600), secs(10), 1 + 2 + 1),
    ] {
        assert_eq!(capacity_for(horizon, interval, timeout), capacity);
    }
}

#[derive(Clone, Debug)]
enum Act {
    Push(u8),
    Drain,
    DrainBefore(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![(1u8..9).prop_map(Act::Push), Just(Act::Drain), (0u64..120).prop_map(Act::DrainBefore),];
    prop::collection::vec(act, 1..60)
}

proptest! {
    /// The model: all samples ever pushed, in a `Vec`; a reader takes from its cursor, but nothing older than the
    /// last `capacity` of them.
    #[test]
    fn a_reader_delivers_what_a_vec_would(capacity in 1usize..9, first_seq in 0u64..20, acts in acts()) {
        let mut producer = Producer::new(capacity, first_seq);
        let mut reader = producer.ring().reader_at_oldest();
        let mut all: Vec<Sample> = Vec::new();
        let mut cursor = 0;
        for act in acts {
            let cutoff = match act {
                Act::Push(n) => {
                    for _ in 0..n {
                        let sample = numbered(first_seq + all.len() as u64);
                        producer.push(sample);
                        all.push(sample);
                    }
                    continue;
                }
                Act::Drain => Timestamp::MAX,
                Act::DrainBefore(seq) => at(seq),
            };
            let mut out = Vec::new();
            let drained = reader.drain_before(cutoff, &mut out);
            // A loss shows when the missing sample is requested, so not while the reader knows it to be later.
            let asked = all.get(cursor).is_some_and(|next| next.at <= cutoff || drained.lost > 0);
            let oldest = if asked { all.len().saturating_sub(capacity).max(cursor) } else { cursor };
            let expected: Vec<Sample> = all[oldest..].iter().copied().take_while(|s| s.at <= cutoff).collect();
            prop_assert_eq!(drained.lost, (oldest - cursor) as u64);
            prop_assert_eq!(drained.first_seq, first_seq + oldest as u64);
            cursor = oldest + expected.len();
            prop_assert_eq!(out, expected);
            prop_assert_eq!(reader.next_seq(), first_seq + cursor as u64);
        }
    }
}

proptest! {
    /// Rings in one slab, whether or not it has room for all of them, against rings with a slab each.
    #[test]
    fn rings_of_one_slab_hold_what_rings_of_their_own_would(
        rings in prop::collection::vec((1usize..9, 0u64..20), 1..8),
        room in 0usize..40,
        pushes in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
    ) {
        let mut slab = Slab::new(room);
        let mut shared: Vec<Producer> =
            rings.iter().map(|(capacity, first_seq)| Producer::within(&mut slab, *capacity, *first_seq)).collect();
        drop(slab);
        let mut own: Vec<Producer> =
            rings.iter().map(|(capacity, first_seq)| Producer::new(*capacity, *first_seq)).collect();
        for (number, push) in pushes.iter().enumerate() {
            // A new sample each time, so that one in a neighbour's slots is detected.
            let (ring, sample) = (push.index(rings.len()), numbered(number as u64));
            prop_assert_eq!(shared[ring].push(sample), own[ring].push(sample));
        }
        for (shared, own) in shared.iter().zip(&own) {
            let (mut held, mut expected) = (Vec::new(), Vec::new());
            let drained = shared.ring().reader_at_oldest().drain(&mut held);
            prop_assert_eq!(drained, own.ring().reader_at_oldest().drain(&mut expected));
            prop_assert_eq!(held, expected);
            prop_assert_eq!(shared.ring().capacity(), own.ring().capacity());
        }
    }
}

/// Readers of three kinds race a writer that never pauses; each checks every sample and accounts for every number.
#[test]
fn racing_readers_get_whole_samples_in_order_and_miscount_nothing() {
    const PUSHES: u64 = 400_000;
    for capacity in [1, 3, 64, 1_000] {
        let mut producer = Producer::new(capacity, 0);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for kind in 0..3u64 {
                let mut reader = producer.ring().reader_at_head();
                let done = &done;
                scope.spawn(move || {
                    let (mut out, mut delivered, mut lost) = (Vec::new(), 0, 0);
                    loop {
                        let finished = done.load(Ordering::Acquire);
                        out.clear();
                        let before = reader.next_seq();
                        let cutoff = if kind == 0 { Timestamp::MAX } else { at(before + kind * 50) };
                        let drained = reader.drain_before(cutoff, &mut out);
                        assert_eq!(drained.first_seq, before + drained.lost);
                        for (seq, sample) in (drained.first_seq..).zip(&out) {
                            assert_eq!(*sample, numbered(seq));
                            assert!(sample.at <= cutoff);
                        }
                        assert_eq!(reader.next_seq(), drained.first_seq + out.len() as u64);
                        delivered += out.len() as u64;
                        lost += drained.lost;
                        if finished && reader.next_seq() == PUSHES {
                            break;
                        }
                    }
                    assert_eq!(delivered + lost, PUSHES);
                    assert!(delivered > 0);
                });
            }
            for seq in 0..PUSHES {
                producer.push(numbered(seq));
            }
            done.store(true, Ordering::Release);
        });
    }
}
