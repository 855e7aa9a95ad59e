//! The row of a site over its locations in a view, from the samples of each.
//!
//! Availability and coverage are those that the locations saw together (see [`crate::alert::quorum::seen`]); counts and
//! response times are those of all samples. A cell of the heartbeat counts time, in thousandths of its length.
//!
//! Invariant: it depends on the samples, not on who sent them first. As in a view of one location, time before the first sample is
//! no gap. Cost: a pass over the samples of the window, and another one over their changes of outcome.

use std::ops::Range;

use crate::alert::quorum::{QuorumRule, Seen, Track, spans};
use crate::engine::Row;
use crate::model::{Outcome, Sample, Timeframe, Timestamp};
use crate::stats::{Availability, BeatTimes, Cadence, PeriodFigures, Unmade};

/// What one location knows of the site.
#[derive(Clone, Debug)]
pub(super) struct Witness {
    /// How often it checks.
    pub(super) cadence: Cadence,
    /// Its samples in the order of time, from [`hold`] before the window on.
    pub(super) samples: Vec<Sample>,
    /// Its first sample of all that are remembered.
    pub(super) begins: Option<Timestamp>,
    /// When it was blind.
    pub(super) blind: Vec<Range<Timestamp>>,
}

impl Witness {
    fn track(&self) -> Track<impl Iterator<Item = (Timestamp, Outcome)>> {
        Track {
            samples: self.samples.iter().map(|sample| (sample.at, sample.outcome())),
            hold: hold(self.cadence),
            blind: self.blind.clone(),
        }
    }
}

/// For how long a sample counts.
pub(super) fn hold(cadence: Cadence) -> std::time::Duration {
    cadence.interval + cadence.timeout
}

/// The row of the window of `timeframe` up to `as_of`.
pub(super) fn row(witnesses: &[Witness], (timeframe, as_of): (Timeframe, Timestamp), rule: &QuorumRule) -> Row {
    let cutoff = timeframe.cutoff(as_of);
    let (mut pooled, mut unmade, mut oldest) = (PeriodFigures::default(), Unmade::default(), None);
    for witness in witnesses {
        let before = witness.samples.partition_point(|sample| sample.at <= cutoff);
        let end = witness.samples.partition_point(|sample| sample.at <= as_of);
        let inside = &witness.samples[before..end.max(before)];
        let mut own = PeriodFigures::default();
        own.admit_all(inside, None);
        let newest_due = witness.samples[..end].iter().map(Cadence::due).max();
        let missing = witness.cadence.unmade((cutoff, as_of), own.oldest, newest_due);
        unmade.outside += missing.outside;
        unmade.open += missing.open;
        pooled.rollup.merge(&own.rollup);
        oldest = [oldest, inside.first().map(|sample| sample.at)].into_iter().flatten().min();
    }
    let mut cells = BeatTimes::new(as_of, timeframe);
    let mut seen = Seen::default();
    if let Some(begins) = witnesses.iter().filter_map(|witness| witness.begins).min() {
        let tracks = witnesses.iter().map(Witness::track).collect();
        spans(tracks, cutoff.max(begins)..as_of.max(begins), rule, |verdict, span| {
            seen.add(verdict, span.end.since(span.start));
            cells.take(verdict.is_up(), &span);
        });
    }
    let mut summary = pooled.rollup.summary(as_of, timeframe, unmade);
    (summary.availability, summary.coverage) = (seen.availability(), seen.coverage().map(Availability::ratio));
    Row { summary, beats: cells.beats(), oldest, is_exact: true }
}
