//! Options of `watch` about a picture of the dashboard.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Options of `watch`.
#[derive(Clone, Debug, Default, Args)]
pub struct WatchArgs {
    /// Show nothing, and write the dashboard to FILE as SVG, in place of an earlier file
    #[arg(long, value_name = "FILE")]
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
