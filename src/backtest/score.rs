//! What rules make of a history: incidents, and how well they match the outages.
//!
//! An incident *finds* an outage if it is open at some time while the outage lasts. One that finds none is *short*: it reports
//! failures that never lasted.

use std::time::Duration;

use crate::alert::RuleKind;
use crate::alert::Transition;
use crate::model::{Cause, Timestamp};
use crate::stats::{Availability, Outage};

use super::Verdict;

/// The time in which one rule was breached without a break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// The rule.
    pub rule: RuleKind,
    /// When it was breached.
    pub opened: Timestamp,
    /// When it was clear again; `None` if it still was not at the end.
    pub closed: Option<Timestamp>,
    /// The judged availability at its start; `None` of other rules.
    pub availability: Option<Availability>,
    /// The cause of the newest failed check at its start.
    pub cause: Option<Cause>,
}

impl Incident {
    /// Whether it was open at some time from `since` to `until`.
    #[must_use]
    pub fn overlaps(&self, since: Timestamp, until: Timestamp) -> bool {
        self.opened <= until && self.closed.is_none_or(|closed| since < closed)
    }

    /// How long it was open, at most until `end`.
    #[must_use]
    pub fn length(&self, end: Timestamp) -> Duration {
        self.closed.unwrap_or(end).since(self.opened)
    }
}

/// The incidents of `verdicts`, by their start.
#[must_use]
pub fn incidents(verdicts: &[Verdict]) -> Vec<Incident> {
    let mut incidents: Vec<Incident> = Vec::new();
    for Verdict { transition: Transition { rule, at, state, availability, .. }, cause } in verdicts {
        let (rule, at, availability, cause) = (*rule, *at, *availability, *cause);
        let open = incidents.iter_mut().rev().find(|known| known.rule == rule && known.closed.is_none());
        match (state.is_opening(), open) {
            (true, None) => incidents.push(Incident { rule, opened: at, closed: None, availability, cause }),
            (false, Some(open)) => open.closed = Some(at),
            _ => {}
        }
    }
    incidents
}

/// How well incidents of the availability rule match outages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// The outages that were found, as the time from their start to the incident; shortest first.
    pub found_after: Vec<Duration>,
    /// The outages that no incident found.
    pub missed: usize,
    /// Incidents without an outage.
    pub short: usize,
}

impl Score {
    /// Compares `incidents` with `outages`, both in order.
    #[must_use]
    pub fn of(incidents: &[Incident], outages: &[Outage]) -> Self {
        let judged: Vec<&Incident> = incidents.iter().filter(|known| known.rule == RuleKind::Availability).collect();
        let mut found_after = Vec::new();
        // Both are in order and neither overlaps its own kind, so one pass suffices.
        let (mut first, mut finds) = (0, vec![false; judged.len()]);
        for outage in outages {
            let is_over = |known: &Incident| known.closed.is_some_and(|closed| closed <= outage.since);
            first += judged[first..].iter().take_while(|known| is_over(known)).count();
            let found = judged[first..].iter().take_while(|known| known.overlaps(outage.since, outage.until)).count();
            finds[first..first + found].fill(true);
            if found > 0 {
                found_after.push(judged[first].opened.since(outage.since));
            }
        }
        found_after.sort_unstable();
        let short = finds.iter().filter(|finds| !**finds).count();
        Self { missed: outages.len() - found_after.len(), found_after, short }
    }

    /// The median of [`Score::found_after`], by nearest rank.
    #[must_use]
    pub fn median(&self) -> Option<Duration> {
        self.found_after.get(self.found_after.len().saturating_sub(1) / 2).copied()
    }

    /// The longest of [`Score::found_after`].
    #[must_use]
    pub fn longest(&self) -> Option<Duration> {
        self.found_after.last().copied()
    }
}

/// Incidents under two sets of rules, A and B.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Incidents under A that overlap none under B.
    pub only_a: usize,
    /// Incidents under B that overlap none under A.
    pub only_b: usize,
    /// Incidents under A that overlap one under B.
    pub both: usize,
}

impl Overlap {
    /// Compares the incidents of one site. Those of different rules never overlap.
    #[must_use]
    pub fn of(a: &[Incident], b: &[Incident]) -> Self {
        let apart =
            |of: &[Incident], others: &[Incident]| of.iter().filter(|known| !has_overlap(known, others)).count();
        let (only_a, only_b) = (apart(a, b), apart(b, a));
        Self { only_a, only_b, both: a.len() - only_a }
    }

    /// The sum of both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        let Self { only_a, only_b, both } = other;
        Self { only_a: self.only_a + only_a, only_b: self.only_b + only_b, both: self.both + both }
    }
}

