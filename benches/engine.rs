//! Measures the whole path of a sample: push, ring, three timeframes with two histograms each, alert window.
//!
//! Budgets: 10 million samples/s for one hot site, 2 million round-robin over 10,000; 2 ms for an idle step of 10,000
//! sites. The rule never alerts, so no pass writes messages. Lines that begin with "best" give nanoseconds per sample.

mod best;
mod site_input;
mod weather;

use std::hint::black_box;
use std::time::Duration;

use best::best;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use site_input::site_input;
use webmon::alert::{LatencyRule, Percentile, Policies, Rule, SloRule, Threshold};
use webmon::engine::Engine;
use webmon::model::{Sample, Timeframe, Timestamp, View};
use webmon::ring::{Producer, capacity_for};

const SITES: usize = 10_000;

/// Three timeframes that refresh once a day, so that refreshes do not count.
fn views() -> Vec<View> {
    let view =
        |minutes| View { timeframe: Timeframe::new(Duration::from_mins(minutes)), refresh: Duration::from_hours(24) };
    vec![view(1), view(10), view(60)]
}

/// The availability rule, which never alerts.
fn plain() -> Policies {
    let never = Rule { threshold: Threshold::from_ppm(0).expect("at most all"), ..Rule::default() };
    Policies { availability: never, ..Policies::default() }
}

/// Beside it a latency rule and an objective, which never alert either: a tenth of the checks fails.
fn three_kinds() -> Policies {
    let latency = LatencyRule {
        percentile: Percentile::P95,
        limit: Duration::from_mins(1),
        window: Duration::from_mins(10),
        min_samples: 20,
    };
    let target = Threshold::from_ppm(500_000).expect("at most all");
    let slo = SloRule { target, period: Duration::from_hours(24 * 30) };
    Policies { latency: Some(latency), slo: Some(slo), ..plain() }
}

/// Sites whose rings are full with an hour that the engine has read.
struct Fleet {
    producers: Vec<Producer>,
    engine: Engine,
    interval: Duration,
    now: Timestamp,
    /// Prepared: generating a sample costs more than the measured path.
    weather: Vec<Sample>,
    next: usize,
}

impl Fleet {
    fn new(sites: usize, interval: Duration, views: Vec<View>, a_step: usize, policies: Policies) -> Self {
        // The ring holds the horizon and the samples of one step.
        let capacity = capacity_for(Duration::from_hours(1), interval, interval) + a_step;
        let producers: Vec<Producer> = (0..sites).map(|_| Producer::new(capacity, 0)).collect();
        let tracks = producers.iter().enumerate();
        let tracks = tracks.map(|(site, producer)| site_input(site, producer, interval, policies)).collect();
        let now = Timestamp::from_secs(1_000_000);
        let engine = Engine::new(views, tracks, now);
        let weather = (0..4_096).map(|i| weather::sample(0, i, now)).collect();
        let mut fleet = Self { producers, engine, interval, now, weather, next: 0 };
        for _ in 0..=capacity.div_ceil(16) {
            fleet.push(16);
            fleet.engine.step(fleet.now);
        }
        fleet
    }

    /// Pushes `rounds` samples to each site, round-robin.
    fn push(&mut self, rounds: u64) {
        for _ in 0..rounds {
            self.now = self.now.after(self.interval);
            for producer in &mut self.producers {
                // A remainder would cost as much as the push.
                self.next = if self.next + 1 == self.weather.len() { 0 } else { self.next + 1 };
                producer.push(Sample { at: self.now, ..self.weather[self.next] });
            }
        }
    }
}

/// Prints the nanoseconds of a step as they come at an interval of 10 s and 250 ms between steps: a fortieth of the sites
/// has a new check.
fn usual_step(name: &str, fleet: &mut Fleet) {
    const STEPS: usize = 40;
    let each = fleet.producers.len().div_ceil(STEPS);
    let mut from = 0;
    best(&format!("engine/{name}, usual step"), (10, STEPS as u64), || {
        for _ in 0..STEPS {
            fleet.now = fleet.now.after(fleet.interval / 40);
            for producer in fleet.producers.iter_mut().skip(from).take(each) {
                fleet.next = if fleet.next + 1 == fleet.weather.len() { 0 } else { fleet.next + 1 };
                producer.push(Sample { at: fleet.now, ..fleet.weather[fleet.next] });
            }
            from = if from + each >= fleet.producers.len() { 0 } else { from + each };
            black_box(fleet.engine.step(fleet.now));
        }
    });
}

