//! Statistics of samples: pure arithmetic without clock or I/O.

pub mod change;
pub mod counts;
pub mod coverage;
mod facts;
pub mod histogram;
pub mod rollup;
pub(crate) mod series;
pub mod summary;
pub mod totals;
pub mod window;

pub use counts::{Availability, Counts};
pub use coverage::{Cadence, Oldest, Unmade};
pub use histogram::Histogram;
pub use rollup::Rollup;
pub use rollup::outages::{Outage, Outages};
pub use rollup::parts::PeriodParts;
pub use rollup::period::{Gap, Holes, PeriodFigures};
pub use summary::{Answer, Latency, Summary};
pub use totals::{AnswerCounts, PhaseSum, Totals};
pub use window::Windows;
pub use window::beats::{Beat, BeatTimes, Beats};
pub use window::running_max::RunningMax;
