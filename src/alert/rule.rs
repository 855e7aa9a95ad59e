//! The rule by which availability is judged.

use std::time::Duration;

/// An availability, kept in parts per million so that it is compared exactly. `0..=1_000_000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(u32);

impl Threshold {
    /// `ppm` parts per million, if that is at most all of them.
    #[must_use]
    pub const fn from_ppm(ppm: u32) -> Option<Self> {
        if ppm <= 1_000_000 { Some(Self(ppm)) } else { None }
    }

    /// Parts per million.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// As a ratio in `0.0..=1.0`.
    #[must_use]
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

/// Down when availability ≤ `threshold` over a covered `window` with at least `min_samples` checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The availability at which a site counts as down.
    pub threshold: Threshold,
    /// The span that is judged, 1 s to 1 h.
    pub window: Duration,
    /// Judge only with at least this many checks in the window.
    pub min_samples: u32,
}

impl Default for Rule {
    /// 80 % over 2 minutes, from the first sample on.
    fn default() -> Self {
        Self { threshold: Threshold(800_000), window: Duration::from_mins(2), min_samples: 1 }
    }
}

/// The change of a site that an alert announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlertState {
    /// Availability fell to the threshold or below.
    Down,
    /// It is above it again.
    Up,
    /// The site was removed or disabled while down: closed without a message.
    Ended,
}

impl AlertState {
    /// The public name: `down`, `up`, `ended`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
            Self::Ended => "ended",
        }
    }
}
