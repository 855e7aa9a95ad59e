//! Growing calm: a site that relapses is reported as up only after a longer and longer calm.
//!
//! An incident closes when its rule has been clear without a break for its *settle* time. That is zero for an incident
//! that opened long after the last one of its rule; otherwise, and at each relapse, it doubles. So a quiet site behaves as
//! without calm, and a site that flutters costs one message down and one up.

use std::time::Duration;

use crate::model::Timestamp;

/// The bounds of the settle time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calm {
    /// After the first relapse.
    pub least: Duration,
    /// At most; an incident that opens later than twice this after the last one closed starts at zero.
    pub most: Duration,
}

impl Default for Calm {
    /// 5 minutes to 1 hour.
    fn default() -> Self {
        Self { least: Duration::from_mins(5), most: Duration::from_hours(1) }
    }
}

impl Calm {
    /// How long a closed incident is remembered.
    #[must_use]
    pub fn memory(self) -> Duration {
        self.most.saturating_mul(2)
    }

    /// The settle time after another relapse.
    #[must_use]
    pub fn doubled(self, settle: Duration) -> Duration {
        settle.saturating_mul(2).clamp(self.least, self.most.max(self.least))
    }

    /// The settle time of an incident that opens at `opened`; `last` is when the last one of its rule closed, and its
    /// settle time.
    #[must_use]
    pub fn at_opening(self, opened: Timestamp, last: Option<(Timestamp, Duration)>) -> Duration {
        match last {
            Some((closed, settle)) if opened.since(closed) <= self.memory() => self.doubled(settle),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settle_grows_between_its_bounds_and_starts_anew_after_quiet() {
        let calm = Calm::default();
        let mut settle = Duration::ZERO;
        let mut grown = Vec::new();
        for _ in 0..6 {
            settle = calm.doubled(settle);
            grown.push(settle.as_secs() / 60);
        }
        assert_eq!(grown, [5, 10, 20, 40, 60, 60]);
        let at = Timestamp::from_secs(100_000);
        assert_eq!(calm.at_opening(at, None), Duration::ZERO);
        let last = |ago: u64| Some((at.before(Duration::from_secs(ago)), Duration::from_mins(10)));
        assert_eq!(calm.at_opening(at, last(7_200)), Duration::from_mins(20));
        assert_eq!(calm.at_opening(at, last(7_201)), Duration::ZERO);
        let after_first = Some((at.before(Duration::from_mins(1)), Duration::ZERO));
        assert_eq!(calm.at_opening(at, after_first), Duration::from_mins(5));
    }
}
