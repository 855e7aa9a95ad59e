//! Statistics of samples: pure arithmetic, no clock, no I/O.

pub mod beats;
mod counters;
pub mod counts;
pub mod coverage;
mod facts;
pub mod hdr;
pub mod histogram;
pub mod outages;
pub mod peak;
pub mod rollup;
pub mod stretch;
pub mod summary;
pub mod totals;
pub mod window;

pub use beats::{Beat, Beats};
pub use counts::{Availability, Counts};
pub use coverage::{Cadence, Oldest, Unmade};
pub use hdr::LayoutError;
pub use histogram::Histogram;
pub use outages::{Outage, Outages};
pub use peak::Peak;
pub use rollup::Rollup;
pub use stretch::{Hole, Holes, Stretch};
pub use summary::{Answer, Latency, Summary};
pub use totals::{Sum, Tally, Totals};
pub use window::Windows;
