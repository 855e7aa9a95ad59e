//! Retention: how much history a store keeps.

use std::time::Duration;

/// Number of transactions that together write as much as the file may hold.
pub(crate) const STEPS: u64 = 32;

/// Retention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Raw samples older than this are removed; `None` keeps them.
    pub retention: Option<Duration>,
    /// Bytes that the file may hold; trimming begins below that (`room::limit`). None: no limit.
    pub max_size: Option<u64>,
    /// Alerts older than this are removed, except open incidents; `None` keeps them.
    pub alert_retention: Option<Duration>,
}

impl Keep {
    /// Bytes of unsealed samples before sealing is due early.
    #[must_use]
    pub fn journal_share(&self) -> usize {
        self.max_size.map_or(usize::MAX, |max_size| usize::try_from(max_size / 16).unwrap_or(usize::MAX))
    }

    /// Pages that one transaction may write, at most `most`: replaced pages become free only after the next
    /// transaction, so in a small file a large transaction would take more room than the data.
    #[must_use]
    pub fn step(&self, most: usize) -> usize {
        let pages = self.max_size.map_or(u64::MAX, |max_size| max_size / STEPS / 4_096);
        usize::try_from(pages).unwrap_or(usize::MAX).clamp(1, most)
    }
}
