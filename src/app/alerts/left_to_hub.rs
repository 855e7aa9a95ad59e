//! What a location of a fleet leaves to a hub: the reports about sites, while the hub is there.

use crate::model::{Location, Timestamp};

use super::book::AlertBook;

impl AlertBook {
    /// Says with every alert about a site that `location` judged it for itself.
    pub fn judge_at(&self, location: Location) {
        self.inner().location = Some(location);
    }

    /// Leaves the sites to a hub until then, or longer: incidents that open meanwhile are reported only if they outlast it.
    pub fn leave_until(&self, until: Timestamp) {
        self.inner().ledger.leave_until(until);
    }
}
