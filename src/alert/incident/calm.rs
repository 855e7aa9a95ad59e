//! Growing calm: a site that relapses is reported as up only after a longer and longer calm.

use std::time::Duration;

/// The bounds of the calm that must pass after a relapse before an incident closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calm {
    /// After the first relapse.
    pub least: Duration,
    /// At most; an incident that opens later than twice this after the last one starts without calm.
    pub most: Duration,
}

impl Default for Calm {
    /// 5 minutes to 1 hour.
    fn default() -> Self {
        Self { least: Duration::from_mins(5), most: Duration::from_hours(1) }
    }
}
