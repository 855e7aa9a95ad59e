//! Options of `watch`: about a picture of the dashboard, and about a fleet in place of a store.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::app::cli::formats::LineFormat;
use crate::config;
use crate::model::time::duration;
use crate::model::{FleetServer, Location};

/// Options of `watch`.
#[derive(Clone, Debug, Default, Args)]
pub struct WatchArgs {
    /// Show nothing, and write the dashboard to FILE as SVG, in place of an earlier file
    #[arg(long, value_name = "FILE", conflicts_with = "remote")]
    pub picture: Option<PathBuf>,
    /// The picture shows the page of this site
    #[arg(long, value_name = "NAME", requires = "picture", conflicts_with = "page")]
    pub site: Option<String>,
    /// The picture shows this page
    #[arg(long, value_enum, value_name = "PAGE", requires = "picture")]
    pub page: Option<PageChoice>,
    /// The picture shows the overview or the alerts as of then: 24h back from now, 03:20, 2026-11-22T09:00 or RFC 3339
    #[arg(long, value_name = "TIME", requires = "picture", conflicts_with = "site")]
    pub until: Option<String>,
    /// Columns and rows of the picture [default: 120x30]
    #[arg(long, value_name = "SIZE", requires = "picture", value_parser = size)]
    pub size: Option<(u16, u16)>,
    /// The fleet to look at.
    #[command(flatten)]
    pub fleet: WatchFleetArgs,
}

/// Options of `watch` about a fleet.
#[derive(Clone, Debug, Default, Args)]
pub struct WatchFleetArgs {
    /// Look at the fleet of this NATS server (`tls://host:4222`) in place of a store: the past hour and what follows, of all locations
    #[arg(value_name = "URL", group = "remote", value_parser = FleetServer::parse)]
    pub server: Option<FleetServer>,
    /// The same with `fleet.server` of the file
    #[arg(long = "fleet", group = "remote")]
    pub of_file: bool,
    /// Show this location, judged by its own checks (repeatable)
    #[arg(long, value_name = "NAME", requires = "remote", value_parser = config::location_name)]
    pub location: Vec<Location>,
    /// The folder with ca.pem, watch.pem and watch.key (default: `fleet.certs` of the file)
    #[arg(long, value_name = "FOLDER", requires = "remote")]
    pub certs: Option<PathBuf>,
    /// Print lines instead of the dashboard (the default with a URL when stdout is not a terminal)
    #[arg(long, requires = "remote")]
    pub headless: bool,
    /// Output format when headless
    #[arg(long, value_enum, value_name = "FORMAT", requires = "remote", default_value_t = LineFormat::Text)]
    pub format: LineFormat,
    /// Stop after DURATION
    #[arg(long = "for", value_name = "DURATION", requires = "remote", value_parser = duration::parse)]
    pub duration: Option<Duration>,
}

impl WatchFleetArgs {
    /// Whether a fleet is to be shown, and not a store.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        self.of_file || self.server.is_some()
    }
}

/// A page that needs no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PageChoice {
    /// All sites.
    Overview,
    /// All alerts.
    Alerts,
    /// The keys and marks.
    Help,
    /// The incident of the newest alert.
    Incident,
}

/// Columns and rows that a picture may have.
const COLUMNS: RangeInclusive<u16> = 20..=500;
const ROWS: RangeInclusive<u16> = 5..=300;

/// Parses a size: `120x40`.
fn size(text: &str) -> Result<(u16, u16), String> {
    let wrong =
        || format!("{text:?} is not a size such as 120x40: {COLUMNS:?} columns, {ROWS:?} rows").replace("..=", " to ");
    let (columns, rows) = text.split_once('x').ok_or_else(wrong)?;
    let size = (columns.parse().map_err(|_| wrong())?, rows.parse().map_err(|_| wrong())?);
    if COLUMNS.contains(&size.0) && ROWS.contains(&size.1) { Ok(size) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_columns_and_rows_within_bounds() {
        assert_eq!(size("120x40"), Ok((120, 40)));
        for text in ["", "x", "120", "120x", "19x30", "501x30", "80x4", "80x301", "-80x24", "80x24x2", "99999x30"] {
            assert!(size(text).unwrap_err().contains("20 to 500 columns, 5 to 300 rows"), "{text}");
        }
    }
}
