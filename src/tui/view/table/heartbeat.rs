//! The heartbeat bar: a timeframe in cells aligned to the clock, one shape per cell.
//!
//! A view brings [`Beats::CELLS`] = 60 cells; a narrower bar merges whole neighbours, so every width divides 60 and a
//! finished cell keeps its shape. At 80 columns the bar has 10 cells: 12 would take the room of `503×21 200×697 +1`.
//!
//! Invariants: a cell never hides a failure. Where cells are shorter than the interval of a site, a cell without a check
//! shows the last check before it, as long as that is not older than the interval.

use std::time::Duration;

use crate::alert::Threshold;
use crate::stats::{Availability, Beat, Beats};
use crate::tui::style::role::Cell;

/// The widths that a bar may have.
pub const WIDTHS: [usize; 5] = [10, 12, 15, 20, 30];

const _: () = {
    let mut i = 0;
    while i < WIDTHS.len() {
        assert!(Beats::CELLS.is_multiple_of(WIDTHS[i]), "a bar merges whole cells");
        i += 1;
    }
};

/// The widest bar that fits `room` cells, if any does.
#[must_use]
pub fn fitting(room: usize) -> Option<usize> {
    WIDTHS.into_iter().rev().find(|&width| width <= room)
}

/// The cells of a bar `width` wide, oldest first; `width` divides 60.
#[must_use]
pub fn cells(beats: &Beats, width: usize, interval: Duration, threshold: Threshold) -> Vec<Cell> {
    let merged = Beats::CELLS / width.clamp(1, Beats::CELLS);
    let cell = beats.cell.as_micros().max(1);
    let reach = usize::try_from(interval.as_micros() / cell).unwrap_or(Beats::CELLS).min(Beats::CELLS);
    beats
        .cells
        .chunks(merged)
        .enumerate()
        .map(|(i, chunk)| {
            let sum = chunk
                .iter()
                .fold(Beat::default(), |sum, beat| Beat { up: sum.up + beat.up, down: sum.down + beat.down });
            let beat = if empty(sum) { last_before(&beats.cells[..i * merged], reach) } else { sum };
            judge(beat, threshold)
        })
        .collect()
}

/// The head of a bar, which is its time axis: `-10m────now`.
#[must_use]
pub fn axis(timeframe: &str, width: usize) -> String {
    let left = format!("-{timeframe}");
    match width.checked_sub(left.len() + 3) {
        Some(fill) => format!("{left}{}now", "─".repeat(fill)),
        None => format!("{:>width$}", "now"),
    }
}

fn last_before(before: &[Beat], reach: usize) -> Beat {
    before.iter().rev().take(reach).find(|beat| !empty(**beat)).copied().unwrap_or_default()
}

/// The shape of a cell with these outcomes.
#[must_use]
pub fn judge(beat: Beat, threshold: Threshold) -> Cell {
    let (up, checks) = (u64::from(beat.up), u64::from(beat.up) + u64::from(beat.down));
    match checks {
        0 => Cell::None,
        _ if beat.down == 0 => Cell::Good,
        _ if up == 0 => Cell::Bad,
        _ if (Availability { up, checks }).at_most_ppm(threshold.ppm()) => Cell::Poor,
        _ => Cell::Some,
    }
}

const fn empty(beat: Beat) -> bool {
    beat.up == 0 && beat.down == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use proptest::prelude::*;

    fn beats(cells: &[(usize, u32, u32)]) -> Beats {
        let mut beats = Beats {
            cell: Duration::from_secs(10),
            newest: Timestamp::from_secs(590),
            cells: [Beat::default(); Beats::CELLS],
        };
        for &(i, up, down) in cells {
            beats.cells[i] = Beat { up, down };
        }
        beats
    }

    fn picture(beats: &Beats, width: usize, interval: u64) -> String {
        let rule = crate::alert::Rule::default();
        cells(beats, width, Duration::from_secs(interval), rule.threshold)
            .into_iter()
            .map(|cell| crate::tui::Symbols::Ascii.beat(cell))
            .collect()
    }

    #[test]
    fn a_cell_shows_its_failures() {
        let beats = beats(&[(0, 6, 0), (6, 5, 1), (12, 1, 1), (18, 0, 1), (24, 1, 0)]);
        assert_eq!(picture(&beats, 10, 10), "|!xX|     ");
    }

    #[test]
    fn a_check_fills_its_interval_and_no_more() {
        let slow = beats(&[(0, 1, 0), (12, 0, 1), (24, 1, 0)]);
        assert_eq!(picture(&slow, 20, 120), "||||XXXX|||||       ");
        assert_eq!(picture(&slow, 20, 10), "|   X   |           ");
    }

    #[test]
    fn the_axis_fills_the_bar() {
        assert_eq!(axis("10m", 11), "-10m────now");
        assert_eq!(axis("1h", 10), "-1h────now");
        assert_eq!(axis("1h30m15s", 10), "       now");
    }

    proptest! {
        /// Whatever the width, a failure anywhere shows somewhere, and a bar without checks stays blank.
        #[test]
        fn no_width_hides_a_failure(at in 0usize..60, width in prop::sample::select(WIDTHS.to_vec())) {
            let healthy: Vec<_> = (0..60).map(|i| (i, 1000, u32::from(i == at))).collect();
            let bar = picture(&beats(&healthy), width, 10);
            prop_assert_eq!(bar.chars().filter(|c| *c == '!').count(), 1);
            prop_assert_eq!(bar.chars().count(), width);
            let blank = picture(&beats(&[]), width, 10);
            prop_assert_eq!(blank.trim(), "");
        }
    }
}
