//! The window law: a window against a model that filters a `Vec` and sorts it.

#![allow(clippy::cast_precision_loss, reason = "the model divides small counts and sums")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::{Cause, Http, Micros, Outcome, Phase, Phases, Sample, Status};
use crate::stats::Answer;
use crate::stats::histogram::HIGHEST;

/// Samples of one site in order: gaps of 1 µs to minutes, latencies over all octaves, all causes.
pub(crate) fn samples(len: Range<usize>) -> impl Strategy<Value = Vec<Sample>> {
    prop::collection::vec(sample(), len).prop_map(|mut samples| {
        let mut at = 1_000_000;
        for sample in &mut samples {
            at += sample.at.as_micros();
            sample.at = Timestamp::from_micros(at);
        }
        samples
    })
}

/// A sample whose `at` is the gap to its predecessor.
fn sample() -> impl Strategy<Value = Sample> {
    let gap = prop_oneof![1u64..50, 1_000_000u64..20_000_000, Just(10_000_000u64), 100_000_000u64..400_000_000];
    let cause = prop_oneof![4 => Just(Cause::Ok), 1 => Just(Cause::Slow), 2 => (0..Cause::ALL.len()).prop_map(|i| Cause::ALL[i])];
    let phase = prop_oneof![1 => Just(u32::MAX), 4 => 0u32..3_000, 1 => 0u32..200_000_000];
    let phases = [phase.clone(), phase.clone(), phase.clone(), phase.clone(), phase];
    let status = prop::option::weighted(0.8, prop_oneof![3 => Just(200u16), 1 => 500u16..504]);
    let skipped = prop_oneof![5 => Just(0u32), 1 => 0u32..50];
    (gap, cause, phases, status, skipped, 0u32..3_000_000).prop_map(|(gap, cause, phases, status, skipped, late)| {
        Sample {
            phases: Phases::from_raw(phases),
            status: status.and_then(Status::new),
            http: Http::V11,
            late: Micros::new(late),
            skipped,
            ..Sample::bare(Timestamp::from_micros(gap), cause)
        }
    })
}

/// What a plain recomputation gives.
pub(crate) struct Model {
    as_of: Timestamp,
    counts: Counts,
    response: Vec<u32>,
    ttfb: Vec<u32>,
    phases: Vec<Vec<u32>>,
    codes: BTreeMap<Status, u64>,
    causes: BTreeMap<Cause, u64>,
    answers: BTreeMap<(bool, Answer), u64>,
}

/// Recomputes a window of `timeframe` at `as_of` from all samples there ever were.
pub(crate) fn model(all: &[Sample], as_of: Timestamp, timeframe: Timeframe, unmade: Unmade) -> Model {
    let cutoff = timeframe.cutoff(as_of);
    let held: Vec<&Sample> = all.iter().filter(|s| s.at > cutoff && s.at <= as_of).collect();
    let outcomes = |outcome| held.iter().filter(|s| s.outcome() == outcome).count() as u64;
    let timed: Vec<&&Sample> = held.iter().filter(|s| matches!(s.cause, Cause::Ok | Cause::Slow)).collect();
    let sorted = |values: Vec<u32>| {
        let mut values = values;
        values.sort_unstable();
        values
    };
    let mut model = Model {
        as_of,
        counts: Counts {
            up: outcomes(Outcome::Up),
            down: outcomes(Outcome::Down),
            unknown: outcomes(Outcome::Unknown),
            skipped: held.iter().map(|s| u64::from(s.skipped)).sum::<u64>() - unmade.outside + unmade.open,
        },
        response: sorted(timed.iter().map(|s| s.total().get()).collect()),
        ttfb: sorted(timed.iter().filter_map(|s| s.ttfb()).map(Micros::get).collect()),
        phases: Phase::ALL
            .iter()
            .map(|&p| timed.iter().filter_map(|s| s.phases.get(p)).map(Micros::get).collect())
            .collect(),
        codes: BTreeMap::new(),
        causes: BTreeMap::new(),
        answers: BTreeMap::new(),
    };
    for sample in held {
        let up = sample.cause == Cause::Ok;
        if let Some(status) = sample.status {
            *model.codes.entry(status).or_default() += 1;
        }
        if !up {
            *model.causes.entry(sample.cause).or_default() += 1;
        }
        let answer = match sample.status {
            Some(status) if up || sample.cause == Cause::Status => Answer::Code(status),
            _ => Answer::Cause(sample.cause),
        };
        if sample.outcome() != Outcome::Unknown {
            *model.answers.entry((up, answer)).or_default() += 1;
        }
    }
    model
}

fn mean(values: &[u32]) -> Option<f64> {
    let sum: u64 = values.iter().map(|&value| u64::from(value)).sum();
    (!values.is_empty()).then(|| sum as f64 / values.len() as f64)
}

