//! The prose of a run: before its first sites, and at its end.

pub mod getting_started;
pub mod summary;
