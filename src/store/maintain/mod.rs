//! What keeps the file small: sealing, rolling up, and removing what is older than its retention.

pub(crate) mod alert_retention;
pub(crate) mod clock_trust;
pub(crate) mod retention;
pub(crate) mod rollup_builder;
pub(crate) mod seal;
pub(crate) mod space;
