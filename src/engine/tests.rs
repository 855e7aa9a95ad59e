//! The engine held to the window law, and its events, refreshes and snapshots told as stories.

use proptest::prelude::*;

use super::*;
use crate::alert::network::Mask;
use crate::alert::policy::{Playback, tests as policy};
use crate::alert::{
    AlertState, LatencyRule, Percentile, Policies, Reading, SiteSelector, SloRule, StandingIncident, Threshold,
};
use crate::engine::snapshot::Breach;
use crate::model::{Cause, Certificate, Flags, Micros, Packed, Phase, Sample, Timeframe};
use crate::ring::{Producer, capacity_for};
use crate::stats::window::tests::{model, samples};
use crate::stats::{Cadence, Unmade};

const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(5);

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

fn view(timeframe: u64, refresh: u64) -> View {
    View { timeframe: Timeframe::new(Duration::from_secs(timeframe)), refresh: Duration::from_secs(refresh) }
}

fn track(slot: u32, producer: &Producer, name: &str) -> SiteInput {
    let cadence = Cadence { interval: INTERVAL, timeout: TIMEOUT };
    SiteInput::new(SiteSlot(slot), name, cadence, producer.ring())
}

fn down_since(secs: u64) -> StandingIncident {
    StandingIncident { rule: RuleKind::Availability, since: at(secs), reading: None }
}

fn observed(cause: Cause, detail: &str) -> Observation {
    let mut observation = Observation::failed(cause, detail);
    observation.phases.add(Phase::Connect, Micros::new(5_000));
    observation
}

fn sample(secs: u64, cause: Cause) -> Sample {
    observed(cause, "").sample(at(secs), Micros::ZERO, 0)
}

/// One site, its producer, and an engine over it.
struct Scene {
    producer: Producer,
    engine: Engine,
}

impl Scene {
    fn new(history: &[Sample], now: u64, views: Vec<View>, change: impl FnOnce(&mut SiteInput)) -> Self {
        let mut producer = Producer::new(1_000, 7);
        for &sample in history {
            producer.push(sample);
        }
        let mut track = track(3, &producer, "api");
        change(&mut track);
        let engine = Engine::new(views, vec![track], at(now));
        Self { producer, engine }
    }

    /// A scene whose first step is behind it.
    fn running(history: &[Sample], now: u64) -> Self {
        let mut scene = Self::new(history, now, vec![view(600, 10), view(3_600, 60)], |_| {});
        scene.engine.step(at(now));
        scene
    }

    fn push(&mut self, sample: Sample) -> u64 {
        self.producer.push(sample)
    }

    fn site(&self) -> Arc<SiteSnapshot> {
        self.engine.board().site(SiteIndex(0))
    }

    fn row(&self, view: usize) -> Arc<Row> {
        Arc::clone(&self.engine.board().view(view).rows[0])
    }
}

fn states(step: &EngineStep) -> Vec<(SiteState, SiteState)> {
    step.changes.iter().map(|change| (change.from, change.to)).collect()
}

/// The naive account of what was due in the window and has no result: write all due times down.
fn unmade(known: &[Sample], timeframe: Timeframe, as_of: Timestamp) -> Unmade {
    let cutoff = timeframe.cutoff(as_of);
    let oldest = known.iter().find(|sample| sample.at > cutoff);
    let mut outside = 0;
    if let Some(oldest) = oldest {
        let mut due = Cadence::due(oldest);
        for _ in 0..oldest.skipped {
            due = due.before(INTERVAL);
            outside += u64::from(due <= cutoff);
        }
    }
    let mut open = 0;
    if let Some(mut due) = known.iter().map(Cadence::due).max() {
        loop {
            due = due.after(INTERVAL);
            if due.after(TIMEOUT + INTERVAL) > as_of {
                break;
            }
            open += u64::from(due > cutoff);
        }
    }
    Unmade { outside, open, before: 0 }
}

