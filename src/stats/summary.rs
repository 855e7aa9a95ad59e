//! The figures of one window at one instant: plain data for every renderer.

use crate::model::{Cause, Phase, Status, Timeframe, Timestamp};

use super::{Availability, Counts};

/// All figures of the samples with `as_of − timeframe < at ≤ as_of`.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The end of the window.
    pub as_of: Timestamp,
    /// The span it covers.
    pub timeframe: Timeframe,
    /// Numbers of checks by outcome.
    pub counts: Counts,
    /// The share of the checks that were up; of a site over several locations, that of the time that they know together, µs.
    /// `None` without either.
    pub availability: Option<Availability>,
    /// Checks made ÷ (made + skipped + local), in `0.0..=1.0`; `None` before anything was due. Of a site over several locations,
    /// the share of the time that they know together.
    pub coverage: Option<f64>,
    /// Response times of the successful and the slow checks (`ok` and `slow`).
    pub response: Option<Latency>,
    /// Times to first byte of the same probes.
    pub ttfb: Option<Latency>,
    /// Mean time in each phase over those of the same probes in which it took place, µs.
    pub phase_means: [Option<f64>; Phase::ALL.len()],
    /// Every sample that has a status, by status, ascending.
    pub codes: Vec<(Status, u64)>,
    /// Every sample but the up ones, by cause, in the order of the codes.
    pub causes: Vec<(Cause, u64)>,
    /// A partition of the checks (up and down): failures first, each part by count, descending.
    pub answers: Vec<(Answer, u64)>,
}

impl Summary {
    /// What failed checks answered, the most frequent first.
    #[must_use]
    pub fn failures(&self) -> Vec<(Answer, u64)> {
        let mut left = self.counts.down;
        // Failures come first.
        let is_failed = |(_, count): &&(Answer, u64)| {
            let failed = left > 0;
            left = left.saturating_sub(*count);
            failed
        };
        self.answers.iter().take_while(is_failed).copied().collect()
    }
}

/// How one check shows in a list that counts each check once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// It was up, or down by its status.
    Code(Status),
    /// It was down for another reason.
    Cause(Cause),
}

impl Answer {
    /// That of a check with this cause and status.
    #[must_use]
    pub const fn of(cause: Cause, status: Option<Status>) -> Self {
        match (cause, status) {
            (Cause::Ok | Cause::Status, Some(status)) => Self::Code(status),
            (cause, _) => Self::Cause(cause),
        }
    }
}

/// A distribution of durations, µs. Mean and max are exact; percentiles are within 1 % and in `[min, max]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Values.
    pub count: u64,
    /// Arithmetic mean.
    pub avg: f64,
    /// The largest.
    pub max: u32,
    /// Percentiles: the smallest recorded value with at least that share of the values at or below it, up to
    /// the resolution of the histogram.
    pub p50: u32,
    /// 90th percentile.
    pub p90: u32,
    /// 95th percentile.
    pub p95: u32,
    /// 99th percentile.
    pub p99: u32,
}
