//! The output formats of the commands, and when they use colour.

use clap::ValueEnum;

use super::terminal::is_dumb;

/// Output formats of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LineFormat {
    /// Text.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Output formats of stored history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// A table.
    Table,
    /// One JSON object per line.
    Json,
    /// Comma-separated values with a header line.
    Csv,
}

/// Output formats of statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatsFormat {
    /// A table.
    Table,
    /// One JSON object per line.
    Json,
    /// Comma-separated values with a header line.
    Csv,
    /// `HdrHistogram` interval log: response times in µs per site and hour (per day beyond a week).
    Hlog,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal that is not dumb, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// Whether colours are used on a terminal.
    #[must_use]
    pub fn on_terminal(self) -> bool {
        match self {
            Self::Auto => !is_dumb() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            Self::Always => true,
            Self::Never => false,
        }
    }
}
