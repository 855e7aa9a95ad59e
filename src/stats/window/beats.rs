//! The heartbeat: a timeframe in cells aligned to the clock, with the outcomes of the checks in each.
//!
//! A finished cell never changes and the bar moves by whole cells. [`Beats`] keeps [`Beats::CELLS`] cells, a
//! number with many divisors, so a narrower bar merges whole neighbours.

use std::ops::Range;
use std::time::Duration;

use crate::model::time::duration;
use crate::model::{Outcome, Packed, Timeframe, Timestamp};
use crate::stats::Counts;

/// Checks of one cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// Checks that were up.
    pub up: u32,
    /// Checks that were down.
    pub down: u32,
}

/// The cells of one timeframe, oldest first; the last one holds `as_of`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beats {
    /// Length of one cell: the timeframe ÷ [`Beats::CELLS`].
    pub cell: Duration,
    /// The first instant of the newest cell.
    pub newest: Timestamp,
    /// Oldest first.
    pub cells: [Beat; Beats::CELLS],
}

impl Beats {
    /// Cells of a timeframe.
    pub const CELLS: usize = 60;

    /// The length of a cell of `timeframe`, at least 1 µs. From a day on whole hours, so that rollups of hours can fill
    /// them: then the cells may reach back a little further than the timeframe.
    #[must_use]
    pub fn cell_of(timeframe: Timeframe) -> Duration {
        let micros = duration::micros(timeframe.length());
        let cell = (micros / CELLS).max(1);
        let in_hours = micros > 24 * HOUR;
        Duration::from_micros(if in_hours { cell.div_ceil(HOUR) * HOUR } else { cell })
    }

    /// Cells without checks.
    #[must_use]
    pub fn empty(as_of: Timestamp, timeframe: Timeframe) -> Self {
        let cell = Self::cell_of(timeframe);
        let micros = duration::micros(cell);
        let newest = Timestamp::from_micros(as_of.as_micros() / micros * micros);
        Self { cell, newest, cells: [Beat::default(); Self::CELLS] }
    }
}

const HOUR: u64 = 3_600_000_000;

/// The cells of a heartbeat that counts time instead of checks, in thousandths of a cell, while they are filled.
///
/// Invariant: time that a cell holds at all shows in it.
#[derive(Clone, Debug)]
pub struct BeatTimes {
    empty: Beats,
    /// Length of a cell and the first instant of the oldest, µs.
    cell: u64,
    first: u64,
    /// µs up and down.
    known: [(u64, u64); Beats::CELLS],
}

impl BeatTimes {
    const PARTS: u64 = 1_000;

    /// Those of a window of `timeframe` at `as_of`, without any time.
    #[must_use]
    pub fn new(as_of: Timestamp, timeframe: Timeframe) -> Self {
        let empty = Beats::empty(as_of, timeframe);
        let cell = duration::micros(empty.cell).max(1);
        let first = empty.newest.as_micros().saturating_sub(cell * (CELLS - 1));
        Self { empty, cell, first, known: [(0, 0); Beats::CELLS] }
    }

    /// The first instant of the oldest cell.
    #[must_use]
    pub const fn start(&self) -> Timestamp {
        Timestamp::from_micros(self.first)
    }

    /// Whether its cells are whole hours.
    #[must_use]
    pub const fn is_hourly(&self) -> bool {
        self.cell.is_multiple_of(HOUR)
    }

    /// Adds a time in which it was up, down or unknown, as far as it lies in the cells.
    pub fn take(&mut self, is_up: Option<bool>, span: &Range<Timestamp>) {
        let Some(is_up) = is_up else { return };
        let end = span.end.as_micros();
        let mut from = span.start.as_micros().max(self.first);
        while from < end {
            let number = (from - self.first) / self.cell;
            let until = end.min(self.first + (number + 1) * self.cell);
            let time = until - from;
            self.add(from, if is_up { (time, 0) } else { (0, time) });
            from = until;
            if number >= CELLS {
                return;
            }
        }
    }

