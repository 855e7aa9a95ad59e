//! The checks of the last three days by minute, with their sums over the windows of the burn rules.
//!
//! Invariants: a window as of a minute holds that minute and those before it, in whole minutes; its sums equal a
//! recomputation. `local` failures are not in it. Cost: constant per check; moving on to another minute costs one
//! subtraction per window. Bounds: 17 KB; a cell counts up to 65,535 checks a minute, ten times what the shortest interval makes.

use std::time::Duration;

use crate::alert::maintenance::Span;
use crate::alert::objective::Tally;
use crate::model::{Outcome, Packed, Sample, Timestamp};

/// The windows, minutes, the shortest first.
const WINDOWS: [u64; 7] = [5, 30, 60, 120, 360, 1_440, LENGTH];

/// One of the windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window(usize);

impl Window {
    /// That of so many minutes, which has to exist: for constants.
    pub(super) const fn of(minutes: u64) -> Self {
        let mut place = 0;
        while WINDOWS[place] != minutes {
            place += 1;
        }
        Self(place)
    }
}

/// Minutes that are kept.
const LENGTH: u64 = CELLS as u64;
const CELLS: usize = 3 * 24 * 60;

const MINUTE: u64 = 60_000_000;

/// Checks of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) checks: u32,
    pub(super) failed: u32,
}

impl Sum {
    /// Those of `samples` with a known outcome.
    pub(super) fn of(samples: &[Packed]) -> Self {
        let mut sum = Self::default();
        for sample in samples {
            let outcome = sample.outcome();
            sum.checks += u32::from(outcome != Outcome::Unknown);
            sum.failed += u32::from(outcome == Outcome::Down);
        }
        sum
    }
}

impl From<Sum> for Tally {
    fn from(Sum { checks, failed }: Sum) -> Self {
        Self { checks: u64::from(checks), failed: u64::from(failed) }
    }
}

/// Checks and failed checks of one minute.
type Cell = (u16, u16);

/// See the module.
#[derive(Clone, Debug)]
pub struct Minutes {
    /// By minute, modulo the length; that of the newest is `current`.
    cells: Box<[Cell]>,
    /// Beside the sums, so that a check in it reads no memory but this.
    current: Cell,
    /// The minute of the newest check, since the epoch.
    newest: u64,
    sums: [Sum; WINDOWS.len()],
}

impl Default for Minutes {
    fn default() -> Self {
        let cells = vec![(0, 0); CELLS].into_boxed_slice();
        Self { cells, current: (0, 0), newest: 0, sums: [Sum::default(); WINDOWS.len()] }
    }
}

impl Minutes {
    /// How far back they reach.
    pub const REACH: Duration = Duration::from_mins(LENGTH);

    /// The minutes of stored `samples`, oldest first.
    #[must_use]
    pub fn of<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let mut minutes = Self::default();
        samples.into_iter().for_each(|sample| minutes.admit(sample.at, sample.outcome()));
        minutes
    }

    /// From the first of the minutes that are kept to the end of the newest.
    pub(super) fn reach(&self) -> Span {
        let at = |minute: u64| Timestamp::from_micros(minute * MINUTE);
        (at((self.newest + 1).saturating_sub(LENGTH)), at(self.newest + 1))
    }

    /// Removes the checks of the minutes that begin in `span`.
    pub(super) fn forget(&mut self, (from, until): Span) {
        let first = from.as_micros().div_ceil(MINUTE).max((self.newest + 1).saturating_sub(LENGTH));
        let end = until.as_micros().div_ceil(MINUTE).min(self.newest + 1);
        for minute in first..end {
            let (checks, failed) = std::mem::take(self.cell(minute));
            for (_, sum) in WINDOWS.iter().zip(&mut self.sums).filter(|(window, _)| self.newest < minute + *window) {
                sum.checks -= u32::from(checks);
                sum.failed -= u32::from(failed);
            }
        }
    }

    /// Adds a check at `at`. One from before the newest minute counts to that.
    pub(super) fn admit(&mut self, at: Timestamp, outcome: Outcome) {
        if outcome == Outcome::Unknown {
            return;
        }
        self.move_on(at);
        let one = Sum { checks: 1, failed: u32::from(outcome == Outcome::Down) };
        if self.has_room(one) {
            self.add(one);
        }
    }

    /// Whether the newest minute can count so many more checks.
    pub(super) fn has_room(&self, more: Sum) -> bool {
        let (checks, _) = self.current;
        u16::try_from(u32::from(checks) + more.checks).is_ok()
    }

    /// Adds checks to the newest minute, which has room for them.
    pub(super) fn add(&mut self, more: Sum) {
        let (checks, failed) = &mut self.current;
        let few = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        (*checks, *failed) = (*checks + few(more.checks), *failed + few(more.failed));
        for sum in &mut self.sums {
            (sum.checks, sum.failed) = (sum.checks + more.checks, sum.failed + more.failed);
        }
    }

    /// Moves on to the minute of `at`, unless it is over.
    pub(super) fn move_on(&mut self, at: Timestamp) {
        let minute = at.as_micros() / MINUTE;
        if minute > self.newest {
            self.start_minute(minute);
        }
    }

    /// Leaves a failed check at `at` out that was counted, or counts it after all.
    pub(super) fn recount(&mut self, at: Timestamp, counts: bool) {
        let minute = (at.as_micros() / MINUTE).min(self.newest);
        let age = self.newest - minute;
        if age >= LENGTH {
            return;
        }
        let change = |count: u32| if counts { count.saturating_add(1) } else { count.saturating_sub(1) };
        let (checks, failed) = self.cell(minute);
        if !counts && *failed == 0 || counts && *checks == u16::MAX {
            return;
        }
        let cell = |count: u16| u16::try_from(change(count.into())).unwrap_or(u16::MAX);
        (*checks, *failed) = (cell(*checks), cell(*failed));
        for (_, sum) in WINDOWS.iter().zip(&mut self.sums).filter(|(window, _)| age < **window) {
            (sum.checks, sum.failed) = (change(sum.checks), change(sum.failed));
        }
    }

    /// The sum of the last minutes, as many as `window` has.
    #[inline]
    pub(super) const fn sum(&self, Window(place): Window) -> Sum {
        self.sums[place]
    }

    /// Moves everything back by `by`, in whole minutes: the clock was set back.
    pub(super) fn move_back(&mut self, by: Duration) {
        let by = (by.as_secs() + 30) / 60;
        let newest = self.newest.saturating_sub(by);
        let length = self.cells.len();
        // The cell of the newest minute moves to the place of its new number.
        self.cells.rotate_left((place(self.newest) + length - place(newest)) % length);
        self.newest = newest;
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.cells)
    }

    fn cell(&mut self, minute: u64) -> &mut Cell {
        if minute == self.newest { &mut self.current } else { &mut self.cells[place(minute)] }
    }

    fn start_minute(&mut self, minute: u64) {
        if minute - self.newest >= LENGTH {
            self.cells.fill((0, 0));
            (self.sums, self.current, self.newest) = ([Sum::default(); WINDOWS.len()], (0, 0), minute);
            return;
        }
        self.cells[place(self.newest)] = std::mem::take(&mut self.current);
        for minute in self.newest + 1..=minute {
            let now = minute % LENGTH;
            for (window, sum) in WINDOWS.iter().zip(&mut self.sums) {
                // The same as a remainder of `minute - window`, which would cost as much as the rest.
                let leaving = if now < *window { now + LENGTH - window } else { now - window };
                let (checks, failed) = self.cells[index(leaving)];
                (sum.checks, sum.failed) = (sum.checks - u32::from(checks), sum.failed - u32::from(failed));
            }
            self.cells[index(now)] = (0, 0);
        }
        self.newest = minute;
    }
}

