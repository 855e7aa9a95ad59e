//! When a site counts as down, and what is said of it: a pure state machine.

mod evaluator;
mod message;
mod record;
mod rule;

pub use evaluator::{Evaluator, Transition};
pub use record::Alert;
pub use rule::{AlertState, Rule, Threshold};
