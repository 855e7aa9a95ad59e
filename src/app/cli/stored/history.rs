//! Options of the commands that read stored history.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::app::cli::formats::{StatsFormat, TableFormat};
use crate::app::cli::setting::Setting;
use crate::model::time::duration;

/// Which part of the store to read.
#[derive(Clone, Debug, Default, Args)]
pub struct PeriodArgs {
    /// Only these sites (default: all)
    #[arg(value_name = "SITE")]
    pub names: Vec<String>,
    /// Only this site (repeatable)
    #[arg(long = "site", value_name = "NAME")]
    pub sites: Vec<String>,
    /// In the store of a hub: only what this location sees, by the names there (repeatable)
    #[arg(long = "location", value_name = "NAME")]
    pub locations: Vec<String>,
    /// Start of the period: 24h or 1w back from now, 03:20, today, yesterday, 2026-11-22, 2026-11-22T09:00 or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// End of the period, exclusive [default: now]
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

impl PeriodArgs {
    /// The names of the chosen sites; none for all.
    #[must_use]
    pub fn wanted(&self) -> Vec<String> {
        self.names.iter().chain(&self.sites).cloned().collect()
    }
}

/// Options of the commands that list stored history.
#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// The selected history.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TableFormat::Table)]
    pub format: TableFormat,
}

/// Options of `backtest`.
#[derive(Clone, Debug, Args)]
pub struct BacktestArgs {
    /// Names of sites in the file (default: every site)
    #[arg(value_name = "SITE")]
    pub sites: Vec<String>,
    /// Start of the period: 24h or 1w back from now, 03:20, today, yesterday, 2026-11-22, 2026-11-22T09:00 or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// End of the period, exclusive [default: now]
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Compare with another value of a key of `alert`, for instance threshold=90% (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = Setting::parse)]
    pub set: Vec<Setting>,
    /// Compare with the rules of another file
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Suggest rules that send fewer messages or find outages sooner
    #[arg(long)]
    pub suggest: bool,
    /// Outages of at least DURATION should be found
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "2m")]
    pub miss: Duration,
    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TableFormat::Table)]
    pub format: TableFormat,
}

/// Options of `stats`.
#[derive(Clone, Debug, Args)]
pub struct StatsArgs {
    /// The selected history.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = StatsFormat::Table)]
    pub format: StatsFormat,
    /// In the store of a hub: beneath each site, how each location sees it
    #[arg(long, conflicts_with = "locations")]
    pub each_location: bool,
    /// Leave out maintenance: the windows of the file, and `webmon silence --maintenance`
    #[arg(long)]
    pub but_maintenance: bool,
    /// Show objectives (`alert.slo`) instead: what is left of the error budget, and how fast it is spent
    #[arg(long)]
    pub slo: bool,
    /// Compare with the same period so much earlier, for instance 7d
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, conflicts_with = "slo")]
    pub vs: Option<Duration>,
}

/// Options of `alerts`.
#[derive(Clone, Debug, Args)]
pub struct AlertsArgs {
    /// The selected alerts.
    #[command(flatten)]
    pub history: HistoryArgs,
    /// Send a test alert to these outlets (default: all, and `alerting.exec`), and report the results
    #[arg(long, value_name = "OUTLET", num_args = 0.., conflicts_with_all = ["names", "sites", "since", "until"])]
    pub test: Option<Vec<String>>,
    /// Print what would be sent, and send nothing
    #[arg(long, requires = "test")]
    pub dry_run: bool,
}
