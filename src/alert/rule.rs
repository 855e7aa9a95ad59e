//! The alert rule's settings.

use std::time::Duration;

/// An availability in parts per million, `0..=1_000_000`, so that comparisons are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(u32);

impl Threshold {
    /// `ppm` parts per million; `None` above 1,000,000.
    #[must_use]
    pub const fn from_ppm(ppm: u32) -> Option<Self> {
        if ppm <= 1_000_000 { Some(Self(ppm)) } else { None }
    }

    /// Its parts per million.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// Its ratio in `0.0..=1.0`.
    #[must_use]
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

/// Down when availability ≤ `threshold` over a covered `window` with at least `min_samples` checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// At this availability or below, a site is down.
    pub threshold: Threshold,
    /// The judged span, 1 s to 1 h.
    pub window: Duration,
    /// Judge only with at least this many checks in the window.
    pub min_samples: u32,
}

impl Default for Rule {
    /// 80 % over 2 minutes, with at least one check.
    fn default() -> Self {
        Self { threshold: Threshold(800_000), window: Duration::from_mins(2), min_samples: 1 }
    }
}

/// The change that an alert announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlertState {
    /// Availability fell to the threshold or below.
    Down,
    /// Availability rose above the threshold.
    Up,
    /// The site was removed or disabled while down; the incident closes without a message.
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