proptest! {
    /// For any samples, gaps, timeframes, refreshes and step times: each row is a plain recomputation as of its refresh
    /// over what was published when the step began.
    #[test]
    fn every_row_of_every_view_is_a_plain_recomputation(
        samples in samples(1..120),
        replayed in 0usize..40,
        views in prop::collection::vec((1u64..700, 1u64..90), 1..4),
        steps in prop::collection::vec((0u64..40_000_000, 0u64..4), 1..25),
        masks in prop::collection::vec((0usize..25, 0u64..300, 0u64..300), 0..4),
    ) {
        let mut mask = Mask::default();
        let views: Vec<View> = views.into_iter().map(|(timeframe, refresh)| view(timeframe, refresh)).collect();
        let mut producer = Producer::new(samples.len(), 3);
        let mut published = replayed.min(samples.len());
        samples[..published].iter().for_each(|&sample| { producer.push(sample); });
        let mut now = samples[published.max(1) - 1].at;
        let mut engine = Engine::new(views, vec![track(3, &producer, "a")], now);
        let board = engine.board();
        let seen = |mask: &Mask| samples.iter().map(|sample| mask.seen(sample)).collect::<Vec<Sample>>();
        let check = |mask: &Mask, published: usize, step: &EngineStep, first: bool, now: Timestamp| -> Result<(), TestCaseError> {
            let samples = seen(mask);
            for (number, view) in board.snapshot().views.iter().enumerate() {
                let summary = &view.rows[0].summary;
                prop_assert!(view.as_of < view.next && view.next.as_micros() % micros(view.refresh) == 0);
                if first || step.refreshed.contains(&number) {
                    let known = &samples[..published];
                    // A row that had no results at the refresh may have been filled since.
                    let as_of = summary.as_of;
                    prop_assert!(as_of == view.as_of || as_of == now);
                    let seen = known.partition_point(|sample| sample.at <= as_of);
                    let unmade = unmade(&known[..seen], view.timeframe, as_of);
                    model(known, as_of, view.timeframe, unmade).check(summary)?;
                    let checks: u64 = view.rows[0].beats.cells.iter().map(|beat| u64::from(beat.up + beat.down)).sum();
                    prop_assert!(checks <= summary.counts.checks());
                }
            }
            Ok(())
        };
        check(&mask, published, &EngineStep::default(), true, now)?;
        for (number, (wait, late)) in steps.into_iter().enumerate() {
            // An outage of our own network opens, ends, is refuted.
            for (_, from, to) in masks.iter().filter(|(step, ..)| *step == number) {
                let from = samples[0].at.after(Duration::from_secs(*from));
                mask = Mask::new(mask.spans().iter().skip(1).copied().chain([(from, from.after(Duration::from_secs(*to)))]));
                let step = engine.set_masks(vec![(SiteSlot(3), mask.clone())]);
                prop_assert_eq!((step.lost, step.alerts.len(), step.refreshed.len()), (0, 0, 0));
            }
            now = now.after(Duration::from_micros(wait));
            // Samples may be published up to three late, as when a thread is held up between stamping and publishing.
            let come = samples.partition_point(|sample| sample.at <= now);
            let come = come.saturating_sub(usize::try_from(late).unwrap()).max(published);
            samples[published..come].iter().for_each(|&sample| { producer.push(sample); });
            published = come;
            let step = engine.step(now);
            prop_assert_eq!(step.lost, 0);
            check(&mask, published, &step, false, now)?;
        }
        engine.finish(now);
        check(&mask, published, &EngineStep::default(), true, now)?;
    }

    /// A site that a step passes over has nothing to do: an engine whose sites all stay awake finds and shows the same.
    #[test]
    fn a_step_passes_over_a_site_only_if_there_is_nothing_to_do(
        story in policy::story(),
        events in prop::collection::vec((0usize..200, 0u8..6, 1u64..900), 0..12),
        waits in prop::collection::vec((1u64..30_000, 0u64..3), 200),
        with_rules: bool,
    ) {
        let samples: Vec<Sample> = policy::told(&story).iter().filter_map(Packed::sample).collect();
        let mut producer = Producer::new(1_000, 7);
        let mut input = track(3, &producer, "api");
        input.policies = if with_rules { policy::all_rules(900_000, 120, 1, 3, true, 2) } else { Policies::default() };
        let views = vec![view(60, 30), view(1_200, 400)];
        let mut now = samples[0].at.before(Duration::from_secs(100));
        let [mut resting, mut awake] = [(); 2].map(|()| Engine::new(views.clone(), vec![input.clone()], now));
        let (mut published, mut rested) = (0, 0);
        for (number, (wait, late)) in waits.into_iter().enumerate() {
            for (_, event, secs) in events.iter().filter(|(at, ..)| *at == number) {
                for engine in [&mut resting, &mut awake] {
                    let slot = SiteSlot(3);
                    match event {
                        0 => engine.pause(slot, Some(now.after(Duration::from_secs(*secs))), now),
                        1 => engine.pause(slot, None, now),
                        2 => engine.attach(slot, 7 + published as u64, Arc::new(observed(Cause::Reset, "reset"))),
                        3 => engine.attach(slot, 6 + published as u64, Arc::new(observed(Cause::Ok, ""))),
                        4 => engine.overrule(slot, RuleKind::Availability, Some(now), now),
                        _ => engine.overrule(slot, RuleKind::Availability, None, now),
                    }
                }
            }
            now = now.after(Duration::from_millis(wait));
            let come = samples.partition_point(|sample| sample.at <= now);
            let come = come.saturating_sub(usize::try_from(late).unwrap()).max(published);
            samples[published..come].iter().for_each(|&sample| { producer.push(sample); });
            published = come;
            rested += usize::from(resting.lanes.is_resting(0, now));
            awake.lanes.iter_mut().for_each(drop);
            let (found, expected) = (resting.step(now), awake.step(now));
            prop_assert_eq!(format!("{found:?}"), format!("{expected:?}"));
            let [shown, plain] = [&resting, &awake].map(|engine| engine.board().snapshot());
            prop_assert_eq!(format!("{shown:?}"), format!("{plain:?}"));
        }
        prop_assert!(rested > 0);
    }

    /// With a ring too small for its windows, and steps too rare for its ring: what the ring still has is in, what was in
    /// before may stay in, and every sample is either seen or counted as lost.
    #[test]
    fn a_ring_that_is_too_small_costs_only_what_it_does_not_hold(
        samples in samples(1..120),
        capacity in 1usize..12,
        timeframe in 1u64..900,
        batches in prop::collection::vec(0usize..20, 1..20),
    ) {
        let view = view(timeframe, 1);
        let mut producer = Producer::new(capacity, 0);
        let mut engine = Engine::new(vec![view], vec![track(3, &producer, "a")], Timestamp::ZERO);
        let (mut published, mut lost) = (0, 0);
        for batch in batches {
            let come = (published + batch).min(samples.len());
            samples[published..come].iter().for_each(|&sample| { producer.push(sample); });
            published = come;
            let Some(last) = samples[..published].last() else { continue };
            lost += engine.finish(last.at).lost;
            prop_assert_eq!(engine.checks() + lost, published as u64);
            let row = Arc::clone(&engine.board().view(0).rows[0]);
            let intact = published.saturating_sub(capacity);
            let explained = (0..=intact).rev().any(|from| {
                let mut summary = row.summary.clone();
                let held = model(&samples[from..published], last.at, view.timeframe, Unmade::default());
                // The gaps around lost samples are beside the point here.
                (summary.counts.skipped, summary.coverage) = held.skipped_and_coverage();
                held.check(&summary).is_ok()
            });
            prop_assert!(explained, "{:?}", row.summary);
        }
    }
}

