//! Measures the store: `cargo bench --bench store`.
//!
//! Budgets: 80 ns to encode and 40 ns to decode a sample; durable batches of 10,000 at a million samples/s and 0.3 µs
//! of CPU per sample, sealing included (beside it the naive way, one row per sample); 50 ms for the figures of one site
//! over a year. Before the benches, it writes a day of 1,000 sites once and prints bytes and CPU per sample.
//!
//! `-- month` instead writes a month of 100 sites (half a minute) and measures what a start reads of it; the budget is
//! one second to the first frame. `WEBMON_MONTH=FILE` keeps the file, which ends at the present and holds `site 0` to
//! `site 99`, so that you can start webmon over it.

#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use redb::{Database, TableDefinition};
use webmon::model::{Cause, Http, Micros, Phase, Phases, Sample, SiteId, Status, StoreHealth, Timeframe, Timestamp};
use webmon::ring::Producer;
use webmon::stats::Beats;
use webmon::store::codec::{self, Encoder};
use webmon::store::{Archive, Options, Query, Store, Writer};

const SITES: usize = 1_000;
const A_SITE: usize = 10;
const BATCH: usize = SITES * A_SITE;

/// Reproducible noise: splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A log-normal latency around `median`, µs.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "latencies are small and positive")]
    fn latency(&mut self, median: f64, spread: f64) -> Micros {
        let sum: f64 = (0..12).map(|_| f64::from((self.next() >> 32) as u32) / f64::from(u32::MAX)).sum();
        Micros::new((median * ((sum - 6.0) * spread).exp()) as u32)
    }
}

/// Time of the first check, µs since the epoch.
const START: u64 = 1_795_255_200_000_000;

/// Interval of the checks, µs.
const STEP: u64 = 10_000_000;

/// Sample `index` of a site checked every 10 s over TLS, with 1 % failures.
fn sample(noise: &mut Noise, index: u64) -> Sample {
    let failed = noise.next().is_multiple_of(100);
    let mut phases = Phases::NONE
        .with(Phase::Resolve, noise.latency(900.0, 0.5))
        .with(Phase::Connect, noise.latency(11_000.0, 0.15));
    if !failed {
        phases = phases
            .with(Phase::Tls, noise.latency(24_000.0, 0.15))
            .with(Phase::Processing, noise.latency(38_000.0, 0.3))
            .with(Phase::Transfer, noise.latency(600.0, 0.5));
    }
    let late = noise.latency(300.0, 0.6);
    let spent = u64::from(phases.total().get()) + u64::from(late.get()) + noise.next() % 5;
    Sample {
        phases,
        status: if failed { None } else { Status::new(200) },
        http: if failed { Http::None } else { Http::V11 },
        bytes: if failed { 0 } else { 15_000 },
        late,
        ..Sample::bare(
            Timestamp::from_micros(START + index * STEP + spent),
            if failed { Cause::TlsError } else { Cause::Ok },
        )
    }
}

fn day(count: u64) -> Vec<Sample> {
    let mut noise = Noise(1);
    (0..count).map(|index| sample(&mut noise, index)).collect()
}

/// A store that rings feed.
struct Rig {
    producers: Vec<Producer>,
    writer: Writer,
    now: Timestamp,
}

impl Rig {
    fn new(path: &Path) -> Self {
        Self::with(path, SITES, 64, Timestamp::from_micros(START))
    }

    /// A new store of `sites` sites with rings of `ring` samples, monitored from `now` on.
    fn with(path: &Path, sites: usize, ring: usize, now: Timestamp) -> Self {
        let store = Store::open(path, &Options::default(), now).expect("an empty folder takes a store").store;
        let names: Vec<Arc<str>> = (0..sites).map(|site| Arc::from(format!("site {site}"))).collect();
        let sites = store.register(&names, now).expect("a new store takes sites");
        let producers: Vec<Producer> = sites.iter().map(|site| Producer::new(ring, site.next_seq)).collect();
        let readers = sites.iter().zip(&producers).map(|(site, producer)| (site.id, producer.ring().reader_at_head()));
        let writer = Writer::new(store, readers.collect()).expect("the store is open");
        Self { producers, writer, now }
    }

    /// Durably commits batch `round` of [`BATCH`] samples from `day`.
    fn round(&mut self, day: &[Sample], round: usize, pause: Duration) {
        for (site, producer) in self.producers.iter_mut().enumerate() {
            for index in 0..A_SITE {
                producer.push(day[(round * A_SITE + index + site * 7) % day.len()]);
            }
        }
        self.now = self.now.after(pause);
        let flushed = self.writer.flush(self.now);
        assert_eq!(flushed.committed, BATCH as u64);
        assert!(matches!(flushed.health, StoreHealth::Ok { .. }));
    }
}

