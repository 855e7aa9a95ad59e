//! A body as it was read.

use std::time::Instant;

use hyper::header::HeaderMap;

use super::charset;
use super::content_coding::ContentCodings;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BodyRead {
    /// Bytes that arrived, at most `max_body`.
    pub(crate) bytes: u64,
    /// There was more than `max_body`, or the body came in too many tiny pieces.
    pub(crate) is_capped: bool,
    /// The bytes, if an expectation needs them.
    pub(crate) kept: Vec<u8>,
    pub(crate) codings: ContentCodings,
    /// The media type that the server names.
    pub(crate) kind: Option<String>,
    /// The charset that the server names.
    pub(crate) charset: Option<String>,
    /// Since when nothing that follows can change the verdict; the body is read no further.
    pub(crate) decided: Option<Instant>,
}

impl BodyRead {
    /// Notes how the body of an answer with these `headers` is coded.
    pub(crate) fn expect_coded(&mut self, headers: &HeaderMap) {
        self.codings = ContentCodings::of(headers);
        self.charset = charset::declared(headers);
    }
}
