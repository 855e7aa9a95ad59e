//! Changes of what is kept about incidents and messages: they join the commit of their alerts.
//!
//! Invariants: applied in their order they lead from one consistent state to the next; a later change of the same key
//! replaces an earlier one.

use std::sync::Arc;

use crate::alert::Alert;
use crate::model::Timestamp;

use super::incident::{Incident, Silence};
use super::row::{Row, Told};

/// The key of a kept record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKey {
    /// The incident of this number.
    Incident(u64),
    /// The row of the outbox of this number.
    Row(u64),
    /// What this outlet was told of this incident.
    Told(Arc<str>, u64),
    /// The silence of this number.
    Silence(u64),
    /// The order of this name, while its file is not removed: it is not obeyed again after a crash.
    Order(Arc<str>),
    /// The next number of a kind of record; those of removed records are never used again.
    Next(Counter),
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// Incidents.
    Incident,
    /// Rows of the outbox.
    Row,
    /// Silences.
    Silence,
}

/// The new content of a record; `None` removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An incident.
    Incident(Box<Incident>),
    /// A row of the outbox.
    Row(Box<Row>),
    /// What an outlet was told.
    Told(Told),
    /// A silence.
    Silence(Silence),
    /// When an order was obeyed.
    Order(Timestamp),
    /// A number.
    Next(u64),
}

impl Record {
    /// An alert of the site that it is about, if it is about one.
    #[must_use]
    pub fn subject(&self) -> Option<&Alert> {
        match self {
            Self::Incident(incident) => Some(&incident.opening),
            Self::Row(row) => Some(&row.news.alert),
            Self::Told(_) | Self::Silence(_) | Self::Order(_) | Self::Next(_) => None,
        }
    }
}

/// A change of one record.
pub type Change = (ChangeKey, Option<Record>);
