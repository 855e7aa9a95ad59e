//! What a site answered, in its own words: evidence of a failed check.

use crate::model::{Cause, Http, Status, Timestamp};

/// The content of an answer, clean and without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The printable URL that it came from.
    pub url: String,
    /// Its first headers.
    pub headers: Vec<(String, String)>,
    /// How many more headers there were.
    pub more_headers: usize,
    /// The beginning of a body that does not meet the expectations, in lines.
    pub body: Option<String>,
}

/// An answer with which a site failed a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAnswer {
    /// When the outcome of the check was known.
    pub at: Timestamp,
    /// Why the check failed.
    pub cause: Cause,
    /// The status of the answer.
    pub status: Option<Status>,
    /// The protocol of the answer.
    pub http: Http,
    /// What it said.
    pub evidence: Evidence,
}
