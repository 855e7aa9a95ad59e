//! Looks for better rules: a grid over the settings of the availability rule, judged by what they would have done.
//!
//! A candidate must find every outage. Of those that do, it keeps the ones of which no other both sends fewer messages and finds
//! outages sooner (Vilfredo Pareto's optimum). Bounds: 126 replays a site, one after the other judged over shared samples.

use std::time::Duration;

use crate::alert::{LatencyRule, Percentile, Policies, Rule, Threshold};

/// Thresholds, per cent.
const THRESHOLDS: [u32; 7] = [50, 60, 70, 80, 90, 95, 99];
/// Windows, minutes.
const WINDOWS: [u64; 6] = [1, 2, 3, 5, 10, 15];
/// Recoveries, per cent; none is above the threshold.
const RECOVERIES: [Option<u32>; 3] = [None, Some(90), Some(95)];

/// Most suggestions.
pub const SUGGESTIONS_MAX: usize = 5;

/// A history shorter than this says too little.
pub const HISTORY_MIN: Duration = Duration::from_hours(7 * 24);

fn per_cent(percent: u32) -> Threshold {
    Threshold::from_ppm(percent * 10_000).expect("at most 100 per cent")
}

/// The candidates: `base` with other settings of the availability rule. Windows hold at least two checks.
#[must_use]
pub fn candidates(base: &Policies, interval: Duration) -> Vec<Policies> {
    let mut candidates = Vec::new();
    for window in WINDOWS.map(Duration::from_mins).into_iter().filter(|window| interval.saturating_mul(2) <= *window) {
        for threshold in THRESHOLDS {
            for recover in RECOVERIES.into_iter().filter(|recover| recover.is_none_or(|recover| threshold <= recover)) {
                let (threshold, recover) = (per_cent(threshold), recover.map(per_cent));
                let availability = Rule { threshold, window, recover, ..base.availability };
                candidates.push(Policies { availability, latency: None, slo: None, ..*base });
            }
        }
    }
    candidates
}

/// What a candidate would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Messages.
    pub messages: usize,
    /// The longest time until an outage was found; `None` if it missed one.
    pub found_after: Option<Duration>,
    /// How long its YAML is: of equally good candidates the shortest is kept.
    pub length: usize,
}

/// The candidates worth choosing from, as places in `outcomes`: fewest messages first, at most [`SUGGESTIONS_MAX`].
#[must_use]
pub fn best(outcomes: &[Outcome]) -> Vec<usize> {
    let mut order: Vec<(usize, Duration, usize, usize)> = outcomes
        .iter()
        .enumerate()
        .filter_map(|(place, of)| Some((of.messages, of.found_after?, of.length, place)))
        .collect();
    order.sort_unstable();
    let mut best: Vec<(usize, Duration, usize, usize)> = Vec::new();
    for candidate in order {
        if best.last().is_none_or(|last| candidate.1 < last.1) {
            best.push(candidate);
        }
    }
    // The ends are kept, and the others evenly.
    let last = best.len().saturating_sub(1);
    let kept = |number: usize| number * last / (SUGGESTIONS_MAX - 1);
    if best.len() > SUGGESTIONS_MAX {
        return (0..SUGGESTIONS_MAX).map(|number| best[kept(number)].3).collect();
    }
    best.into_iter().map(|(.., place)| place).collect()
}

/// Limits of a rule of latency to try, shortest first: 10 ms to 60 s in steps of a tenth to a fifth.
#[must_use]
pub fn limits() -> Vec<Duration> {
    const STEPS: [u64; 12] = [10, 12, 15, 18, 20, 25, 30, 40, 50, 60, 70, 85];
    let decades = [1u64, 10, 100, 1_000].into_iter().flat_map(|decade| STEPS.map(|step| step * decade));
    decades.map(Duration::from_millis).filter(|limit| *limit <= Duration::from_mins(1)).collect()
}

/// A rule of the 95th percentile with this limit, over ten minutes, or as long as twenty checks take; none if that is more
/// than an hour. Where `base` has such a rule, it is that one with another limit.
#[must_use]
pub fn latency(base: &Policies, limit: Duration, interval: Duration) -> Option<LatencyRule> {
    let (percentile, min_samples) = (Percentile::P95, 20);
    let window = interval.saturating_mul(min_samples).max(Duration::from_mins(10));
    let new = (window <= Duration::from_hours(1)).then_some(LatencyRule { percentile, limit, window, min_samples });
    base.latency.map(|rule| LatencyRule { limit, ..rule }).or(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_grid_is_the_documented_one() {
        let base = Policies::default();
        let all = candidates(&base, Duration::from_secs(10));
        // 7 × 6 × 3, less 90 % where the threshold is higher, less 95 % where it is higher.
        assert_eq!(all.len(), 126 - 6 * 2 - 6);
        assert!(
            all.iter().all(|of| of.availability.recover.is_none_or(|recover| of.availability.threshold <= recover))
        );
        assert!(all.iter().any(|of| of.availability == base.availability), "today's rule is one of them");
        let slow = candidates(&base, Duration::from_mins(2));
        assert!(slow.iter().all(|of| Duration::from_mins(4) <= of.availability.window));
        let limits = limits();
        assert!(limits.is_sorted() && limits.first() == Some(&Duration::from_millis(10)));
        assert_eq!(limits.last(), Some(&Duration::from_mins(1)));
    }

    proptest! {
        #[test]
        fn what_is_kept_is_not_beaten_and_beats_the_rest(
            outcomes in proptest::collection::vec((0usize..12, proptest::option::of(0u64..12), 0usize..9), 0..40),
        ) {
            let outcomes: Vec<Outcome> = outcomes.into_iter().map(|(messages, found, length)| {
                Outcome { messages, found_after: found.map(Duration::from_secs), length }
            }).collect();
            let best = best(&outcomes);
            let beats = |a: &Outcome, b: &Outcome| {
                let (after_a, after_b) = (a.found_after.unwrap(), b.found_after.unwrap());
                a.messages <= b.messages && after_a <= after_b && (a.messages, after_a) != (b.messages, after_b)
            };
            let finders: Vec<&Outcome> = outcomes.iter().filter(|of| of.found_after.is_some()).collect();
            prop_assert_eq!(best.is_empty(), finders.is_empty());
            prop_assert!(best.len() <= SUGGESTIONS_MAX);
            for &place in &best {
                prop_assert!(finders.iter().all(|other| !beats(other, &outcomes[place])));
                let same = |of: &&&Outcome| (of.messages, of.found_after) == (outcomes[place].messages, outcomes[place].found_after);
                let shortest = finders.iter().filter(same).map(|of| of.length).min();
                prop_assert_eq!(Some(outcomes[place].length), shortest);
            }
            // The extremes are always among them.
            let fewest = finders.iter().map(|of| of.messages).min();
            let soonest = finders.iter().filter_map(|of| of.found_after).min();
            prop_assert_eq!(best.first().map(|&place| outcomes[place].messages), fewest);
            prop_assert_eq!(best.last().and_then(|&place| outcomes[place].found_after), soonest);
        }
    }
}
