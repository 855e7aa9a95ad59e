//! A chart of the stored history of one site: the request, and what the store holds for it.
//!
//! The dashboard sends a [`HistoryRequest`]; a reader of the store feeds the site's samples, oldest first, to a
//! [`HistoryBuilder`] and returns a [`SiteHistory`]. A gap is a time without samples for longer than three intervals
//! and a timeout, or one that a sample marks. A span of a week or longer is cut into whole hours and built from the
//! stored rollups ([`SiteHistory::of_sums`]); so is a shorter span whose samples were removed, each cell showing its
//! whole hour.
//!
//! Bounds: percentiles are within 1 %. Memory is one histogram per cell that has samples.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Flags, Outcome, Sample, Timeframe, Timestamp};
use crate::stats::{Answer, Beat, Cadence, Histogram, PeriodFigures, Rollup, Summary};

use super::{CellTimes, HOUR, Series, SeriesCell, SeriesRange, edge_of, failures};

/// Gaps that are listed: the longest ones.
const HOLES: usize = 3;

/// A request for the history of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRequest {
    /// Its name.
    pub site: Arc<str>,
    /// The names of its locations, whose checks are laid on one line; none of a site that is checked from one place.
    pub locations: Vec<Arc<str>>,
    /// How often it is checked.
    pub cadence: Cadence,
    /// Length of the chart.
    pub span: Duration,
    /// Its end.
    pub until: Timestamp,
    /// Whether the end is now.
    pub live: bool,
    /// Largest number of cells.
    pub columns: usize,
}

impl HistoryRequest {
    /// The cells.
    #[must_use]
    pub fn scope(&self) -> SeriesRange {
        SeriesRange::new(self.span, self.until, self.columns)
    }

    /// The periods whose sums are needed, consecutive, ends exclusive: the cells, or the hours that contain them.
    #[must_use]
    pub fn parts(&self) -> Vec<(Timestamp, Timestamp)> {
        let scope = self.scope();
        let length = scope.cell.max(HOUR);
        let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        let first = Timestamp::from_micros(scope.from.as_micros() / micros * micros);
        let starts = std::iter::successors(Some(first), |start| Some(start.after(length)));
        let end = self.until.after(Duration::from_micros(1));
        // A cell shorter than an hour shows its whole hour.
        let until =
            |start: Timestamp| if scope.cell < HOUR { start.after(length) } else { end.min(start.after(length)) };
        starts.take_while(|start| *start < end).map(|start| (start, until(start))).collect()
    }

    /// Whether the answer to `other` fits this request: the same period, or the same span up to a moment ago.
    #[must_use]
    pub fn is_served_by(&self, other: &Self) -> bool {
        let same_end = self.until == other.until || (self.live && other.live);
        same_end
            && (&self.site, &self.locations, self.span, self.columns)
                == (&other.site, &other.locations, other.span, other.columns)
    }
}

/// A time in which a site was not monitored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryGap {
    /// From the last check before it.
    pub from: Timestamp,
    /// To the first one after it.
    pub until: Timestamp,
    /// Whether other sites were checked in the meantime, so webmon was running.
    pub others: bool,
}

/// The stored answer to a [`HistoryRequest`].
#[derive(Clone, Debug)]
pub struct SiteHistory {
    /// The request.
    pub wanted: HistoryRequest,
    /// The cells.
    pub series: Series,
    /// The figures of the whole period.
    pub summary: Summary,
    /// The longest gaps, longest first.
    pub holes: Vec<HistoryGap>,
    /// Number of further gaps.
    pub more_holes: usize,
    /// When the oldest stored check of the site was made; `None` without one.
    pub begins: Option<Timestamp>,
    /// Whether the summary is exact to the sample.
    pub is_exact: bool,
    /// Whether each cell shows its whole hour because the samples were removed.
    pub is_hourly: bool,
    /// Why the store could not be read.
    pub trouble: Option<String>,
}

