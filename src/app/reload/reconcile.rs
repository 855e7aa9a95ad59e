//! Plans the change of a running monitor to another configuration.
//!
//! Sites are the same if their names are. The plan is made here, from the store and the two configurations; the control loop
//! executes it between two steps. The order matters: first the store and the outputs learn about new sites, then the scheduler
//! applies the plan and reports which rings moved, then the engine follows. No sample is lost meanwhile: sequence numbers
//! continue in a moved ring, and its readers finish the old one first.
//!
//! Invariants: an unchanged site keeps its ring, windows, state, incident, phase and probes in flight. A changed one keeps its
//! history. If the store does not answer or a resolver cannot be set up, the whole change is refused.
//! Bounds: one change at a time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::alert::incident::terms::LedgerTerms;
use crate::app::alerts::outlets::{OutletSpec, ledger_terms, outlets};
use crate::app::domains::{WatchedDomain, watched};
use crate::app::publish::{self, ReportPlan};
use crate::app::scheduler::due_time::{first_due, offset};
use crate::app::scheduler::{RemovedSite, RingResize, SiteUpdate};
use crate::app::storage::export_handle::ExportUpdate;
use crate::app::storage::request::RestoreRequest;
use crate::app::storage::restore::{Restored, RestoredSite, filled, horizon, memory_span, older_minutes, seat, slots};
use crate::app::web::WebTerms;
use crate::config::{Config, ConfiguredSite, Heartbeat};
use crate::engine::SiteInput;
use crate::model::{Site, SiteId, SiteSlot, Timestamp, View};
use crate::ring::{Reader, Slab};
use crate::tui::Arrangement;

/// Changes that may wait: the next one begins when the last one is over.
pub const REVISIONS: usize = 1;

/// Removed sites that are remembered by name, so that their sequence numbers continue; the store knows all of them.
const GONE_MAX: usize = 10_000;

/// A plan for the control loop.
pub struct ConfigChange {
    /// The new views.
    pub views: Vec<View>,
    /// The outlets of alerts.
    pub outlets: Vec<OutletSpec>,
    /// The settings of incidents.
    pub incidents: LedgerTerms,
    /// Whether outages of this machine's network are recognized.
    pub own_network: bool,
    /// The heartbeat.
    pub heartbeat: Option<Heartbeat>,
    /// All sites, in the order of sites.yaml.
    pub sites: Vec<(SiteSlot, ConfiguredSite)>,
    /// The names of sites that are in the file but not watched: their incidents stay open.
    pub unwatched: Vec<Arc<str>>,
    /// The plan for the scheduler, including the rings of new sites.
    pub site_updates: Vec<SiteUpdate>,
    /// The new sites, in the order of their slots.
    pub new: Vec<NewSite>,
    /// Receives the removed sites.
    pub done: oneshot::Sender<Vec<RemovedSite>>,
}

/// A new site.
pub struct NewSite {
    pub slot: SiteSlot,
    pub track: SiteInput,
    /// Its id in the store, and the reader for its writer.
    pub kept: Option<(SiteId, Reader)>,
    pub paused: Option<Timestamp>,
}

/// How a configuration differs from the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigDiff {
    /// Sites that were added.
    pub added: usize,
    /// Sites that were removed.
    pub removed: usize,
    /// Sites that were changed.
    pub changed: usize,
    /// Whether views, the program for alerts, or name servers changed.
    pub elsewhere: bool,
    /// Whether something changed that takes effect at the next start, as a notice says.
    pub later: bool,
    /// Messages for the user.
    pub notices: Vec<String>,
}

/// Changes the configuration of a running monitor.
pub struct Reconciler<P> {
    running: Config,
    slots: HashMap<Arc<str>, SiteSlot>,
    next_slot: usize,
    /// The last state of removed sites.
    gone: HashMap<Arc<str>, RemovedSite>,
    asks: Option<mpsc::Sender<RestoreRequest>>,
    changes: mpsc::Sender<ConfigChange>,
    prober: watch::Sender<Arc<P>>,
    terms: Option<watch::Sender<ExportUpdate>>,
    web: Option<WebTerms>,
    report: Option<watch::Sender<ReportPlan>>,
    domains: Option<watch::Sender<Vec<WatchedDomain>>>,
    location: Option<watch::Sender<Vec<ConfiguredSite>>>,
    arrangement: Option<watch::Sender<Arc<Arrangement>>>,
}

