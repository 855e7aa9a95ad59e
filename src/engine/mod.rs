//! From samples to figures and alerts: synchronous, no I/O, time is an argument.

pub mod snapshot;

pub use snapshot::{LastCheck, OpenIncident, Row, SiteSnapshot, SiteState, Snapshot, ViewSnapshot};