/// Writes `days` days of `sites` sites from `start` on, one flush per day; returns the end.
fn history(path: &Path, sites: usize, days: u64, start: Timestamp) -> Timestamp {
    let mut rig = Rig::with(path, sites, 9_000, start);
    // All days share the noise of one, each site at another offset: generating noise takes longer than storing it.
    let noise = day(8_640);
    for day in 0..days {
        for (site, producer) in rig.producers.iter_mut().enumerate() {
            for (index, place) in (day * 8_640..).zip((0..8_640).map(|index| (index + site * 7) % 8_640)) {
                let sample = noise[place];
                let late = sample.at.as_micros() - START - place as u64 * STEP;
                producer.push(Sample { at: Timestamp::from_micros(start.as_micros() + index * STEP + late), ..sample });
            }
        }
        rig.now = rig.now.after(Duration::from_hours(24));
        assert!(matches!(rig.writer.flush(rig.now).health, StoreHealth::Ok { .. }));
    }
    let now = rig.now;
    assert_eq!(rig.writer.close(now).notices, Vec::<String>::new());
    now
}

/// Measures what a start reads before its first frame, with a month of 100 sites in the file.
fn a_month(folder: &Path) {
    let path = std::env::var_os("WEBMON_MONTH").map_or_else(|| folder.join("month.redb"), Into::into);
    let present = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let days = 30;
    let begin = Instant::now();
    let now = history(&path, 100, days, Timestamp::ZERO.after(present).before(Duration::from_hours(24 * days)));
    println!("wrote a month of 100 sites in {:?}", begin.elapsed());
    for _ in 0..5 {
        let start = Instant::now();
        let store = Store::open(&path, &Options::default(), now).expect("it was closed cleanly").store;
        let names: Vec<Arc<str>> = (0..100).map(|site| Arc::from(format!("site {site}"))).collect();
        let mut samples = Vec::new();
        for site in store.register(&names, now).expect("they are known") {
            store.replay(site.id, now.before(Duration::from_hours(1)), &mut samples).expect("it is sound");
        }
        println!("start: {} samples, the last hour of 100 sites in a month: {:?}", samples.len(), start.elapsed());
        for days in [1, 7, 30] {
            let timeframe = Timeframe::new(Duration::from_hours(24 * days));
            let (start, cell) = (Instant::now(), Beats::cell_of(timeframe));
            let query = Query { sites: Some((0..100).map(SiteId).collect()), since: timeframe.cutoff(now), until: now };
            let rows = store.figures(&query, Some(cell)).expect("it is sound").len();
            println!(
                "long view of {days} days: {:?} per row",
                start.elapsed() / u32::try_from(rows).expect("a hundred")
            );
        }
    }
}

fn figures(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    if std::env::args().any(|argument| argument == "month") {
        a_month(folder.path());
        return;
    }
    let path = folder.path().join("year.redb");
    let now = history(&path, 1, 365, Timestamp::from_micros(START));
    let archive = Archive::open(&path).expect("it was closed cleanly");
    let sites = Some(vec![SiteId(0)]);
    let mut group = criterion.benchmark_group("store");
    // The edges lie within an hour, so that both need raw samples.
    let since = now.before(Duration::from_hours(24 * 364)).before(Duration::from_mins(17));
    let year = Query { sites: sites.clone(), since, until: now.before(Duration::from_mins(23)) };
    group.bench_function("figures of a year of one site", |bencher| {
        bencher.iter(|| archive.figures(black_box(&year), None).expect("it is sound"));
    });
    let month = Query { sites, since: now.before(Duration::from_hours(24 * 30)), until: now };
    group.bench_function("figures and heartbeat of 30 days of one site", |bencher| {
        bencher.iter(|| archive.figures(black_box(&month), Some(Duration::from_hours(12))).expect("it is sound"));
    });
    group.bench_function("figures of a year of one site, file opened first", |bencher| {
        bencher.iter(|| Archive::open(&path).and_then(|archive| archive.figures(&year, None)).expect("it is sound"));
    });
}

/// CPU time of this thread, ns, where the system reports it.
fn cpu() -> Option<u64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

/// Prints the CPU per sample over all `parts` of equal work, and in the fastest part, which other jobs disturb least.
#[allow(clippy::cast_precision_loss, reason = "printed figures")]
fn cpu_of(what: &str, parts: usize, samples: usize, mut part: impl FnMut(usize)) {
    let spent: Option<Vec<u64>> = (0..parts)
        .map(|number| {
            let before = cpu();
            part(number);
            Some(cpu()? - before?)
        })
        .collect();
    let Some(spent) = spent else { return };
    let each = |nanos: u64, parts: usize| nanos as f64 / (parts * samples) as f64 / 1e3;
    let (all, least) = (spent.iter().sum(), spent.iter().copied().min().unwrap_or_default());
    println!(
        "{what}: {:.3} µs of CPU per sample, {:.3} in the best part; rings, commits, sealing and rollups",
        each(all, parts),
        each(least, 1)
    );
}

