//! The lines of sites.yaml that a message quotes, with their secrets masked.

pub(crate) mod redact;
pub(crate) mod source;
