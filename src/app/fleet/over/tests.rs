//! The row of a site over its locations against a walk through every second, and the board against what it is made of.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::row::{Witness, hold, row};
use super::*;
use crate::alert::quorum::Quorum;
use crate::app::fleet::judging::tests::origin;
use crate::app::tests::monitor::parsed;
use crate::engine::{Engine, SiteInput, SiteState};
use crate::fleet::gather::Report;
use crate::model::{Cause, Micros, Observation, Phase, Place, Sample};
use crate::ring::Producer;
use crate::stats::{Availability, Beats, Counts, PeriodFigures, Rollup, Unmade};
use crate::store::Origin;

const START: u64 = 1_000_000;

fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(START + second)
}

fn sample(second: u64, cause: Cause, micros: u32) -> Sample {
    let mut observation = Observation::failed(cause, "");
    observation.phases = observation.phases.with(Phase::Connect, Micros::new(micros));
    observation.sample(at(second), Micros::ZERO, 0)
}

fn witness(interval: u64, samples: Vec<Sample>) -> Witness {
    let cadence = Cadence { interval: Duration::from_secs(interval), timeout: Duration::from_secs(1) };
    Witness { cadence, begins: samples.first().map(|sample| sample.at), samples, blind: Vec::new() }
}

/// The example of the guide: in ten minutes a fails for 60 s and b for 50 s, 47 s of them together; c checks once a minute and never
/// fails. A third of the checks weighs no more than the others.
#[test]
fn time_is_counted_and_not_checks() {
    let fails = |seconds: Range<u64>| {
        let cause = move |second| if seconds.contains(&second) { Cause::Reset } else { Cause::Ok };
        (0..=600).map(|second| sample(second, cause(second), 1)).collect::<Vec<_>>()
    };
    let c = (0..=10).map(|minute| sample(minute * 60, Cause::Ok, 1)).collect();
    let all = [witness(1, fails(100..160)), witness(1, fails(113..163)), witness(60, c)];
    let window = Timeframe::new(Duration::from_mins(10));
    let row = row(&all, (window, at(600)), &QuorumRule::default());
    let seen = row.summary.availability.unwrap();
    assert_eq!((seen, seen.basis_points()), (Availability { up: 553_000_000, checks: 600_000_000 }, 9_217));
    assert_eq!(row.summary.coverage, Some(1.0));
    assert_eq!((row.summary.counts.down, row.summary.counts.checks()), (110, 1_210));
    let down: Vec<u32> = row.beats.cells.iter().map(|beat| beat.down).filter(|down| *down > 0).collect();
    assert_eq!(down, [700, 1_000, 1_000, 1_000, 1_000]);
}

/// What the locations say at `second`: votes up and votes down.
fn votes(witnesses: &[Witness], second: u64) -> (u64, u64) {
    let vote = |witness: &&Witness| {
        let last = witness.samples.iter().rev().find(|sample| sample.at <= at(second))?;
        let is_blind = witness.blind.iter().any(|blind| blind.contains(&at(second)));
        let is_recent = at(second) < last.at.after(hold(witness.cadence));
        (is_recent && !is_blind && last.cause != Cause::Local).then_some(last.cause == Cause::Ok)
    };
    let votes: Vec<bool> = witnesses.iter().filter_map(|witness| vote(&witness)).collect();
    let up = votes.iter().filter(|is_up| **is_up).count() as u64;
    (up, votes.len() as u64 - up)
}

/// Whether the site counts as up at `second`, as far as that is known.
fn is_up(witnesses: &[Witness], second: u64, quorum: Quorum) -> Option<bool> {
    let (up, down) = votes(witnesses, second);
    let need = match quorum {
        Quorum::Any => 1,
        Quorum::All => up + down,
        _ => up.midpoint(down) + 1,
    };
    match (up, down) {
        (0, 0) => None,
        (_, 0) => Some(true),
        _ if up + down < 2.min(witnesses.len() as u64) => None,
        _ => Some(down < need),
    }
}

fn witnesses_of_any_kind() -> impl Strategy<Value = Vec<Witness>> {
    let cause = prop_oneof![6 => Just(Cause::Ok), 4 => Just(Cause::Reset), 1 => Just(Cause::Local)];
    let samples = prop::collection::vec((1u64..12, cause, 1u32..900_000), 0..60);
    let blind = prop::collection::vec((0u64..400, 1u64..60), 0..3);
    let one = (1u64..9, 0u64..3, samples, blind).prop_map(|(interval, timeout, checks, blind)| {
        let mut second = 0;
        let samples = checks.into_iter().map(|(gap, cause, micros)| {
            second += gap;
            sample(second, cause, micros)
        });
        let mut witness = witness(interval, samples.collect());
        witness.cadence.timeout = Duration::from_secs(timeout);
        witness.blind = blind.into_iter().map(|(from, length)| at(from)..at(from + length)).collect();
        witness
    });
    prop::collection::vec(one, 1..5)
}

