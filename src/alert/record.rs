//! One announced change of a site's state, as it is stored, printed and sent.

use std::sync::Arc;
use std::time::Duration;

use crate::model::Timestamp;
use crate::stats::Availability;

use super::Threshold;

/// What an alert announces.
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

/// One transition of the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// When it was found.
    pub at: Timestamp,
    /// The site's name.
    pub site: Arc<str>,
    /// What it announces.
    pub state: AlertState,
    /// The availability that was judged; none for `ended`.
    pub availability: Option<Availability>,
    /// The rule's threshold at that time.
    pub threshold: Threshold,
    /// The rule's window at that time.
    pub window: Duration,
    /// When the incident began: the time of its `down`.
    pub since: Timestamp,
    /// From message to message; none for `down`.
    pub downtime: Option<Duration>,
    /// The message, to the letter of contract.md §3; empty for `ended`.
    pub message: String,
}
