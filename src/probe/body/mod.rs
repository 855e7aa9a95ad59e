//! The body of an answer: decoded, searched, quoted.

pub(crate) mod capture_search;
pub(crate) mod charset;
pub(crate) mod content_coding;
pub(crate) mod excerpt;
pub(crate) mod interrupt;
pub(crate) mod json;
pub(crate) mod matcher;
pub(crate) mod pattern_search;
pub(crate) mod received;
pub(crate) mod stream;
pub(crate) mod text_search;
pub(crate) mod worker;