impl SiteHistory {
    /// What these sums tell: `parts` are those of [`HistoryRequest::parts`], `whole` is that of all of them and whether
    /// it is to the sample. `begins` and `others` are as in [`HistoryBuilder::finish`].
    #[must_use]
    pub fn of_sums(
        wanted: HistoryRequest,
        parts: &[PeriodFigures],
        (mut whole, is_exact): (PeriodFigures, bool),
        begins: Option<Timestamp>,
        others: impl FnMut(Timestamp, Timestamp) -> bool,
    ) -> Self {
        let (scope, cadence, until) = (wanted.scope(), wanted.cadence, wanted.until);
        let length = scope.cell.max(HOUR).as_micros();
        let number = |at: Timestamp| u128::from(at.as_micros()) / length;
        let part = |cell: usize| {
            let start = scope.from.after(scope.cell * u32::try_from(cell).unwrap_or(u32::MAX));
            parts.get(usize::try_from(number(start) - number(scope.from)).ok()?)
        };
        let mut series = Series::empty(0);
        series.cells = (0..scope.cells).map(|cell| part(cell).map_or_else(SeriesCell::default, summed)).collect();
        series.all = cell_times(&whole.rollup.response, whole.rollup.response_max);
        for (highest, count) in whole.rollup.response.buckets() {
            series.spread[edge_of(highest)] += u64::from(count);
        }
        series.failed = most_frequent_first(&whole.rollup);
        series.speak(&scope, cadence.interval);
        whole.end(until, cadence);
        let summary = whole.summary((scope.from, until), Some(cadence), begins);
        let hole = |hole: crate::stats::Gap| HistoryGap { from: hole.since, until: hole.until, others: false };
        let mut holes: Vec<HistoryGap> = whole.holes_since(scope.from).into_iter().map(hole).collect();
        holes.sort_by_key(|hole| std::cmp::Reverse(hole.until.since(hole.from)));
        let more = holes.len().saturating_sub(HOLES) + usize::try_from(whole.holes.more).unwrap_or(usize::MAX);
        holes.truncate(HOLES);
        explain(&mut holes, cadence, others);
        let is_hourly = scope.cell < HOUR;
        let summary = Summary { timeframe: Timeframe::new(wanted.span), ..summary };
        Self { wanted, series, summary, holes, more_holes: more, begins, is_exact, is_hourly, trouble: None }
    }
}

/// Finds out for each gap whether other sites were checked in the meantime.
fn explain(holes: &mut [HistoryGap], cadence: Cadence, mut others: impl FnMut(Timestamp, Timestamp) -> bool) {
    for hole in holes {
        // At the edges, the other sites may have been checked a little longer, or again a little earlier.
        let (from, until) = (hole.from.after(cadence.silence()), hole.until.before(cadence.silence()));
        hole.others = from < until && others(from, until);
    }
}

fn most_frequent_first(rollup: &Rollup) -> Vec<(Answer, u32)> {
    let mut failed = failures(&rollup.totals.tally);
    failed.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    failed
}

fn summed(stretch: &PeriodFigures) -> SeriesCell {
    let Rollup { totals, response, response_max, .. } = &stretch.rollup;
    let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let beat = Beat { up: count(totals.counts.up), down: count(totals.counts.down) };
    SeriesCell { beat, times: cell_times(response, *response_max), failed: failures(&totals.tally) }
}

/// Makes a [`SiteHistory`] of samples.
#[derive(Debug)]
pub struct HistoryBuilder {
    wanted: HistoryRequest,
    scope: SeriesRange,
    cells: Vec<(SeriesCell, Histogram, u32)>,
    rollup: Rollup,
    spread: Vec<u64>,
    oldest: Option<Sample>,
    newest_due: Option<Timestamp>,
    last_at: Option<Timestamp>,
    holes: Vec<HistoryGap>,
    more_holes: usize,
}

impl HistoryBuilder {
    /// An empty builder for `wanted`.
    #[must_use]
    pub fn new(wanted: HistoryRequest) -> Self {
        let scope = wanted.scope();
        Self {
            cells: (0..scope.cells).map(|_| (SeriesCell::default(), Histogram::default(), 0)).collect(),
            spread: vec![0; Series::SPREAD],
            scope,
            wanted,
            rollup: Rollup::default(),
            oldest: None,
            newest_due: None,
            last_at: None,
            holes: Vec::new(),
            more_holes: 0,
        }
    }

