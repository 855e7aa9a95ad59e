//! Maintenance of the file: sealing, rolling up, and removing data beyond their retention.

pub(crate) mod alert_retention;
pub(crate) mod blind_retention;
pub(crate) mod clock_trust;
pub(crate) mod retention;
pub(crate) mod rollup_builder;
pub(crate) mod seal;
pub(crate) mod space;
