//! Options of `incident` and `why`.

use clap::{Args, ValueEnum};

/// How an incident is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IncidentFormat {
    /// For the terminal
    Text,
    /// Markdown, for a page or a chat
    Md,
    /// One JSON object
    Json,
}

/// Options of `why`.
#[derive(Clone, Debug, Args)]
pub struct WhyArgs {
    /// Only these sites, also if they are up (default: all that are not)
    #[arg(value_name = "SITE")]
    pub sites: Vec<String>,
}

/// Options of `incident`.
#[derive(Clone, Debug, Args)]
pub struct IncidentArgs {
    /// The number of an incident, or the name of a site for its newest one [default: the newest of all]
    #[arg(value_name = "NUMBER|SITE")]
    pub incident: Option<String>,
    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = IncidentFormat::Text)]
    pub format: IncidentFormat,
}
