//! Measures the frames that a location sends: `cargo bench --bench fleet --features nats`.
//!
//! Budgets: 200 ns to encode and 200 ns to decode a sample of a frame of 1,000 sites, at most 22 bytes each. Beside it the naive
//! way, an array of JSON objects. First it prints bytes a sample, as they are and packed.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use webmon::fleet::frame::{self, Body, Frame, Group, Origin, Packing};
use webmon::model::{Cause, Micros, Phase, Sample, SiteId, Status, StoreId, Timestamp};

#[path = "weather/mod.rs"]
mod weather;

/// Time of the first check, µs since the epoch.
const START: u64 = 1_795_255_200_000_000;

/// Interval of the checks, µs.
const STEP: u64 = 10_000_000;

/// `sites` sites with `each` samples.
fn filled(sites: u32, each: u64) -> Frame {
    let group = |site: u32| {
        let seed = u64::from(site);
        let phase = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) % STEP;
        let at = |index: u64| Timestamp::from_micros(START + phase + index * STEP);
        let samples = (0..each).map(|index| weather::sample(seed, index, at(index))).collect();
        Group { site: SiteId(site), first_seq: 250_000 + phase % 5_000, samples, texts: Vec::new() }
    };
    let origin =
        Origin { store: StoreId([7; 16]), session: 7, number: 300, sent: Timestamp::from_micros(START + 2 * STEP) };
    Frame { origin, body: Body::Samples((0..sites).map(group).collect()) }
}

fn groups(frame: &Frame) -> &[Group] {
    if let Body::Samples(groups) = &frame.body { groups } else { &[] }
}

/// The naive way: an object a sample.
fn to_json(frame: &Frame) -> Vec<u8> {
    let mut lines = Vec::new();
    for group in groups(frame) {
        for (seq, sample) in (group.first_seq..).zip(&group.samples) {
            let phase = |phase: Phase| sample.phases.get(phase).map(Micros::get);
            lines.push(json!({
                "site": group.site.0, "seq": seq, "at": sample.at.as_micros(), "cause": sample.cause.name(),
                "status": sample.status.map(Status::get), "http": sample.http.code(),
                "flags": sample.flags.bits(), "bytes": sample.bytes, "redirects": sample.redirects,
                "late_us": sample.late.get(), "skipped": sample.skipped, "resolve_us": phase(Phase::Resolve),
                "connect_us": phase(Phase::Connect), "tls_us": phase(Phase::Tls),
                "processing_us": phase(Phase::Processing), "transfer_us": phase(Phase::Transfer),
            }));
        }
    }
    serde_json::to_vec(&lines).expect("plain values")
}

/// How many of them were up, so that nothing is optimised away.
fn up_in_json(bytes: &[u8]) -> usize {
    let lines: Vec<Value> = serde_json::from_slice(bytes).expect("it was written above");
    lines.iter().filter(|line| line["cause"] == "ok").count()
}

fn up(samples: &[Sample]) -> usize {
    samples.iter().filter(|sample| sample.cause == Cause::Ok).count()
}

fn encoded(frame: &Frame, packing: Packing) -> Vec<u8> {
    let mut out = Vec::new();
    frame.encode(packing, &mut out);
    out
}

fn sizes() {
    println!("bytes a sample: sites x samples, as they are, packed, JSON");
    for (sites, each) in [(1, 1), (10, 1), (100, 1), (1_000, 1), (1_000, 5), (1, 60), (1, 5_000)] {
        let frame = filled(sites, each);
        #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
        let cost = |bytes: Vec<u8>| bytes.len() as f64 / (f64::from(sites) * each as f64);
        let (plain, packed) = (encoded(&frame, Packing::Plain), encoded(&frame, Packing::Deflate));
        println!("{sites:5} x {each:<5} {:7.1} {:7.1} {:7.1}", cost(plain), cost(packed), cost(to_json(&frame)));
    }
}

fn frames(criterion: &mut Criterion) {
    sizes();
    let frame = filled(1_000, 1);
    let mut group = criterion.benchmark_group("frame of 1,000 sites");
    group.throughput(Throughput::Elements(1_000));
    let mut out = Vec::new();
    for packing in [Packing::Plain, Packing::Deflate] {
        group.bench_function(format!("encode, {packing:?}"), |bencher| {
            bencher.iter(|| frame.encode(black_box(packing), &mut out));
        });
        let bytes = encoded(&frame, packing);
        group.bench_function(format!("decode, {packing:?}"), |bencher| {
            bencher.iter(|| {
                let back = frame::decode(black_box(&bytes)).expect("it was written above");
                groups(&back).iter().map(|group| up(&group.samples)).sum::<usize>()
            });
        });
    }
    let text = to_json(&frame);
    group.bench_function("encode, JSON", |bencher| bencher.iter(|| to_json(black_box(&frame))));
    group.bench_function("decode, JSON", |bencher| bencher.iter(|| up_in_json(black_box(&text))));
    group.finish();
}

criterion_group!(benches, frames);
criterion_main!(benches);