    /// The first instant of the period.
    #[must_use]
    pub const fn from(&self) -> Timestamp {
        self.scope.from
    }

    /// Adds the next sample; ignores those outside the period.
    pub fn admit(&mut self, sample: &Sample) {
        if sample.at > self.wanted.until {
            return;
        }
        let Some(at) = self.scope.of(sample.at) else { return };
        let before = self.last_at.replace(sample.at);
        let silent = before.is_some_and(|before| sample.at.since(before) > self.wanted.cadence.silence());
        if silent || sample.flags.has(Flags::AFTER_HOLE) {
            self.note_hole(before.unwrap_or(self.scope.from), sample.started());
        }
        let (cell, times, max) = &mut self.cells[at];
        match sample.outcome() {
            Outcome::Up => cell.beat.up += 1,
            Outcome::Down => cell.beat.down += 1,
            Outcome::Unknown => {}
        }
        cell.note_failure(sample);
        if sample.cause.is_timed() {
            let total = sample.total().get();
            times.record_all(&[total]);
            *max = total.max(*max);
            self.spread[edge_of(total)] += 1;
        }
        self.rollup.admit(sample);
        self.oldest.get_or_insert(*sample);
        self.newest_due = self.newest_due.max(Some(Cadence::due(sample)));
    }

    /// All of it. `begins` is when the oldest stored check was made, and `others` tells whether other sites were
    /// checked between two instants.
    #[must_use]
    pub fn finish(
        mut self,
        begins: Option<Timestamp>,
        others: impl FnMut(Timestamp, Timestamp) -> bool,
    ) -> SiteHistory {
        let (cadence, until) = (self.wanted.cadence, self.wanted.until);
        // Nothing was missed before the very first check; after the last one something may have been.
        let last = self.last_at.or(begins.map(|begins| begins.max(self.scope.from)));
        if let Some(last) = last.filter(|last| until.since(*last) > cadence.silence()) {
            self.note_hole(last, until);
        }
        explain(&mut self.holes, cadence, others);
        let cells: Vec<SeriesCell> = self
            .cells
            .into_iter()
            .map(|(cell, times, max)| SeriesCell { times: cell_times(&times, max), ..cell })
            .collect();
        let mut series = Series::empty(0);
        series.cells = cells;
        series.all = cell_times(&self.rollup.response, self.rollup.response_max);
        series.spread.copy_from_slice(&self.spread);
        series.failed = most_frequent_first(&self.rollup);
        series.speak(&self.scope, cadence.interval);
        let oldest = self.oldest.as_ref().map(Into::into);
        let mut unmade = cadence.unmade((self.scope.from, until), oldest, self.newest_due);
        unmade.before = cadence.before(self.scope.from, oldest, begins);
        let timeframe = Timeframe::new(self.wanted.span);
        let summary = self.rollup.summary(until, timeframe, unmade);
        let (holes, more_holes) = (self.holes, self.more_holes);
        let (is_exact, is_hourly) = (true, false);
        SiteHistory {
            wanted: self.wanted,
            series,
            summary,
            holes,
            more_holes,
            begins,
            is_exact,
            is_hourly,
            trouble: None,
        }
    }

    fn note_hole(&mut self, from: Timestamp, until: Timestamp) {
        let length = until.since(from);
        let at = self.holes.partition_point(|hole| hole.until.since(hole.from) >= length);
        self.holes.insert(at, HistoryGap { from, until, others: false });
        if self.holes.len() > HOLES {
            self.holes.truncate(HOLES);
            self.more_holes += 1;
        }
    }
}

