//! What there is to do, and how far each of the two readers is.

use crate::fleet::frame::SAMPLES_MAX;
use crate::model::{SiteId, StoreId, Timestamp};

use super::batch::Positions;
use super::flight::Outgoing;

/// Samples of one reading.
pub const BATCH_MAX: usize = SAMPLES_MAX;

/// One of the two readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// New samples.
    Live,
    /// Those that a hub lacks.
    Back,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask the hubs what they have of this store.
    Ask(StoreId),
    /// Look how far the store is, for [`super::Agent::begin`].
    Look,
    /// Read at most [`BATCH_MAX`] samples, for [`super::Agent::take`].
    Read {
        /// With which reader.
        lane: Lane,
        /// Where it begins, if it is a new one.
        from: Option<Positions>,
    },
    /// Publish a frame, for [`super::Agent::acknowledged`] or [`super::Agent::refused`].
    Send(Outgoing),
    /// Say how this location is, for [`super::Agent::status`].
    Report,
    /// A hub has more than the store, which is thus an older copy: its numbers would be used twice. Give it another number, and
    /// begin again with that.
    Redraw,
    /// Nothing until then, by the steady clock, unless something happens.
    Wait(Timestamp),
}

/// How far a reader is.
#[derive(Debug)]
pub struct Track {
    /// The number of the next sample of each site.
    pub expected: Positions,
    /// Whether the last reading left something.
    pub more: bool,
    /// Whether its reader is to be opened.
    pub is_new: bool,
}

impl Track {
    /// One that begins at `expected`.
    pub const fn new(expected: Positions) -> Self {
        Self { expected, more: true, is_new: true }
    }

    /// The number of the next sample of `site`.
    pub fn at(&self, site: SiteId) -> u64 {
        self.expected.get(&site).copied().unwrap_or(0)
    }

    /// The step that reads on.
    pub fn read(&mut self, lane: Lane) -> Step {
        Step::Read { lane, from: std::mem::take(&mut self.is_new).then(|| self.expected.clone()) }
    }
}
