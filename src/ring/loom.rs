//! Loom models of the argument in the parent's header.
//!
//! Each model counts its executions and asserts a minimum, because a model that explores one execution proves nothing;
//! each weakened ordering fails a model. Run: `.ci/loom`.
//!
//! Bounds: two threads, at most three pushes, and as many preemptions as each model says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::atomics::{Mutant, with_mutant};
use super::*;
use crate::model::{Http, Micros, Phases};

/// A sample whose five words all follow from its number, so that any mix of two is detected.
fn numbered(seq: u64) -> Sample {
    let low = u32::try_from(seq).unwrap() + 1;
    Sample {
        phases: Phases::from_raw([low; 5]),
        http: Http::V2,
        bytes: low,
        redirects: 1,
        late: Micros::new(low),
        skipped: low,
        ..Sample::bare(Timestamp::from_micros(10 * (seq + 1)), Cause::Ok)
    }
}

/// Explores `model` with at most `preemptions` and returns the number of executions.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) -> usize {
    let executions = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&executions);
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    executions.load(Ordering::Relaxed)
}

/// Every delivered sample is whole and in its place, and every number passed is delivered or lost.
fn check(before: u64, drained: Drained, out: &[Sample], reader: &Reader) {
    assert_eq!(drained.first_seq, before + drained.lost);
    for (seq, sample) in (drained.first_seq..).zip(out) {
        assert_eq!(*sample, numbered(seq));
    }
    assert_eq!(reader.next_seq(), drained.first_seq + out.len() as u64);
}

/// A writer of `pushes` samples against a reader that drains twice, the second time after the writer has ended.
fn writer_against_drain(capacity: usize, pushes: u64) {
    let mut producer = Producer::new(capacity, 0);
    let mut reader = producer.ring().reader_at_head();
    let writer = ::loom::thread::spawn(move || {
        for seq in 0..pushes {
            producer.push(numbered(seq));
        }
    });
    let mut out = Vec::new();
    let drained = reader.drain(&mut out);
    check(0, drained, &out, &reader);
    writer.join().unwrap();
    let before = reader.next_seq();
    out.clear();
    let drained = reader.drain(&mut out);
    check(before, drained, &out, &reader);
    assert_eq!(reader.next_seq(), pushes, "with the writer ended, the last sample is always reached");
    assert!(before == pushes || !out.is_empty());
}

/// The ring is full when the reader starts, so every push overwrites a sample that is being read.
fn overwriting_against_drain(capacity: usize, pushes: u64) {
    let full = capacity as u64;
    let mut producer = Producer::new(capacity, 0);
    for seq in 0..full {
        producer.push(numbered(seq));
    }
    let mut reader = producer.ring().reader_at_oldest();
    let writer = ::loom::thread::spawn(move || {
        for seq in full..full + pushes {
            producer.push(numbered(seq));
        }
    });
    let mut out = Vec::new();
    let drained = reader.drain(&mut out);
    check(0, drained, &out, &reader);
    writer.join().unwrap();
}

/// A tail reader: the sample that ends its pass may be torn, and then the whole pass is void.
fn overwriting_against_drain_before(capacity: usize, pushes: u64) {
    let full = capacity as u64;
    let mut producer = Producer::new(capacity, 0);
    for seq in 0..full {
        producer.push(numbered(seq));
    }
    let mut reader = producer.ring().reader_at_oldest();
    let writer = ::loom::thread::spawn(move || {
        for seq in full..full + pushes {
            producer.push(numbered(seq));
        }
    });
    let cutoff = numbered(0).at;
    let mut out = Vec::new();
    let drained = reader.drain_before(cutoff, &mut out);
    check(0, drained, &out, &reader);
    assert!(out.iter().all(|sample| sample.at <= cutoff));
    if drained.lost == 0 {
        assert_eq!(out.len(), 1, "the first sample is due to leave and was not lost");
    }
    if let Some(next) = reader.peek() {
        assert_eq!(next, numbered(reader.next_seq()));
    }
    writer.join().unwrap();
}

/// Two readers do not disturb each other: the ring gives both the same samples.
fn two_readers(capacity: usize, pushes: u64) {
    let mut producer = Producer::new(capacity, 0);
    let readers = [producer.ring().reader_at_head(), producer.ring().reader_at_head()];
    let threads = readers.map(|mut reader| {
        ::loom::thread::spawn(move || {
            let mut out = Vec::new();
            let drained = reader.drain(&mut out);
            check(0, drained, &out, &reader);
        })
    });
    for seq in 0..pushes {
        producer.push(numbered(seq));
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

fn assert_explores(at_least: usize, preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let executions = explore(preemptions, model);
    println!("{executions} executions");
    assert!(executions >= at_least, "only {executions} executions, expected {at_least}");
}

#[test]
fn a_reader_beside_a_filling_writer_sees_whole_samples() {
    assert_explores(15, 3, || writer_against_drain(2, 2));
    assert_explores(80, 3, || writer_against_drain(4, 4));
}

#[test]
fn a_reader_beside_a_lapping_writer_sees_whole_samples() {
    assert_explores(400, 3, || writer_against_drain(1, 2));
    assert_explores(250, 2, || writer_against_drain(2, 3));
}

#[test]
fn a_full_ring_that_is_overwritten_gives_whole_samples() {
    assert_explores(1_000, 3, || overwriting_against_drain(1, 1));
    assert_explores(1_000, 3, || overwriting_against_drain(2, 1));
    assert_explores(10_000, 2, || overwriting_against_drain(3, 2));
}

#[test]
fn a_tail_reader_of_an_overwritten_ring_believes_nothing_torn() {
    assert_explores(2_000, 3, || overwriting_against_drain_before(1, 1));
    assert_explores(2_000, 3, || overwriting_against_drain_before(2, 1));
    assert_explores(40_000, 2, || overwriting_against_drain_before(2, 2));
}

#[test]
fn two_readers_do_not_disturb_each_other() {
    assert_explores(90_000, 2, || two_readers(1, 2));
}

#[test]
fn each_weakened_ordering_fails_a_model() {
    type Model = fn();
    let publishing: Model = || writer_against_drain(2, 2);
    let overwriting: Model = || overwriting_against_drain(2, 1);
    let retiring: Model = || overwriting_against_drain_before(2, 1);
    for (mutant, model) in [
        (Mutant::ClaimFenceDropped, overwriting),
        (Mutant::RecheckFenceDropped, overwriting),
        (Mutant::CapacityOffByOne, overwriting),
        (Mutant::CapacityOffByOne, retiring),
        (Mutant::PublishRelaxed, publishing),
        (Mutant::ObserveRelaxed, publishing),
    ] {
        let mut outcome = Ok(0);
        with_mutant(mutant, || outcome = catch_unwind(AssertUnwindSafe(|| explore(3, model))));
        let executions = outcome.map_or_else(|_| None, Some);
        assert_eq!(executions, None, "{mutant:?} survived all executions");
    }
}
