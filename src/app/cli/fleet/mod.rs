//! Options of the commands about several locations.

/// Why a webmon has no part in a fleet.
#[cfg(not(feature = "nats"))]
pub const MISSING: &str = "this webmon was built without the feature `nats`; build it with `--features nats`";

pub mod commands;
pub mod hub;