fn check_latency(found: Option<Latency>, sorted: &[u32]) -> Result<(), TestCaseError> {
    let Some(found) = found else {
        prop_assert!(sorted.is_empty());
        return Ok(());
    };
    prop_assert_eq!(found.count, sorted.len() as u64);
    prop_assert_eq!(Some(found.avg), mean(sorted));
    prop_assert_eq!(Some(found.max), sorted.last().copied());
    for (percent, value) in [(50, found.p50), (90, found.p90), (95, found.p95), (99, found.p99)] {
        let exact = sorted[(sorted.len() * percent).div_ceil(100) - 1];
        if exact <= HIGHEST {
            prop_assert!(value.abs_diff(exact) <= exact / 100, "p{}: {} for {}", percent, value, exact);
        }
        prop_assert!(value <= found.max && (value >= sorted[0] || sorted[0] > HIGHEST));
    }
    Ok(())
}

impl Model {
    /// What the law gives for the two figures that speak of more than samples.
    pub(crate) fn skipped_and_coverage(&self) -> (u64, Option<f64>) {
        let due = self.counts.checks() + self.counts.unknown + self.counts.skipped;
        (self.counts.skipped, (due > 0).then(|| self.counts.checks() as f64 / due as f64))
    }

    /// Holds `summary` to the law.
    pub(crate) fn check(&self, summary: &Summary) -> Result<(), TestCaseError> {
        prop_assert_eq!(summary.as_of, self.as_of);
        prop_assert_eq!(summary.counts, self.counts);
        prop_assert_eq!(summary.coverage, self.skipped_and_coverage().1);
        check_latency(summary.response, &self.response)?;
        check_latency(summary.ttfb, &self.ttfb)?;
        for (found, values) in summary.phase_means.iter().zip(&self.phases) {
            prop_assert_eq!(*found, mean(values));
        }
        prop_assert_eq!(&summary.codes, &self.codes.clone().into_iter().collect::<Vec<_>>());
        prop_assert_eq!(&summary.causes, &self.causes.clone().into_iter().collect::<Vec<_>>());
        prop_assert_eq!(summary.answers.iter().map(|&(_, n)| n).sum::<u64>(), self.counts.checks(), "a partition");
        let mut answers: Vec<_> = self.answers.clone().into_iter().collect();
        answers.sort_by_key(|&((up, answer), n)| (up, std::cmp::Reverse(n), answer));
        prop_assert_eq!(&summary.answers, &answers.into_iter().map(|((_, a), n)| (a, n)).collect::<Vec<_>>());
        Ok(())
    }
}

proptest! {
    /// For any samples, any timeframes and any steps of time, at every step and for every window.
    #[test]
    fn every_window_is_a_plain_recomputation_at_every_instant(
        samples in samples(1..120),
        timeframes in prop::collection::vec(prop_oneof![1u64..100, 1_000_000u64..600_000_000], 1..4),
        steps in prop::collection::vec(prop_oneof![0u64..100, 0u64..200_000_000], 1..30),
        cleared: bool,
    ) {
        let timeframes: Vec<Timeframe> = timeframes.into_iter().map(|us| Timeframe::new(Duration::from_micros(us))).collect();
        let mut windows = Windows::new(timeframes.iter().copied());
        let packed: Vec<Packed> = samples.iter().map(Sample::packed).collect();
        let mut retired = vec![0; timeframes.len()];
        let mut admitted = 0;
        let mut now = samples[0].at;
        for (i, step) in steps.into_iter().enumerate() {
            now = now.after(Duration::from_micros(step));
            if cleared && i == 7 {
                windows.clear();
                windows.admit(&packed[..admitted]);
                retired.fill(0);
            }
            let come = samples.partition_point(|s| s.at <= now);
            windows.admit(&packed[admitted..come]);
            admitted = come;
            for (number, &timeframe) in timeframes.iter().enumerate() {
                let gone = samples.partition_point(|s| s.at <= timeframe.cutoff(now));
                windows.retire(number, &packed[retired[number]..gone]);
                retired[number] = gone;
            }
            for (number, &timeframe) in timeframes.iter().enumerate() {
                let summary = windows.summary(number, now, Unmade::default());
                model(&samples, now, timeframe, Unmade::default()).check(&summary)?;
                prop_assert_eq!(windows.counts(number), summary.counts);
                let beats = windows.beats(number, now);
                let span = 59 * u64::try_from(beats.cell.as_micros()).unwrap();
                let from = beats.newest.as_micros().saturating_sub(span);
                let inside = samples[..come].iter().filter(|s| s.at.as_micros() >= from && s.outcome() != Outcome::Unknown);
                let shown: u32 = beats.cells.iter().map(|beat| beat.up + beat.down).sum();
                prop_assert_eq!(shown as usize, inside.count());
            }
        }
    }
}
