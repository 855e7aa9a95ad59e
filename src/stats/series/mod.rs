//! The response times of one site over a span of time, in cells aligned to the clock.
//!
//! Built from the samples in its ring, only for the site that is open. A finished cell never changes: its edges are
//! multiples of its length, which is a round one. A check covers its interval, so cells shorter than the interval are no
//! gaps; a cell without a successful check is one. Percentiles are exact, by nearest rank. Cost: O(n log n) in the samples.

pub(crate) mod site_history;
pub(crate) mod usual;
use std::time::Duration;

use crate::model::{Outcome, Sample, Timestamp};
use crate::stats::{Answer, AnswerCounts, Beat};

/// The upper edges of the histogram in milliseconds, the same for all sites so that they compare.
pub const EDGES_MS: [u32; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000];

/// The finest grain of history whose samples were removed.
pub const HOUR: Duration = Duration::from_hours(1);
/// From this span on, cells are whole hours.
const WEEK: u64 = 7 * 24 * 3_600 * 1_000_000;
/// Round lengths of cells, in ms below a second.
const MILLIS: [u64; 19] = [1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40, 50, 100, 150, 200, 300, 400, 500];
/// The same in seconds below an hour. They are close enough that a chart uses most of its width.
const SECONDS: [u64; 39] = [
    1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 35, 40, 45, 50, 60, 75, 90, 105, 120, 150, 180, 240, 300, 360, 420,
    480, 600, 720, 840, 900, 1_080, 1_200, 1_500, 1_800, 2_400, 3_000,
];
/// The same in hours; longer ones are whole days.
const HOURS: [u64; 9] = [1, 2, 3, 4, 6, 8, 12, 16, 24];

/// Percentiles of response times, in µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellTimes {
    /// Half of them took no longer.
    pub p50: u32,
    /// 95 of 100 took no longer.
    pub p95: u32,
    /// None took longer.
    pub max: u32,
}

/// The checks of one cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesCell {
    /// Numbers of successful and failed checks.
    pub beat: Beat,
    /// Of the successful and the slow ones; `None` without any.
    pub times: Option<CellTimes>,
    /// The failed ones by what they showed, in the order of the answers.
    pub failed: Vec<(Answer, u32)>,
}

impl SeriesCell {
    /// Takes in a failed check; ignores any other.
    fn note_failure(&mut self, sample: &Sample) {
        if sample.outcome() == Outcome::Down {
            add(&mut self.failed, Answer::of(sample.cause, sample.status), 1);
        }
    }
}

/// The failed ones of these checks, in the order of the answers.
pub(crate) fn failures(tally: &AnswerCounts) -> Vec<(Answer, u32)> {
    let mut failed = Vec::new();
    for (cause, status, count) in tally.iter().filter(|(cause, ..)| cause.outcome() == Outcome::Down) {
        add(&mut failed, Answer::of(cause, status), u32::try_from(count).unwrap_or(u32::MAX));
    }
    failed
}

/// Adds `count` to that of `answer`; the list stays in the order of the answers.
fn add(counts: &mut Vec<(Answer, u32)>, answer: Answer, count: u32) {
    match counts.binary_search_by_key(&answer, |known| known.0) {
        Ok(at) => counts[at].1 = counts[at].1.saturating_add(count),
        Err(at) => counts.insert(at, (answer, count)),
    }
}

/// A span of time in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesRange {
    /// Where the first cell begins.
    pub from: Timestamp,
    /// The length of a cell.
    pub cell: Duration,
    /// How many cells there are, at least 1.
    pub cells: usize,
}

impl SeriesRange {
    /// The last `span` before `to` in at most this many cells of a round length; the last one holds `to`.
    #[must_use]
    pub fn new(span: Duration, to: Timestamp, most: usize) -> Self {
        let most = u64::try_from(most.max(1)).unwrap_or(u64::MAX);
        let span = u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1);
        let cell = round(span.div_ceil(most), span >= WEEK);
        let cells = span.div_ceil(cell);
        let from = ((to.as_micros() / cell + 1) * cell).saturating_sub(cell * cells);
        Self {
            from: Timestamp::from_micros(from),
            cell: Duration::from_micros(cell),
            cells: usize::try_from(cells).expect("at most as many as was asked for"),
        }
    }

    /// Where cell number `cell` begins.
    #[must_use]
    pub fn start(&self, cell: usize) -> Timestamp {
        self.from.after(self.cell * u32::try_from(cell).unwrap_or(u32::MAX))
    }

    /// The cell that holds `at`.
    #[must_use]
    pub fn of(&self, at: Timestamp) -> Option<usize> {
        let after = at.as_micros().checked_sub(self.from.as_micros())?;
        let cell = u128::from(after) / self.cell.as_micros().max(1);
        usize::try_from(cell).ok().filter(|cell| *cell < self.cells)
    }
}

