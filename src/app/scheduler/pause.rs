//! Pauses of sites: their due checks are skipped and counted.

use crate::model::Timestamp;

use super::RunningSite;

/// A pause of a site.
#[derive(Clone, Copy)]
pub(crate) struct Pause {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

impl RunningSite {
    /// Whether the site is paused at `now`. A pause that has ended is a gap.
    pub(crate) fn is_paused(&mut self, now: Timestamp) -> bool {
        let Some(pause) = self.pause else { return false };
        if now < pause.until {
            return true;
        }
        self.pause = None;
        self.note_gap(now.since(pause.since));
        false
    }
}
