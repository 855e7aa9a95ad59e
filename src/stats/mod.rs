//! Statistics of samples: pure arithmetic, no clock, no I/O.

pub mod beats;
pub mod counts;
pub mod histogram;
pub mod peak;
pub mod summary;

pub use beats::{Beat, Beats};
pub use counts::{Availability, Counts};
pub use histogram::{Histogram, LayoutError};
pub use peak::Peak;
pub use summary::{Answer, Latency, Summary};
