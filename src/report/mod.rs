//! What webmon prints: text, JSON lines, CSV and tables, as pure functions to a writer.
//!
//! Nothing here reads a clock, knows a terminal or opens anything: times and zones are arguments, and `out` may be
//! standard output, a file or a `Vec`. Every function writes whole lines, each with one call of `write_all`, so
//! that lines of several callers do not mix. The only error is the writer's own; a closed pipe is one of them
//! and the caller's to judge.
//!
//! The machine formats ([`json`], [`csv`]) are public: names and their order are scripts' to build on. Both are
//! made from the same `objects`, so they cannot differ. What people read ([`text`], [`table`], [`check`],
//! [`run`]) takes its figures from [`crate::model::figures`]. [`log_line`] is for both.
//!
//! Invariant: no line that a person reads holds a control character, whatever a server, a name or an error
//! brought (`wording::line` sees to it, in one place); JSON keeps them, escaped.

pub mod check;
pub mod csv;
pub mod hlog;
pub mod json;
mod objects;
pub mod table;
pub mod text;

use std::net::SocketAddr;

pub use time::{clock, minute, named};

use crate::engine::snapshot::SiteState;
use crate::model::{Observation, Sample, Timestamp};
use crate::stats::{Outage, Summary};

/// One check as it is reported, live or from the store.
#[derive(Clone, Copy, Debug)]
pub struct SampleRecord<'a> {
    /// The site's name.
    pub site: &'a str,
    /// Its number within the site; none for a check that is no part of the history.
    pub seq: Option<u64>,
    /// Its figures.
    pub sample: &'a Sample,
    /// Why it failed, in words; none (or empty) when it did not, or when that was not kept.
    pub detail: Option<&'a str>,
    /// The address of the last connection or attempt, where it is known.
    pub address: Option<SocketAddr>,
}

impl<'a> SampleRecord<'a> {
    /// A check of this run; without its `observation` (dropped at a full queue) the texts are absent.
    #[must_use]
    pub fn live(site: &'a str, seq: u64, sample: &'a Sample, observation: Option<&'a Observation>) -> Self {
        Self {
            site,
            seq: Some(seq),
            sample,
            detail: observation.map(|observation| observation.detail.as_str()),
            address: observation.and_then(|observation| observation.address),
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
    /// What is told besides of a stored period, which takes the place of a view's timeframe.
    pub stored: Option<Stored>,
}

/// What the store tells of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its bounds (inclusive, exclusive).
    pub period: Period,
    /// Whether the figures are to the sample: no edge had to be rounded to an hour or a day.
    pub is_exact: bool,
    /// The longest time in which every check failed.
    pub longest_outage: Option<Outage>,
    /// Since when there is data, where there is none at the beginning.
    pub begins: Option<Timestamp>,
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
mod wrap;