/// Prints the nanoseconds per sample of the fastest pass of `steps` steps.
fn throughput_of(name: &str, fleet: &mut Fleet, rounds: u64, (passes, steps): (u32, u32)) {
    let samples = u64::from(steps) * fleet.producers.len() as u64 * rounds;
    best(&format!("engine/{name}, {rounds} per site and step"), (passes, samples), || {
        for _ in 0..steps {
            fleet.push(rounds);
            black_box(fleet.engine.step(fleet.now));
        }
    });
}

/// Prints the cost of a load that misses all caches: the floor of any loop over more sites than the caches hold.
fn memory() {
    const LINES: usize = 1 << 22;
    const LOADS: u32 = 1 << 20;
    // A linear congruential generator visits all lines of 256 MiB in one cycle.
    let after = |line: usize| line.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) % LINES;
    let lines: Vec<[usize; 8]> = (0..LINES).map(|line| [after(line); 8]).collect();
    best("load from 256 MiB, dependent", (5, LOADS.into()), || {
        black_box((0..LOADS).fold(1, |line, _| lines[line][0]));
    });
    best("load from 256 MiB, independent", (5, LOADS.into()), || {
        let mut line = 1;
        black_box((0..LOADS).fold(0, |sum: usize, _| {
            line = after(line);
            sum.wrapping_add(lines[line][0])
        }));
    });
}

fn throughput(c: &mut Criterion) {
    memory();
    let mut group = c.benchmark_group("engine");
    let mut hot = Fleet::new(1, Duration::from_secs(1), views(), 256, plain());
    for batch in [1, 25, 256] {
        throughput_of("hot site", &mut hot, batch, (400, 20));
        group.throughput(Throughput::Elements(batch));
        group.bench_function(BenchmarkId::new("hot_site", format!("{batch} per step")), |b| {
            b.iter(|| {
                hot.push(batch);
                black_box(hot.engine.step(hot.now));
            });
        });
    }
    group.sample_size(20);
    let before = resident_bytes();
    let mut fleet = Fleet::new(SITES, Duration::from_secs(10), views(), 50, plain());
    println!("{SITES} sites, 3 views: {} bytes of resident memory per site", (resident_bytes() - before) / SITES);
    for rounds in [1, 50] {
        throughput_of("10,000 sites", &mut fleet, rounds, (10, 2));
        group.throughput(Throughput::Elements(rounds * SITES as u64));
        group.bench_function(BenchmarkId::new("10000_sites_round_robin", format!("{rounds} per site and step")), |b| {
            b.iter(|| {
                fleet.push(rounds);
                black_box(fleet.engine.step(fleet.now));
            });
        });
    }
    usual_step("10,000 sites", &mut fleet);
    drop(fleet);
    let before = resident_bytes();
    let mut fleet = Fleet::new(SITES, Duration::from_secs(10), views(), 50, three_kinds());
    let bytes = (resident_bytes().saturating_sub(before)) / SITES;
    println!("{SITES} sites, 3 views, three kinds of rules: {bytes} bytes of resident memory per site");
    for rounds in [1, 50] {
        throughput_of("10,000 sites with three kinds of rules", &mut fleet, rounds, (10, 2));
    }
    usual_step("10,000 sites with three kinds of rules", &mut fleet);
    group.finish();
}

fn steps(c: &mut Criterion) {
    let mut group = c.benchmark_group("engine");
    group.sample_size(30);
    let before = resident_bytes();
    let view = |minutes, refresh| View {
        timeframe: Timeframe::new(Duration::from_mins(minutes)),
        refresh: Duration::from_secs(refresh),
    };
    let mut fleet = Fleet::new(SITES, Duration::from_secs(10), vec![view(10, 10), view(60, 60)], 0, plain());
    println!("{SITES} sites, default views: {} bytes of resident memory per site", (resident_bytes() - before) / SITES);
    println!("{SITES} sites, default views: {} bytes per site by the engine's own count", fleet.engine.bytes() / SITES);
    fleet.engine.step(fleet.now);
    best("engine/10,000 sites, idle step", (50, 1), || {
        black_box(fleet.engine.step(fleet.now));
    });
    group.bench_function("10000_sites_idle_step", |b| b.iter(|| black_box(fleet.engine.step(fleet.now))));
    group.bench_function("10000_sites_snapshot", |b| {
        let board = fleet.engine.board();
        b.iter(|| black_box(board.snapshot()));
    });
    group.bench_function("10000_sites_refresh_of_two_views", |b| b.iter(|| black_box(fleet.engine.finish(fleet.now))));
    group.finish();
}

/// Resident memory of this process; 0 where the system does not report it.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4_096
}

criterion_group!(benches, throughput, steps);
criterion_main!(benches);
