//! The files that a configuration names, read within limits, and the programs, checked before they run.

pub(crate) mod file;
pub(crate) mod runnable;