/// The start of the minute of `at`.
pub(super) const fn start(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros() / MINUTE * MINUTE)
}

/// How many at the front of `samples` are of the minute of the first.
pub(super) fn same(samples: &[Packed]) -> usize {
    let Some(first) = samples.first() else { return 0 };
    let start = start(first.at()).as_micros();
    let is_other = |sample: &Packed| sample.at().as_micros().wrapping_sub(start) >= MINUTE;
    samples.iter().position(is_other).unwrap_or(samples.len())
}

fn place(minute: u64) -> usize {
    index(minute % LENGTH)
}

fn index(remainder: u64) -> usize {
    usize::try_from(remainder).expect("below the length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A failed check that is left out afterwards was never there, and one that is put back always was.
        #[test]
        fn a_recount_is_a_recomputation(
            checks in prop::collection::vec((0u64..400_000_000, any::<bool>(), any::<bool>()), 1..200), back: bool,
        ) {
            let (mut minutes, mut plain, mut now) = (Minutes::default(), Minutes::default(), 1_000_000 * MINUTE);
            let mut failed = Vec::new();
            for (gap, is_up, is_left_out) in checks {
                now += gap;
                let at = Timestamp::from_micros(now);
                let outcome = if is_up { Outcome::Up } else { Outcome::Down };
                minutes.admit(at, outcome);
                if !is_up && is_left_out {
                    failed.push(at);
                    // Time goes by without it, too.
                    plain.move_on(Timestamp::from_micros(now));
                }
                if is_up || !is_left_out || back {
                    plain.admit(at, outcome);
                }
            }
            for &at in &failed {
                minutes.recount(at, false);
            }
            for &at in failed.iter().filter(|_| back) {
                minutes.recount(at, true);
            }
            for window in WINDOWS.map(Window::of) {
                prop_assert_eq!(minutes.sum(window), plain.sum(window), "{:?}", window);
            }
        }

        /// For any gaps, also longer than three days, and for clocks that fall.
        #[test]
        fn every_sum_is_a_recomputation(
            checks in prop::collection::vec((0u64..400_000_000, 0u64..12, prop::sample::select(vec![Outcome::Up, Outcome::Down, Outcome::Unknown])), 1..300),
            back in prop::option::of(0u64..10_000),
        ) {
            let (mut minutes, mut now, mut newest) = (Minutes::default(), 1_000_000 * MINUTE, 0);
            let mut known: Vec<(u64, Outcome)> = Vec::new();
            for (number, (gap, kind, outcome)) in checks.into_iter().enumerate() {
                now = match kind {
                    0 => now - 200_000_000,
                    1 => now + 1_000 * gap,
                    2 => now + 100 * gap,
                    _ => now + gap,
                };
                if let Some(back) = back.filter(|_| number == 100) {
                    minutes.move_back(Duration::from_secs(60 * back));
                    for (minute, _) in &mut known {
                        *minute -= back;
                    }
                    (newest, now) = (newest - back, now - 60_000_000 * back);
                }
                minutes.admit(Timestamp::from_micros(now), outcome);
                if outcome != Outcome::Unknown {
                    newest = newest.max(now / MINUTE);
                    known.push((newest, outcome));
                }
                for window in WINDOWS {
                    let held = known.iter().filter(|(minute, _)| minute + window > newest);
                    let failed = held.clone().filter(|(_, outcome)| *outcome == Outcome::Down).count();
                    let sum = minutes.sum(Window::of(window));
                    prop_assert_eq!((sum.checks as usize, sum.failed as usize), (held.count(), failed), "{} min", window);
                }
            }
        }
    }
}
