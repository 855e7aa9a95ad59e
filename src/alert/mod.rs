//! The alert rules: decide when a site is down, slow, or spends its budget, as pure state machines.

pub mod incident;
pub mod kept;
mod locations;
pub mod maintenance;
pub mod network;
mod news;
pub mod objective;
pub mod outbox;
pub mod policy;
pub mod quorum;
mod reading;
pub(crate) mod record;
mod rule;
mod selector;
mod transition;
pub mod trial;

pub use incident::calm::Calm;
pub use locations::Locations;
pub use news::{News, NewsContext, NewsKind};
pub use policy::Judge;
pub use reading::Reading;
pub use record::{Alert, AlertRecord};
pub use rule::{AlertState, LatencyRule, Percentile, Policies, Rule, RuleKind, Severity, SloRule, Threshold};
pub use selector::SiteSelector;
pub use transition::{StandingIncident, Transition};
