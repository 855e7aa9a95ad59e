//! What a run says in prose: before its first sites, and at its end.

pub mod getting_started;
pub mod summary;
