//! The alert rule: decides when a site is down, as a pure state machine.

mod evaluator;
pub mod incident;
pub mod kept;
pub mod maintenance;
pub mod network;
mod news;
pub mod outbox;
pub mod policy;
mod record;
mod rule;
mod selector;

pub use evaluator::{Evaluator, Transition};
pub use incident::calm::Calm;
pub use news::{News, NewsContext, NewsKind};
pub use record::{Alert, AlertRecord, Reading};
pub use rule::{AlertState, LatencyRule, Percentile, Policies, Rule, RuleKind, Severity, SloRule, Threshold};
pub use selector::SiteSelector;
