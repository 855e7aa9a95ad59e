//! What a user orders about incidents: to acknowledge one, to silence sites, to take it back.
//!
//! Invariants: an order says what to do, never how; the same order twice changes nothing the second time, but for a new
//! silence. Bounds: a text of [`TEXT_MAX`] bytes, a silence of [`SILENCE_MAX`], [`SILENCES_MAX`] silences.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::incident::terms::Target;
use crate::alert::kept::incident::SILENCE_MAX;
use crate::alert::{RuleKind, SiteSelector};
use crate::model::Timestamp;
use crate::model::time::duration;

/// The most bytes of a user's words.
pub const TEXT_MAX: usize = 500;

/// The most silences at once, and the most one-off windows of maintenance that are remembered.
pub const SILENCES_MAX: usize = 1_000;

/// How long a one-off window of maintenance is remembered after its end: as long as hourly figures are.
pub const WINDOW_MEMORY: Duration = Duration::from_hours(400 * 24);

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserOrder {
    /// Acknowledge the open incidents that are meant.
    Acknowledge(Target),
    /// Withdraw their acknowledgements.
    Withdraw(Target),
    /// Do not report these sites until then.
    Silence {
        /// The sites.
        sites: SiteSelector,
        /// The end.
        until: Timestamp,
        /// Whether it counts as maintenance.
        is_maintenance: bool,
        /// Whether it takes the place of silences of exactly these sites.
        replaces: bool,
    },
    /// End silences.
    EndSilence(Silenced),
}

/// Which silences a user means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silenced {
    /// All.
    All,
    /// The one of this number.
    Number(u64),
    /// Those of exactly these sites.
    Sites(SiteSelector),
}

/// Who ordered, when, and in which words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedBy {
    /// The login name.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// The user's words; may be empty.
    pub text: String,
}

/// What an order did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obeyed {
    /// The open incidents that it concerns, by number, and their sites.
    pub incidents: Vec<(u64, Arc<str>)>,
    /// The silence that it began.
    pub silence: Option<u64>,
    /// The silences that it ended.
    pub ended: Vec<u64>,
    /// What changed, in order.
    pub events: Vec<OrderEvent>,
}

/// One change by an order, for outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEvent {
    /// What.
    pub change: OrderChange,
    /// Who, when, and in which words.
    pub ordered: OrderedBy,
}

/// A change by an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderChange {
    /// An incident was acknowledged.
    Acknowledged(u64, Arc<str>, RuleKind),
    /// Its acknowledgement was withdrawn.
    Withdrawn(u64, Arc<str>, RuleKind),
    /// A silence began.
    Silenced {
        /// Its number.
        number: u64,
        /// The sites.
        sites: SiteSelector,
        /// Its end.
        until: Timestamp,
        /// Whether it counts as maintenance.
        is_maintenance: bool,
    },
    /// A silence ended before its time.
    SilenceEnded {
        /// Its number.
        number: u64,
        /// The sites.
        sites: SiteSelector,
    },
}

impl OrderChange {
    /// The public name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Acknowledged(..) => "acknowledged",
            Self::Withdrawn(..) => "withdrawn",
            Self::Silenced { .. } => "silenced",
            Self::SilenceEnded { .. } => "silence_ended",
        }
    }
}

/// Why an order was refused; nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No open incident is meant.
    #[error("{} is open", match .0 {
        Target::Number(number) => format!("no incident {number}"),
        Target::Site(site) => format!("no incident of {site}"),
    })]
    NothingOpen(Target),
    /// No silence is meant.
    #[error("{}", match .0 {
        Silenced::All => "nothing is silenced".to_owned(),
        Silenced::Number(number) => format!("there is no silence {number}"),
        Silenced::Sites(sites) => format!("{} is not silenced", sites.words().join(" ")),
    })]
    NotSilenced(Silenced),
    /// The end of a silence is over.
    #[error("the end of the silence is past")]
    Past,
    /// The end of a silence is too far away.
    #[error("a silence lasts at most {}", duration::format(SILENCE_MAX))]
    TooLong,
    /// There are too many silences.
    #[error("there are {SILENCES_MAX} silences already; end some")]
    TooMany,
}

const HOUR: Duration = Duration::from_hours(1);
const LONG: Duration = Duration::from_hours(4);

/// The silence that follows `until` when a user cycles through 1 hour, 4 hours, until `morning`, none.
#[must_use]
pub fn next_silence(until: Option<Timestamp>, now: Timestamp, morning: Timestamp) -> Option<Timestamp> {
    match until {
        None => Some(now.after(HOUR)),
        Some(until) if until == morning => None,
        Some(until) if until.since(now) <= HOUR => Some(now.after(LONG)),
        Some(until) if until.since(now) <= LONG => Some(morning),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silences_grow_until_the_morning_and_end() {
        // The morning is far away, or nearer than four hours, or than one.
        for ahead in [9 * 3_600, 2 * 3_600, 600] {
            let now = Timestamp::from_secs(1_000_000);
            let morning = now.after(Duration::from_secs(ahead));
            let second = |n: u64| now.after(Duration::from_secs(n));
            let hour = next_silence(None, now, morning);
            assert_eq!(hour, Some(now.after(HOUR)));
            let long = next_silence(hour, second(1), morning);
            assert_eq!(long, Some(second(1).after(LONG)));
            let until_morning = next_silence(long, second(2), morning);
            assert_eq!(until_morning, Some(morning));
            assert_eq!(next_silence(until_morning, second(3), morning), None);
        }
        let days = Timestamp::from_secs(9_000_000);
        assert_eq!(next_silence(Some(days), Timestamp::from_secs(1), Timestamp::from_secs(2)), None);
    }
}
