//! When a site counts as down, and what is said of it: a pure state machine.

mod record;
mod rule;

pub use record::{Alert, AlertState};
pub use rule::{Rule, Threshold};
