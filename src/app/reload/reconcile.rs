//! Another configuration for a running monitor: what changes, in which order, and nothing else.
//!
//! **Idea.** Sites are the same when their names are. The plan is made here from what the store knows and from the two
//! configurations; it is carried out by the control loop in one go, between two steps: first the store's side
//! and the output hear of new sites, then the scheduler goes on with the plan and tells which rings moved, then
//! the engine takes over. Samples are made all the time and none is lost: numbers go on in a ring that moved, and
//! its readers finish the old one first.
//!
//! **Invariants.** A site about which nothing changed keeps its ring, windows, state, incident, phase and what is in
//! flight. A changed one keeps its history. What cannot be had (the store does not answer, a resolver cannot be set
//! up) refuses the whole change. Limits: one revision at a time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::app::scheduler::due_time::{first_due, offset};
use crate::app::scheduler::{RemovedSite, RingResize, SiteUpdate};
use crate::app::storage::export_handle::ExportUpdate;
use crate::app::storage::request::RestoreRequest;
use crate::app::storage::restore::{Restored, RestoredSite, filled, horizon, seat, slots};
use crate::config::{Config, ConfiguredSite, Exec};
use crate::engine::SiteInput;
use crate::model::{Site, SiteId, SiteSlot, Timestamp, View};
use crate::ring::{Reader, Slab};

/// Revisions that may wait: the next one begins when the last one is over.
pub const REVISIONS: usize = 1;

/// Sites that are gone and known by name, so that their numbers go on when they come back: the store knows all of them.
const GONE_MAX: usize = 10_000;

/// What the control loop carries out.
pub struct ConfigChange {
    /// The views from now on.
    pub views: Vec<View>,
    /// Whom to tell of alerts.
    pub exec: Option<Arc<Exec>>,
    /// All sites, in the order of sites.yaml.
    pub sites: Vec<(SiteSlot, ConfiguredSite)>,
    /// The names of sites that are in the file but not watched: an incident of theirs goes on.
    pub unwatched: Vec<Arc<str>>,
    /// What the scheduler is told; the watches of new sites among it.
    pub berths: Vec<SiteUpdate>,
    /// The sites that are new, in the order of their numbers.
    pub new: Vec<NewSite>,
    /// Where to say who has left.
    pub done: oneshot::Sender<Vec<RemovedSite>>,
}

/// A site that is new.
pub struct NewSite {
    /// Its slot.
    pub slot: SiteSlot,
    /// For the engine.
    pub track: SiteInput,
    /// Its number in the store and what its samples are saved from, with a store.
    pub kept: Option<(SiteId, Reader)>,
    /// Until when it is paused.
    pub paused: Option<Timestamp>,
}

/// How a configuration differs from the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigDiff {
    /// Sites that are watched now and were not.
    pub added: usize,
    /// Sites that are watched no more.
    pub removed: usize,
    /// Sites of which anything changed.
    pub changed: usize,
    /// Whether anything else did: views, whom to tell, who answers for names.
    pub elsewhere: bool,
    /// What a person should know.
    pub notices: Vec<String>,
}

/// Changes a running monitor.
pub struct Reconciler<P> {
    running: Config,
    slots: HashMap<Arc<str>, SiteSlot>,
    next_slot: usize,
    /// Where sites stopped that are gone.
    gone: HashMap<Arc<str>, RemovedSite>,
    asks: Option<mpsc::Sender<RestoreRequest>>,
    changes: mpsc::Sender<ConfigChange>,
    prober: watch::Sender<Arc<P>>,
    terms: Option<watch::Sender<ExportUpdate>>,
}

impl<P> Reconciler<P> {
    /// For a monitor that runs by `running` since its start.
    #[must_use]
    pub fn new(
        running: Config,
        asks: Option<mpsc::Sender<RestoreRequest>>,
        changes: mpsc::Sender<ConfigChange>,
        prober: watch::Sender<Arc<P>>,
    ) -> Self {
        let names = running.sites.iter().map(|watched| Arc::clone(&watched.site.name));
        let slots: HashMap<Arc<str>, SiteSlot> = names.zip((0..).map(SiteSlot)).collect();
        Self { next_slot: slots.len(), running, slots, gone: HashMap::new(), asks, changes, prober, terms: None }
    }

    /// The same with an export that follows the configuration.
    #[must_use]
    pub fn telling(self, terms: Option<watch::Sender<ExportUpdate>>) -> Self {
        Self { terms, ..self }
    }

    /// The configuration that the monitor runs by.
    pub const fn running(&self) -> &Config {
        &self.running
    }

    /// How sites are probed now.
    pub fn prober(&self) -> Arc<P> {
        Arc::clone(&self.prober.borrow())
    }

