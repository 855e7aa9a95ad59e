//! The status of webmon itself: counters, health, notices and warnings.

pub(crate) mod counters;
pub(crate) mod health_meter;
pub(crate) mod own_incidents;
pub(crate) mod warnings;
