//! A server's answer as its readers need it, and the wait that it asks for.

use std::time::Duration;

use crate::model::Timestamp;

/// A server's response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The header `Location`.
    pub location: Option<String>,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// The body was longer than what was read, or ended early.
    pub cut: bool,
}

/// The words of a status: `Not Found`.
#[must_use]
pub fn reason_phrase(status: u16) -> Option<&'static str> {
    hyper::StatusCode::from_u16(status).ok()?.canonical_reason()
}

/// The wait, from `now`, of a `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). None if it is neither.
#[must_use]
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let date = || {
        let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        let at = u64::try_from(at.as_microsecond()).map_or(Timestamp::ZERO, Timestamp::from_micros);
        Some(at.since(now))
    };
    text.parse().map(Duration::from_secs).ok().or_else(date)
}
