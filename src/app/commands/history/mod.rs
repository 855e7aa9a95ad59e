//! The commands that read a stored period: `stats`, `samples`, `alerts`, `incident`, `why`, `backtest` and `report`.

pub(crate) mod alerts;
pub(crate) mod alerts_test;
pub(crate) mod backtest;
pub(crate) mod incident;
pub(crate) mod report;
pub(crate) mod samples;
pub(crate) mod slo;
pub(crate) mod stats;
pub(crate) mod stored_period;
pub(crate) mod subjects;
pub(crate) mod why;
