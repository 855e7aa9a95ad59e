//! The single checks around the instant that was read last, by site.
//!
//! Invariants: what is kept of a site are all its checks of a stretch, under the outages of the own network as they are known now.
//! The end of the stretch is settled: a check is stored after it, or so much time has passed that none can come.
//! Bounds: [`CHECKS_MAX`] checks, 64 bytes each; a site beyond that is read each time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::SiteFacts;
use crate::model::time::duration::micros;
use crate::model::{SiteId, Timestamp};
use crate::stats::Cadence;
use crate::store::{Archive, Moment, StoreError, StoredChecks};
use crate::tui::PastRequest;

/// Checks that are kept.
pub const CHECKS_MAX: usize = 1 << 20;

/// See the module.
#[derive(Default)]
pub struct KnownChecks {
    /// By name: the number, and when the site was first watched.
    ids: HashMap<Arc<str>, (SiteId, Timestamp)>,
    sites: HashMap<SiteId, Known>,
    kept: usize,
    /// How much earlier and later than needed is read at most.
    ahead: Duration,
}

/// The checks of one site.
struct Known {
    /// All of them from then on.
    from: Timestamp,
    /// All of them before then.
    until: Timestamp,
    checks: StoredChecks,
}

/// What is known of a site.
pub struct FoundSite<'a> {
    /// The time from which on its checks are known.
    pub from: Timestamp,
    /// Its number; none if the store does not know it.
    pub id: Option<SiteId>,
    /// Its checks.
    pub checks: Option<&'a StoredChecks>,
}

impl KnownChecks {
    /// Prepares for the sites of `request`.
    pub fn turn_to(&mut self, archive: &Archive, request: &PastRequest) -> Result<(), StoreError> {
        let ids = archive.names()?;
        if ids != self.ids {
            // More sites, or another file.
            *self = Self { ids, ..Self::default() };
        }
        let expected = |length: Duration, site: &SiteFacts| micros(length) / micros(site.interval).max(1) + 1;
        let needed: u64 = request.sites.iter().map(|site| expected(reach(site, request), site)).sum();
        let longest = request.sites.iter().map(|site| reach(site, request)).max().unwrap_or_default();
        // Up to twice as many if there is room: half of them before, half after.
        let room = (CHECKS_MAX as u64).saturating_sub(needed);
        let percent = u32::try_from(room * 100 / (2 * needed.max(1))).unwrap_or(u32::MAX).min(50);
        self.ahead = longest * percent / 100;
        Ok(())
    }

    /// What is known of `site` as of `request`.
    pub fn of(
        &mut self,
        moment: &Moment,
        site: &SiteFacts,
        request: &PastRequest,
    ) -> Result<FoundSite<'_>, StoreError> {
        let (from, at) = (request.at.before(reach(site, request)), request.at);
        let Some(&(id, _)) = self.ids.get(&site.name) else { return Ok(FoundSite { from, id: None, checks: None }) };
        let fits = |known: &Known| known.from <= from && at <= known.until && known.checks.mask == moment.mask(id);
        if !self.sites.get(&id).is_some_and(fits) {
            let before = self.forget(id);
            let ahead = self.ahead(id);
            let (first, until) = (from.before(ahead), at.after(ahead));
            let checks = moment.checks(id, (first, until), before.as_ref().map(|known| &known.checks))?;
            // A check may yet come that is older than the time asked for, but none that is older than the newest.
            let until = until.min(checks.newest.unwrap_or(Timestamp::ZERO));
            self.make_room(checks.samples.len());
            self.kept += checks.samples.len();
            self.sites.insert(id, Known { from: first, until, checks });
        }
        Ok(FoundSite { from, id: Some(id), checks: self.sites.get(&id).map(|known| &known.checks) })
    }

    /// The checks that are kept.
    pub const fn kept(&self) -> usize {
        self.kept
    }

    /// How much more is read of a site on either side: not of all the same, so that not all are read at the same step.
    fn ahead(&self, id: SiteId) -> Duration {
        self.ahead * (4 + id.0 % 13) / 16
    }

    fn forget(&mut self, id: SiteId) -> Option<Known> {
        let known = self.sites.remove(&id)?;
        self.kept -= known.checks.samples.len();
        Some(known)
    }

    /// Forgets all sites if there is no room for `count` more checks.
    fn make_room(&mut self, count: usize) {
        if self.kept + count > CHECKS_MAX {
            self.sites.clear();
            self.kept = 0;
        }
    }
}

/// How far back the checks of `site` are needed: over the longest view whose checks memory holds, and long enough to tell a silence.
fn reach(site: &SiteFacts, request: &PastRequest) -> Duration {
    let recent = request.views.iter().filter(|view| !view.is_long());
    let longest = recent.map(|view| view.timeframe.length()).max().unwrap_or_default();
    let cadence = Cadence { interval: site.interval, timeout: site.timeout };
    longest.max(cadence.silence())
}