/// Whether one of `others`, which are in order, overlaps `known`.
#[must_use]
pub fn has_overlap(known: &Incident, others: &[Incident]) -> bool {
    let end = known.closed.unwrap_or(Timestamp::MAX);
    let before_end = &others[..others.partition_point(|other| other.opened < end)];
    // Incidents of one rule do not overlap, so the last one before the end decides.
    let last = before_end.iter().rfind(|other| other.rule == known.rule);
    last.is_some_and(|last| last.closed.is_none_or(|closed| known.opened < closed))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::alert::AlertState;
    use proptest::prelude::*;

    pub fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    /// A verdict of `rule` at [`at`] `secs`.
    pub fn verdict(rule: RuleKind, secs: u64, state: AlertState) -> Verdict {
        let (at, downtime, availability, reading) = (at(secs), None, None, None);
        Verdict {
            transition: Transition { rule, at, state, since: at, downtime, availability, reading, locations: None },
            cause: None,
        }
    }

    fn incident(opened: u64, closed: Option<u64>) -> Incident {
        Incident {
            rule: RuleKind::Availability,
            opened: at(opened),
            closed: closed.map(at),
            availability: None,
            cause: None,
        }
    }

    fn outage(since: u64, until: u64) -> Outage {
        Outage { since: at(since), until: at(until) }
    }

    #[test]
    fn transitions_pair_by_rule() {
        let found = incidents(&[
            verdict(RuleKind::Availability, 10, AlertState::Down),
            verdict(RuleKind::Latency, 20, AlertState::Breached),
            verdict(RuleKind::Availability, 30, AlertState::Up),
            verdict(RuleKind::Availability, 40, AlertState::Down),
        ]);
        let latency = Incident { rule: RuleKind::Latency, ..incident(20, None) };
        assert_eq!(found, [incident(10, Some(30)), latency, incident(40, None)]);
        assert_eq!(found[2].length(at(100)), Duration::from_mins(1));
    }

    #[test]
    fn an_incident_finds_outages_and_is_short_without_one() {
        let outages = [outage(100, 300), outage(500, 700), outage(900, 1_000), outage(2_000, 2_100)];
        let incidents = [
            incident(50, Some(60)),
            incident(130, Some(310)),
            incident(320, Some(330)),
            incident(520, Some(530)),
            incident(540, Some(950)),
            incident(2_101, None),
        ];
        let score = Score::of(&incidents, &outages);
        let secs: Vec<u64> = score.found_after.iter().map(Duration::as_secs).collect();
        assert_eq!((secs, score.missed, score.short), (vec![0, 20, 30], 1, 3));
        assert_eq!((score.median(), score.longest()), (Some(Duration::from_secs(20)), Some(Duration::from_secs(30))));
        assert_eq!(Score::of(&[], &[]), Score::default());
        assert_eq!(Score::default().median(), None);
    }

    /// Incidents or outages that do not overlap: pauses and lengths.
    fn spans() -> impl Strategy<Value = Vec<(u64, u64)>> {
        proptest::collection::vec((1u64..40, 1u64..40), 0..12).prop_map(|steps| {
            let mut now = 0;
            steps
                .into_iter()
                .map(|(pause, length)| {
                    let opened = now + pause;
                    now = opened + length;
                    (opened, now)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_all_pairs_find(known in spans(), outages in spans(), others in spans()) {
            let incidents: Vec<Incident> = known.iter().map(|span| incident(span.0, Some(span.1))).collect();
            let outages: Vec<Outage> = outages.iter().map(|span| outage(span.0, span.1)).collect();
            let score = Score::of(&incidents, &outages);
            let finds = |known: &Incident, outage: &Outage| known.overlaps(outage.since, outage.until);
            let missed = outages.iter().filter(|outage| !incidents.iter().any(|known| finds(known, outage))).count();
            let short = incidents.iter().filter(|known| !outages.iter().any(|outage| finds(known, outage))).count();
            prop_assert_eq!((score.missed, score.short), (missed, short));
            let first = |outage: &Outage| incidents.iter().find(|known| finds(known, outage));
            let mut after: Vec<Duration> =
                outages.iter().filter_map(|outage| Some(first(outage)?.opened.since(outage.since))).collect();
            after.sort_unstable();
            prop_assert_eq!(&score.found_after, &after);

            let others: Vec<Incident> = others.iter().map(|span| incident(span.0, Some(span.1))).collect();
            let meet = |a: &Incident, b: &Incident| a.opened < b.closed.unwrap() && b.opened < a.closed.unwrap();
            let apart = |a: &[Incident], b: &[Incident]| a.iter().filter(|a| !b.iter().any(|b| meet(a, b))).count();
            let overlap = Overlap::of(&incidents, &others);
            let (only_a, only_b) = (apart(&incidents, &others), apart(&others, &incidents));
            prop_assert_eq!((overlap.only_a, overlap.only_b, overlap.both), (only_a, only_b, incidents.len() - only_a));
        }
    }
}
