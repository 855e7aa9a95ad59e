//! A cache of the dashboard's source, which decides whether a change is worth a frame of its own.
//!
//! The clock in the header asks for a frame each second anyway. What can wait until then (another successful check of a site
//! that is not in focus, a rate, a size) asks for none: with a hundred sites there are several such changes a second, and
//! a frame for each would be most of what an idle dashboard costs.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::AlertRecord;
use crate::alert::incident::list::IncidentList;
use crate::alert::incident::page::{IncidentPage, IncidentRequest};
use crate::alert::objective::SiteObjective;
use crate::alert::trial::{TrialAnswer, TrialRequest};
use crate::engine::snapshot::{SiteSnapshot, Snapshot};
use crate::model::command::ManualCheck;
use crate::model::{Health, Sample, SiteIndex, SiteSlot, Timestamp};
use crate::stats::series::site_history::{HistoryRequest, SiteHistory};
use crate::stats::series::usual::{Usual, UsualRequest};

use super::arrangement::Arrangement;
use super::inputs::Inputs;
use super::past::reading::PastReading;
use super::source::{Fixed, Source};

/// Time between two reads of the store for objectives.
const OBJECTIVES_EVERY: Duration = Duration::from_secs(15);

/// The values last read from the source.
pub struct SourceCache {
    version: u64,
    snapshot: Snapshot,
    /// The site that the user looked at in the last frame.
    focus: Option<SiteSlot>,
    /// The open site and its samples.
    opened: Option<SiteSlot>,
    /// The site that `samples` are of.
    shown: Option<SiteSlot>,
    samples: Vec<Sample>,
    has_history: bool,
    requested: Option<HistoryRequest>,
    history: Option<Arc<SiteHistory>>,
    usual: Option<Arc<Usual>>,
    usual_asked: Option<UsualRequest>,
    incident: Option<Arc<IncidentPage>>,
    incident_asked: Option<IncidentRequest>,
    trial: Option<Arc<TrialAnswer>>,
    trial_asked: Option<TrialRequest>,
    objectives: Arc<[SiteObjective]>,
    /// When objectives were requested last.
    objectives_asked: Option<Timestamp>,
    past: PastReading,
    visible: Vec<SiteIndex>,
    alerts: Arc<[Arc<AlertRecord>]>,
    incidents: Arc<IncidentList>,
    health: Arc<Health>,
    manual_checks: Arc<[ManualCheck]>,
    arrangement: Arc<Arrangement>,
    /// When all of it was taken.
    pub now: Timestamp,
}

impl SourceCache {
    /// Takes everything for the first time.
    pub fn from(source: &impl Source) -> Self {
        // The version first: a change in between is then seen again, never missed.
        let version = source.version();
        Self {
            version,
            snapshot: source.snapshot(),
            focus: None,
            opened: None,
            shown: None,
            samples: Vec::new(),
            has_history: source.has_history(),
            requested: None,
            history: source.history(),
            usual: source.usual(),
            usual_asked: None,
            incident: source.incident(),
            incident_asked: None,
            trial: source.trial(),
            trial_asked: None,
            objectives: source.objectives(),
            objectives_asked: None,
            past: PastReading::default(),
            visible: Vec::new(),
            alerts: source.alerts(),
            incidents: source.incidents(),
            health: source.health(),
            manual_checks: source.manual_checks(),
            arrangement: source.arrangement(),
            now: source.now(),
        }
    }