/// The shortest round length of a cell that is not below `least`, both in µs; `hourly`: in whole hours.
fn round(least: u64, hourly: bool) -> u64 {
    const HOUR: u64 = 3_600_000_000;
    let finer = MILLIS.iter().map(|ms| ms * 1_000).chain(SECONDS.iter().map(|secs| secs * 1_000_000));
    let lengths = finer.filter(|_| !hourly).chain(HOURS.iter().map(|hours| hours * HOUR));
    lengths.into_iter().find(|length| *length >= least).unwrap_or_else(|| least.div_ceil(24 * HOUR) * 24 * HOUR)
}

/// The cells of a scope and their totals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Oldest first.
    pub cells: Vec<SeriesCell>,
    /// Over all cells.
    pub all: Option<CellTimes>,
    /// Samples up to each of [`EDGES_MS`] and above the last.
    pub spread: [u64; EDGES_MS.len() + 1],
    /// The failed checks of all cells, the most frequent answer first.
    pub failed: Vec<(Answer, u32)>,
}

/// Which of [`EDGES_MS`] a response time in µs lies within; their number for what lies above all.
pub fn edge_of(micros: u32) -> usize {
    EDGES_MS.iter().position(|edge| micros <= edge * 1_000).unwrap_or(EDGES_MS.len())
}

impl Series {
    /// The numbers in `spread`.
    pub const SPREAD: usize = EDGES_MS.len() + 1;

    /// `cells` cells without a check.
    #[must_use]
    pub fn empty(cells: usize) -> Self {
        Self { cells: vec![SeriesCell::default(); cells], all: None, spread: Default::default(), failed: Vec::new() }
    }

    /// Cuts `samples`, oldest first, of a site that is checked every `interval`.
    #[must_use]
    pub fn of(samples: &[Sample], scope: &SeriesRange, interval: Duration) -> Self {
        let mut series = Self::empty(scope.cells);
        let mut times: Vec<Vec<u32>> = vec![Vec::new(); scope.cells];
        for sample in samples {
            let Some(at) = scope.of(sample.at) else { continue };
            match sample.outcome() {
                Outcome::Up => series.cells[at].beat.up += 1,
                Outcome::Down => series.cells[at].beat.down += 1,
                Outcome::Unknown => {}
            }
            series.cells[at].note_failure(sample);
            if sample.cause.is_timed() {
                times[at].push(sample.total().get());
            }
        }
        let mut all: Vec<u32> = Vec::new();
        for (cell, times) in series.cells.iter_mut().zip(&mut times) {
            all.extend_from_slice(times);
            cell.times = percentiles(times);
        }
        for time in &all {
            series.spread[edge_of(*time)] += 1;
        }
        series.all = percentiles(&mut all);
        for &(answer, count) in series.cells.iter().flat_map(|cell| &cell.failed) {
            add(&mut series.failed, answer, count);
        }
        series.failed.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        series.speak(scope, interval);
        series
    }

    /// Extends every check over its interval.
    pub(crate) fn speak(&mut self, scope: &SeriesRange, interval: Duration) {
        let reach = interval.as_micros().div_ceil(scope.cell.as_micros().max(1));
        let reach = usize::try_from(reach).unwrap_or(usize::MAX);
        let mut spoken: Option<(usize, SeriesCell)> = None;
        for (i, cell) in self.cells.iter_mut().enumerate() {
            match &spoken {
                _ if cell.beat != Beat::default() => spoken = Some((i, cell.clone())),
                Some((at, before)) if i - *at <= reach => cell.clone_from(before),
                _ => {}
            }
        }
    }
}

