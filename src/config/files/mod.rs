//! The files that a configuration names: read within limits, and checked for whether they can be run.

pub(crate) mod file;
pub(crate) mod runnable;
