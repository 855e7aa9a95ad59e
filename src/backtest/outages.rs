//! The times in which every check of a site failed, one by one: what its rules should find.
//!
//! Invariants: the same outages as [`stats::Outages`](crate::stats::Outages) sums up. Bounds: those shorter than asked for are not kept.

use std::time::Duration;

use crate::model::{Flags, Packed};
use crate::stats::{Outage, Outages};

/// Finds outages in samples that pass one after the other.
#[derive(Clone, Debug)]
pub struct OutageFinder {
    least: Duration,
    walked: Outages,
    found: Vec<Outage>,
}

impl OutageFinder {
    /// Finds those that last at least `least`.
    #[must_use]
    pub fn new(least: Duration) -> Self {
        Self { least, walked: Outages::default(), found: Vec::new() }
    }

    /// Takes the next sample.
    pub fn admit(&mut self, sample: &Packed) {
        if sample.flags().has(Flags::AFTER_HOLE) {
            self.keep(self.walked.open);
            self.walked.interrupt();
        }
        let before = self.walked.open;
        self.walked.admit(sample.at(), sample.outcome());
        if let Some(open) = before.filter(|_| self.walked.open.is_none()) {
            self.keep(Some(Outage { until: sample.at(), ..open }));
        }
    }

    /// All of them, in order; one that still lasts ends with the last failed check.
    #[must_use]
    pub fn finish(mut self) -> Vec<Outage> {
        self.keep(self.walked.open);
        self.found
    }

    fn keep(&mut self, outage: Option<Outage>) {
        self.found.extend(outage.filter(|outage| self.least <= outage.length()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::tests::{sample, sample_with};
    use crate::model::{Cause, Timestamp};
    use proptest::prelude::*;

    fn outages(least: u64, samples: &[Packed]) -> Vec<(u64, u64)> {
        let mut finder = OutageFinder::new(Duration::from_secs(least));
        for sample in samples {
            finder.admit(sample);
        }
        let secs = |at: Timestamp| at.as_micros() / 1_000_000;
        finder.finish().iter().map(|outage| (secs(outage.since), secs(outage.until))).collect()
    }

    #[test]
    fn an_outage_lasts_from_its_first_failure_to_the_next_success() {
        let (up, down, local) = (Cause::Ok, Cause::Status, Cause::Local);
        let causes = [up, down, down, up, down, local, down, local, up, down, down, down];
        let samples: Vec<Packed> = (0u64..).step_by(10).zip(causes).map(|(at, cause)| sample(at, cause)).collect();
        assert_eq!(outages(0, &samples), [(10, 30), (40, 80), (90, 110)]);
        assert_eq!(outages(20, &samples), [(10, 30), (40, 80), (90, 110)]);
        assert_eq!(outages(21, &samples), [(40, 80)]);
        // A hole ends an outage with its last failed check.
        let samples = [sample(0, down), sample(10, down), sample_with(100, down, Flags::AFTER_HOLE), sample(120, down)];
        assert_eq!(outages(0, &samples), [(0, 10), (100, 120)]);
    }

    proptest! {
        #[test]
        fn the_longest_is_that_of_the_figures(steps in proptest::collection::vec((1u64..30, 0usize..4, 0u8..12), 0..80)) {
            let (mut at, mut samples, mut walked) = (0, Vec::new(), Outages::default());
            for (step, cause, hole) in steps {
                at += step;
                let cause = [Cause::Ok, Cause::Status, Cause::Status, Cause::Local][cause];
                let flags = if hole == 0 { Flags::AFTER_HOLE } else { Flags::none() };
                if hole == 0 {
                    walked.interrupt();
                }
                walked.admit(Timestamp::from_secs(at), cause.outcome());
                samples.push(sample_with(at, cause, flags));
            }
            let longest = outages(0, &samples).iter().map(|(since, until)| until - since).max();
            prop_assert_eq!(longest, walked.longest.map(|outage| outage.length().as_secs()));
        }
    }
}
