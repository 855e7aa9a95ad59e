//! Measures the ring alone: the cost of a sample for its producer and each reader.
//!
//! Budgets: 10 ns to push and 6 ns to drain a sample.

mod best;
mod weather;

use std::hint::black_box;

use best::best;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use webmon::model::{Sample, Timestamp};
use webmon::ring::Producer;

const BATCH: u64 = 256;
const PASSES: u32 = 20_000;

fn samples() -> Vec<Sample> {
    (0..BATCH).map(|i| weather::sample(0, i, Timestamp::from_micros(1 + i))).collect()
}

fn ring(c: &mut Criterion) {
    let samples = samples();
    let mut group = c.benchmark_group("ring");
    group.throughput(Throughput::Elements(BATCH));

    let mut producer = Producer::new(380, 0);
    let mut push = || {
        for &sample in &samples {
            black_box(producer.push(sample));
        }
    };
    best("ring/push", (PASSES, BATCH), &mut push);
    group.bench_function("push", |b| b.iter(&mut push));

    let mut producer = Producer::new(380, 0);
    for &sample in &samples {
        producer.push(sample);
    }
    let oldest = producer.ring().reader_at_oldest();
    let mut out = Vec::with_capacity(512);
    let mut drain = || {
        let mut reader = oldest.clone();
        out.clear();
        black_box(reader.drain(&mut out));
    };
    best("ring/drain", (PASSES, BATCH), &mut drain);
    group.bench_function("drain", |b| b.iter(&mut drain));

    group.bench_function("drain_before", |b| {
        let cutoff = Timestamp::from_micros(BATCH - 1);
        b.iter(|| {
            let mut reader = oldest.clone();
            out.clear();
            black_box(reader.drain_before(cutoff, &mut out));
        });
    });

    group.bench_function("push_and_drain_by_four_readers", |b| {
        let mut readers = [(); 4].map(|()| producer.ring().reader_at_head());
        b.iter(|| {
            for &sample in &samples {
                producer.push(sample);
            }
            for reader in &mut readers {
                out.clear();
                black_box(reader.drain(&mut out));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, ring);
criterion_main!(benches);
