//! The printed formats: text, JSON lines, CSV and tables, as pure functions to a writer.
//!
//! Times and zones are arguments; `out` may be standard output, a file or a `Vec`. Every function writes whole lines, each with
//! one call of `write_all`, so that lines of several callers do not mix. The only error is the writer's; the caller decides
//! whether a closed pipe is one.
//!
//! The machine formats ([`json`], [`csv`]) are public: scripts depend on names and their order. Both are made from the same
//! `objects`, so they cannot differ. Texts ([`text`], [`table`], [`check`], [`run`]) take their
//! figures from [`crate::model::figures`]. [`log_line`] has both forms.
//!
//! Invariants: no line of text holds a control character of a server, a name or an error (`wording::line` replaces them); JSON
//! escapes them.

pub mod backtest;
pub mod check;
pub mod comparison;
pub mod csv;
pub mod hlog;
pub mod incidents;
pub mod json;
pub mod lines;
pub mod network;
pub mod notes;
mod objects;
pub mod postmortem;
pub mod slo;
pub mod table;
pub mod text;

use std::net::SocketAddr;
use std::time::Duration;

pub use time::{clock, minute, named, utc};
pub use wording::locations;

use crate::alert::quorum::Votes;
use crate::engine::snapshot::SiteState;
use crate::model::{Observation, Sample, Timestamp};
use crate::stats::{Outage, Summary};

/// One check, live or from the store.
#[derive(Clone, Copy, Debug)]
pub struct SampleRecord<'a> {
    /// The site's name.
    pub site: &'a str,
    /// Its number within the site; none for a check outside the history.
    pub seq: Option<u64>,
    /// Its figures.
    pub sample: &'a Sample,
    /// Why it failed; none or empty if it did not, or if that was not stored.
    pub detail: Option<&'a str>,
    /// The address of the last connection or attempt, if known.
    pub address: Option<SocketAddr>,
    /// Whether it counts as unknown because this machine's own network was out; none if that is not known yet.
    pub masked: Option<bool>,
}

impl<'a> SampleRecord<'a> {
    /// A check of this run; without its `observation` (discarded at a full queue) the texts are absent.
    #[must_use]
    pub fn live(site: &'a str, seq: u64, sample: &'a Sample, observation: Option<&'a Observation>) -> Self {
        Self {
            site,
            seq: Some(seq),
            sample,
            detail: observation.map(|observation| observation.detail.as_str()),
            address: observation.and_then(|observation| observation.address),
            masked: None,
        }
    }
}

/// The figures of one site over one period.
#[derive(Clone, Copy, Debug)]
pub struct StatsRecord<'a> {
    /// The site's name.
    pub site: &'a str,
    /// Its state at the end of the period; none for a stored period.
    pub state: Option<SiteState>,
    /// The figures.
    pub summary: &'a Summary,
    /// The properties of a stored period, which replaces the timeframe of a view.
    pub stored: Option<Stored>,
    /// How its locations voted, of a site that a hub judges.
    pub votes: Option<Votes>,
}

/// The properties of a stored period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its bounds (inclusive, exclusive).
    pub period: Period,
    /// Whether the figures are exact: no edge was rounded to an hour or a day.
    pub is_exact: bool,
    /// The longest time in which every check failed.
    pub longest_outage: Option<Outage>,
    /// The first data, if the period begins earlier.
    pub begins: Option<Timestamp>,
    /// How much maintenance was left out; none if the command did not ask for that.
    pub left_out: Option<Duration>,
}

/// A stored period: `since ≤ time < until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first instant in it.
    pub since: Timestamp,
    /// The first instant after it.
    pub until: Timestamp,
}

pub mod log_line;
pub mod run;
#[cfg(test)]
pub(crate) mod tests;
mod time;
mod wording;