#[test]
fn refreshes_fall_on_multiples_of_the_refresh_and_speak_of_that_instant() {
    let mut scene = Scene::running(&[], 3);
    assert_eq!(scene.engine.board().view(0).as_of, at(3), "computed at once");
    assert_eq!((scene.engine.board().view(0).next, scene.engine.board().view(1).next), (at(10), at(20)));
    scene.push(sample(9, Cause::Ok));
    scene.push(sample(11, Cause::Ok));
    let step = scene.engine.step(at(12));
    assert_eq!(step.refreshed, [0]);
    assert_eq!((scene.row(0).summary.as_of, scene.row(0).summary.counts.up), (at(10), 1), "11 s is after the instant");
    assert!(scene.engine.step(at(19)).refreshed.is_empty());
    assert_eq!(scene.engine.step(at(20)).refreshed, [0, 1]);
    assert_eq!(scene.row(0).summary.counts.up, 2);
    let late = scene.engine.step(at(95));
    assert_eq!(late.refreshed, [0, 1], "instants that were missed are made up for once");
    assert_eq!((scene.row(0).summary.as_of, scene.row(1).summary.as_of), (at(90), at(80)));
    assert_eq!((scene.engine.board().view(0).next, scene.engine.board().view(1).next), (at(100), at(140)));
}

#[test]
fn a_row_without_results_is_filled_by_the_first_one_and_then_waits_for_its_refresh() {
    let mut scene = Scene::running(&[], 1);
    assert_eq!(scene.row(1).summary.coverage, None);
    scene.push(sample(2, Cause::Ok));
    let version = scene.engine.board().version();
    let step = scene.engine.step(at(2));
    assert!(step.refreshed.is_empty(), "a filled row is no refresh");
    assert_ne!(scene.engine.board().version(), version);
    assert_eq!((scene.row(0).summary.counts.up, scene.row(1).summary.counts.up), (1, 1));
    scene.push(sample(3, Cause::Ok));
    scene.engine.step(at(3));
    assert_eq!((scene.row(0).summary.counts.up, scene.row(1).summary.counts.up), (1, 1));
    scene.engine.step(at(10));
    assert_eq!((scene.row(0).summary.counts.up, scene.row(1).summary.counts.up), (2, 1));
}

#[test]
fn a_row_is_not_filled_with_what_left_its_window_before_the_end_of_the_step() {
    let mut scene = Scene::new(&[], 1, vec![view(10, 100), view(600, 20)], |_| {});
    scene.engine.step(at(1));
    scene.push(sample(15, Cause::Ok));
    // The refresh as of 20 s reads the sample; at 30 s it is out of the shorter window.
    assert_eq!(scene.engine.step(at(30)).refreshed, [1]);
    assert_eq!((scene.row(0).summary.counts.up, scene.row(1).summary.counts.up), (0, 1));
}

#[test]
fn a_step_with_nothing_new_changes_nothing_that_is_shown() {
    let mut scene = Scene::running(&[sample(0, Cause::Ok)], 1);
    let (version, before) = (scene.engine.board().version(), scene.site());
    let step = scene.engine.step(at(2));
    assert!(step.changes.is_empty() && step.alerts.is_empty() && step.refreshed.is_empty());
    assert_eq!(scene.engine.board().version(), version);
    assert!(Arc::ptr_eq(&before, &scene.site()));
    assert_eq!(scene.engine.board().snapshot().at, at(2));
}

