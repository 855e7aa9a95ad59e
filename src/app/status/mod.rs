//! How webmon itself is: counters, health, and warnings.

pub(crate) mod counters;
pub(crate) mod health_meter;
pub(crate) mod warnings;