impl<P> Reconciler<P> {
    /// A reconciler for a monitor that runs with `running` since its start.
    #[must_use]
    pub fn new(
        running: Config,
        asks: Option<mpsc::Sender<RestoreRequest>>,
        changes: mpsc::Sender<ConfigChange>,
        prober: watch::Sender<Arc<P>>,
    ) -> Self {
        let names = running.sites.iter().map(|watched| Arc::clone(&watched.site.name));
        let slots: HashMap<Arc<str>, SiteSlot> = names.zip((0..).map(SiteSlot)).collect();
        Self {
            next_slot: slots.len(),
            running,
            slots,
            gone: HashMap::new(),
            asks,
            changes,
            prober,
            terms: None,
            web: None,
            report: None,
            domains: None,
            location: None,
            arrangement: None,
        }
    }

    /// Adds an export that follows the configuration.
    #[must_use]
    pub fn telling(self, terms: Option<watch::Sender<ExportUpdate>>) -> Self {
        Self { terms, ..self }
    }

    /// Adds a listener that follows the configuration.
    #[must_use]
    pub fn serving(self, web: Option<WebTerms>) -> Self {
        Self { web, ..self }
    }

    /// Adds reports that follow the configuration.
    #[must_use]
    pub fn publishing(self, report: watch::Sender<ReportPlan>) -> Self {
        Self { report: Some(report), ..self }
    }

    /// Adds a location of a fleet, which describes its sites to the hubs.
    #[must_use]
    #[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "only a location of a fleet needs it"))]
    pub fn describing(self, location: Option<watch::Sender<Vec<ConfiguredSite>>>) -> Self {
        Self { location, ..self }
    }

    /// Adds the watch of the domains of the configuration.
    #[must_use]
    pub fn watching_domains(self, domains: watch::Sender<Vec<WatchedDomain>>) -> Self {
        Self { domains: Some(domains), ..self }
    }

    /// Adds a dashboard whose keys and columns follow the configuration.
    #[must_use]
    pub fn arranging(self, arrangement: watch::Sender<Arc<Arrangement>>) -> Self {
        Self { arrangement: Some(arrangement), ..self }
    }

    /// The running configuration.
    pub const fn running(&self) -> &Config {
        &self.running
    }

    /// The running prober.
    pub fn prober(&self) -> Arc<P> {
        Arc::clone(&self.prober.borrow())
    }

    /// Changes to `config` and `prober`; `all_names` are all sites of the file, chosen or not.
    ///
    /// # Errors
    /// Why nothing changes, as a sentence.
    pub async fn revise(
        &mut self,
        config: Config,
        all_names: &[Arc<str>],
        prober: Arc<P>,
    ) -> Result<ConfigDiff, String> {
        let known = self.ask(&config).await?;
        let mut difference = self.difference(&config, known.notices.clone());
        let (done, left) = oneshot::channel();
        let change = self.plan(&config, all_names, &known, done);
        let names: HashMap<SiteSlot, Arc<str>> =
            self.slots.iter().map(|(name, &slot)| (slot, Arc::clone(name))).collect();
        let seats = change
            .sites
            .iter()
            .map(|(slot, watched)| (Arc::clone(&watched.site.name), *slot))
            .collect::<HashMap<_, _>>();
        self.prober.send_replace(prober);
        if let Some(terms) = &self.terms {
            terms.send_if_modified(|terms| terms.follow(&config));
        }
        if let Some(report) = &self.report {
            report.send_replace(ReportPlan::of(&config));
        }
        if let Some(location) = &self.location {
            location.send_replace(config.sites.clone());
        }
        if let Some(domains) = &self.domains {
            domains.send_replace(watched(&config));
        }
        if let Some(arrangement) = &self.arrangement
            && config.dashboard.arrangement != self.running.dashboard.arrangement
        {
            arrangement.send_replace(Arc::new(config.dashboard.arrangement.clone()));
        }
        difference.notices.extend(self.web.as_ref().and_then(|web| web.follow(&config)));
        let ending = || "webmon is ending".to_owned();
        self.changes.send(change).await.map_err(|_| ending())?;
        for left in left.await.map_err(|_| ending())? {
            if let Some(name) = names.get(&left.slot) {
                self.gone.insert(Arc::clone(name), left);
            }
        }
        forget_longest_gone(&mut self.gone, GONE_MAX);
        self.next_slot += difference.added;
        self.gone.retain(|name, _| !seats.contains_key(name));
        (self.slots, self.running) = (seats, config);
        Ok(difference)
    }

