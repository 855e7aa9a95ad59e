//! What the dashboard last took from its source, and how soon it has to show what is new.
//!
//! The clock in the header asks for a frame each second anyway. What a person can wait for until then (another good check
//! of a site that nobody has opened, a rate, a size) asks for none of its own: with a hundred sites there are several
//! such changes a second, and a frame for each would be most of what an idle dashboard costs.

use std::sync::Arc;

use crate::alert::AlertRecord;
use crate::engine::snapshot::{SiteSnapshot, Snapshot};
use crate::model::command::ManualCheck;
use crate::model::{Health, Sample, SiteIndex, Timestamp};
use crate::stats::series::site_history::{HistoryRequest, SiteHistory};

use super::inputs::Inputs;
use super::source::{Fixed, Source};

/// What was last taken from the source.
pub struct SourceCache {
    version: u64,
    snapshot: Snapshot,
    /// The site that the person looked at in the last frame.
    focus: Option<usize>,
    /// Of the site that is open, and which that is.
    samples: Vec<Sample>,
    opened: Option<usize>,
    has_past: bool,
    /// What was last asked of the store, and what was read last.
    wanted: Option<HistoryRequest>,
    past: Option<Arc<SiteHistory>>,
    /// The sites that were on the screen last.
    seen: Vec<SiteIndex>,
    alerts: Arc<[Arc<AlertRecord>]>,
    health: Arc<Health>,
    rechecks: Arc<[ManualCheck]>,
    /// When that was.
    pub now: Timestamp,
}

impl SourceCache {
    /// Everything, for the first time.
    pub fn from(source: &impl Source) -> Self {
        // The version first: a change in between is then seen again, never missed.
        let version = source.version();
        Self {
            version,
            snapshot: source.snapshot(),
            focus: None,
            samples: Vec::new(),
            opened: None,
            has_past: source.has_past(),
            wanted: None,
            past: source.past(),
            seen: Vec::new(),
            alerts: source.alerts(),
            health: source.health(),
            rechecks: source.rechecks(),
            now: source.now(),
        }
    }

    /// Takes what is new. Whether anything is that has to be shown at once; the rest comes with the next second, which has
    /// to be.
    pub fn refresh(&mut self, source: &impl Source) -> bool {
        let version = source.version();
        let (alerts, rechecks, past, now) = (source.alerts(), source.rechecks(), source.past(), source.now());
        let mut at_once = !Arc::ptr_eq(&alerts, &self.alerts)
            || !Arc::ptr_eq(&rechecks, &self.rechecks)
            || past.as_ref().map(Arc::as_ptr) != self.past.as_ref().map(Arc::as_ptr)
            || second(now) != second(self.now);
        if version != self.version {
            let fresh = source.snapshot();
            at_once |= is_urgent(&self.snapshot, &fresh, self.focus);
            self.snapshot = fresh;
            self.opened = None;
        }
        self.health = source.health();
        (self.version, self.alerts, self.rechecks, self.past, self.now) = (version, alerts, rechecks, past, now);
        at_once
    }

    /// Hears which site the person looks at. Takes the samples of the site that is open, if there may be new ones, and
    /// asks for what is wanted of the store.
    pub fn look_closer(
        &mut self,
        source: &impl Source,
        (focus, opened): (Option<usize>, Option<usize>),
        wanted: Option<HistoryRequest>,
    ) {
        self.focus = focus;
        if wanted != self.wanted {
            self.wanted.clone_from(&wanted);
            if let Some(wanted) = wanted {
                source.look_back(wanted);
            }
        }
        match opened {
            Some(site) if self.opened != Some(site) => {
                source.samples(self.snapshot.sites[site].slot, &mut self.samples);
            }
            Some(_) => {}
            None => self.samples.clear(),
        }
        self.opened = opened;
    }

    /// Tells which sites are on the screen, if that is new.
    pub fn tell_seen(&mut self, source: &impl Source, sites: Vec<SiteIndex>) {
        if self.seen != sites {
            source.seen(&sites);
            self.seen = sites;
        }
    }

    /// All of it, for a screen.
    pub fn inputs<'a>(&'a self, fixed: &'a Fixed) -> Inputs<'a> {
        Inputs {
            snapshot: &self.snapshot,
            samples: &self.samples,
            has_past: self.has_past,
            past: self.past.as_deref(),
            alerts: &self.alerts,
            health: &self.health,
            rechecks: &self.rechecks,
            now: self.now,
            zone: &fixed.zone,
            about: &fixed.about,
        }
    }
}

const fn second(at: Timestamp) -> u64 {
    at.as_micros() / 1_000_000
}

/// Whether a person would miss what `fresh` has over `shown`: new figures, another state of a site, or anything about the
/// one that they look at.
fn is_urgent(shown: &Snapshot, fresh: &Snapshot, focus: Option<usize>) -> bool {
    let told = |site: &SiteSnapshot| (site.state, site.incident, site.paused_until, site.judged_from);
    let (views, sites) = (shown.views.iter().zip(&fresh.views), shown.sites.iter().zip(&fresh.sites));
    shown.views.len() != fresh.views.len()
        || shown.sites.len() != fresh.sites.len()
        || views.into_iter().any(|(shown, fresh)| !Arc::ptr_eq(shown, fresh))
        || sites.enumerate().any(|(number, (shown, fresh))| {
            !Arc::ptr_eq(shown, fresh) && (focus == Some(number) || told(shown) != told(fresh))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::snapshot::{OpenIncident, SiteState};
    use crate::tui::tests::fixtures;

    #[test]
    fn what_a_person_would_miss_is_urgent_and_one_more_good_check_is_not() {
        let shown = fixtures::five_sites().snapshot;
        let site = |change: fn(&mut SiteSnapshot)| {
            let mut fresh = shown.clone();
            change(Arc::make_mut(&mut fresh.sites[3]));
            fresh
        };
        let another_check = site(|site| site.last_up = Some(fixtures::now()));
        let at = fixtures::now();
        let mut figures = shown.clone();
        Arc::make_mut(&mut figures.views[1]).as_of = at;
        let mut fewer = shown.clone();
        fewer.sites.pop();
        let mut views = shown.clone();
        views.views.pop();
        for (what, fresh, focus, urgent) in [
            ("nothing", shown.clone(), Some(3), false),
            ("a check", another_check.clone(), None, false),
            ("a check of another site", another_check.clone(), Some(2), false),
            ("a check of the site looked at", another_check, Some(3), true),
            ("a state", site(|site| site.state = SiteState::Failing), Some(2), true),
            ("an incident", site(|site| site.incident = Some(OpenIncident { since: fixtures::now() })), None, true),
            ("a pause", site(|site| site.paused_until = Some(Timestamp::MAX)), None, true),
            ("figures", figures, None, true),
            ("a site less", fewer, None, true),
            ("a view less", views, None, true),
        ] {
            assert_eq!(is_urgent(&shown, &fresh, focus), urgent, "{what}");
        }
    }
}
