//! One message that waits for one outlet, and the record of what an outlet was told.

use std::sync::Arc;

use crate::alert::News;
use crate::model::Timestamp;

/// A message that waits. A request with it alone has its number as idempotency key: a repeat after a crash has the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number, unique in a store.
    pub number: u64,
    /// The key of its outlet.
    pub outlet: Arc<str>,
    /// The number of its incident.
    pub incident: u64,
    /// When it was made; it is given up [`crate::alert::outbox::queue::KEEP`] later.
    pub made: Timestamp,
    /// It goes out at this time at the earliest.
    pub due: Timestamp,
    /// Requests that failed.
    pub attempts: u32,
    /// Whether a request may have gone out.
    pub is_begun: bool,
    /// The idempotency key of that request, if it had other rows, too: those with the same.
    pub set: Option<u64>,
    /// What it says.
    pub news: News,
}

/// An outlet was told of the opening of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: Timestamp,
    /// When it had heard the rest, too; the history of alerts shows it, and some outlets want it repeated.
    pub closed: Option<Timestamp>,
}
