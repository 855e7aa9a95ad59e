//! Whole screens as pictures.

pub(crate) mod fixtures;
mod past;
mod snapshots;
