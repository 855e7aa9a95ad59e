//! The result of a backtest: a table with the incidents below it, JSON lines, CSV.

mod objects;
mod records;
mod table;

pub use objects::{csv_header, csv_site, json_incident, json_latency, json_site, json_suggestion};
pub use records::{BacktestHeading, ListedIncident, RuleResult, SiteResult, Suggestion};
pub use table::{in_groups, incident, latency, more_incidents, overlap, remark, suggestion, table};
