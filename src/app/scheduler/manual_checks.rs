//! Manual checks requested from the dashboard.
//!
//! Bounds: [`UNDER_WAY_MAX`] manual checks are under way, one per site; the newest [`KEPT`] outcomes are kept, one per site.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::model::lock::lock;
use crate::model::{Observation, SiteSlot, Timestamp};
use crate::tui::ManualCheck;

const UNDER_WAY_MAX: usize = 16;
const KEPT: usize = 32;

/// Manual checks and their outcomes, oldest first.
pub type Rechecks = Arc<[ManualCheck]>;

/// See the module; clones share the checks.
#[derive(Clone, Debug)]
pub struct ManualChecks {
    rechecks: watch::Sender<Rechecks>,
    under_way: Arc<Mutex<HashSet<SiteSlot>>>,
}

impl ManualChecks {
    /// An empty registry, and the receiver of its checks.
    #[must_use]
    pub fn open() -> (Self, watch::Receiver<Rechecks>) {
        let (rechecks, read) = watch::channel(Rechecks::default());
        (Self { rechecks, under_way: Arc::default() }, read)
    }

    /// Registers a check of `site` that starts at `asked`. Returns false if no more checks are allowed.
    pub fn begin(&self, site: SiteSlot, asked: Timestamp) -> bool {
        {
            let mut under_way = lock(&self.under_way);
            if under_way.len() >= UNDER_WAY_MAX || !under_way.insert(site) {
                return false;
            }
        }
        self.publish(ManualCheck { site, asked, outcome: None });
        true
    }

    /// Registers the outcome of the check of `site` that started at `asked`.
    pub fn end(&self, site: SiteSlot, asked: Timestamp, outcome: (Timestamp, Arc<Observation>)) {
        lock(&self.under_way).remove(&site);
        self.publish(ManualCheck { site, asked, outcome: Some(outcome) });
    }

    /// Discards the check of a removed site.
    pub fn forget(&self, site: SiteSlot) {
        lock(&self.under_way).remove(&site);
        self.rechecks.send_modify(|kept| *kept = kept.iter().filter(|other| other.site != site).cloned().collect());
    }

    fn publish(&self, recheck: ManualCheck) {
        self.rechecks.send_modify(|kept| {
            let site = recheck.site;
            let others = kept.iter().filter(|other| other.site != site);
            let surplus = (others.clone().count() + 1).saturating_sub(KEPT);
            *kept = others.skip(surplus).cloned().chain([recheck]).collect();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cause;

    #[test]
    fn one_check_per_site_sixteen_in_all_and_the_newest_outcomes_are_kept() {
        let (checks, read) = ManualChecks::open();
        let at = Timestamp::from_secs;
        assert!(checks.begin(SiteSlot(0), at(1)) && !checks.begin(SiteSlot(0), at(2)), "one per site");
        assert!((1..UNDER_WAY_MAX).all(|site| checks.begin(SiteSlot::new(site), at(3))));
        assert!(!checks.begin(SiteSlot::new(UNDER_WAY_MAX), at(4)), "sixteen in all");
        let observation = Arc::new(Observation::failed(Cause::Reset, ""));
        for site in 0..UNDER_WAY_MAX {
            checks.end(SiteSlot::new(site), at(3), (at(5), Arc::clone(&observation)));
        }
        for site in 0..2 * KEPT {
            assert!(checks.begin(SiteSlot::new(site), at(6)));
            checks.end(SiteSlot::new(site), at(6), (at(7), Arc::clone(&observation)));
        }
        let sites: Vec<usize> = read.borrow().iter().map(|recheck| recheck.site.get()).collect();
        assert_eq!(sites, (KEPT..2 * KEPT).collect::<Vec<_>>());
        assert!(read.borrow().iter().all(|recheck| recheck.outcome.is_some()));
    }
}
