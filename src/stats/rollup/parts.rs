//! The figures of a period of which some times are left out, such as maintenance: those of the parts that remain.
//!
//! Invariants: counts, sums and distributions are those of the samples in the parts. Coverage counts the due checks of the parts
//! alone. No outage and no gap spans a time that is left out. One part alone has the figures of [`PeriodFigures`].

use crate::model::time::duration::micros;
use crate::model::{Timeframe, Timestamp};
use crate::stats::{Cadence, Gap, PeriodFigures, Summary, Unmade};

/// The parts so far, summed up.
#[derive(Clone, Debug, Default)]
pub struct PeriodParts {
    /// The figures of all samples.
    pub whole: PeriodFigures,
    unmade: Unmade,
}

impl PeriodParts {
    /// Appends the figures of the part from `since` to `until`, later than those before it. `begins` is the due time of the
    /// oldest check of which anything is kept.
    pub fn append(
        &mut self,
        (since, until): (Timestamp, Timestamp),
        mut part: PeriodFigures,
        cadence: Option<Cadence>,
        begins: Option<Timestamp>,
    ) {
        let mut unmade =
            cadence.map_or(Unmade::default(), |cadence| cadence.unmade((since, until), part.oldest, part.newest_due));
        unmade.before = part.before(since, cadence, begins);
        if let (Some(cadence), None) = (cadence, part.oldest) {
            unmade.open = micros(until.since(since)) / micros(cadence.interval).max(1);
        }
        match cadence {
            Some(cadence) if part.last_at.is_some() => part.end(until, cadence),
            Some(_) if self.whole.last_at.is_some() => part.holes.note(Gap { since, until }),
            _ => {}
        }
        self.whole.outages.interrupt();
        self.whole.append(&part);
        self.unmade.outside += unmade.outside;
        self.unmade.open += unmade.open;
        self.unmade.before += unmade.before;
    }

    /// Adds the same parts of another location: all samples count. Outages and gaps are those of one location and stay out.
    pub fn pool(&mut self, other: &Self) {
        self.whole.pool(&other.whole);
        self.unmade.outside += other.unmade.outside;
        self.unmade.open += other.unmade.open;
        self.unmade.before += other.unmade.before;
    }

    /// All figures; from `since` to `until` without what is left out.
    #[must_use]
    pub fn summary(&self, (since, until): (Timestamp, Timestamp)) -> Summary {
        self.whole.rollup.summary(until, Timeframe::new(until.since(since)), self.unmade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Flags, Micros, Observation, Sample};
    use crate::stats::window::tests::samples;
    use proptest::prelude::*;
    use std::time::Duration;

    const CADENCE: Cadence = Cadence { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) };

    fn figures(samples: &[Sample]) -> PeriodFigures {
        let mut figures = PeriodFigures::default();
        for sample in samples {
            figures.admit(sample, None);
        }
        figures
    }

    proptest! {
        #[test]
        fn one_part_is_the_period(samples in samples(1..100), before in 0u64..1_000_000_000, after in 0u64..1_000_000_000, known in any::<bool>()) {
            let (first, last) = (samples[0].at, samples[samples.len() - 1].at);
            let period = (first.before(Duration::from_micros(before)), last.after(Duration::from_micros(after + 1)));
            let (figures, cadence) = (figures(&samples), known.then_some(CADENCE));
            for begins in [None, Some(Cadence::due(&samples[0])), Some(Timestamp::ZERO)] {
                let mut parts = PeriodParts::default();
                parts.append(period, figures.clone(), cadence, begins);
                prop_assert_eq!(parts.summary(period), figures.summary(period, cadence, begins));
            }
        }
    }

    fn sample(secs: u64, cause: Cause, skipped: u32) -> Sample {
        let mut sample = Observation::failed(cause, "").sample(Timestamp::from_secs(secs), Micros::ZERO, skipped);
        if skipped > 2 {
            sample.flags = sample.flags.with(Flags::AFTER_HOLE);
        }
        sample
    }

    #[test]
    fn coverage_counts_the_due_checks_of_the_parts_alone() {
        let at = Timestamp::from_secs;
        // Checked to 1,000 s and from 1,200 s on, with all that was skipped in between noted there; 1,050 to 1,150 is left out.
        let first: Vec<Sample> = (91..=100).map(|n| sample(n * 10, Cause::Ok, 0)).collect();
        let second = [sample(1_200, Cause::Ok, 19), sample(1_210, Cause::Ok, 0)];
        let mut parts = PeriodParts::default();
        let begins = Some(at(500));
        parts.append((at(905), at(1_050)), figures(&first), Some(CADENCE), begins);
        parts.append((at(1_150), at(1_211)), figures(&second), Some(CADENCE), begins);
        let summary = parts.summary((at(905), at(1_211)));
        // 12 made; 3 missing before the part that is left out (the newest may still come), 4 after it.
        assert_eq!(summary.counts.checks(), 12);
        assert_eq!(summary.coverage, Some(12.0 / (12.0 + 3.0 + 4.0)));
        // A part without a check is not covered at all.
        parts.append((at(1_300), at(1_400)), PeriodFigures::default(), Some(CADENCE), begins);
        assert_eq!(parts.summary((at(905), at(1_400))).coverage, Some(12.0 / (19.0 + 10.0)));
        assert_eq!(parts.whole.holes_since(at(905)).last(), Some(&Gap { since: at(1_300), until: at(1_400) }));
    }

    #[test]
    fn no_outage_spans_what_is_left_out() {
        let at = Timestamp::from_secs;
        let failed = |secs: std::ops::Range<u64>| -> Vec<Sample> {
            secs.step_by(10).map(|at| sample(at, Cause::Reset, 0)).collect()
        };
        let mut parts = PeriodParts::default();
        parts.append((at(1_000), at(1_100)), figures(&failed(1_000..1_100)), Some(CADENCE), None);
        parts.append((at(2_000), at(2_060)), figures(&failed(2_000..2_060)), Some(CADENCE), None);
        assert_eq!(parts.whole.outages.longest.unwrap().length(), Duration::from_secs(90));
    }
}
