//! The lines of sites.yaml that a message points at, with their secrets masked.

pub(crate) mod redact;
pub(crate) mod source;
