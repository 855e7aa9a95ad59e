//! Whole screens as pictures.

pub(crate) mod fixtures;
mod hub;
mod past;
mod reload;
mod snapshots;