proptest! {
    /// The model goes through every second and every sample.
    #[test]
    fn a_row_is_what_a_walk_through_all_samples_gives(
        all in witnesses_of_any_kind(), minutes in 1u64..6, end in 1u64..500,
        quorum in prop::sample::select(vec![Quorum::Majority, Quorum::Any, Quorum::All]),
    ) {
        let (window, as_of) = (Timeframe::new(Duration::from_mins(minutes)), at(end));
        let cutoff = window.cutoff(as_of);
        let rule = QuorumRule { quorum, ..QuorumRule::default() };
        let row = row(&all, (window, as_of), &rule);

        let begins = all.iter().filter_map(|witness| witness.begins).min().map_or(at(end), |begins| begins.max(cutoff));
        let seconds: Vec<u64> = (0..end).filter(|second| begins <= at(*second)).collect();
        let known: Vec<(u64, bool)> =
            seconds.iter().filter_map(|second| Some((*second, is_up(&all, *second, quorum)?))).collect();
        let up = known.iter().filter(|(_, is_up)| *is_up).count() as u64;
        let micros = |seconds: u64| seconds * 1_000_000;
        let share = |up, all| (all > 0).then(|| Availability { up: micros(up), checks: micros(all) });
        prop_assert_eq!(row.summary.availability, share(up, known.len() as u64));
        let coverage = share(known.len() as u64, seconds.len() as u64).map(Availability::ratio);
        prop_assert_eq!(row.summary.coverage, coverage);

        let mut cells: BTreeMap<u64, [u64; 2]> = BTreeMap::new();
        for (second, is_up) in &known {
            cells.entry((START + second) / minutes).or_default()[usize::from(!*is_up)] += 1;
        }
        let newest = (START + end) / minutes;
        for (back, beat) in (0..Beats::CELLS as u64).zip(row.beats.cells.iter().rev()) {
            let [up, down] = cells.get(&(newest - back)).copied().unwrap_or_default();
            let part = |seconds: u64| u32::try_from((seconds * 1_000).div_ceil(minutes)).unwrap();
            prop_assert_eq!((beat.up, beat.down), (part(up), part(down)), "{} cells back", back);
        }

        let inside = |sample: &&Sample| cutoff < sample.at && sample.at <= as_of;
        let pooled: Rollup = all.iter().flat_map(|witness| witness.samples.iter().filter(inside)).collect();
        let expected = pooled.summary(as_of, window, Unmade::default());
        let found = &row.summary;
        prop_assert_eq!((&found.response, &found.ttfb, &found.phase_means), (&expected.response, &expected.ttfb, &expected.phase_means));
        prop_assert_eq!((&found.codes, &found.causes, &found.answers), (&expected.codes, &expected.causes, &expected.answers));
        let skipped: u64 = all.iter().map(|witness| {
            let mut own = PeriodFigures::default();
            witness.samples.iter().filter(inside).for_each(|sample| own.admit(sample, None));
            let before = witness.samples.iter().filter(|sample| sample.at <= as_of).map(Cadence::due).max();
            own.newest_due = before;
            own.window((cutoff, as_of), witness.cadence).counts.skipped
        }).sum();
        prop_assert_eq!(found.counts, Counts { skipped, ..expected.counts });
    }
}

/// A hub of three locations that check `api`; a also checks `old`, which sites.yaml does not have.
struct Hub {
    engine: Engine,
    producers: Vec<Producer>,
    judging: Judging,
    over: Over,
    _stored: mpsc::Receiver<SeenNews>,
    now: u64,
}

const NAMES: [&str; 4] = ["a/api", "a/old", "b/api", "c/api"];

fn report(location: &str, now: Timestamp) -> Report {
    Report { sent: Some(now), ahead: Some(0), ..Report::plain(location, Some(now)) }
}

impl Hub {
    fn new() -> Self {
        let config = parsed(
            "{ dashboard: { views: [{ timeframe: 10m, refresh: 1s }] }, defaults: { interval: 1s, timeout: 1s, alert: { threshold: 80%, window: 10s } }, \
             sites: [{ name: api, url: 'http://a/' }] }",
        );
        let gathered: Vec<(Arc<str>, Origin)> = NAMES.iter().map(|name| (Arc::from(*name), origin(name))).collect();
        let mut judging = Judging::new(&FleetSite::all(&config), (Duration::from_secs(10), true), at(0).into());
        let producers: Vec<Producer> = NAMES.iter().map(|_| Producer::new(1_000, 0)).collect();
        let cadence = Cadence { interval: Duration::from_secs(1), timeout: Duration::from_secs(1) };
        let inputs = gathered.iter().zip(&producers).zip(0..).map(|(((name, origin), producer), slot)| SiteInput {
            policies: judging.policies(&origin.name).unwrap_or_default(),
            place: Place::At { location: origin.location.clone(), site: Arc::clone(&origin.name) },
            ..SiteInput::new(SiteSlot(slot), Arc::clone(name), cadence, producer.ring())
        });
        let engine = Engine::new(config.views.clone(), inputs.collect(), at(0));
        judging.follow(&gathered, None, &engine.board().snapshot());
        let (news, stored) = mpsc::channel(100);
        let reader = StoredReader::new("nothing.redb".into(), &config, news.clone());
        let store = OverStore { blind: BlindTimes::new(), reader, news };
        let over = Over::new(&FleetSite::all(&config), (&engine.board(), &judging), Some(store), at(0));
        Self { engine, producers, judging, over, _stored: stored, now: 0 }
    }

