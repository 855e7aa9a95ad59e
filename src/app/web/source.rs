//! What the listener serves, from the engine's snapshots, the counters of the scheduler, and the store.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tracing::debug;

use crate::app::cli::zone;
use crate::app::clock::Clock;
use crate::app::locations::groups::Rules;
use crate::app::log::about;
use crate::app::pages::Memory;
use crate::app::status::counters::SchedulerCounters;
use crate::app::status::health_meter::StoreStatus;
use crate::config::QUANTILES_OF;
use crate::engine::{Board, SiteSnapshot, Snapshot};
use crate::model::lock::lock;
use crate::model::{Health, Outcome, PageTerms, Place, StoreHealth, Timeframe, Timestamp};
use crate::serve::health::VitalSigns;
use crate::serve::metrics::{ProgramReading, SiteReading};
use crate::serve::route::{BadgeForm, ListQuery, Selection};
use crate::serve::source::{Html, List, Missing, Source};

use super::pages::Pages;
use super::sums::{LiveSums, ReadUntil, StoredSums};
use super::{hub, lists};

/// A running monitor.
pub struct Running {
    /// The snapshots.
    pub board: Arc<Board>,
    /// The health of webmon itself.
    pub health: watch::Receiver<Arc<Health>>,
    /// The counters of the scheduler.
    pub counters: Arc<SchedulerCounters>,
    /// The store's reports.
    pub status: watch::Receiver<StoreStatus>,
    /// The clock of the monitor.
    pub clock: Clock,
    /// The store, if there is one.
    pub store: Option<PathBuf>,
    /// When the monitor started.
    pub started: Timestamp,
    /// At a hub, when a site over its locations is down.
    pub rules: Rules,
}

/// See the module.
pub struct MonitorSource {
    elapsed: fn() -> std::time::Instant,
    began: std::time::Instant,
    running: OnceLock<Running>,
    has_quantiles: Arc<AtomicBool>,
    page: watch::Receiver<Arc<PageTerms>>,
    sums: Mutex<Sums>,
    memory: Memory,
    /// Whether the stored sums were read once.
    is_summed: AtomicBool,
}

#[derive(Default)]
struct Sums {
    stored: StoredSums,
    live: LiveSums,
}

impl MonitorSource {
    /// A source of a monitor that has yet to start; time is read by `elapsed`.
    #[must_use]
    pub fn new(
        elapsed: fn() -> std::time::Instant,
        has_quantiles: Arc<AtomicBool>,
        page: watch::Receiver<Arc<PageTerms>>,
    ) -> Self {
        Self {
            elapsed,
            began: elapsed(),
            running: OnceLock::new(),
            has_quantiles,
            page,
            sums: Mutex::default(),
            memory: Memory::default(),
            is_summed: AtomicBool::new(false),
        }
    }

    /// The monitor has started.
    pub fn attach(&self, running: Running) {
        // It starts once.
        let _again = self.running.set(running);
    }