    /// The stored state of new sites, and of those that need more history than their rings hold.
    async fn ask(&self, config: &Config) -> Result<Restored, String> {
        let Some(asks) = &self.asks else { return Ok(Restored::default()) };
        let before = self.before();
        let wanted = config.sites.iter().filter(|watched| {
            let then = before.get(&watched.site.name).map(|then| horizon(&self.running.views, then));
            then.is_none_or(|then| then < horizon(&config.views, watched))
        });
        // A kept site only needs what its ring holds: its minutes go on.
        let span = |watched: &ConfiguredSite| {
            let is_kept = before.contains_key(&watched.site.name);
            if is_kept { horizon(&config.views, watched) } else { memory_span(&config.views, watched) }
        };
        let sites = wanted.map(|watched| (Arc::clone(&watched.site.name), span(watched))).collect();
        let (answer, answered) = oneshot::channel();
        let ending = || "webmon is ending".to_owned();
        asks.send(RestoreRequest { sites, answer }).await.map_err(|_| ending())?;
        answered.await.map_err(|_| ending())?
    }

    fn before(&self) -> HashMap<&Arc<str>, &ConfiguredSite> {
        self.running.sites.iter().map(|watched| (&watched.site.name, watched)).collect()
    }

    fn difference(&self, config: &Config, mut notices: Vec<String>) -> ConfigDiff {
        let before = self.before();
        let kept = config.sites.iter().filter_map(|watched| Some((watched, *before.get(&watched.site.name)?)));
        let is_changed = |(now, then): &(&ConfiguredSite, &ConfiguredSite)| {
            !now.site.is_same(&then.site) || !now.is_judged_as(then) || now.group != then.group
        };
        let (kept, changed) = (kept.clone().count(), kept.filter(is_changed).count());
        let mut later = false;
        for (what, differs) in [
            ("storage", config.storage != self.running.storage && self.asks.is_some()),
            ("dashboard (but its views, keys and columns)", !config.dashboard.is_alike(&self.running.dashboard)),
            ("export", !exported_alike(config, &self.running) && self.asks.is_some()),
            ("listen.address", config.listen.address != self.running.listen.address),
            ("network", config.network_threads != self.running.network_threads),
            ("fleet", config.fleet != self.running.fleet && self.location.is_some()),
        ] {
            if differs {
                later = true;
                notices.push(format!("sites.yaml: changes under {what} take effect at the next start"));
            }
        }
        if config.report != self.running.report && self.report.is_none() {
            notices.extend(publish::unpublished(config));
        }
        ConfigDiff {
            added: config.sites.len() - kept,
            removed: self.running.sites.len() - kept,
            changed,
            elsewhere: config.views != self.running.views
                || config.dashboard.arrangement != self.running.dashboard.arrangement
                || config.alerting != self.running.alerting
                || outlets(config) != outlets(&self.running)
                || ledger_terms(config) != ledger_terms(&self.running)
                || config.resolver != self.running.resolver
                || config.export != self.running.export
                || config.listen != self.running.listen
                || config.page != self.running.page
                || config.report != self.running.report
                || config.quantiles != self.running.quantiles,
            later,
            notices,
        }
    }

