//! When a site counts as down, and what is said of it: a pure state machine.

mod evaluator;
mod message;
mod record;
mod rule;

pub use evaluator::{Evaluator, Transition};
pub use record::{Alert, AlertState};
pub use rule::{Rule, Threshold};
