//! The alert rule: decides when a site is down, as a pure state machine.

mod evaluator;
mod record;
mod rule;

pub use evaluator::{Evaluator, Transition};
pub use record::{Alert, AlertRecord};
pub use rule::{AlertState, Rule, Threshold};
