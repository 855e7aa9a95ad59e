//! How much of the past a store keeps.

use std::time::Duration;

/// Transactions that together write as much as the file may hold.
pub(crate) const STEPS: u64 = 32;

/// How much of the past is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Raw samples go when they are older than this; none: they stay.
    pub retention: Option<Duration>,
    /// Bytes that the file may hold; trimming begins below that (`room::limit`). None: no limit.
    pub max_size: Option<u64>,
    /// Alerts go when they are older than this, except open incidents; none: they stay.
    pub alert_retention: Option<Duration>,
}

impl Keep {
    /// Bytes of unsealed samples that are not too many beside the rest.
    #[must_use]
    pub fn journal_share(&self) -> usize {
        self.max_size.map_or(usize::MAX, |max_size| usize::try_from(max_size / 16).unwrap_or(usize::MAX))
    }

    /// Pages that one transaction may write, of `most`: what it replaces is free only after the next one, so in a small file
    /// a large transaction would take more room than what is kept.
    #[must_use]
    pub fn step(&self, most: usize) -> usize {
        let pages = self.max_size.map_or(u64::MAX, |max_size| max_size / STEPS / 4_096);
        usize::try_from(pages).unwrap_or(usize::MAX).clamp(1, most)
    }
}
