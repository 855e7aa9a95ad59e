//! Measures a frame of the overview, and of the page of a site, at 200×60: `settle`, `view` and `render`.
//!
//! Budget: 2 ms for a frame of 1,000 sites, and for a site with an hour of checks every second; a frame of 10,000 costs only its visible rows. `frame` happens at most ten
//! times a second; `tick` is a frame after new figures, which sorts the rows again; `key` moves the selection.

use std::hint::black_box;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use webmon::alert::Policies;
use webmon::alert::incident::list::IncidentList;
use webmon::engine::{Row, SiteFacts, SiteSnapshot, SiteState, Snapshot, ViewSnapshot};
use webmon::model::{
    Cause, Health, Micros, Observation, Phase, Phases, Sample, SiteSlot, Status, Timeframe, Timestamp,
};
use webmon::stats::{Answer, Beat, Beats, Counts, Latency, Summary};
use webmon::tui::{About, Arrangement, Inputs, Key, Scheme, Settings, Symbols, Theme, UiState, render, view};

static ARRANGEMENT: LazyLock<Arrangement> = LazyLock::new(Arrangement::default);
const SIZE: Size = Size { width: 200, height: 60 };

fn now() -> Timestamp {
    Timestamp::from_secs(1_795_352_533)
}

fn row(i: usize, minutes: u64) -> Arc<Row> {
    let ok = Status::new(200).expect("200 has three digits");
    let failed = Status::new(503).expect("503 has three digits");
    let down = u64::from(i % 50 == 7);
    let latency =
        |us: u32| Latency { count: 60, avg: f64::from(us), max: us * 4, p50: us, p90: us, p95: us * 2, p99: us * 3 };
    let mut cells = [Beat { up: 1, down: 0 }; Beats::CELLS];
    cells[i % Beats::CELLS] = Beat { up: 0, down: u32::from(i % 50 == 7) };
    let counts = Counts { up: 60, down, unknown: 0, skipped: 0 };
    Arc::new(Row {
        summary: Summary {
            as_of: now(),
            timeframe: Timeframe::new(Duration::from_secs(minutes * 60)),
            counts,
            availability: counts.availability(),
            coverage: Some(if i % 90 == 3 { 0.9 } else { 1.0 }),
            response: Some(latency(41_000 + u32::try_from(i % 997).unwrap_or(0))),
            ttfb: Some(latency(40_000)),
            phase_means: [Some(1.0); 5],
            codes: vec![(ok, 60)],
            causes: Vec::new(),
            answers: vec![(Answer::Code(failed), down), (Answer::Code(ok), 60)],
        },
        beats: Beats { cell: Duration::from_secs(minutes), newest: now(), cells },
        oldest: None,
        is_exact: true,
    })
}

fn snapshot(sites: usize) -> Snapshot {
    let view = |minutes: u64, refresh: u64| {
        Arc::new(ViewSnapshot {
            timeframe: Timeframe::new(Duration::from_secs(minutes * 60)),
            refresh: Duration::from_secs(refresh),
            as_of: now(),
            next: now().after(Duration::from_secs(refresh)),
            rows: (0..sites).map(|i| row(i, minutes)).collect(),
        })
    };
    let site = |i: usize| {
        Arc::new(SiteSnapshot {
            facts: Arc::new(SiteFacts {
                slot: SiteSlot::new(i),
                name: format!("eu-west/service-{i:05}").into(),
                url: format!("https://service-{i}.example.com/").into(),
                curl: Arc::default(),
                interval: Duration::from_secs(10),
                timeout: Duration::from_secs(10),
                max_response_time: None,
                policies: Policies::default(),
                group: None,
                maintenance: Arc::default(),
                place: webmon::model::Place::Here,
            }),
            state: if i % 50 == 7 { SiteState::Failing } else { SiteState::Up },
            since: Timestamp::from_secs(1_795_300_000),
            last: None,
            is_older: false,
            last_up: None,
            incident: None,
            breaches: Vec::new(),
            paused_until: None,
            judged_from: None,
            votes: None,
        })
    };
    Snapshot { at: now(), sites: (0..sites).map(site).collect(), views: vec![view(10, 10), view(60, 60)] }
}

