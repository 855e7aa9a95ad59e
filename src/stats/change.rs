//! What changed when a site began to fail, as one sentence: from its checks shortly before and since.
//!
//! Invariants: only what the checks say is claimed; without a successful check before there is no sentence. A phase counts where it was
//! completed, in at least `LEAST` checks on both sides. Bounds: `KEPT` checks on each side. Cost: O(n log n).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::model::{Cause, Outcome, Phase, Sample, Timestamp, figures};

use super::Answer;

/// How long before the first failed check is compared.
pub const BEFORE: Duration = Duration::from_mins(10);

/// Checks that are compared on each side: the last ones before, the first ones since.
const KEPT: usize = 600;

/// Checks that a phase needs on each side.
const LEAST: usize = 3;

/// Answers that are named.
const NAMED: usize = 2;

/// The least difference that is told, µs: less is noise.
const NOTICED: f64 = 5_000.0;

/// Whether a time differs from what is usual: by half as much again, and 5 ms. Both in µs.
#[must_use]
pub fn is_noticed(now: f64, usual: f64) -> bool {
    now >= usual * 1.5 && now - usual >= NOTICED
}

/// Gathers the checks of one site, in the order of time.
#[derive(Clone, Debug)]
pub struct ChangeGather {
    from: Timestamp,
    until: Timestamp,
    first: Option<Timestamp>,
    before: VecDeque<Sample>,
    since: Vec<Sample>,
}

impl ChangeGather {
    /// For the first failed check at `from` or later, and the checks up to `until`.
    #[must_use]
    pub const fn new(from: Timestamp, until: Timestamp) -> Self {
        Self { from, until, first: None, before: VecDeque::new(), since: Vec::new() }
    }

    /// Adds the next check. Those that say nothing about the site do not count.
    pub fn admit(&mut self, sample: &Sample) {
        let outcome = sample.outcome();
        if !matches!(outcome, Outcome::Up | Outcome::Down) || sample.at > self.until {
            return;
        }
        if self.first.is_none() && outcome == Outcome::Down && sample.at >= self.from {
            self.first = Some(sample.at);
            self.before.retain(|earlier| earlier.at >= sample.at.before(BEFORE));
        }
        if self.first.is_some() {
            if self.since.len() < KEPT {
                self.since.push(*sample);
            }
        } else {
            if self.before.len() == KEPT {
                self.before.pop_front();
            }
            self.before.push_back(*sample);
        }
    }

    /// What changed: `503 instead of 200 since 03:15:10; connect and TLS as always; processing 4.10 s instead of 33.0 ms`.
    #[must_use]
    pub fn sentence(&self, zone: &TimeZone) -> Option<String> {
        let at = self.first?;
        let good = self.before.iter().filter(|sample| sample.outcome() == Outcome::Up);
        let usual = common(good.clone()).into_iter().next()?;
        let failed = self.since.iter().filter(|sample| sample.outcome() == Outcome::Down);
        let failures: Vec<String> = common(failed).into_iter().take(NAMED).collect();
        let clock = at.format(zone, "%H:%M:%S");
        let mut parts = vec![format!("{} instead of {usual} since {clock}", failures.join(" and "))];
        let (mut same, mut other) = (Vec::new(), Vec::new());
        for phase in [Phase::Resolve, Phase::Connect, Phase::Tls, Phase::Processing] {
            let medians = (median(good.clone(), phase), median(self.since.iter(), phase));
            let (Some(before), Some(now)) = medians else { continue };
            let name = if phase == Phase::Tls { "TLS" } else { phase.name() };
            if is_noticed(now, before) || is_noticed(before, now) {
                other.push(format!("{name} {} instead of {}", figures::time(now), figures::time(before)));
            } else {
                same.push(name);
            }
        }
        if !same.is_empty() {
            parts.push(format!("{} as always", listed(&same)));
        }
        parts.extend(other);
        Some(parts.join("; "))
    }
}