    fn with_pages<T>(&self, make: impl FnOnce(&Pages<'_>) -> Result<T, Missing>) -> Result<T, Missing> {
        let running = self.running()?;
        let terms = Arc::clone(&self.page.borrow());
        make(&Pages {
            snapshot: &running.board.snapshot(),
            store: running.store.as_deref(),
            memory: &self.memory,
            rules: &running.rules,
            terms: &terms,
            zone: &zone::local(),
            now: running.clock.now(),
        })
    }

    fn running(&self) -> Result<&Running, Missing> {
        self.running.get().ok_or_else(|| Missing::Unavailable("webmon is starting".to_owned()))
    }

    /// Reads what was committed since the last call. Returns whether all that was stored is counted.
    ///
    /// # Errors
    /// [`Missing::Unavailable`].
    pub fn follow(&self) -> Result<(), Missing> {
        let running = self.running()?;
        let mut sums = lock(&self.sums);
        let Some(path) = &running.store else {
            sums.live.follow(&running.board, &running.board.snapshot());
            self.is_summed.store(true, Ordering::Release);
            return Ok(());
        };
        let decided = running.status.borrow().decided;
        let decided = decided.ok_or_else(|| Missing::Unavailable("webmon is starting".to_owned()))?;
        let until = ReadUntil { decided, started: running.started, now: running.clock.now() };
        match sums.stored.follow(path, until) {
            Ok(()) => self.is_summed.store(true, Ordering::Release),
            Err(error) => {
                debug!(target: about::LISTEN, %error, "the store cannot be read");
                if !self.is_summed() {
                    return Err(Missing::Unavailable("the store cannot be read now".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Whether everything that was stored before is counted.
    #[must_use]
    pub fn is_summed(&self) -> bool {
        self.is_summed.load(Ordering::Acquire)
    }

    fn reading(site: &SiteSnapshot, sums: &Sums, quantiles: Option<[u32; 3]>) -> SiteReading {
        let last = site.last.as_ref();
        let observation = last.and_then(|last| last.observation.as_ref());
        let certificate = observation.and_then(|observation| observation.certificate.as_ref());
        let domain = observation.and_then(|observation| observation.domain.as_ref());
        let (name, location) = match &site.place {
            Place::At { location, site } => (site, Some(location.clone())),
            Place::Here | Place::Everywhere => (&site.name, None),
        };
        SiteReading {
            name: Arc::clone(name),
            location,
            group: site.group.clone(),
            url: Arc::clone(&site.url),
            interval: site.interval,
            sums: sums.stored.of(&site.name).or_else(|| sums.live.of(&site.name)).cloned(),
            // Not by its state, which also says that it is paused or that nothing is known.
            is_down: site.incident.is_some(),
            is_up: last.and_then(|last| match last.sample.outcome() {
                Outcome::Up => Some(true),
                Outcome::Down => Some(false),
                Outcome::Unknown => None,
            }),
            last_check: last.map(|last| last.sample.at),
            expires: certificate.map(|shown| shown.not_after).or_else(|| sums.stored.expires(&site.name)),
            domain_expires: domain.and_then(|domain| domain.expires),
            quantiles,
        }
    }

    fn program(running: &Running, sums: &Sums) -> ProgramReading {
        let (health, now) = (Arc::clone(&running.health.borrow()), running.clock.now());
        let (store_bytes, store_lag) = match &health.store {
            StoreHealth::Off => (None, None),
            StoreHealth::Ok { bytes } => (Some(*bytes), Some(Duration::ZERO)),
            StoreHealth::NotSaving { since, .. } => (None, Some(now.since(*since))),
        };
        let late = if running.store.is_some() { sums.stored.late() } else { sums.live.late() };
        ProgramReading {
            version: env!("WEBMON_VERSION"),
            late: late.clone(),
            in_flight: running.counters.in_flight() as u64,
            store_bytes,
            store_lag,
            export_lag: health.export.as_ref().map(|export| export.lag(now)),
            hub: None,
        }
    }
}

/// p50, p95 and p99 of the view of [`QUANTILES_OF`], by the place of the site.
fn quantiles(snapshot: &Snapshot) -> Vec<Option<[u32; 3]>> {
    let view = snapshot.views.iter().find(|view| view.timeframe == Timeframe::new(QUANTILES_OF));
    let rows = view.map_or(&[][..], |view| &view.rows[..]);
    let of = |latency: &crate::stats::Latency| [latency.p50, latency.p95, latency.p99];
    rows.iter().map(|row| row.summary.response.as_ref().map(of)).collect()
}

impl Source for MonitorSource {
    fn elapsed(&self) -> Duration {
        (self.elapsed)().saturating_duration_since(self.began)
    }

    fn board(&self) -> Snapshot {
        let empty = || Snapshot { at: Timestamp::ZERO, sites: Vec::new(), views: Vec::new() };
        self.running.get().map_or_else(empty, |running| running.board.snapshot())
    }

    fn readings(&self, selection: &Selection) -> Result<(Vec<SiteReading>, ProgramReading), Missing> {
        let running = self.running()?;
        if !self.is_summed() {
            return Err(Missing::Unavailable("webmon is summing up what is stored".to_owned()));
        }
        self.follow()?;
        let sums = lock(&self.sums);
        let snapshot = running.board.snapshot();
        let has_quantiles = self.has_quantiles.load(Ordering::Relaxed);
        let mut quantiles = if has_quantiles { quantiles(&snapshot) } else { Vec::new() };
        quantiles.resize(snapshot.sites.len(), None);
        let selected = snapshot.sites.iter().zip(quantiles);
        let selected = selected.filter(|(site, _)| hub::is_selected(selection, site));
        let single = selected.filter(|(site, _)| site.place != Place::Everywhere);
        let sites = single.map(|(site, quantiles)| Self::reading(site, &sums, quantiles)).collect();
        let mut program = Self::program(running, &sums);
        program.hub = hub::reading(&snapshot, selection, running.health.borrow().hub.as_deref());
        Ok((hub::without_replaced(sites), program))
    }

    fn vital_signs(&self) -> VitalSigns {
        let Some(running) = self.running.get() else {
            return VitalSigns {
                scheduler_overdue: Duration::ZERO,
                since_step: Duration::ZERO,
                has_begun: false,
                is_ending: false,
                not_saving: None,
            };
        };
        let (now, counters) = (running.clock.monotonic(), &running.counters);
        let not_saving = match &running.status.borrow().store {
            StoreHealth::NotSaving { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        VitalSigns {
            scheduler_overdue: counters.overdue(now),
            since_step: counters.since_step(now),
            has_begun: counters.has_begun(),
            is_ending: counters.is_ending(),
            not_saving,
        }
    }

    fn list(&self, query: &ListQuery) -> Result<List, Missing> {
        let running = self.running()?;
        let snapshot = running.board.snapshot();
        lists::list((&snapshot, &running.rules), running.store.as_deref(), query, running.clock.now())
    }

    fn status_page(&self, as_of: Option<&str>) -> Result<Html, Missing> {
        self.with_pages(|pages| pages.status(as_of))
    }

    fn site_page(&self, name: &str, since: Option<&str>, as_of: Option<&str>) -> Result<Html, Missing> {
        self.with_pages(|pages| pages.site(name, since, as_of))
    }

    fn badge(&self, name: &str, form: BadgeForm, period: Option<&str>) -> Result<String, Missing> {
        self.with_pages(|pages| pages.badge(name, form, period))
    }
}

#[cfg(test)]
mod tests {
    use crate::alert::{RuleKind, StandingIncident};
    use crate::engine::{Engine, SiteInput, SiteState};
    use crate::model::SiteSlot;
    use crate::ring::Producer;
    use crate::stats::Cadence;

    use super::*;

    /// An alert of Prometheus must not end because the user pauses the site.
    #[test]
    fn a_site_whose_incident_is_open_is_down_also_while_it_is_paused() {
        let now = Timestamp::from_secs(1_795_255_200);
        let cadence = Cadence { interval: Duration::from_secs(10), timeout: Duration::from_secs(1) };
        for is_open in [true, false] {
            let incident = StandingIncident { rule: RuleKind::Availability, since: now, reading: None };
            let input = SiteInput {
                open: if is_open { vec![incident] } else { Vec::new() },
                ..SiteInput::new(SiteSlot(0), "api", cadence, Producer::new(10, 0).ring())
            };
            let mut engine = Engine::new(Vec::new(), vec![input], now);
            engine.pause(SiteSlot(0), Some(Timestamp::MAX), now);
            let site = engine.board().snapshot().sites.remove(0);
            let is_down = MonitorSource::reading(&site, &Sums::default(), None).is_down;
            assert_eq!((site.state, is_down), (SiteState::Paused, is_open));
        }
    }
}