/// Sorts `times` for it.
fn percentiles(times: &mut [u32]) -> Option<CellTimes> {
    times.sort_unstable();
    let rank = |percent: usize| times.get((times.len() * percent).div_ceil(100).max(1) - 1).copied();
    Some(CellTimes { p50: rank(50)?, p95: rank(95)?, max: *times.last()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Micros, Observation, Phase, Phases};
    use proptest::prelude::*;

    fn sample(at: Timestamp, cause: Cause, micros: u32) -> Sample {
        let mut observation = Observation::failed(cause, "");
        observation.phases = Phases::NONE.with(Phase::Processing, Micros::new(micros));
        observation.sample(at, Micros::ZERO, 0)
    }

    #[test]
    fn gaps_are_gaps_and_a_check_speaks_for_its_interval() {
        let secs = |secs: u64| Timestamp::from_secs(1_000 + secs);
        let samples = [
            sample(secs(1), Cause::Ok, 10),
            sample(secs(21), Cause::Reset, 20),
            sample(secs(41), Cause::Slow, 90_000),
            sample(secs(42), Cause::Ok, 30),
            sample(secs(61), Cause::Local, 5),
        ];
        let scope = SeriesRange::new(Duration::from_secs(100), secs(99), 10);
        assert_eq!((scope.from, scope.cell), (secs(0), Duration::from_secs(10)));
        assert_eq!((scope.start(4), scope.of(secs(49))), (secs(40), Some(4)));
        let series = Series::of(&samples, &scope, Duration::from_secs(10));
        let medians: Vec<Option<u32>> = series.cells.iter().map(|cell| Some(cell.times?.p50)).collect();
        let none = None;
        assert_eq!(medians, [Some(10), Some(10), none, none, Some(30), Some(30), none, none, none, none]);
        let down: Vec<u32> = series.cells.iter().map(|cell| cell.beat.down).collect();
        assert_eq!(down, [0, 0, 1, 1, 1, 1, 0, 0, 0, 0]);
        let (reset, slow) = (Answer::Cause(Cause::Reset), Answer::Cause(Cause::Slow));
        let failed: Vec<&[(Answer, u32)]> = series.cells[1..5].iter().map(|cell| &cell.failed[..]).collect();
        assert_eq!(failed, [&[], &[(reset, 1)][..], &[(reset, 1)], &[(slow, 1)]]);
        assert_eq!(series.failed, [(reset, 1), (slow, 1)], "each check once");
        assert_eq!(series.all, Some(CellTimes { p50: 30, p95: 90_000, max: 90_000 }));
        assert_eq!((series.spread[0], series.spread[6], series.spread.iter().sum::<u64>()), (2, 1, 3));
    }

    #[test]
    fn cells_have_round_lengths_and_use_most_of_the_width() {
        let length = |span: Duration, most| SeriesRange::new(span, Timestamp::from_secs(2_000_000), most).cell;
        let (secs, mins, hours) = (Duration::from_secs, Duration::from_mins, Duration::from_hours);
        for (span, most, cell) in [
            (mins(1), 109, secs(1)),
            (mins(10), 109, secs(6)),
            (hours(1), 109, secs(35)),
            (hours(1), 189, secs(20)),
            (hours(6), 109, mins(4)),
            (hours(24), 109, mins(14)),
            (hours(24), 10, hours(3)),
            (hours(24 * 7), 109, hours(2)),
            (hours(24 * 7), 300, hours(1)),
            (hours(24 * 30), 109, hours(8)),
            (hours(24 * 400), 109, hours(24 * 4)),
        ] {
            assert_eq!(length(span, most), cell, "{span:?} in {most}");
        }
        for least in (3_001..=3_600_000).step_by(499).map(|ms| ms * 1_000) {
            assert!(round(least, false) < least * 4 / 3 + 1_000_000, "{least}");
        }
    }

    proptest! {
        #[test]
        fn finished_cells_never_change_and_none_is_counted_twice(
            gaps in prop::collection::vec(1u64..20_000_000, 0..80), step in 0u64..60_000_000, cells in 1usize..100,
        ) {
            let mut at = 1_000_000_000;
            let samples: Vec<Sample> = gaps.iter().map(|gap| {
                at += gap;
                sample(Timestamp::from_micros(at), if gap % 3 == 0 { Cause::Reset } else { Cause::Ok }, (gap % 7_919) as u32)
            }).collect();
            let span = Duration::from_mins(10);
            let interval = Duration::from_micros(1);
            let [one, two] = [at, at + step].map(|to| SeriesRange::new(span, Timestamp::from_micros(to), cells));
            let [first, second] = [one, two].map(|scope| Series::of(&samples, &scope, interval));
            let counted: u32 = first.cells.iter().map(|cell| cell.beat.up + cell.beat.down).sum();
            let within = samples.iter().filter(|sample| sample.at >= one.from).count();
            if one.cell > 2 * interval {
                prop_assert!(counted as usize >= within);
            }
            let moved = u128::from(two.from.as_micros() - one.from.as_micros());
            let shift = usize::try_from(moved / one.cell.as_micros()).unwrap();
            for i in shift + 1..one.cells {
                prop_assert_eq!(first.cells[i].times, second.cells[i - shift].times, "cell {}", i);
            }
        }
    }
}