    /// Takes what is new. Returns whether to show it at once rather than with the next second.
    pub fn refresh(&mut self, source: &impl Source) -> bool {
        let version = source.version();
        let (alerts, manual_checks) = (source.alerts(), source.manual_checks());
        let (history, now) = (source.history(), source.now());
        let incidents = source.incidents();
        let mut is_urgent = !Arc::ptr_eq(&alerts, &self.alerts)
            || !Arc::ptr_eq(&incidents, &self.incidents)
            || !Arc::ptr_eq(&manual_checks, &self.manual_checks)
            || history.as_ref().map(Arc::as_ptr) != self.history.as_ref().map(Arc::as_ptr)
            || second(now) != second(self.now);
        if version != self.version {
            let fresh = source.snapshot();
            is_urgent |= would_be_missed(&self.snapshot, &fresh, self.focus);
            self.snapshot = fresh;
            self.opened = None;
        }
        is_urgent |= self.past.receive(source.past(), now);
        let usual = source.usual();
        is_urgent |= usual.as_ref().map(Arc::as_ptr) != self.usual.as_ref().map(Arc::as_ptr);
        self.usual = usual;
        let incident = source.incident();
        is_urgent |= incident.as_ref().map(Arc::as_ptr) != self.incident.as_ref().map(Arc::as_ptr);
        self.incident = incident;
        let trial = source.trial();
        is_urgent |= trial.as_ref().map(Arc::as_ptr) != self.trial.as_ref().map(Arc::as_ptr);
        self.trial = trial;
        let objectives = source.objectives();
        is_urgent |= !Arc::ptr_eq(&objectives, &self.objectives);
        self.objectives = objectives;
        self.ask_for_objectives(source, now);
        let arrangement = source.arrangement();
        is_urgent |= !Arc::ptr_eq(&arrangement, &self.arrangement);
        self.arrangement = arrangement;
        (self.health, self.incidents) = (source.health(), incidents);
        (self.version, self.alerts, self.manual_checks) = (version, alerts, manual_checks);
        (self.history, self.now) = (history, now);
        is_urgent
    }

    /// Requests what is usual, unless that was the last request.
    pub fn ask_for_usual(&mut self, source: &impl Source, request: Option<UsualRequest>) {
        if request != self.usual_asked
            && let Some(request) = request
        {
            self.usual_asked = Some(request.clone());
            source.request_usual(request);
        }
    }

    /// Requests an incident, unless that was the last request.
    pub fn ask_for_incident(&mut self, source: &impl Source, request: Option<IncidentRequest>) {
        if request != self.incident_asked
            && let Some(request) = request
        {
            self.incident_asked = Some(request.clone());
            source.request_incident(request);
        }
    }

    /// Requests a trial, unless it was the last one.
    pub fn ask_for_trial(&mut self, source: &impl Source, request: Option<TrialRequest>) {
        if request != self.trial_asked
            && let Some(request) = request
        {
            self.trial_asked = Some(request.clone());
            source.request_trial(request);
        }
    }

    /// Turns to the overview as of `at`, or to the present.
    pub fn turn_to(&mut self, source: &impl Source, at: Option<Timestamp>) {
        let request = self.past.turn_to(at, &self.snapshot, (&self.alerts, &self.incidents), self.now);
        if let Some(request) = request {
            source.request_past(request);
        }
    }

    /// Whether the past that the user turned to will be there in a moment.
    pub fn awaits_past(&self) -> bool {
        self.past.is_awaited(self.now)
    }

    /// Requests anew where objectives stand, if that is due.
    fn ask_for_objectives(&mut self, source: &impl Source, now: Timestamp) {
        let is_asked = self.objectives_asked.is_some_and(|asked| asked <= now && now.since(asked) < OBJECTIVES_EVERY);
        if is_asked || !self.has_history {
            return;
        }
        let with_objective = |site: &&Arc<SiteSnapshot>| site.has_objective();
        let sites: Vec<Arc<SiteSnapshot>> = self.snapshot.sites.iter().filter(with_objective).cloned().collect();
        if !sites.is_empty() {
            source.request_objectives(&sites, now);
        }
        self.objectives_asked = Some(now);
    }

    /// Sets the site that the user looks at. Takes the samples of the open site if there may be new ones, and requests
    /// what its page needs from the store.
    pub fn set_focus(
        &mut self,
        source: &impl Source,
        (focus, opened): (Option<SiteSlot>, Option<SiteSlot>),
        request: Option<HistoryRequest>,
    ) {
        self.focus = focus;
        if request != self.requested {
            self.requested.clone_from(&request);
            if let Some(request) = request {
                source.request_history(request);
            }
        }
        // The ring holds the present only, and the past may have other sites.
        let opened = opened.filter(|_| self.past.shown().is_none());
        match opened {
            Some(site) if self.opened != Some(site) => {
                self.take_samples(source, site);
            }
            Some(_) => {}
            None => {
                self.samples.clear();
                self.shown = None;
            }
        }
        self.opened = opened;
    }

