//! Counts of checks, and the availability that follows from them as an exact ratio.
//!
//! Invariants: checks = up + down; without checks there is no availability, rather than 0 % or 100 %; it is compared in
//! integers, so "exactly 80 %" is exact.

use crate::model::{Cause, Outcome, Packed, Sample, figures};

/// Numbers of checks by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Checks that were up.
    pub up: u64,
    /// Checks that were down.
    pub down: u64,
    /// Checks that failed for a reason on this machine.
    pub unknown: u64,
    /// Due checks that were never started.
    pub skipped: u64,
}

impl Counts {
    /// Checks with an outcome: up and down.
    #[must_use]
    pub const fn checks(&self) -> u64 {
        self.up + self.down
    }

    /// The share of checks that were up; `None` without checks.
    #[must_use]
    pub const fn availability(&self) -> Option<Availability> {
        match self.checks() {
            0 => None,
            checks => Some(Availability { up: self.up, checks }),
        }
    }

    /// Adds `sample`.
    pub const fn admit(&mut self, sample: &Sample) {
        *self.slot(sample) += 1;
        self.skipped += sample.skipped as u64;
    }

    /// Adds `samples`.
    pub fn admit_all(&mut self, samples: &[Packed]) {
        let came = |cause: Cause| samples.iter().filter(|sample| sample.cause_code() == cause.code()).count() as u64;
        let (up, unknown) = (came(Cause::Ok), came(Cause::Local));
        self.up += up;
        self.unknown += unknown;
        self.down += samples.len() as u64 - up - unknown;
        self.skipped += samples.iter().map(|sample| u64::from(sample.skipped())).sum::<u64>();
    }

    /// The counts added since `earlier`, an earlier state of `self`.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            up: self.up - earlier.up,
            down: self.down - earlier.down,
            unknown: self.unknown - earlier.unknown,
            skipped: self.skipped - earlier.skipped,
        }
    }

    /// The sum of both.
    #[must_use]
    pub const fn with(&self, other: &Self) -> Self {
        Self {
            up: self.up + other.up,
            down: self.down + other.down,
            unknown: self.unknown + other.unknown,
            skipped: self.skipped + other.skipped,
        }
    }

    const fn slot(&mut self, sample: &Sample) -> &mut u64 {
        match sample.outcome() {
            Outcome::Up => &mut self.up,
            Outcome::Down => &mut self.down,
            Outcome::Unknown => &mut self.unknown,
        }
    }
}

/// `up` of `checks`, kept as the two counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Availability {
    /// Checks that were up, at most `checks`.
    pub up: u64,
    /// Checks in all, at least 1.
    pub checks: u64,
}

impl Availability {
    /// As a ratio in `0.0..=1.0`.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub fn ratio(self) -> f64 {
        self.up as f64 / self.checks as f64
    }

    /// In hundredths of a percent, as [`figures::basis_points`] rounds: `0..=10_000`.
    #[must_use]
    pub fn basis_points(self) -> u16 {
        figures::basis_points(self.up, self.checks)
    }

    /// Whether this is at most `ppm` parts per million, compared exactly.
    #[must_use]
    pub fn at_most_ppm(self, ppm: u32) -> bool {
        u128::from(self.up) * 1_000_000 <= u128::from(ppm) * u128::from(self.checks)
    }

    /// Whether this is at least `ppm` parts per million, compared exactly.
    #[must_use]
    pub fn at_least_ppm(self, ppm: u32) -> bool {
        u128::from(self.up) * 1_000_000 >= u128::from(ppm) * u128::from(self.checks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighty_percent_is_exactly_eighty_percent() {
        for (up, checks, at_most, at_least) in [
            (4, 5, true, true),
            (8, 10, true, true),
            (81, 100, false, true),
            (79, 100, true, false),
            (0, 1, true, false),
        ] {
            let availability = Availability { up, checks };
            assert_eq!(availability.at_most_ppm(800_000), at_most, "{up} of {checks}");
            assert_eq!(availability.at_least_ppm(800_000), at_least, "{up} of {checks}");
        }
    }

    #[test]
    fn basis_points_round_half_up() {
        for (up, checks, points) in
            [(2, 3, 6_667), (19, 24, 7_917), (1, 1, 10_000), (0, 7, 0), (1, 8, 1_250), (23_999, 24_000, 9_999)]
        {
            assert_eq!(Availability { up, checks }.basis_points(), points, "{up} of {checks}");
        }
    }

    #[test]
    fn no_checks_is_no_availability() {
        assert_eq!(Counts { unknown: 3, skipped: 9, ..Counts::default() }.availability(), None);
    }
}
