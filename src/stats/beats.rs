//! The heartbeat: a timeframe cut into cells aligned to the clock, and what became of the checks in each.
//!
//! A finished cell never changes and the bar moves by whole cells. [`Beats`] keeps [`Beats::CELLS`] cells, a
//! number with many divisors, so that a narrower bar merges whole neighbours.

use std::time::Duration;

use crate::model::Timestamp;

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
}
