//! The page of one incident: the request of the dashboard, and the answer of its reader.

use std::sync::Arc;

use crate::alert::AlertRecord;
use crate::model::Timestamp;
use crate::model::text::document::Document;

/// A request for the page of the incident that an alert belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentRequest {
    /// The alert that opened the incident, closed it, or repeated it.
    pub alert: Arc<AlertRecord>,
    /// When the incident ended, as far as the dashboard knows; a new value makes a new request.
    pub ended: Option<Timestamp>,
    /// The instant of the request.
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
    /// The request.
    pub request: IncidentRequest,
    /// The number of the incident, if it has one.
    pub number: Option<u64>,
    /// The content of the page.
    pub document: Document,
    /// The same as Markdown, to be pasted.
    pub markdown: Arc<str>,
}