    /// Takes the samples of `site`; of one over all its locations those of all of them, in the order of their times.
    fn take_samples(&mut self, source: &impl Source, site: SiteSlot) {
        let Some(place) = self.snapshot.place_of(site, 0) else {
            // Frozen tables may still show it, with what was taken of it.
            if self.shown != Some(site) {
                self.samples.clear();
            }
            return;
        };
        self.samples.clear();
        self.shown = Some(site);
        let parts = self.snapshot.parts(place);
        if parts.is_empty() {
            return source.samples(site, &mut self.samples);
        }
        let mut of_one = Vec::new();
        for part in &self.snapshot.sites[parts] {
            source.samples(part.slot, &mut of_one);
            self.samples.append(&mut of_one);
        }
        // Runs that are in order already, which a stable sort merges.
        self.samples.sort_by_key(|sample| sample.at);
    }

    /// Reports the sites on the screen to the source if they changed.
    pub fn set_visible(&mut self, source: &impl Source, sites: Vec<SiteIndex>) {
        if self.visible != sites {
            source.set_visible(&sites);
            self.visible = sites;
        }
    }

    /// All of it, for a screen: of the present, or as of the instant that the user turned to.
    pub fn inputs<'a>(&'a self, fixed: &'a Fixed) -> Inputs<'a> {
        let present = self.present(fixed);
        self.past.shown().map_or(present, |past| present.as_of(past))
    }

    fn present<'a>(&'a self, fixed: &'a Fixed) -> Inputs<'a> {
        Inputs {
            snapshot: &self.snapshot,
            samples: &self.samples,
            has_history: self.has_history,
            history: self.history.as_deref(),
            usual: self.usual.as_deref(),
            objectives: &self.objectives,
            incident: self.incident.as_deref(),
            trial: self.trial.as_deref(),
            alerts: &self.alerts,
            incidents: &self.incidents,
            health: &self.health,
            manual_checks: &self.manual_checks,
            now: self.now,
            zone: &fixed.zone,
            about: &fixed.about,
            past: None,
            arrangement: &self.arrangement,
        }
    }
}

const fn second(at: Timestamp) -> u64 {
    at.as_micros() / 1_000_000
}

/// Whether the user would miss what `fresh` has over `shown`: new figures, another state of a site, or anything about the
/// site in focus.
fn would_be_missed(shown: &Snapshot, fresh: &Snapshot, focus: Option<SiteSlot>) -> bool {
    let state = |site: &SiteSnapshot| (site.state, site.incident, site.paused_until, site.judged_from);
    let (views, sites) = (shown.views.iter().zip(&fresh.views), shown.sites.iter().zip(&fresh.sites));
    shown.views.len() != fresh.views.len()
        || shown.sites.len() != fresh.sites.len()
        || views.into_iter().any(|(shown, fresh)| !Arc::ptr_eq(shown, fresh))
        || sites.into_iter().any(|(shown, fresh)| {
            let is_other = shown.slot != fresh.slot || focus == Some(fresh.slot);
            !Arc::ptr_eq(shown, fresh) && (is_other || state(shown) != state(fresh))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::snapshot::{OpenIncident, SiteState};
    use crate::tui::tests::fixtures;

    #[test]
    fn urgent_is_what_users_would_miss() {
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
            ("a check of the site in focus", another_check, Some(3), true),
            ("a state", site(|site| site.state = SiteState::Failing), Some(2), true),
            ("an incident", site(|site| site.incident = Some(OpenIncident { since: fixtures::now() })), None, true),
            ("a pause", site(|site| site.paused_until = Some(Timestamp::MAX)), None, true),
            ("figures", figures, None, true),
            ("a site less", fewer, None, true),
            ("a view less", views, None, true),
        ] {
            let focus = focus.map(|place: usize| shown.sites[place].slot);
            assert_eq!(would_be_missed(&shown, &fresh, focus), urgent, "{what}");
        }
    }
}
