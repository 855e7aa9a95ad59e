//! What a message says: one event of one incident, complete in itself, so that it can be sent after a restart.
//!
//! Invariants: no field holds a secret (`url` is the printable one). Bounds: the texts are those of a check (at most
//! [`crate::model::text::DETAIL_MAX`]) and of the user (500 characters).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Cause, Status, Timestamp};

use super::AlertRecord;

/// The event that a message reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NewsKind {
    /// The incident opened.
    Opened,
    /// It closed.
    Closed,
    /// It opened and closed before anybody could be notified.
    Was,
    /// It ended with its site or its rule.
    Ended,
    /// It is still open.
    Reminder,
    /// A user acknowledged it.
    Acknowledged,
    /// A user withdrew the acknowledgement.
    Withdrawn,
}

impl NewsKind {
    /// All kinds, in the order of their stored numbers.
    pub const ALL: [Self; 7] =
        [Self::Opened, Self::Closed, Self::Was, Self::Ended, Self::Reminder, Self::Acknowledged, Self::Withdrawn];

    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Was => "was",
            Self::Ended => "ended",
            Self::Reminder => "reminder",
            Self::Acknowledged => "acknowledged",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether the incident is over with it.
    #[must_use]
    pub const fn is_closing(self) -> bool {
        matches!(self, Self::Closed | Self::Was | Self::Ended)
    }
}

/// One event of one incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The event.
    pub kind: NewsKind,
    /// The alert: that which opened the incident, or, for `Closed`, `Was` and `Ended`, that which closed it.
    pub alert: AlertRecord,
    /// What is known beside it.
    pub context: NewsContext,
}

/// What is known about a site beside its alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewsContext {
    /// The site's printable URL; empty for webmon itself.
    pub url: Arc<str>,
    /// The site's group.
    pub group: Option<Arc<str>>,
    /// The cause of the last failure.
    pub cause: Option<Cause>,
    /// Its reason in words; may come from a hostile server, made harmless by [`crate::model::text::clean_line`].
    pub detail: String,
    /// Its status.
    pub status: Option<Status>,
    /// The address of the last connection.
    pub address: Option<IpAddr>,
    /// The subject of the last certificate.
    pub certificate: Option<String>,
    /// The last successful check.
    pub last_good: Option<Timestamp>,
    /// Checks by cause in the rule's window, most frequent first.
    pub causes: Vec<(Cause, u64)>,
    /// How often the rule was breached again within the incident.
    pub relapses: u32,
    /// How long the incident has been open, for a reminder.
    pub open_for: Option<Duration>,
    /// Who acknowledged it.
    pub by: Option<String>,
    /// That user's words.
    pub text: Option<String>,
}
