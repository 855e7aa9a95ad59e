//! Commands of a user about one site or one incident, and the manual checks that they start.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Observation, SiteSlot, Timestamp};

/// A command of a user about one site or one incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteCommand {
    /// Check the site now.
    Check(SiteSlot),
    /// Pause the site until then ([`Timestamp::MAX`]: until it is resumed), or resume it.
    Pause(SiteSlot, Option<Timestamp>),
    /// Do not report the site until then, or report it again. Its checks go on.
    Silence(SiteSlot, Option<Timestamp>),
    /// Acknowledge an open incident, or withdraw that.
    Acknowledge {
        /// Its number.
        incident: u64,
        /// Whether the acknowledgement is withdrawn.
        is_withdrawn: bool,
    },
}

const SHORT: Duration = Duration::from_mins(30);
const LONG: Duration = Duration::from_hours(2);

/// The pause that follows `paused_until` when a user cycles through 30 minutes, 2 hours, until resumed, none.
#[must_use]
pub fn next_pause(paused_until: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    match paused_until {
        None => Some(now.after(SHORT)),
        Some(until) if until == Timestamp::MAX => None,
        Some(until) if until.since(now) > SHORT => Some(Timestamp::MAX),
        Some(_) => Some(now.after(LONG)),
    }
}

/// A check that a user requested: it is shown, and enters no figure.
#[derive(Clone, Debug)]
pub struct ManualCheck {
    /// The slot of the site.
    pub site: SiteSlot,
    /// When it was started.
    pub asked: Timestamp,
    /// When its outcome was known, and the observation; `None` while it is under way.
    pub outcome: Option<(Timestamp, Arc<Observation>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let now = Timestamp::from_secs(1_000_000);
        let short = next_pause(None, now);
        assert_eq!(short, Some(now.after(SHORT)));
        let long = next_pause(short, now.after(Duration::from_secs(5)));
        assert_eq!(long, Some(now.after(LONG + Duration::from_secs(5))));
        let for_ever = next_pause(long, now.after(Duration::from_secs(9)));
        assert_eq!(for_ever, Some(Timestamp::MAX));
        assert_eq!(next_pause(for_ever, now), None);
    }
}