/// Writes a day of [`SITES`] sites once and prints its CPU and size.
#[allow(clippy::cast_precision_loss, reason = "printed figures")]
fn a_day(folder: &Path) {
    let path = folder.join("day.redb");
    let day = day(8_640);
    let mut rig = Rig::new(&path);
    let rounds = day.len() / A_SITE;
    // A round covers 100 s, so that every ninth seals as in a monitor, and every hour is rolled up.
    let hours = rounds / 36;
    let hour =
        |hour: usize| (hour * 36..(hour + 1) * 36).for_each(|round| rig.round(&day, round, Duration::from_secs(100)));
    cpu_of(&format!("a day of {SITES} sites, by the hour"), hours, 36 * BATCH, hour);
    let now = rig.now;
    assert_eq!(rig.writer.close(now).notices, Vec::<String>::new());
    let samples = (hours * 36 * BATCH) as f64;
    let length = |path: &Path| std::fs::metadata(path).map_or(0.0, |metadata| metadata.len() as f64);
    let full = length(&path) / samples;
    let mut database = Database::open(&path).expect("it was closed cleanly");
    while database.compact().expect("nothing else has it open") {}
    drop(database);
    println!(
        "a day of {SITES} sites: {full:.1} bytes of file per sample, {:.1} after compaction",
        length(&path) / samples
    );
}

/// Prints the nanoseconds per sample of the fastest pass, which other jobs disturb least.
#[allow(clippy::cast_precision_loss, reason = "printed figures")]
fn best(what: &str, samples: usize, mut pass: impl FnMut()) {
    let passes = (0..20_000).map(|_| {
        let start = Instant::now();
        pass();
        start.elapsed()
    });
    let fastest = passes.min().unwrap_or_default();
    println!("best {what}: {:.1} ns per sample", fastest.as_nanos() as f64 / samples as f64);
}

fn code(criterion: &mut Criterion) {
    let day = day(4_000);
    let mut group = criterion.benchmark_group("store");
    let mut encoder = Encoder::default();
    let mut block = Vec::new();
    let head = codec::encode((1, 0), &day, Timestamp::ZERO, &mut encoder, &mut block);
    println!("a block of {} samples: {} bytes", head.count, block.len());
    best("encode", head.count, || {
        codec::encode((1, 0), black_box(&day[..head.count]), Timestamp::ZERO, &mut encoder, &mut block);
    });
    let mut out = Vec::new();
    best("decode", head.count, || {
        out.clear();
        codec::decode((1, 0), black_box(&block), &mut out).expect("it was just encoded");
    });
    group.throughput(Throughput::Elements(head.count as u64));
    group.bench_function("encode", |bencher| {
        bencher
            .iter(|| codec::encode((1, 0), black_box(&day[..head.count]), Timestamp::ZERO, &mut encoder, &mut block));
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            out.clear();
            codec::decode((1, 0), black_box(&block), &mut out).expect("it was just encoded")
        });
    });
}

fn append(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    // Skipped when a filter selects a single bench.
    if std::env::args().skip(1).all(|argument| argument.starts_with('-') || argument.parse::<f64>().is_ok()) {
        a_day(folder.path());
    }
    let day = day(8_640);
    let mut group = criterion.benchmark_group("store");
    group.sample_size(20).throughput(Throughput::Elements(BATCH as u64));
    let mut rig = Rig::new(&folder.path().join("append.redb"));
    let mut round = 0;
    group.bench_function("append", |bencher| {
        bencher.iter(|| {
            rig.round(&day, round, Duration::from_millis(10));
            round += 1;
        });
    });
    // Long enough that the parts differ by at most one seal in four.
    cpu_of("append", 3, 600 * BATCH, |_| {
        for _ in 0..600 {
            rig.round(&day, round, Duration::from_millis(10));
            round += 1;
        }
    });
    let rows: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("samples");
    let mut builder = Database::builder();
    let database = builder.set_cache_size(32 << 20).create(folder.path().join("naive.redb")).expect("there is room");
    let mut seq = 0;
    group.bench_function("append, one row per sample", |bencher| {
        bencher.iter_batched(
            || {
                seq += A_SITE as u64;
                seq
            },
            |seq| {
                let transaction = database.begin_write().expect("the only writer");
                let mut table = transaction.open_table(rows).expect("its own table");
                for site in 0..SITES {
                    for index in 0..A_SITE {
                        let sample = &day[(usize::try_from(seq).expect("small") + index + site * 7) % day.len()];
                        let bytes: Vec<u8> = sample.to_words().into_iter().flat_map(u64::to_le_bytes).collect();
                        let key = (u32::try_from(site).expect("small"), seq + index as u64);
                        table.insert(key, bytes.as_slice()).expect("there is room");
                    }
                }
                drop(table);
                transaction.commit().expect("there is room");
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, code, append, figures);
criterion_main!(benches);