/// What is shown of `world`, without alerts.
fn inputs<'a>(
    world: &'a Snapshot,
    (health, incidents, zone, about): &'a (Health, IncidentList, TimeZone, About),
) -> Inputs<'a> {
    Inputs {
        snapshot: world,
        alerts: &[],
        incidents,
        health,
        manual_checks: &[],
        arrangement: &ARRANGEMENT,
        samples: &[],
        has_history: false,
        usual: None,
        objectives: &[],
        incident: None,
        trial: None,
        history: None,
        now: now(),
        zone,
        about,
        past: None,
    }
}

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("render");
    let theme = Theme { scheme: Scheme::Dark, color: true, symbols: Symbols::Unicode };
    let settings = Settings::of(theme);
    let shared = (Health::default(), IncidentList::default(), TimeZone::UTC, About::default());
    for sites in [10, 1_000, 10_000, 100_000] {
        let mut world = snapshot(sites);
        let mut state = UiState::new(&settings);
        let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.width, SIZE.height));
        group.bench_function(BenchmarkId::new("frame", sites), |b| {
            let inputs = inputs(&world, &shared);
            b.iter(|| {
                buffer.reset();
                state.settle(&inputs, SIZE);
                let screen = view(&inputs, &state, SIZE);
                render(&screen, &state.theme, buffer.area, &mut buffer);
                black_box(&buffer);
            });
        });
        group.bench_function(BenchmarkId::new("tick", sites), |b| {
            b.iter(|| {
                let first = Arc::make_mut(&mut world.views[0]);
                first.as_of = first.as_of.after(Duration::from_micros(1));
                let inputs = inputs(&world, &shared);
                buffer.reset();
                state.settle(&inputs, SIZE);
                let screen = view(&inputs, &state, SIZE);
                render(&screen, &state.theme, buffer.area, &mut buffer);
                black_box(&buffer);
            });
        });
        group.bench_function(BenchmarkId::new("key", sites), |b| {
            let inputs = inputs(&world, &shared);
            b.iter(|| black_box(state.act(&Key::Down, &inputs, SIZE)));
        });
    }
    group.finish();
}

/// An hour of a site that is checked every second.
fn samples() -> Vec<Sample> {
    let made = |second: u32| {
        let mut observation = Observation::failed(if second % 50 == 7 { Cause::Reset } else { Cause::Ok }, "");
        observation.phases = Phases::NONE.with(Phase::Processing, Micros::new(40_000 + second * 7_919 % 20_000));
        observation.sample(now().before(Duration::from_secs(u64::from(3_600 - second))), Micros::ZERO, 0)
    };
    (0..3_600).map(made).collect()
}

fn site(c: &mut Criterion) {
    let theme = Theme { scheme: Scheme::Dark, color: true, symbols: Symbols::Unicode };
    let settings = Settings::of(theme);
    let shared = (Health::default(), IncidentList::default(), TimeZone::UTC, About::default());
    let (world, samples) = (snapshot(1_000), samples());
    let inputs = Inputs { samples: &samples, ..inputs(&world, &shared) };
    let mut state = UiState::new(&settings);
    let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.width, SIZE.height));
    state.settle(&inputs, SIZE);
    for key in [Key::Enter, Key::Enter, Key::Char('c')] {
        assert!(state.act(&key, &inputs, SIZE).is_none(), "no key leaves");
    }
    c.bench_function("site/frame", |b| {
        b.iter(|| {
            buffer.reset();
            state.settle(&inputs, SIZE);
            let screen = view(&inputs, &state, SIZE);
            render(&screen, &state.theme, buffer.area, &mut buffer);
            black_box(&buffer);
        });
    });
}

criterion_group!(benches, frames, site);
criterion_main!(benches);