fn cell_times(times: &Histogram, max: u32) -> Option<CellTimes> {
    let [p50, p95] = times.percentiles([50, 95])?;
    Some(CellTimes { p50: p50.min(max), p95: p95.min(max), max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Micros, Observation, Phase, Phases};

    const START: Timestamp = Timestamp::from_secs(1_795_255_200);

    /// Ten days of checks every five minutes, now and then a failed or a long one, with a hole of a day.
    fn samples() -> Vec<Sample> {
        let made = |index: u64| {
            let cause = if index % 41 == 7 { Cause::Reset } else { Cause::Ok };
            let mut observation = Observation::failed(cause, "");
            let scale = if index.is_multiple_of(97) { 100 } else { 1 };
            let micros = 12_000 + u32::try_from(index * 7_919 % 5_000 * scale).unwrap();
            observation.phases = Phases::NONE.with(Phase::Processing, Micros::new(micros));
            let mut sample = observation.sample(START.after(Duration::from_mins(5 * index)), Micros::ZERO, 0);
            if index == 1_200 + 288 {
                sample.flags = Flags::AFTER_HOLE;
            }
            sample
        };
        (0..2_880).filter(|index| !(1_200..1_200 + 288).contains(index)).map(made).collect()
    }

    fn wanted(span: Duration, columns: usize) -> HistoryRequest {
        let cadence = Cadence { interval: Duration::from_mins(5), timeout: Duration::from_secs(5) };
        let until = START.after(Duration::from_hours(10 * 24));
        HistoryRequest { site: "api".into(), locations: Vec::new(), cadence, span, until, live: true, columns }
    }

    fn summed_up(samples: &[Sample], (since, until): (Timestamp, Timestamp)) -> PeriodFigures {
        let mut stretch = PeriodFigures::default();
        for sample in samples.iter().filter(|sample| since <= sample.at && sample.at < until) {
            stretch.admit(sample, Some(since));
        }
        stretch
    }

    #[test]
    fn sums_of_hours_show_what_all_their_samples_show() {
        let samples = samples();
        for (days, columns) in [(7, 69), (7, 250), (30, 69), (30, 189)] {
            let wanted = wanted(Duration::from_hours(24 * days), columns);
            let mut gather = HistoryBuilder::new(wanted.clone());
            for sample in &samples {
                gather.admit(sample);
            }
            let others = |_, _| true;
            let of_samples = gather.finish(Some(START), others);
            let parts = wanted.parts();
            assert_eq!(parts.len(), wanted.scope().cells);
            assert!(parts.windows(2).all(|pair| pair[0].1 == pair[1].0));
            let whole = (parts[0].0, parts[parts.len() - 1].1);
            let sums: Vec<PeriodFigures> = parts.iter().map(|part| summed_up(&samples, *part)).collect();
            let of_sums = SiteHistory::of_sums(wanted, &sums, (summed_up(&samples, whole), true), Some(START), others);
            assert_eq!(of_sums.series, of_samples.series, "{days} days in {columns}");
            assert_eq!(of_sums.summary.counts, of_samples.summary.counts);
            assert_eq!(of_sums.holes, of_samples.holes);
            assert_eq!(of_sums.holes.len(), 1);
            assert!(!of_sums.is_hourly && of_sums.series.cells.iter().any(|cell| cell.times.is_some()));
        }
    }

    #[test]
    fn where_only_hours_are_kept_each_cell_shows_its_hour() {
        let samples = samples();
        let wanted = HistoryRequest { until: START.after(Duration::from_mins(5 * 60 + 10)), ..wanted(2 * HOUR, 60) };
        let parts = wanted.parts();
        assert!(parts.iter().all(|part| part.1.since(part.0) == HOUR && part.0.as_micros() % 3_600_000_000 == 0));
        let sums: Vec<PeriodFigures> = parts.iter().map(|part| summed_up(&samples, *part)).collect();
        let scope = wanted.scope();
        let past = SiteHistory::of_sums(wanted, &sums, (PeriodFigures::default(), false), None, |_, _| false);
        assert!(past.is_hourly && !past.is_exact);
        for (number, cell) in past.series.cells.iter().enumerate() {
            let at = scope.from.after(scope.cell * u32::try_from(number).unwrap());
            let hour = parts.iter().position(|part| part.0 <= at && at < part.1).unwrap();
            assert_eq!(*cell, summed(&sums[hour]), "cell {number}");
            assert_eq!(cell.beat.up + cell.beat.down, 12, "five minutes apart");
        }
    }
}
