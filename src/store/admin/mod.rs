//! Administration of a whole store, without another user or read-only: backup, repair, renaming sites.

pub(crate) mod backup;
pub(crate) mod rename;
pub(crate) mod repair;
