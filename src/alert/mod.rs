//! When a site counts as down, and what is said of it: a pure state machine.

mod evaluator;
mod record;
mod rule;

pub use evaluator::{Evaluator, Transition};
pub use record::{Alert, AlertRecord};
pub use rule::{AlertState, Rule, Threshold};
