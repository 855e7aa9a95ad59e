//! What a page about one incident asks for, and what it is told.

use std::sync::Arc;

use crate::alert::AlertRecord;
use crate::model::Timestamp;
use crate::model::text::document::Document;

/// The incident that an alert is about, as it is known at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentRequest {
    /// The alert: it opened the incident, closed it, or told of it again.
    pub alert: Arc<AlertRecord>,
    /// When the incident ended, as far as the asking side knows; another time is another request.
    pub ended: Option<Timestamp>,
    /// What was asked for at this instant.
    pub as_of: Timestamp,
}

impl IncidentRequest {
    /// Whether both ask about the same alert.
    #[must_use]
    pub fn is_about(&self, alert: &AlertRecord) -> bool {
        (&self.alert.site, self.alert.rule, self.alert.at) == (&alert.site, alert.rule, alert.at)
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentPage {
    /// What was asked for.
    pub request: IncidentRequest,
    /// The number of the incident, if it has one.
    pub number: Option<u64>,
    /// What is known.
    pub document: Document,
    /// The same as Markdown, to be pasted.
    pub markdown: Arc<str>,
}