#[test]
fn history_is_counted_and_is_no_event() {
    let history: Vec<Sample> = (0..30).map(|i| sample(i * 10, if i < 20 { Cause::Ok } else { Cause::Reset })).collect();
    let mut scene = Scene::new(&history, 291, vec![view(600, 10)], |_| {});
    let site = scene.site();
    assert_eq!((site.state, site.since, site.last_up), (SiteState::Failing, at(200), Some(at(190))));
    assert_eq!((site.last.as_ref().unwrap().seq, site.incident), (36, None));
    assert_eq!((scene.row(0).summary.counts.up, scene.row(0).summary.counts.down), (20, 10));
    let step = scene.engine.step(at(292));
    assert!(step.changes.is_empty());
    assert_eq!(step.alerts.len(), 1, "what becomes due at the first step is announced");
    assert_eq!((step.alerts[0].state, step.alerts[0].at), (AlertState::Down, at(290)), "as of the last check");
    assert_eq!((scene.site().state, scene.site().since), (SiteState::Down, at(290)));
    assert_eq!(scene.site().incident, Some(OpenIncident { since: at(290) }));
    assert_eq!(scene.engine.checks(), 0);
}

#[test]
fn a_check_that_lands_before_the_first_step_is_an_event() {
    let mut scene = Scene::new(&[], 0, vec![view(600, 10)], |_| {});
    scene.push(sample(1, Cause::Ok));
    assert_eq!(states(&scene.engine.step(at(2))), [(SiteState::New, SiteState::Up)]);
}

#[test]
fn an_open_incident_is_not_announced_again_and_ends_with_its_message() {
    let history: Vec<Sample> = (0..30).map(|i| sample(i * 10, Cause::Reset)).collect();
    let mut scene = Scene::new(&history, 291, vec![view(600, 10)], |track| track.open = vec![down_since(150)]);
    assert_eq!(scene.site().state, SiteState::Down);
    assert!(scene.engine.step(at(292)).alerts.is_empty());
    let mut alerts = Vec::new();
    for i in 30..45 {
        scene.push(sample(i * 10, Cause::Ok));
        let step = scene.engine.step(at(i * 10));
        if i == 30 {
            assert_eq!(states(&step), [(SiteState::Down, SiteState::Recovering)]);
        }
        alerts.extend(step.alerts);
    }
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].state, alerts[0].since), (AlertState::Up, at(150)));
    assert_eq!((scene.site().state, scene.site().incident), (SiteState::Up, None));
}

#[test]
fn changes_of_state_tell_the_check_behind_them_and_its_texts() {
    let mut scene = Scene::running(&[], 0);
    scene.push(sample(10, Cause::Ok));
    assert_eq!(states(&scene.engine.step(at(10))), [(SiteState::New, SiteState::Up)]);
    scene.engine.attach(SiteSlot(3), 8, Arc::new(observed(Cause::Reset, "reset by peer")));
    scene.engine.attach(SiteSlot(3), 9, Arc::new(observed(Cause::Ok, "")));
    scene.push(sample(20, Cause::Reset));
    scene.push(sample(21, Cause::Ok));
    let step = scene.engine.step(at(22));
    assert_eq!(states(&step), [(SiteState::Up, SiteState::Failing), (SiteState::Failing, SiteState::Up)]);
    let check = step.changes[0].check.as_ref().unwrap();
    assert_eq!((check.seq, step.changes[0].at), (8, at(20)));
    assert_eq!(check.observation.as_ref().unwrap().detail, "reset by peer");
    assert!(scene.site().last.as_ref().unwrap().observation.is_some());
}

#[test]
fn texts_may_come_after_their_sample_and_texts_of_older_checks_are_dropped() {
    let mut scene = Scene::running(&[], 0);
    let seq = scene.push(sample(10, Cause::Status));
    scene.engine.step(at(10));
    assert!(scene.site().last.as_ref().unwrap().observation.is_none());
    let version = scene.engine.board().version();
    scene.engine.attach(SiteSlot(3), seq - 1, Arc::new(observed(Cause::Ok, "older")));
    scene.engine.attach(SiteSlot(3), seq, Arc::new(observed(Cause::Status, "503 Service Unavailable")));
    scene.engine.attach(SiteSlot(0), seq, Arc::new(observed(Cause::Ok, "no such site")));
    scene.engine.step(at(11));
    assert_ne!(scene.engine.board().version(), version);
    let last = scene.site().last.clone().unwrap();
    assert_eq!(last.observation.unwrap().detail, "503 Service Unavailable");
}

#[test]
fn silence_is_unknown_and_lowers_the_coverage() {
    let history: Vec<Sample> = (0..=60).map(|i| sample(i * 10, Cause::Ok)).collect();
    let mut scene = Scene::running(&history, 600);
    assert_eq!(scene.row(0).summary.coverage, Some(1.0));
    assert!(scene.engine.step(at(635)).changes.is_empty());
    let step = scene.engine.step(at(636));
    assert_eq!(states(&step), [(SiteState::Up, SiteState::Unknown)]);
    assert_eq!((step.changes[0].at, scene.site().since), (at(635), at(635)));
    scene.engine.step(at(900));
    // The window (300 s, 900 s] has 30 checks; due at 610 … 880 and missing by now: 28.
    assert_eq!(scene.row(0).summary.counts.skipped, 28);
    assert_eq!(scene.row(0).summary.coverage, Some(30.0 / 58.0));
    // Due at 910 after a suspend: the sample tells the 30 that were never started.
    let after = Sample { skipped: 30, flags: Flags::AFTER_HOLE, ..sample(910, Cause::Ok) };
    scene.push(after);
    assert_eq!(states(&scene.engine.step(at(910))), [(SiteState::Unknown, SiteState::Up)]);
    let row = scene.row(0);
    assert_eq!((row.summary.counts.up, row.summary.counts.skipped), (30, 30));
    scene.engine.step(at(1_300));
    let row = scene.row(0);
    // (700 s, 1300 s]: one check; skipped at 710 … 900; due at 920 … 1280 and missing.
    assert_eq!((row.summary.counts.up, row.summary.counts.skipped), (1, 20 + 37));
}

