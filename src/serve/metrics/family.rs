//! A family of series as a value: what it is called, and how the series of one site are written.

use super::encoder::{Encoder, Kind};

/// A family of series, one or several of each `T`.
pub(super) struct Family<T> {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// One line.
    pub(super) help: &'static str,
    /// Writes the series of one `T`, by the name of the family and the labels of that `T`.
    pub(super) write: fn(&mut Encoder, &str, &T, &str),
}

/// What has series.
pub(super) trait Labelled {
    /// Appends the labels that all of its series have.
    fn labels(&self, out: &mut String);
}