    /// Adds so many µs up and down to the cell that holds the instant `at`.
    pub fn add_at(&mut self, at: Timestamp, times: (u64, u64)) {
        self.add(at.as_micros(), times);
    }

    fn add(&mut self, at: u64, (up, down): (u64, u64)) {
        let number = at.checked_sub(self.first).map(|into| into / self.cell);
        let place = number.and_then(|number| usize::try_from(number).ok());
        if let Some(known) = place.and_then(|place| self.known.get_mut(place)) {
            *known = (known.0 + up, known.1 + down);
        }
    }

    /// The heartbeat.
    #[must_use]
    pub fn beats(self) -> Beats {
        let part = |time: u64| u32::try_from((time * Self::PARTS).div_ceil(self.cell)).unwrap_or(u32::MAX);
        let mut beats = self.empty;
        for (beat, (up, down)) in beats.cells.iter_mut().zip(self.known) {
            *beat = Beat { up: part(up), down: part(down) };
        }
        beats
    }
}

/// The cells while they run: what a window keeps to make [`Beats`] from.
///
/// A cell is known by its absolute number, `at` ÷ cell, so it needs no retiring: a new number takes the place of the
/// one 60 before it. What is kept of a cell are the counts of all checks before it, so a cell is the difference to the
/// next, and a sample within the newest cell costs nothing. Limits: 65,535 checks of a kind in one cell.
#[derive(Clone, Debug)]
pub(crate) struct RunningBeats {
    /// Length of a cell, µs, at least 1.
    cell: u64,
    /// Absolute number of the newest cell, and its first instant, µs.
    newest: u64,
    start: u64,
    /// Up and down before the cell began, modulo 2^16, by absolute number modulo [`Beats::CELLS`].
    before: [(u16, u16); Beats::CELLS],
}

const CELLS: u64 = Beats::CELLS as u64;

impl RunningBeats {
    pub(crate) fn new(timeframe: Timeframe) -> Self {
        let micros = duration::micros(timeframe.length());
        Self { cell: (micros / CELLS).max(1), newest: 0, start: 0, before: [(0, 0); Beats::CELLS] }
    }

    pub(crate) fn clear(&mut self) {
        (self.newest, self.start) = (0, 0);
        self.before = [(0, 0); Beats::CELLS];
    }

    /// `samples` come, oldest first, after those that `counts` holds.
    #[inline]
    pub(crate) fn admit(&mut self, samples: &[Packed], counts: &Counts) {
        if samples.last().is_some_and(|last| last.at().as_micros().wrapping_sub(self.start) >= self.cell) {
            self.cross(samples, low(counts));
        }
    }

    /// The cells at `as_of`, which is not before any admitted sample; `counts` holds all of them.
    pub(crate) fn beats(&self, as_of: Timestamp, counts: &Counts) -> Beats {
        let last = as_of.as_micros() / self.cell;
        let mut cells = [Beat::default(); Beats::CELLS];
        let mut after = low(counts);
        for (number, beat) in (0..=last).rev().zip(cells.iter_mut().rev()) {
            if number <= self.newest && number + CELLS > self.newest {
                let before = self.before[place(number)];
                let (up, down) = (after.0.wrapping_sub(before.0), after.1.wrapping_sub(before.1));
                *beat = Beat { up: u32::from(up), down: u32::from(down) };
                after = before;
            }
        }
        Beats { cell: Duration::from_micros(self.cell), newest: Timestamp::from_micros(last * self.cell), cells }
    }

