//! Options of `report`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::page_title;
use crate::model::time::duration;

/// Options of `report`.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// Where it goes: one file if it ends in .html, else a folder [default: as in `report.out`, else report.html]
    #[arg(long, value_name = "DIR|FILE.html")]
    pub out: Option<PathBuf>,
    /// How far back the days of each site go, at most 400d [default: as in `page.days`]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub since: Option<Duration>,
    /// Only this site (repeatable)
    #[arg(long = "site", value_name = "NAME")]
    pub sites: Vec<String>,
    /// Only this group (repeatable)
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,
    /// The title [default: as in `page.title`]
    #[arg(long, value_name = "TEXT", value_parser = page_title)]
    pub title: Option<String>,
    /// The instant that it shows: RFC 3339, a local date or date-time, or a duration back from now [default: now]
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<String>,
}
