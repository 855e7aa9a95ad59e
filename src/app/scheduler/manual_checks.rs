//! The network side of what a person asks for: wishes come in, checks by hand go out.
//!
//! Limits: [`COMMANDS`] wishes wait, more are not heard; [`BY_HAND`] checks by hand are under way at once, one a site;
//! the outcomes of the newest [`KEPT`] are kept, one a site.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::model::{Observation, SiteSlot, Timestamp};
use crate::tui::{ManualCheck, SiteCommand};

/// Wishes that may wait.
pub const COMMANDS: usize = 64;
/// Checks by hand under way at once.
const BY_HAND: usize = 16;
/// Outcomes that are kept.
const KEPT: usize = 32;

/// What became of the checks by hand, oldest first.
pub type Rechecks = Arc<[ManualCheck]>;

/// See the module.
#[derive(Debug)]
pub struct ManualChecks {
    commands: mpsc::Receiver<SiteCommand>,
    rechecks: watch::Sender<Rechecks>,
    under_way: HashSet<SiteSlot>,
}

impl ManualChecks {
    /// A desk, where its wishes are handed in, and where the outcomes are read.
    #[must_use]
    pub fn open() -> (Self, mpsc::Sender<SiteCommand>, watch::Receiver<Rechecks>) {
        let (sender, wishes) = mpsc::channel(COMMANDS);
        let (rechecks, read) = watch::channel(Rechecks::default());
        (Self { commands: wishes, rechecks, under_way: HashSet::new() }, sender, read)
    }

    /// The next wish; none when nobody can wish any more.
    pub async fn next(&mut self) -> Option<SiteCommand> {
        self.commands.recv().await
    }

    /// Notes that a check of `site` begins at `asked`, if there may be one more.
    pub fn begin(&mut self, site: SiteSlot, asked: Timestamp) -> bool {
        if self.under_way.len() >= BY_HAND || !self.under_way.insert(site) {
            return false;
        }
        self.publish(ManualCheck { site, asked, outcome: None });
        true
    }

    /// Notes what the check of `site` that began at `asked` came to.
    pub fn end(&mut self, site: SiteSlot, asked: Timestamp, outcome: (Timestamp, Arc<Observation>)) {
        self.under_way.remove(&site);
        self.publish(ManualCheck { site, asked, outcome: Some(outcome) });
    }

    /// The check of `site` comes to nothing: the site is gone.
    pub fn forget(&mut self, site: SiteSlot) {
        self.under_way.remove(&site);
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
    fn one_check_a_site_sixteen_in_all_and_the_newest_outcomes_are_kept() {
        let (mut desk, _wishes, read) = ManualChecks::open();
        let at = Timestamp::from_secs;
        assert!(desk.begin(SiteSlot(0), at(1)) && !desk.begin(SiteSlot(0), at(2)), "one a site");
        assert!((1..BY_HAND).all(|site| desk.begin(SiteSlot::new(site), at(3))));
        assert!(!desk.begin(SiteSlot::new(BY_HAND), at(4)), "sixteen in all");
        let observation = Arc::new(Observation::failed(Cause::Reset, ""));
        for site in 0..BY_HAND {
            desk.end(SiteSlot::new(site), at(3), (at(5), Arc::clone(&observation)));
        }
        for site in 0..2 * KEPT {
            assert!(desk.begin(SiteSlot::new(site), at(6)));
            desk.end(SiteSlot::new(site), at(6), (at(7), Arc::clone(&observation)));
        }
        let sites: Vec<usize> = read.borrow().iter().map(|recheck| recheck.site.get()).collect();
        assert_eq!(sites, (KEPT..2 * KEPT).collect::<Vec<_>>());
        assert!(read.borrow().iter().all(|recheck| recheck.outcome.is_some()));
    }
}
