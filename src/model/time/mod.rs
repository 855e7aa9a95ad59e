//! Points in time, lengths of phases, and the timeframe of a view.
//!
//! Invariants: a [`Timestamp`] is below 2^52 µs (the year 2112), so that it packs into a sample's first word; a [`Micros`] is
//! below `u32::MAX` (71 minutes), which stands for "absent". Both saturate, so a broken clock cannot cause an overflow.

pub mod backoff;
pub mod duration;
pub mod leap;
pub mod moment;
pub mod next_clock;
use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;

/// A point in time: microseconds since the Unix epoch, UTC, in `0..=2^52 - 1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Bits that a timestamp takes in a packed sample.
    pub const BITS: u32 = 52;
    /// The Unix epoch.
    pub const ZERO: Self = Self(0);
    /// The last representable instant, in the year 2112.
    pub const MAX: Self = Self((1 << Self::BITS) - 1);

    /// `micros` after the Unix epoch, saturating at [`Timestamp::MAX`].
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        if micros > Self::MAX.0 { Self::MAX } else { Self(micros) }
    }

    /// Whole seconds after the Unix epoch, saturating.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_micros(secs.saturating_mul(1_000_000))
    }

    /// This time in `zone`, as `strftime` of jiff writes it by `format`.
    ///
    /// # Panics
    /// If `format` is invalid.
    #[must_use]
    pub fn format(self, zone: &TimeZone, format: &str) -> String {
        self.instant().to_zoned(zone.clone()).strftime(format).to_string()
    }

    /// The same for jiff.
    #[must_use]
    pub fn instant(self) -> jiff::Timestamp {
        let micros = i64::try_from(self.0).expect("a timestamp is below 2^52");
        jiff::Timestamp::from_microsecond(micros).expect("the year 2112 is within jiff's range")
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// This instant moved forward, saturating at [`Timestamp::MAX`].
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(duration::micros(by)))
    }

    /// This instant moved back, saturating at the epoch.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(duration::micros(by)))
    }

    /// This instant moved back by a time inside a probe.
    #[inline]
    #[must_use]
    pub const fn minus(self, by: Micros) -> Self {
        Self(self.0.saturating_sub(by.0 as u64))
    }
}

/// A length of time inside a probe: microseconds in `0..=u32::MAX - 1`, longer ones saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(u32);

impl Micros {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// The longest, about 71 minutes.
    pub const MAX: Self = Self(u32::MAX - 1);

    /// Saturates at [`Micros::MAX`].
    #[must_use]
    pub const fn new(micros: u32) -> Self {
        if micros > Self::MAX.0 { Self::MAX } else { Self(micros) }
    }

    /// `duration` in whole microseconds, rounded down, saturating.
    #[must_use]
    pub fn from_duration(duration: Duration) -> Self {
        Self(u32::try_from(duration.as_micros()).map_or(Self::MAX.0, |us| us.min(Self::MAX.0)))
    }

    /// The number of microseconds.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// This time as a [`Duration`].
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_micros(self.0 as u64)
    }

    /// The sum, saturating at [`Micros::MAX`].
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self::new(self.0.saturating_add(other.0))
    }
}

/// The span of time that a view or a window covers, counted back from its `as_of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeframe(Duration);

impl Timeframe {
    /// A timeframe of this length.
    #[must_use]
    pub const fn new(length: Duration) -> Self {
        Self(length)
    }

    /// Its length.
    #[must_use]
    pub const fn length(self) -> Duration {
        self.0
    }

    /// The exclusive start of a window of this timeframe at `as_of`.
    #[must_use]
    pub fn cutoff(self, as_of: Timestamp) -> Timestamp {
        as_of.before(self.0)
    }
}

impl fmt::Display for Timeframe {
    /// The canonical short form: `10m`, `1h`, `1m30s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&duration::format(self.0))
    }
}

/// A configured view: what it covers and how often its figures change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The span that it covers.
    pub timeframe: Timeframe,
    /// Time between refreshes.
    pub refresh: Duration,
}

impl View {
    /// The longest timeframe whose samples stay in memory.
    pub const RECENT_MAX: Duration = Duration::from_hours(1);

    /// Whether its figures come from the store, because memory does not hold enough samples.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.timeframe.0 > Self::RECENT_MAX
    }

    /// The newest multiple of the refresh up to `now`: views refresh by the wall clock, not by the start.
    #[must_use]
    pub fn aligned(&self, now: Timestamp) -> Timestamp {
        Timestamp(now.0 - now.0 % duration::micros(self.refresh).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_saturate_at_both_ends() {
        assert_eq!(Timestamp::from_micros(u64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.after(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_secs(1).before(Duration::MAX), Timestamp::ZERO);
        assert_eq!(Timestamp::from_secs(1).since(Timestamp::from_secs(2)), Duration::ZERO);
    }

    #[test]
    fn micros_never_take_the_bit_pattern_of_absent() {
        assert_eq!(Micros::new(u32::MAX), Micros::MAX);
        assert_eq!(Micros::from_duration(Duration::MAX), Micros::MAX);
        assert_eq!(Micros::MAX.plus(Micros::MAX), Micros::MAX);
    }
}