    /// At least the last of `samples` is past the newest cell.
    fn cross(&mut self, samples: &[Packed], (mut up, mut down): (u16, u16)) {
        for sample in samples {
            let at = sample.at().as_micros();
            let into = at.wrapping_sub(self.start);
            if into >= self.cell {
                // A division only where a whole cell was empty.
                let number = if into - self.cell < self.cell { self.newest + 1 } else { at / self.cell };
                self.advance(number, (up, down));
            }
            let outcome = sample.outcome();
            // Without a branch, because failures cannot be predicted.
            up = up.wrapping_add(u16::from(outcome == Outcome::Up));
            down = down.wrapping_add(u16::from(outcome == Outcome::Down));
        }
    }

    /// Makes `number` the newest cell; a sample from before it, which order forbids, would count there.
    fn advance(&mut self, number: u64, before: (u16, u16)) {
        if number <= self.newest {
            return;
        }
        for begun in (self.newest + 1..=number).rev().take(Beats::CELLS) {
            self.before[place(begun)] = before;
        }
        self.newest = number;
        self.start = number * self.cell;
    }
}

/// Up and down modulo 2^16.
#[allow(clippy::cast_possible_truncation, reason = "they count modulo 2^16")]
const fn low(counts: &Counts) -> (u16, u16) {
    (counts.up as u16, counts.down as u16)
}

fn place(number: u64) -> usize {
    usize::try_from(number % CELLS).expect("below the number of cells")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Micros, Observation};
    use proptest::prelude::*;

    fn sample(at: u64, up: bool) -> Packed {
        let cause = if up { Cause::Ok } else { Cause::Reset };
        Observation::failed(cause, "").sample(Timestamp::from_micros(at), Micros::ZERO, 0).packed()
    }

    proptest! {
        /// The model: for each cell, filter all samples by its bounds and count.
        #[test]
        fn each_cell_holds_the_checks_of_its_span(
            timeframe in 60u64..1_200, lens in prop::collection::vec(1usize..40, 1..9), steps in prop::collection::vec((1u64..200, any::<bool>()), 0..200), idle in 0u64..2_000,
        ) {
            let mut cells = RunningBeats::new(Timeframe::new(Duration::from_micros(timeframe)));
            let mut at = 0;
            let samples: Vec<Packed> = steps.into_iter().map(|(step, up)| { at += step; sample(at, up) }).collect();
            // In pieces of any length, as a window admits them.
            let mut counts = Counts::default();
            let mut rest = &samples[..];
            for len in lens.into_iter().cycle() {
                let (piece, after) = rest.split_at(len.min(rest.len()));
                cells.admit(piece, &counts);
                counts.admit_all(piece);
                rest = after;
                if rest.is_empty() { break; }
            }
            let as_of = at + idle;
            let cell = timeframe / 60;
            let beats = cells.beats(Timestamp::from_micros(as_of), &counts);
            prop_assert_eq!(beats.cell, Duration::from_micros(cell));
            prop_assert_eq!(beats.newest.as_micros(), as_of / cell * cell);
            for (back, beat) in (0..60).zip(beats.cells.iter().rev()) {
                let Some(from) = beats.newest.as_micros().checked_sub(back * cell) else { break };
                let inside = |up| samples.iter().filter(|s| (from..from + cell).contains(&s.at().as_micros()) && (s.outcome() == Outcome::Up) == up).count();
                prop_assert_eq!((beat.up as usize, beat.down as usize), (inside(true), inside(false)));
            }
        }
    }

    #[test]
    fn a_finished_cell_never_changes_and_moves_by_whole_cells() {
        let mut cells = RunningBeats::new(Timeframe::new(Duration::from_micros(600)));
        let samples: Vec<Packed> = (1..=100).map(|at| sample(at * 7, true)).collect();
        cells.admit(&samples, &Counts::default());
        let counts = Counts { up: 100, ..Counts::default() };
        let before = cells.beats(Timestamp::from_micros(700), &counts);
        let after = cells.beats(Timestamp::from_micros(729), &counts);
        assert_eq!(before.cells[2..], after.cells[..58]);
        assert_eq!(after.cells[58..], [Beat::default(); 2]);
    }
}
