//! What a rule other than availability measured.

use std::time::Duration;

use crate::model::Timestamp;

use super::{Percentile, Threshold};

/// The measured value that breached or cleared a rule other than availability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A percentile of the response times.
    Latency {
        /// Which percentile.
        percentile: Percentile,
        /// The largest acceptable value.
        limit: Duration,
        /// How many answered checks took longer, of how many.
        slower: u64,
        /// Answered checks in the window.
        answered: u64,
    },
    /// A certificate.
    Certificate {
        /// The end of its validity.
        not_after: Timestamp,
        /// Whole days until then, rounded down; negative once expired.
        days_left: i64,
    },
    /// An error budget.
    Burn {
        /// The objective.
        target: Threshold,
        /// How many times too fast the budget was spent over the long window, in thousandths.
        rate_milli: u64,
        /// The long window.
        long: Duration,
        /// The short window.
        short: Duration,
    },
    /// A fault of webmon itself, as a sentence.
    Note(String),
    /// A location that sees down what the others see up.
    Blind {
        /// The sites that it sees down.
        down: u32,
        /// The sites on which it votes and which the others see up.
        sites: u32,
    },
    /// A location that is not heard.
    Silent {
        /// When it was heard last; `None` if never.
        last: Option<Timestamp>,
    },
}