    /// A second passes, in which the locations of `failing` see the site fail. Returns the changes by name.
    fn pass(&mut self, failing: &str) -> Vec<(String, SiteState)> {
        self.now += 1;
        for (producer, name) in self.producers.iter_mut().zip(NAMES) {
            let cause = if failing.contains(&name[..1]) { Cause::Reset } else { Cause::Ok };
            producer.push(sample(self.now, cause, 1_000));
        }
        let step = self.engine.step(at(self.now));
        let (board, now) = (self.engine.board(), at(self.now));
        let reports = ["a", "b", "c"].map(|location| report(location, now));
        self.judging.look(&board.snapshot(), &reports, |_| None, now.into());
        self.over.prepare(&board, Shape::of(&reports), now);
        let step = self.over.look(&board, &self.judging, step, now);
        let shown = self.over.board().snapshot();
        step.changes.iter().map(|change| (shown.sites[change.site.get()].name.to_string(), change.to)).collect()
    }

    fn site(&self) -> Arc<SiteSnapshot> {
        Arc::clone(&self.over.board().snapshot().sites[0])
    }
}

#[test]
fn the_board_has_a_site_over_its_locations_before_them() {
    let mut hub = Hub::new();
    assert_eq!(hub.site().state, SiteState::New);
    for _ in 0..15 {
        assert!(hub.pass("").iter().all(|(name, _)| name != "api"), "what the start finds is no change");
    }
    let shown = hub.over.board().snapshot();
    let names: Vec<&str> = shown.sites.iter().map(|site| &*site.name).collect();
    assert_eq!(names, ["api", "a/api", "b/api", "c/api", "a/old"]);
    assert_eq!(shown.views[0].rows.len(), 5);
    let (api, row) = (&shown.sites[0], &shown.views[0].rows[0]);
    assert_eq!((api.state, &api.place), (SiteState::Up, &Place::Everywhere));
    let votes = api.votes.unwrap();
    assert_eq!((votes.verdict, votes.tally.up, votes.assigned), (Verdict::Up, 3, 3));
    assert!(row.summary.counts.checks() >= 3 * 14 && row.summary.availability.unwrap().up > 10_000_000, "{row:?}");
    assert!(hub.over.board().ring(api.slot).is_none() && hub.over.board().ring(SiteSlot(0)).is_some());
    hub.over.seen().send_replace(vec![SiteIndex::new(0), SiteIndex::new(4), SiteIndex::new(99)]);
    assert_eq!(hub.over.looked_at(), [0, 2, 3, 1].map(SiteIndex::new));
}

#[test]
fn its_state_follows_the_votes_and_a_change_stands_where_it_is_shown() {
    let mut hub = Hub::new();
    (0..15).for_each(|_| drop(hub.pass("")));
    let until = |hub: &mut Hub, failing: &str, state| {
        let mut changes = Vec::new();
        for _ in 0..30 {
            changes.extend(hub.pass(failing));
            if hub.site().state == state {
                return changes;
            }
        }
        panic!("{:?} and not {state:?} after {changes:?}", hub.site());
    };
    let changes = until(&mut hub, "c", SiteState::Failing);
    assert_eq!(changes.last(), Some(&("c/api".to_owned(), SiteState::Down)));
    assert!(changes.contains(&("api".to_owned(), SiteState::Failing)), "{changes:?}");
    assert_eq!(hub.site().votes.unwrap().verdict, Verdict::Partial);
    until(&mut hub, "bc", SiteState::Down);
    assert!(hub.site().incident.is_some());
    let since = hub.site().since;
    assert!(hub.pass("bc").is_empty() && hub.site().since == since);
    let row = Arc::clone(&hub.over.board().snapshot().views[0].rows[0]);
    let down = row.summary.availability.map(|seen| seen.checks - seen.up).unwrap();
    assert!((1..10_000_000).contains(&down), "{down}");
    until(&mut hub, "", SiteState::Up);
    assert!(hub.site().incident.is_none() && hub.site().last_up.is_some());
}
