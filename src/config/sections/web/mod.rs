//! The sections about what is served by HTTP.

pub(crate) mod listen;
pub(crate) mod page;
pub(crate) mod report;