/// The answers of `samples`, the most frequent first.
fn common<'a>(samples: impl Iterator<Item = &'a Sample>) -> Vec<String> {
    let mut counts: BTreeMap<Answer, u64> = BTreeMap::new();
    for sample in samples {
        *counts.entry(Answer::of(sample.cause, sample.status)).or_default() += 1;
    }
    let mut counts: Vec<(Answer, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let word = |answer| match answer {
        Answer::Code(status) => status.get().to_string(),
        Answer::Cause(cause) => cause.word().to_owned(),
    };
    let mut words: Vec<String> = Vec::new();
    for (answer, _) in counts {
        let word = word(answer);
        // Several causes read alike.
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// The median of the time that checks spent in `phase` where they completed it, µs; none of too few.
fn median<'a>(samples: impl Iterator<Item = &'a Sample>, phase: Phase) -> Option<f64> {
    let mut times: Vec<u32> = samples.filter_map(|sample| completed(sample, phase)).collect();
    times.sort_unstable();
    (times.len() >= LEAST).then(|| f64::from(times[times.len() / 2]))
}

fn completed(sample: &Sample, phase: Phase) -> Option<u32> {
    let is_whole = matches!(sample.cause, Cause::Ok | Cause::Slow | Cause::Status);
    let later =
        || Phase::ALL.into_iter().filter(|other| *other > phase).any(|other| sample.phases.get(other).is_some());
    let spent = sample.phases.get(phase)?;
    (is_whole || later()).then_some(spent.get())
}

/// `a`, `a and b`, `a, b and c`.
fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Micros, Observation, Status};
    use proptest::prelude::*;

    /// 2026-11-21 10:00:00 UTC.
    const START: Timestamp = Timestamp::from_secs(1_795_255_200);

    fn check(secs: u64, cause: Cause, status: Option<u16>, millis: [Option<u32>; 5]) -> Sample {
        let mut observation = Observation::failed(cause, "");
        observation.status = status.and_then(Status::new);
        for (phase, millis) in Phase::ALL.into_iter().zip(millis) {
            if let Some(millis) = millis {
                observation.phases = observation.phases.with(phase, Micros::new(millis * 1_000));
            }
        }
        observation.sample(START.after(Duration::from_secs(secs)), Micros::ZERO, 0)
    }

    fn told(checks: &[Sample], from: u64) -> Option<String> {
        let at = |secs| START.after(Duration::from_secs(secs));
        let mut gather = ChangeGather::new(at(from), at(10_000));
        for sample in checks {
            gather.admit(sample);
        }
        gather.sentence(&TimeZone::UTC)
    }

    const GOOD: [Option<u32>; 5] = [Some(1), Some(12), Some(15), Some(33), Some(0)];

    fn good(count: u64) -> Vec<Sample> {
        (0..count).map(|number| check(number, Cause::Ok, Some(200), GOOD)).collect()
    }

    #[test]
    fn another_status_with_the_same_times() {
        let mut checks = good(20);
        let slow = [Some(1), Some(12), Some(16), Some(4_100), Some(0)];
        checks.extend((20..30).map(|secs| check(secs, Cause::Status, Some(502), slow)));
        assert_eq!(
            told(&checks, 15).unwrap(),
            "502 instead of 200 since 10:00:20; resolve, connect and TLS as always; processing 4.10 s instead of 33.0 ms"
        );
    }

    #[test]
    fn a_phase_that_was_not_completed_says_nothing() {
        let mut checks = good(20);
        let stuck = [Some(1), Some(10_000), None, None, None];
        checks.extend((20..30).map(|secs| check(secs, Cause::ConnectTimeout, None, stuck)));
        assert_eq!(told(&checks, 0).unwrap(), "timeout instead of 200 since 10:00:20; resolve as always");
        let refused = [None, Some(0), None, None, None];
        checks.extend((30..35).map(|secs| check(secs, Cause::ConnectRefused, None, refused)));
        assert_eq!(told(&checks, 0).unwrap(), "timeout and refused instead of 200 since 10:00:20; resolve as always");
    }

    #[test]
    fn nothing_is_said_without_a_failure_or_without_a_success_before_it() {
        assert_eq!(told(&good(20), 0), None);
        let failed: Vec<Sample> = (0..9).map(|secs| check(secs, Cause::ConnectRefused, None, [None; 5])).collect();
        assert_eq!(told(&failed, 0), None);
        let mut long_ago = good(1);
        long_ago.extend((700..710).map(|secs| check(secs, Cause::ConnectRefused, None, [None; 5])));
        assert_eq!(told(&long_ago, 0), None, "what was 10 min before is no longer compared");
    }

    #[test]
    fn what_was_before_the_incident_is_no_part_of_it() {
        let mut checks = good(10);
        checks.push(check(10, Cause::DnsError, None, [None; 5]));
        checks.extend(
            good(5).into_iter().map(|sample| Sample { at: sample.at.after(Duration::from_secs(11)), ..sample }),
        );
        checks.push(check(20, Cause::ConnectRefused, None, [None; 5]));
        assert_eq!(told(&checks, 15).unwrap(), "refused instead of 200 since 10:00:20");
    }

    proptest! {
        /// Every word of the sentence comes from the checks: its answers are among theirs, and a phase is named at most once, and
        /// only where enough checks on both sides completed it.
        #[test]
        fn it_claims_no_more_than_the_checks_say(
            before in prop::collection::vec((0u32..3, 1u32..50), 0..30),
            since in prop::collection::vec((0u32..4, 1u32..5_000), 1..30),
        ) {
            let phases = |reached: u32, millis: u32| {
                let mut phases = [None; 5];
                phases.iter_mut().take(reached as usize + 1).for_each(|phase| *phase = Some(millis));
                phases
            };
            let mut checks: Vec<Sample> = Vec::new();
            for (number, (status, millis)) in (0u64..).zip(&before) {
                checks.push(check(number, Cause::Ok, Some([200, 204, 301][*status as usize]), phases(4, *millis)));
            }
            for (number, (reached, millis)) in (100u64..).zip(&since) {
                let cause = [Cause::ConnectRefused, Cause::ConnectTimeout, Cause::TlsError, Cause::Reset][*reached as usize];
                checks.push(check(number, cause, None, phases(*reached, *millis)));
            }
            let Some(text) = told(&checks, 50) else {
                prop_assert!(before.is_empty());
                return Ok(());
            };
            prop_assert!(!before.is_empty());
            let (failures, usual) = text.split(" since ").next().unwrap().split_once(" instead of ").unwrap();
            prop_assert!(before.iter().any(|(status, _)| ["200", "204", "301"][*status as usize] == usual));
            let words = ["refused", "timeout", "tls", "reset"];
            for word in failures.split(" and ") {
                prop_assert!(since.iter().any(|(reached, _)| words[*reached as usize] == word), "{}", text);
            }
            for (place, name) in ["resolve", "connect", "TLS"].into_iter().enumerate() {
                let completed = since.iter().filter(|(reached, _)| *reached as usize > place).count();
                let is_named = usize::from(completed >= LEAST && before.len() >= LEAST);
                prop_assert_eq!(text.split(';').skip(1).collect::<String>().matches(name).count(), is_named, "{}", text);
            }
        }
    }
}
