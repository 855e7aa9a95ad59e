//! Options of `hub`.

use std::time::Duration;

use clap::Args;

use crate::app::cli::formats::LineFormat;
use crate::model::time::duration;

/// Options of `hub`.
#[derive(Clone, Debug, Args)]
pub struct HubArgs {
    /// Print lines instead of the dashboard (the default when stdout is not a terminal)
    #[arg(long)]
    pub headless: bool,
    /// Output format when headless
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LineFormat::Text)]
    pub format: LineFormat,
    /// Stop after DURATION
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    pub duration: Option<Duration>,
}