    fn plan(
        &self,
        config: &Config,
        all_names: &[Arc<str>],
        known: &Restored,
        done: oneshot::Sender<Vec<RemovedSite>>,
    ) -> ConfigChange {
        let before = self.before();
        let is_new = |watched: &&ConfiguredSite| !before.contains_key(&watched.site.name);
        let mut dues = first_due(config.sites.iter().filter(is_new).map(|watched| &*watched.site)).into_iter();
        let mut recalled = 0..known.registered.len();
        let (mut sites, mut site_updates, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for watched in &config.sites {
            let then = before.get(&watched.site.name);
            let longer = then.is_none_or(|then| horizon(&self.running.views, then) < horizon(&config.views, watched));
            // In the order of the request to the store.
            let index = if longer { recalled.next() } else { None };
            let past = index.map(|index| known.of(index)).unwrap_or_default();
            let room = slots(&config.views, watched);
            let Some(then) = then else {
                let slot = SiteSlot::new(self.next_slot + new.len());
                let due = dues.next().expect("there is one for each new site");
                let past = self.since_it_left(&watched.site, past);
                let producer = filled(&mut Slab::new(room), room, past.next_seq, past.samples);
                let (watch, mut track, reader) = seat(watched, (slot, due), producer, past);
                track.mask = index.map(|index| known.mask(index)).unwrap_or_default();
                track.minutes = older_minutes(watched, past.samples, room, &track.mask);
                let id = index.map(|index| known.registered[index].id);
                new.push(NewSite { slot, track, kept: id.map(|id| (id, reader)), paused: past.paused });
                site_updates.push(SiteUpdate::New(watch));
                sites.push((slot, watched.clone()));
                continue;
            };
            let slot = self.slots[&watched.site.name];
            let moves = (room != slots(&self.running.views, then)).then(|| RingResize {
                slots: room,
                past: index.map(|_| (past.next_seq - past.samples.len() as u64, past.samples.to_vec())),
            });
            // An unchanged site keeps its old value, and the caches that depend on it.
            let site = if watched.site.is_same(&then.site) { &then.site } else { &watched.site };
            site_updates.push(SiteUpdate::Kept { slot, site: Arc::clone(site), offset: offset(site), moves });
            sites.push((slot, watched.clone()));
        }
        let chosen: HashSet<&Arc<str>> = config.sites.iter().map(|watched| &watched.site.name).collect();
        let unwatched = all_names.iter().filter(|name| !chosen.contains(name)).cloned().collect();
        ConfigChange {
            views: config.views.clone(),
            outlets: outlets(config),
            incidents: ledger_terms(config),
            own_network: config.alerting.own_network,
            heartbeat: config.alerting.heartbeat.clone(),
            sites,
            unwatched,
            site_updates,
            new,
            done,
        }
    }

    /// `past`, or the last state in this run if the store does not know the site yet.
    fn since_it_left<'a>(&self, site: &Site, past: RestoredSite<'a>) -> RestoredSite<'a> {
        match self.gone.get(&site.name) {
            Some(left) if left.next_seq > past.next_seq => {
                RestoredSite { next_seq: left.next_seq, last_at: left.last_at, samples: &[], ..past }
            }
            _ => past,
        }
    }
}

/// Keeps the `most` sites of `gone` with the highest slots, which joined last.
fn forget_longest_gone(gone: &mut HashMap<Arc<str>, RemovedSite>, most: usize) {
    let Some(over) = gone.len().checked_sub(most).filter(|&over| over > 0) else { return };
    let mut slots: Vec<SiteSlot> = gone.values().map(|left| left.slot).collect();
    let (_, &mut last, _) = slots.select_nth_unstable(over - 1);
    gone.retain(|_, left| left.slot > last);
}

/// Whether the target of the export is the same; changed credentials apply at once.
fn exported_alike(one: &Config, other: &Config) -> bool {
    match (&one.export, &other.export) {
        (Some(one), Some(other)) => one.is_same_but_credentials(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files with other sites at each reload do not fill memory.
    #[test]
    fn the_sites_that_joined_first_are_forgotten_first_when_too_many_are_gone() {
        let left = |slot: usize| {
            (format!("site {slot}").into(), RemovedSite { slot: SiteSlot::new(slot), next_seq: 1, last_at: None })
        };
        for (count, most) in [(0, 3), (3, 3), (4, 3), (50, 3), (2, 0)] {
            let mut gone: HashMap<Arc<str>, RemovedSite> = (0..count).map(left).collect();
            forget_longest_gone(&mut gone, most);
            let mut slots: Vec<usize> = gone.values().map(|left| left.slot.get()).collect();
            slots.sort_unstable();
            assert_eq!(slots, (count.saturating_sub(most)..count).collect::<Vec<_>>(), "{most} of {count}");
        }
    }
}
