//! `/metrics`: the state of every site and of webmon itself for Prometheus.
//!
//! At a hub these series are of single locations, with the label `location`; a site over all its locations has families of its own.
//!
//! Invariants: at most [`SERIES_MAX`] series of a site, beside those of its failures by cause and its quantiles; all of them are
//! there from the start, as 0. Counters and sums are of committed checks. Cost: linear in the sites; the text is never whole in
//! memory, since [`Chunks`] writes a part of it when the one before is gone.

mod chunks;
mod encoder;
mod family;
mod hub;
mod program;
mod reading;
mod sites;
mod sums;

pub use chunks::{Chunks, Scrape};
pub use encoder::{Encoder, Exposition, Kind, label};
pub use hub::{HubReading, WholeReading};
pub use reading::{ProgramReading, SiteReading};
pub use sites::SERIES_MAX;
pub use sums::{LateSums, SiteSums};

#[cfg(test)]
mod tests;
