//! Options of `hub`.

use std::time::Duration;

use clap::Args;

use crate::app::cli::formats::LineFormat;
use crate::model::ListenAddress;
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
    /// Serve metrics, the status page and the API by HTTP (default: `listen.address` of the file, or 127.0.0.1:9115)
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true, value_parser = ListenAddress::parse)]
    #[allow(clippy::option_option, reason = "not given, given without an address, given with one")]
    pub listen: Option<Option<ListenAddress>>,
    /// Stop after DURATION
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    pub duration: Option<Duration>,
}