#[test]
fn a_new_site_is_covered_from_its_first_check_on() {
    let mut scene = Scene::running(&[], 0);
    for i in 1..=3 {
        scene.push(sample(i * 10, Cause::Ok));
        scene.engine.step(at(i * 10));
    }
    assert_eq!((scene.row(0).summary.counts.up, scene.row(0).summary.coverage), (3, Some(1.0)));
}

#[test]
fn the_time_of_the_first_verdict_is_shown_until_it_comes() {
    let mut scene = Scene::running(&[], 0);
    scene.push(sample(10, Cause::Ok));
    scene.engine.step(at(10));
    assert_eq!(scene.site().judged_from, Some(at(120)));
    scene.engine.step(at(119));
    assert_eq!(scene.site().judged_from, Some(at(120)));
    scene.engine.step(at(120));
    assert_eq!(scene.site().judged_from, None);
}

#[test]
fn finishing_refreshes_every_view_as_of_the_end() {
    let mut scene = Scene::running(&[], 0);
    scene.push(sample(61, Cause::Ok));
    let step = scene.engine.finish(at(63));
    assert_eq!(step.refreshed, [0, 1]);
    for view in 0..2 {
        assert_eq!((scene.row(view).summary.as_of, scene.row(view).summary.counts.up), (at(63), 1));
    }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "made-up values"
)]
/// A tenth of the samples fail, latencies are spread as they are over the internet: log-normal, a long tail.
fn weather(site: u64, i: u64) -> Sample {
    let mut bits = (site << 32 | i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut uniform = || {
        bits ^= bits >> 29;
        bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits >> 44
    };
    let normal = (0..4).map(|_| uniform()).sum::<u64>() as f64 / f64::from(1 << 20) - 2.0;
    let processing = Micros::new((60_000.0 * (0.6 * normal).exp()) as u32);
    let mut observation = observed(if uniform() % 10 == 0 { Cause::Status } else { Cause::Ok }, "");
    observation.status = crate::model::Status::new(if observation.cause == Cause::Ok { 200 } else { 503 });
    observation.phases.add(Phase::Processing, processing);
    observation.phases.add(Phase::Transfer, Micros::new((uniform() % 900) as u32));
    observation.sample(at(i * 10), Micros::ZERO, 0)
}

#[test]
fn a_site_with_the_default_views_stays_within_24_kib() {
    let views = vec![view(600, 10), view(3_600, 60)];
    let capacity = capacity_for(Duration::from_hours(1), INTERVAL, INTERVAL);
    let sites = 20;
    let mut producers: Vec<Producer> = (0..sites).map(|_| Producer::new(capacity, 0)).collect();
    let tracks =
        (0..).zip(&producers).map(|(slot, producer)| track(slot, producer, "https://www.example.com/health")).collect();
    let mut engine = Engine::new(views, tracks, at(0));
    for i in 0..1_000 {
        for (site, producer) in (0..).zip(&mut producers) {
            producer.push(weather(site, i));
        }
        engine.step(at(i * 10));
    }
    let bytes = engine.bytes() / sites;
    println!("{bytes} bytes a site, {} of them the ring", producers[0].ring().bytes());
    assert!(engine.board().view(1).rows[0].summary.counts.checks() == 360);
    assert!(bytes <= 24 * 1_024, "{bytes} bytes a site");
}

/// Its figures come from elsewhere; beside a view that is made here, whichever comes first in the file.
#[test]
fn a_long_view_shows_what_it_is_supplied_with_and_keeps_it() {
    let history: Vec<Sample> = (1..20).map(|index| sample(10 * index, Cause::Ok)).collect();
    let views = vec![view(86_400, 300), view(600, 10)];
    let mut scene = Scene::new(&history, 200, views, |_| {});
    let shown = |scene: &Scene| scene.engine.board().view(0);
    assert_eq!(shown(&scene).rows[0].summary.counts.checks(), 0);
    assert_eq!(scene.engine.board().view(1).rows[0].summary.counts.checks(), 19);
    let version = scene.engine.board().version();
    let row = Arc::new(Row { is_exact: false, ..Row::clone(&scene.engine.board().view(1).rows[0]) });
    scene.engine.supply(0, at(205), vec![(SiteIndex(0), Arc::clone(&row)), (SiteIndex(7), Arc::clone(&row))], false);
    assert!(scene.engine.board().version() > version);
    assert_eq!(scene.engine.step(at(206)).refreshed, Vec::<usize>::new());
    scene.engine.supply(0, at(300), vec![(SiteIndex(0), Arc::clone(&row))], true);
    assert_eq!(scene.engine.step(at(211)).refreshed, [0, 1]);
    // Its own refresh does not make it: what was supplied stays, and the other one goes on.
    assert_eq!(scene.engine.step(at(700)).refreshed, [1]);
    assert!(Arc::ptr_eq(&shown(&scene).rows[0], &row));
    assert_eq!((shown(&scene).as_of, shown(&scene).next), (at(300), at(500)), "the tests begin 200 s after a multiple");
    assert_eq!(scene.engine.finish(at(701)).refreshed, [1], "nothing new of it");
    // A view that is made here takes nothing.
    scene.engine.supply(1, at(300), vec![(SiteIndex(0), row)], true);
    assert!(scene.engine.board().view(1).rows[0].is_exact);
}

proptest! {
    /// For any rules, samples and steps, also far apart: the alerts are those of a backtest over the same samples.
    #[test]
    fn a_backtest_finds_what_was_announced(
        story in policy::story(),
        (ppm, window, failures, recover, percentile) in (0u32..=1_000_000, 1u64..300, 0u32..6, any::<bool>(), 0usize..4),
        steps in prop::collection::vec((0usize..12, 0u64..40), 1..60),
        restart in prop::option::of(0usize..60),
    ) {
        let policies = policy::all_rules(ppm, window, 1, failures, recover, percentile);
        let samples = policy::told(&story);
        let mut producer = Producer::new(400, 0);
        let input = |producer: &Producer, open| SiteInput { policies, open, ..track(3, producer, "a") };
        let begin = Timestamp::from_micros(samples[0].at().as_micros() - 1);
        let mut engine = Engine::new(vec![view(60, 7)], vec![input(&producer, Vec::new())], begin);
        let (mut published, mut alerts, mut now) = (0, Vec::new(), begin);
        for (number, (count, wait)) in steps.into_iter().chain([(samples.len(), 400)]).enumerate() {
            let come = (published + count).min(samples.len());
            for sample in &samples[published..come] {
                producer.push(sample.sample().unwrap());
            }
            published = come;
            let Some(last) = come.checked_sub(1).map(|last| samples[last].at()) else { continue };
            let latest = samples.get(come).map_or(Timestamp::MAX, |next| Timestamp::from_micros(next.at().as_micros() - 1));
            now = last.after(Duration::from_secs(wait)).min(latest).max(now);
            alerts.extend(engine.step(now).alerts);
            // A change of something else rebuilds everything.
            if restart == Some(number) {
                engine.revise(vec![view(60, 7), view(30, 7)], vec![input(&producer, Vec::new())]);
            }
        }
        let mut found = Vec::new();
        let packed: Vec<Packed> = samples;
        Playback::new(&policies, INTERVAL, (&packed, 0), None).advance(now.before(Duration::from_millis(250)), &mut found);
        let mut found: Vec<_> = found.into_iter().map(|found| (found.at, found.rule, found.state, found.reading)).collect();
        let mut alerts: Vec<_> = alerts.into_iter().map(|alert| (alert.at, alert.rule, alert.state, alert.reading)).collect();
        found.sort_by_key(|(at, rule, ..)| (*at, *rule));
        alerts.sort_by_key(|(at, rule, ..)| (*at, *rule));
        prop_assert_eq!(found, alerts);
    }
}

#[test]
fn a_step_that_sees_many_checks_tells_the_verdicts_between_them() {
    let history: Vec<Sample> = (0..30).map(|i| sample(i * 10, Cause::Ok)).collect();
    let mut scene = Scene::running(&history, 291);
    for (secs, cause) in
        [(300, Cause::Reset), (310, Cause::Reset), (320, Cause::Reset), (330, Cause::Ok), (340, Cause::Reset)]
    {
        scene.push(sample(secs, cause));
    }
    let step = scene.engine.step(at(341));
    let changes: Vec<_> = step.changes.iter().map(|change| (change.at, change.to)).collect();
    let expected = [
        (at(300), SiteState::Failing),
        (at(320), SiteState::Down),
        (at(330), SiteState::Recovering),
        (at(340), SiteState::Down),
    ];
    assert_eq!(changes, expected);
    let checks: Vec<_> = step.changes.iter().map(|change| change.check.as_ref().unwrap().sample.at).collect();
    assert_eq!(checks, [at(300), at(320), at(330), at(340)]);
    assert_eq!(
        step.alerts.iter().map(|alert| (alert.at, alert.state)).collect::<Vec<_>>(),
        [(at(320), AlertState::Down)]
    );
}

/// Ten checks at 7 s to 97 s, all failed; the window of 100 s becomes covered at 97 s + 10 s − 10 s + 0.5 s.
fn covered_between_checks(interval: Duration) -> Scene {
    let mut scene = Scene::new(&[], 0, vec![view(600, 10)], |track| {
        track.policies.availability.window = Duration::from_millis(100_500);
        track.interval = interval;
    });
    scene.engine.step(at(0));
    for secs in (7..=97).step_by(10) {
        scene.push(sample(secs, Cause::Reset));
        assert!(scene.engine.step(at(secs)).alerts.is_empty());
    }
    scene
}

#[test]
fn the_instant_at_which_the_window_becomes_covered_is_judged_once_checks_from_before_it_are_published() {
    let mut scene = covered_between_checks(INTERVAL);
    assert!(scene.engine.step(at(97).after(Duration::from_millis(700))).alerts.is_empty());
    let step = scene.engine.step(at(97).after(Duration::from_millis(750)));
    let covered = at(97).after(Duration::from_millis(500));
    assert_eq!(
        step.alerts.iter().map(|alert| (alert.at, alert.state)).collect::<Vec<_>>(),
        [(covered, AlertState::Down)]
    );
    assert_eq!((states(&step), step.changes[0].at), (vec![(SiteState::Failing, SiteState::Down)], covered));
    // The same if the next check comes first.
    let mut scene = covered_between_checks(INTERVAL);
    scene.push(sample(107, Cause::Ok));
    let step = scene.engine.step(at(107));
    assert_eq!(
        step.alerts.iter().map(|alert| (alert.at, alert.state)).collect::<Vec<_>>(),
        [(covered, AlertState::Down)]
    );
}

#[test]
fn a_paused_site_is_not_judged_also_not_for_what_came_meanwhile() {
    let mut scene = covered_between_checks(INTERVAL);
    scene.engine.pause(SiteSlot(3), Some(Timestamp::MAX), at(97));
    assert!(scene.engine.step(at(99)).alerts.is_empty());
    scene.push(sample(100, Cause::Reset));
    assert!(scene.engine.step(at(101)).alerts.is_empty());
    scene.engine.pause(SiteSlot(3), None, at(102));
    assert!(scene.engine.step(at(103)).alerts.is_empty());
    scene.push(sample(110, Cause::Reset));
    let step = scene.engine.step(at(110));
    assert_eq!(step.alerts.iter().map(|alert| alert.at).collect::<Vec<_>>(), [at(110)]);
}

fn quick() -> LatencyRule {
    LatencyRule {
        percentile: Percentile::P50,
        limit: Duration::from_millis(1),
        window: Duration::from_mins(5),
        min_samples: 2,
    }
}

#[test]
fn another_rule_is_announced_and_shown_and_leaves_the_state_alone() {
    let mut scene = Scene::new(&[], 0, vec![view(600, 10)], |track| track.policies.latency = Some(quick()));
    scene.engine.step(at(0));
    scene.push(sample(10, Cause::Ok));
    assert!(scene.engine.step(at(10)).alerts.is_empty());
    scene.push(sample(20, Cause::Ok));
    let step = scene.engine.step(at(21));
    let alert = &step.alerts[0];
    assert_eq!(
        (alert.rule, alert.state, alert.at, alert.since),
        (RuleKind::Latency, AlertState::Breached, at(20), at(20))
    );
    let reading = Reading::Latency { percentile: Percentile::P50, limit: quick().limit, slower: 2, answered: 2 };
    assert_eq!((alert.reading.as_ref(), alert.window), (Some(&reading), Duration::from_mins(5)));
    let site = scene.site();
    assert_eq!((site.state, site.incident), (SiteState::Up, None));
    assert_eq!(site.breaches, [Breach { rule: RuleKind::Latency, since: at(20) }]);

    // The incident of a rule that is removed ends.
    let input = track(3, &scene.producer, "api");
    scene.engine.revise(vec![view(600, 10)], vec![input]);
    let step = scene.engine.step(at(22));
    let told: Vec<_> = step.alerts.iter().map(|alert| (alert.rule, alert.state, alert.since)).collect();
    assert_eq!(told, [(RuleKind::Latency, AlertState::Ended, at(20))]);
    assert_eq!(scene.site().breaches, []);
}

#[test]
fn open_incidents_of_all_rules_go_on_after_a_restart_and_those_without_a_rule_end() {
    let of = |rule| StandingIncident { rule, since: at(5), reading: None };
    let mut scene = Scene::new(&[], 100, vec![view(600, 10)], |track| {
        track.policies.latency = Some(quick());
        track.open = vec![of(RuleKind::Latency), of(RuleKind::SloFast)];
    });
    assert_eq!(scene.site().breaches, [Breach { rule: RuleKind::Latency, since: at(5) }]);
    let step = scene.engine.step(at(101));
    assert_eq!(
        step.alerts.iter().map(|alert| (alert.rule, alert.state)).collect::<Vec<_>>(),
        [(RuleKind::SloFast, AlertState::Ended)]
    );
}

#[test]
fn certificates_are_judged_with_the_check_that_saw_them_whether_texts_come_before_or_after() {
    let certificate = |days: u64| Certificate {
        subject: "api.example".to_owned(),
        issuer: "ca".to_owned(),
        not_before: Timestamp::ZERO,
        not_after: at(0).after(Duration::from_hours(24 * days) + Duration::from_hours(1)),
        faults: Vec::new(),
    };
    let seen = |days: u64, cause: Cause| {
        Arc::new(Observation { certificate: Some(Arc::new(certificate(days))), ..Observation::failed(cause, "") })
    };
    let mut scene = Scene::new(&[], 0, vec![view(600, 10)], |track| {
        track.policies.certificate = Some(Duration::from_hours(24 * 21));
    });
    scene.engine.step(at(0));
    let told = |step: &EngineStep| -> Vec<_> {
        step.alerts.iter().map(|alert| (alert.rule, alert.state, alert.at, alert.since)).collect()
    };
    let slot = SiteSlot(3);
    scene.engine.attach(slot, 7, seen(21, Cause::Reset));
    scene.engine.attach(slot, 8, seen(21, Cause::Ok));
    for (secs, cause) in [(10, Cause::Reset), (20, Cause::Ok), (30, Cause::Ok)] {
        scene.push(sample(secs, cause));
    }
    assert_eq!(told(&scene.engine.step(at(31))), [(RuleKind::Certificate, AlertState::Breached, at(20), at(20))]);
    let seq = scene.push(sample(40, Cause::Ok));
    scene.engine.step(at(41));
    scene.engine.attach(slot, seq, seen(7, Cause::Ok));
    let again = scene.engine.step(at(42));
    assert_eq!(told(&again), [], "another certificate counts anew");
    let seq = scene.push(sample(50, Cause::Ok));
    scene.engine.attach(slot, seq, seen(90, Cause::Ok));
    assert_eq!(told(&scene.engine.step(at(50))), [(RuleKind::Certificate, AlertState::Cleared, at(50), at(20))]);
    // Its URL becomes http: whether texts come before or after, the incident ends.
    let none = || Arc::new(Observation::failed(Cause::Ok, ""));
    for (secs, is_late) in [(60, false), (80, true)] {
        let seq = scene.push(sample(secs, Cause::Ok));
        scene.engine.attach(slot, seq, seen(20, Cause::Ok));
        let open = told(&scene.engine.step(at(secs)));
        assert_eq!(open, [(RuleKind::Certificate, AlertState::Breached, at(secs), at(secs))]);
        let next = secs + 10;
        let seq = scene.push(sample(next, Cause::Ok));
        if is_late {
            scene.engine.step(at(next));
        }
        scene.engine.attach(slot, seq, none());
        let ended = told(&scene.engine.step(at(next + 1)));
        assert_eq!(ended, [(RuleKind::Certificate, AlertState::Ended, at(next), at(secs))]);
    }
    assert_eq!(scene.site().state, SiteState::Up);
}

#[test]
fn verdicts_of_another_process_are_shown_for_every_rule() {
    let history: Vec<Sample> = (0..30).map(|i| sample(i * 10, Cause::Reset)).collect();
    let mut scene = Scene::new(&history, 291, vec![view(600, 10)], |track| track.policies.latency = Some(quick()));
    scene.engine.look_on();
    assert!(scene.engine.step(at(292)).alerts.is_empty());
    scene.engine.overrule(SiteSlot(3), RuleKind::Latency, Some(at(250)), at(292));
    assert_eq!(
        (scene.site().state, &*scene.site().breaches),
        (SiteState::Failing, &[Breach { rule: RuleKind::Latency, since: at(250) }][..])
    );
    scene.engine.overrule(SiteSlot(3), RuleKind::Availability, Some(at(290)), at(293));
    assert_eq!(scene.site().state, SiteState::Down);
    scene.engine.overrule(SiteSlot(3), RuleKind::Latency, None, at(294));
    assert_eq!(scene.site().breaches, []);
}

#[test]
fn a_site_that_joins_is_judged_from_its_next_check_on() {
    let mut scene = Scene::new(&[], 300, vec![view(600, 10)], |_| {});
    scene.engine.step(at(300));
    let mut producer = Producer::new(100, 0);
    for i in 0..30 {
        producer.push(sample(i * 10, Cause::Reset));
    }
    let inputs = vec![track(3, &scene.producer, "api"), track(4, &producer, "new")];
    scene.engine.revise(vec![view(600, 10)], inputs);
    assert!(scene.engine.step(at(301)).alerts.is_empty());
    producer.push(sample(302, Cause::Reset));
    let alerts = scene.engine.step(at(303)).alerts;
    assert_eq!(alerts.iter().map(|alert| (&*alert.site, alert.at)).collect::<Vec<_>>(), [("new", at(302))]);
}

#[test]
fn an_objective_is_not_judged_in_maintenance() {
    let slo = SloRule { target: Threshold::from_ppm(990_000).unwrap(), period: Duration::from_hours(720) };
    let silence = |sites: &str, is_maintenance| Silence {
        number: 1,
        sites: SiteSelector::of([sites]),
        from: Timestamp::ZERO,
        until: at(100_000),
        by: "ada".into(),
        text: String::new(),
        is_maintenance,
    };
    for (silences, expected) in [
        (vec![], true),
        (vec![silence("api", true)], false),
        (vec![silence("blog", true)], true),
        (vec![silence("api", false)], true),
    ] {
        let mut scene = Scene::new(&[], 0, vec![view(60, 10)], |site| site.policies.slo = Some(slo));
        scene.engine.leave_out(&silences);
        let mut alerts = Vec::new();
        for tick in 0..400 {
            scene.producer.push(sample(10 * tick + 1, Cause::Reset));
            alerts.extend(scene.engine.step(at(10 * tick + 2)).alerts);
        }
        let is_found = alerts.iter().any(|alert| alert.rule == RuleKind::SloFast);
        assert_eq!(is_found, expected, "{silences:?}");
        assert!(alerts.iter().any(|alert| alert.rule == RuleKind::Availability));
    }
}
