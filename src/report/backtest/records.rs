//! What there is to print of a backtest.

use std::time::Duration;

use crate::backtest::{Incident, Score};
use crate::report::Period;

/// What one set of rules made of one site.
#[derive(Clone, Copy, Debug)]
pub struct RuleResult<'a> {
    /// All incidents that opened in the period.
    pub incidents: usize,
    /// Messages about the site.
    pub messages: usize,
    /// How the incidents match the outages.
    pub score: &'a Score,
}

/// One site.
#[derive(Clone, Copy, Debug)]
pub struct SiteResult<'a> {
    /// Its name.
    pub site: &'a str,
    /// Checks with an outcome.
    pub checks: u64,
    /// Outages that should be found.
    pub outages: usize,
    /// By the rules of the file.
    pub a: RuleResult<'a>,
    /// By the other rules.
    pub b: Option<RuleResult<'a>>,
}

/// What holds for all sites.
#[derive(Clone, Copy, Debug)]
pub struct BacktestHeading<'a> {
    /// The period.
    pub period: Period,
    /// Where the rules A come from.
    pub a: &'a str,
    /// Where the rules B come from.
    pub b: Option<&'a str>,
    /// The shortest outage that should be found.
    pub least: Duration,
}

/// One incident of a list.
#[derive(Clone, Copy, Debug)]
pub struct ListedIncident<'a> {
    /// Its site.
    pub site: &'a str,
    /// `A` or `B`.
    pub rules: &'a str,
    /// What is known of it.
    pub incident: &'a Incident,
    /// Whether the other rules have one at the same time; `None` without other rules.
    pub in_both: Option<bool>,
}

/// A better rule for one site.
#[derive(Clone, Copy, Debug)]
pub struct Suggestion<'a> {
    /// The site.
    pub site: &'a str,
    /// What to write.
    pub yaml: &'a str,
    /// Messages with it, and with the rules as they are.
    pub messages: (usize, usize),
    /// How many outages it finds, and after what time at most.
    pub found: (usize, Duration),
}
