//! The grammar of `webmon ack` and `webmon silence`.

pub(crate) mod until;
use clap::Args;

use super::formats::TableFormat;

/// Options of `ack`.
#[derive(Clone, Debug, Args)]
pub struct AckArgs {
    /// A site, or the number of an incident; without one, list the open incidents
    #[arg(value_name = "SITE|INCIDENT")]
    pub target: Option<String>,
    /// Say why, or who looks after it
    #[arg(short, long, value_name = "TEXT", requires = "target")]
    pub message: Option<String>,
    /// Withdraw the acknowledgement
    #[arg(long, requires = "target", conflicts_with = "message")]
    pub withdraw: bool,
    /// Output format of the list
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TableFormat::Table, conflicts_with = "target")]
    pub format: TableFormat,
}

/// Options of `silence`.
#[derive(Clone, Debug, Args)]
pub struct SilenceArgs {
    /// A site, the sites of a group, or all; without one, list the silences
    #[arg(value_name = "SITE|group:NAME|all")]
    pub sites: Option<String>,
    /// How long, or `until` a time: a clock time (08:00), a date, a local time or RFC 3339; at most 30 days
    #[arg(value_name = "DURATION|until TIME", num_args = 1..=3)]
    pub end_at: Vec<String>,
    /// Say why
    #[arg(short, long, value_name = "TEXT", requires = "sites")]
    pub message: Option<String>,
    /// Count it as maintenance, which `stats --but-maintenance` and the SLO leave out
    #[arg(long, requires = "sites")]
    pub maintenance: bool,
    /// End the silence of this number, or all
    #[arg(long, value_name = "N|all", conflicts_with_all = ["sites", "message", "maintenance"])]
    pub end: Option<String>,
    /// Output format of the list
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = TableFormat::Table, conflicts_with_all = ["sites", "end"])]
    pub format: TableFormat,
}
