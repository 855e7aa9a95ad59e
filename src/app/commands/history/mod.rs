//! The commands that read a stored period: `stats`, `samples` and `alerts`.

pub(crate) mod alerts;
pub(crate) mod alerts_test;
pub(crate) mod samples;
pub(crate) mod stats;
pub(crate) mod stored_period;
