//! A stretch of the stored past of one site: what a person wants to see of it, and what there is.
//!
//! The dashboard asks for a [`Wanted`] and goes on; whoever has the store gives its samples, oldest first, to a [`Gather`]
//! and hands back a [`Past`]. Percentiles are a histogram's, within 1 %. Holes are where nothing was observed for longer
//! than three intervals and a timeout, or where a sample says that one was before it. Memory: a histogram a cell,
//! whatever the number of samples.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Flags, Outcome, Sample, Timeframe, Timestamp};
use crate::stats::{Cadence, Histogram, Rollup, Summary};

use super::series::{Cell, Scope, Series, Times, edge_of};

/// Holes that are kept: the longest ones.
const HOLES: usize = 3;

/// What a person wants to see of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub site: Arc<str>,
    /// How often it is checked.
    pub cadence: Cadence,
    /// How long a stretch.
    pub span: Duration,
    /// Up to when.
    pub until: Timestamp,
    /// Whether that is now.
    pub live: bool,
    /// In at most so many cells.
    pub columns: usize,
}

impl Wanted {
    /// The cells.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::new(self.span, self.until, self.columns)
    }

    /// Whether what was made for `other` serves this too: the same stretch, or the same span up to a moment ago.
    #[must_use]
    pub fn is_served_by(&self, other: &Self) -> bool {
        let same_end = self.until == other.until || (self.live && other.live);
        same_end && (&self.site, self.span, self.columns) == (&other.site, other.span, other.columns)
    }
}

/// A time in which a site was not observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// From the last check before it.
    pub from: Timestamp,
    /// To the first one after it.
    pub until: Timestamp,
    /// Whether other sites were checked meanwhile, so that webmon was running.
    pub others: bool,
}

/// What the store holds of a [`Wanted`].
#[derive(Clone, Debug)]
pub struct Past {
    /// Of what.
    pub wanted: Wanted,
    /// Cell by cell.
    pub series: Series,
    /// All of it.
    pub summary: Summary,
    /// The longest times in which nothing was observed, longest first.
    pub holes: Vec<Hole>,
    /// Other holes.
    pub more_holes: usize,
    /// When the oldest stored check of the site was made; none without any.
    pub begins: Option<Timestamp>,
    /// Why the store could not be read, if it could not.
    pub trouble: Option<String>,
}

/// Makes a [`Past`] of samples.
#[derive(Debug)]
pub struct Gather {
    wanted: Wanted,
    scope: Scope,
    cells: Vec<(Cell, Histogram, u32)>,
    rollup: Rollup,
    spread: Vec<u64>,
    oldest: Option<Sample>,
    newest_due: Option<Timestamp>,
    last_at: Option<Timestamp>,
    holes: Vec<Hole>,
    more_holes: usize,
}

impl Gather {
    /// Nothing yet of `wanted`.
    #[must_use]
    pub fn new(wanted: Wanted) -> Self {
        let scope = wanted.scope();
        Self {
            cells: (0..scope.cells).map(|_| (Cell::default(), Histogram::default(), 0)).collect(),
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

    /// The first instant of which samples are wanted.
    #[must_use]
    pub const fn from(&self) -> Timestamp {
        self.scope.from
    }

    /// Takes the next sample; those outside the stretch are left out.
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
        if sample.cause.is_timed() {
            let total = sample.total().get();
            times.record(total);
            *max = total.max(*max);
            self.spread[edge_of(total)] += 1;
        }
        self.rollup.admit(sample);
        self.oldest.get_or_insert(*sample);
        self.newest_due = self.newest_due.max(Some(Cadence::due(sample)));
    }

    /// All of it. `begins` is when the oldest stored check was made, and `others` tells whether other sites were checked
    /// between two instants.
    #[must_use]
    pub fn finish(mut self, begins: Option<Timestamp>, mut others: impl FnMut(Timestamp, Timestamp) -> bool) -> Past {
        let (cadence, until) = (self.wanted.cadence, self.wanted.until);
        // Before the first check of all nothing was missed; after the last one something may be.
        let last = self.last_at.or(begins.map(|begins| begins.max(self.scope.from)));
        if let Some(last) = last.filter(|last| until.since(*last) > cadence.silence()) {
            self.note_hole(last, until);
        }
        for hole in &mut self.holes {
            // At its edges the others may have been checked a little longer, or again a little sooner.
            let (from, until) = (hole.from.after(cadence.silence()), hole.until.before(cadence.silence()));
            hole.others = from < until && others(from, until);
        }
        let cells: Vec<Cell> =
            self.cells.iter().map(|(cell, times, max)| Cell { times: told(times, *max), ..*cell }).collect();
        let mut series = Series::empty(0);
        series.cells = cells;
        series.all = told(&self.rollup.response, self.rollup.response_max);
        series.spread.copy_from_slice(&self.spread);
        series.speak(&self.scope, cadence.interval);
        let unmade = cadence.unmade((self.scope.from, until), self.oldest.as_ref().map(Into::into), self.newest_due);
        let timeframe = Timeframe::new(self.wanted.span);
        let summary = self.rollup.summary(until, timeframe, unmade);
        let (holes, more_holes) = (self.holes, self.more_holes);
        Past { wanted: self.wanted, series, summary, holes, more_holes, begins, trouble: None }
    }

    fn note_hole(&mut self, from: Timestamp, until: Timestamp) {
        let length = until.since(from);
        let at = self.holes.partition_point(|hole| hole.until.since(hole.from) >= length);
        self.holes.insert(at, Hole { from, until, others: false });
        if self.holes.len() > HOLES {
            self.holes.truncate(HOLES);
            self.more_holes += 1;
        }
    }
}

fn told(times: &Histogram, max: u32) -> Option<Times> {
    let [p50, p95] = times.percentiles([50, 95])?;
    Some(Times { p50: p50.min(max), p95: p95.min(max), max })
}
