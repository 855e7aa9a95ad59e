//! Compares a window with recomputing from an hour of samples, and measures the histogram of rollups.
//!
//! Budget: 1 µs for the summary of a window, caches hot.

mod best;
mod weather;

use std::hint::black_box;
use std::time::Duration;

use best::best;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use webmon::model::{Micros, Outcome, Packed, Sample, Timeframe, Timestamp};
use webmon::stats::{Histogram, Rollup, Unmade, Windows};

const VALUES: u64 = 4_096;
const PASSES: u32 = 2_000;

fn values() -> Vec<u32> {
    (0..VALUES).map(|i| weather::sample(0, i, Timestamp::ZERO).total().get()).collect()
}

fn histogram(c: &mut Criterion) {
    let values = values();
    let mut full = Histogram::default();
    full.record_all(&values);
    let mut group = c.benchmark_group("histogram");
    group.throughput(Throughput::Elements(VALUES));
    let mut histogram = full.clone();
    let mut record = || histogram.record_all(black_box(&values));
    best("histogram/record", (PASSES, VALUES), &mut record);
    group.bench_function("record", |b| b.iter(&mut record));
    group.throughput(Throughput::Elements(1));
    group.bench_function("four_percentiles", |b| b.iter(|| black_box(&full).percentiles([50, 90, 95, 99])));
    group.bench_function("merge", |b| {
        let mut sum = full.clone();
        b.iter(|| sum.merge(black_box(&full)));
    });
    group.bench_function("new_from_buckets", |b| {
        b.iter(|| {
            let mut copy = Histogram::default();
            black_box(&full).buckets().for_each(|(value, count)| copy.record_n(value, count));
            copy
        });
    });
    group.finish();
}

/// An hour of samples, one per `interval`.
fn hour(interval: Duration) -> Vec<Sample> {
    let count = Duration::from_hours(1).as_micros() / interval.as_micros();
    let start = Timestamp::from_secs(1_000_000);
    (1..=u32::try_from(count).expect("an hour of checks"))
        .map(|i| weather::sample(0, u64::from(i), start.after(interval * i)))
        .collect()
}

/// The work of a monitor without a window at each refresh: copy the hour, count it, sort it twice.
fn recompute(samples: &[Sample], cutoff: Timestamp) -> (usize, [u32; 4], [u32; 4]) {
    let held: Vec<&Sample> = samples.iter().filter(|sample| sample.at > cutoff).collect();
    let up = held.iter().filter(|sample| sample.outcome() == Outcome::Up).count();
    let percentiles = |mut values: Vec<u32>| {
        values.sort_unstable();
        [50, 90, 95, 99].map(|percent| values[(values.len() * percent).div_ceil(100) - 1])
    };
    let timed = || held.iter().filter(|sample| sample.cause.is_timed());
    let response = percentiles(timed().map(|sample| sample.total().get()).collect());
    let ttfb = percentiles(timed().filter_map(|sample| sample.ttfb()).map(Micros::get).collect());
    (up, response, ttfb)
}

fn window(c: &mut Criterion) {
    let timeframe = Timeframe::new(Duration::from_hours(1));
    let mut group = c.benchmark_group("window");
    for interval in [Duration::from_secs(10), Duration::from_secs(1)] {
        let samples = hour(interval);
        let as_of = samples.last().expect("an hour of samples").at;
        let packed: Vec<Packed> = samples.iter().map(Sample::packed).collect();
        let mut full = Windows::new([timeframe]);
        full.admit(&packed);
        let name = format!("{} samples", samples.len());
        group.throughput(Throughput::Elements(samples.len() as u64));
        group.bench_function(BenchmarkId::new("admit_then_retire", &name), |b| {
            let mut window = full.clone();
            b.iter(|| {
                window.admit(black_box(&packed));
                window.retire(0, black_box(&packed));
            });
        });
        group.bench_function(BenchmarkId::new("rollup", &name), |b| b.iter(|| samples.iter().collect::<Rollup>()));
        group.throughput(Throughput::Elements(1));
        let summary = || black_box(&full).summary(0, as_of, Unmade::default());
        best(&format!("window/summary of {name}"), (PASSES, 16), || {
            for _ in 0..16 {
                black_box(summary());
            }
        });
        group.bench_function(BenchmarkId::new("summary", &name), |b| b.iter(summary));
        group.bench_function(BenchmarkId::new("beats", &name), |b| b.iter(|| black_box(&full).beats(0, as_of)));
        group.bench_function(BenchmarkId::new("naive_recomputation", &name), |b| {
            b.iter(|| recompute(black_box(&samples), timeframe.cutoff(as_of)));
        });
    }
    group.finish();
}

criterion_group!(benches, histogram, window);
criterion_main!(benches);
