//! A body as it was read: its bytes, and what its head said of them.

use std::time::Instant;

use crate::probe::body::content_coding::Packing;

/// How much of a body came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BodyRead {
    /// Bytes, at most `max_body`.
    pub(crate) bytes: u64,
    /// There was more than `max_body`, or than is read of a body in tiny pieces.
    pub(crate) capped: bool,
    /// The bytes, where they were wanted.
    pub(crate) kept: Vec<u8>,
    /// How those are packed.
    pub(crate) packing: Packing,
    /// The type that the server names.
    pub(crate) kind: Option<String>,
    /// The charset that the server names.
    pub(crate) charset: Option<String>,
    /// Since when nothing that follows can change the judgement; not read any further then.
    pub(crate) decided: Option<Instant>,
}