    /// Goes on by `config`, probing with `prober` from now on; `all_names` are all sites of the file, chosen or not.
    ///
    /// # Errors
    /// Why everything stays as it was, as a sentence.
    pub async fn revise(
        &mut self,
        config: Config,
        all_names: &[Arc<str>],
        prober: Arc<P>,
    ) -> Result<ConfigDiff, String> {
        let known = self.ask(&config).await?;
        let difference = self.difference(&config, known.notices.clone());
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

    /// What the store knows of sites that are new, and of those that have to remember more than their rings hold.
    async fn ask(&self, config: &Config) -> Result<Restored, String> {
        let Some(asks) = &self.asks else { return Ok(Restored::default()) };
        let before = self.before();
        let wanted = config.sites.iter().filter(|watched| {
            let then = before.get(&watched.site.name).map(|then| horizon(&self.running.views, then));
            then.is_none_or(|then| then < horizon(&config.views, watched))
        });
        let sites = wanted.map(|watched| (Arc::clone(&watched.site.name), horizon(&config.views, watched))).collect();
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
            !now.site.is_same(&then.site) || now.rule != then.rule || now.group != then.group
        };
        let (kept, changed) = (kept.clone().count(), kept.filter(is_changed).count());
        for (what, differs) in [
            ("storage", config.storage != self.running.storage && self.asks.is_some()),
            ("dashboard (but its views)", config.dashboard != self.running.dashboard),
            ("export", !exported_alike(config, &self.running) && self.asks.is_some()),
        ] {
            if differs {
                notices.push(format!("sites.yaml: what changed under {what} takes effect at the next start"));
            }
        }
        ConfigDiff {
            added: config.sites.len() - kept,
            removed: self.running.sites.len() - kept,
            changed,
            elsewhere: config.views != self.running.views
                || config.exec != self.running.exec
                || config.resolver != self.running.resolver
                || config.export != self.running.export,
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
        let (mut sites, mut berths, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for watched in &config.sites {
            let then = before.get(&watched.site.name);
            let longer = then.is_none_or(|then| horizon(&self.running.views, then) < horizon(&config.views, watched));
            // The store was asked for these, in this order.
            let index = if longer { recalled.next() } else { None };
            let past = index.map(|index| known.of(index)).unwrap_or_default();
            let room = slots(&config.views, watched);
            let Some(then) = then else {
                let slot = SiteSlot::new(self.next_slot + new.len());
                let due = dues.next().expect("there is one for each new site");
                let past = self.since_it_left(&watched.site, past);
                let producer = filled(&mut Slab::new(room), room, past.next_seq, past.samples);
                let (watch, track, reader) = seat(watched, (slot, due), producer, past);
                let id = index.map(|index| known.registered[index].id);
                new.push(NewSite { slot, track, kept: id.map(|id| (id, reader)), paused: past.paused });
                berths.push(SiteUpdate::New(watch));
                sites.push((slot, watched.clone()));
                continue;
            };
            let slot = self.slots[&watched.site.name];
            let moves = (room != slots(&self.running.views, then)).then(|| RingResize {
                slots: room,
                past: index.map(|_| (past.next_seq - past.samples.len() as u64, past.samples.to_vec())),
            });
            // The same site as before where nothing about it changed: what is kept for it elsewhere stays.
            let site = if watched.site.is_same(&then.site) { &then.site } else { &watched.site };
            berths.push(SiteUpdate::Kept { slot, site: Arc::clone(site), offset: offset(site), moves });
            sites.push((slot, watched.clone()));
        }
        let chosen: HashSet<&Arc<str>> = config.sites.iter().map(|watched| &watched.site.name).collect();
        let unwatched = all_names.iter().filter(|name| !chosen.contains(name)).cloned().collect();
        ConfigChange { views: config.views.clone(), exec: config.exec.clone(), sites, unwatched, berths, new, done }
    }

    /// `past`, or where the site stopped in this run if the store does not know yet.
    fn since_it_left<'a>(&self, site: &Site, past: RestoredSite<'a>) -> RestoredSite<'a> {
        match self.gone.get(&site.name) {
            Some(left) if left.next_seq > past.next_seq => {
                RestoredSite { next_seq: left.next_seq, last_at: left.last_at, samples: &[], ..past }
            }
            _ => past,
        }
    }
}

/// Keeps the `most` of `gone` with the highest numbers, which joined last.
fn forget_longest_gone(gone: &mut HashMap<Arc<str>, RemovedSite>, most: usize) {
    let Some(over) = gone.len().checked_sub(most).filter(|&over| over > 0) else { return };
    let mut slots: Vec<SiteSlot> = gone.values().map(|left| left.slot).collect();
    let (_, &mut last, _) = slots.select_nth_unstable(over - 1);
    gone.retain(|_, left| left.slot > last);
}

/// Whether samples are exported to the same place; other credentials are taken at once.
fn exported_alike(one: &Config, other: &Config) -> bool {
    match (&one.export, &other.export) {
        (Some(one), Some(other)) => one.is_same_but_credentials(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files that name other sites each time they are read again fill no memory.
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
