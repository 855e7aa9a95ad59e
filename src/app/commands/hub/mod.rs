//! `webmon hub`: gathers the samples of all locations into a store, judges sites over locations, and shows it.
//!
//! The screen and the lines read the store as `webmon watch` does, once a second; the hub alone writes it. Each site is shown for
//! each location that checks it, as `location/site`; alerts are about the sites of sites.yaml, with the votes that they rest on. A
//! changed sites.yaml is read at the next start.

mod desk;
mod export;
mod look;
mod serving;
mod shown;

use std::collections::HashMap;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;

use crate::app::alerts::outlets::ledger_terms;
use crate::app::cli::args::CommonArgs;
use crate::app::cli::fleet::hub::HubArgs;
use crate::app::cli::selection::{load, load_for_reading};
use crate::app::cli::terminal::is_dumb;
use crate::app::cli::zone;
use crate::app::clock::{self, Clock};
use crate::app::commands::run::open;
use crate::app::exit::{CommandError, Ending, NO_THREAD};
use crate::app::fleet::hub::news::LocationNews;
use crate::app::fleet::hub::{Hub, HubPlan};
use crate::app::fleet::judging::Judging;
use crate::app::fleet::over::stored::StoredReader;
use crate::app::fleet::over::{Over, OverStore};
use crate::app::fleet::sites::FleetSite;
use crate::app::follow::{FollowOptions, ReadOnlyMonitor};
use crate::app::log::{self, LogTarget};
use crate::app::session::runtime::MainRuntime;
use crate::app::storage::restore::{Restored, remember};
use crate::app::storage::task::StoreReceivers;
use crate::app::system::machine;
use crate::config::{Config, ConfigError, Needed};
use crate::fleet::gather::Gathering;
use crate::model::{FleetTerms, Location, Moment, SiteId, Timestamp};
use crate::store::{Archive, Opened, Origin, StoreError, Writer};

use desk::Desk;
use look::{Looking, subjects};
use serving::Serving;
use shown::Shown;

/// The default of `storage.flush`.
const FLUSH: Duration = Duration::from_secs(1);

/// How long a headless hub waits for its predecessor to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hours of what locations saw that may wait for the store.
const SEEN: usize = 1_024;

/// Texts of checks that may wait for the store. A hub makes no checks.
const NO_TEXTS: usize = 1;

/// Gathers until something ends it.
///
/// # Errors
/// [`CommandError`]: the configuration, the store, or the system.
pub fn hub(args: &HubArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let is_headless = args.headless || !io::stdout().is_terminal() || is_dumb();
    let log = log::LogOptions::read(common.verbose)?;
    // First, so that a hang-up during the start is not lost.
    let runtime = MainRuntime::new()?;
    let config = configuration(common)?;
    let (name, terms) = fleet(&config, &common.config)?;
    let path = common.store.clone().or_else(|| config.storage.as_ref().map(|storage| storage.path.clone()));
    let path = path.ok_or_else(|| CommandError::Usage("a hub needs a store: write --store FILE".to_owned()))?;
    // Before the store is read, so that it can say that webmon is starting.
    let mut serving = Serving::open(args, &config)?;
    let patience = if is_headless { PATIENCE } else { Duration::ZERO };
    let Opened { store, mut notices } = open(&path, config.storage.as_ref(), patience)?;
    notices.splice(0..0, config.absent.iter().chain(&config.warnings).cloned().chain(zone::warning()));
    let (clock, zone) = (Clock::start(Timestamp::ZERO), zone::local());
    let names: Vec<Arc<str>> =
        config.sites.iter().chain(&config.disabled).map(|watched| Arc::clone(&watched.site.name)).collect();
    let mut memory = remember(&store, &config, &names, clock.now())?;
    notices.append(&mut memory.notices);
    let (origins, next) = store.gathered()?;
    let most = usize::try_from(terms.max_pairs).unwrap_or(usize::MAX);
    let gathering = Gathering::new(&origins, |site| next.get(&site).copied().unwrap_or(0), most);
    let mut judging = judging(&config, &terms, &memory, clock.moment());
    let export = export::begin(&config, &store, &clock, &mut notices)?;
    let writer = Writer::new(store, Vec::new())?;
    let flush = flush(&config);
    let gathered = gathered(&path)?;
    let plan = FollowOptions {
        path: path.clone(),
        subjects: subjects(&gathered, None, &judging),
        views: config.views.clone(),
        flush,
        clock: clock.clone(),
        wall: clock::wall,
        judges: true,
    };
    let mut follower = ReadOnlyMonitor::open(plan)?;
    judging.follow(&gathered, None, &follower.face().board.snapshot());
    follower.exporting(export.as_ref());
    follower.terms.send_replace(ledger_terms(&config));
    follower.arrangement.send_replace(Arc::new(config.dashboard.arrangement.clone()));
    let (receivers, senders) = StoreReceivers::open(std::mem::take(&mut memory.stored_sites), NO_TEXTS);
    let desk = Desk::open(&config, memory, (&clock, &zone), (&path, senders.reports), &follower);
    let news = LocationNews::default();
    let place = LogTarget::of(is_headless.then_some(args.format), Some(&path));
    let _logging = log::begin(&log, place, &clock, follower.keeping()).context(NO_THREAD)?;
    let status = follower.keeping();
    let (seen_sender, seen) = mpsc::channel(SEEN);
    let plan = HubPlan { name, terms, writer, gathering, receivers, seen, export, status, flush, clock: clock.clone() };
    let (to_store, blind) = (seen_sender.clone(), Archive::open(&path)?.blind_times()?);
    let reader = StoredReader::new(path.clone(), &config, seen_sender);
    let hub = Hub::start(plan).context(NO_THREAD)?;
    let kept = OverStore { blind, reader, news: to_store };
    let over = Over::new(&FleetSite::all(&config), (&follower.face().board, &judging), Some(kept), clock.now());
    let looking = Looking::new((follower, path.clone()), (judging, over), news, &config, clock.clone());
    serving.begin((&config, looking.face()), (&clock, &zone), (&path, &looking.follower().keeping()));
    let shown = Shown { hub, looking, desk, serving, path, config, clock, zone, notices };
    if is_headless { shown.lines(runtime, args) } else { shown.dashboard(runtime, args, common) }
}

/// The judge of the sites of `config`, with the incidents that are open in the store.
fn judging(config: &Config, terms: &FleetTerms, memory: &Restored, now: Moment) -> Judging {
    let index: HashMap<SiteId, usize> = memory.registered.iter().map(|site| site.id).zip(0..).collect();
    let open = memory.open.iter().filter_map(|(id, open)| Some((*index.get(id)?, open)));
    let open = open.flat_map(|(index, open)| {
        let name = &config.sites[index].site.name;
        open.iter().map(move |incident| (Arc::clone(name), incident.rule, incident.since))
    });
    let mut judging = Judging::new(&FleetSite::all(config), (terms.silent_after, config.alerting.locations), now);
    judging.resume(open);
    judging.reopen(&memory.kept.incidents);
    judging
}

/// The configuration; without the secrets of its sites, for instance, if a variable of another machine is missing here.
fn configuration(common: &CommonArgs) -> Result<Config, CommandError> {
    match load(&common.config) {
        Err(ConfigError::Invalid { .. }) => Ok(load_for_reading(&common.config, Needed::Hub)?),
        loaded => Ok(loaded?),
    }
}

/// The name of this hub, and the terms of its fleet.
fn fleet(config: &Config, path: &Path) -> Result<(Location, FleetTerms), CommandError> {
    let Some(terms) = config.fleet.clone() else {
        let path = path.display();
        return Err(CommandError::Usage(format!(
            "{path} has no section `fleet`, which says where the NATS server is; example: fleet: {{ server: nats://127.0.0.1:4222 }}"
        )));
    };
    let name = terms.location_on(machine::host_name().as_deref());
    let name = name.ok_or_else(|| {
        CommandError::Usage("the name of this machine is no name of a hub: set `fleet.location`".to_owned())
    })?;
    Ok((name, terms))
}

/// Time between two commits.
fn flush(config: &Config) -> Duration {
    config.storage.as_ref().map_or(FLUSH, |storage| storage.flush)
}

/// The sites of all locations with their names in the store, by location and name.
fn gathered(path: &Path) -> Result<Vec<(Arc<str>, Origin)>, StoreError> {
    let archive = Archive::open(path)?;
    let (sites, mut origins) = (archive.sites()?, archive.origins()?);
    let mut gathered: Vec<_> =
        sites.into_iter().filter_map(|site| Some((site.name, origins.remove(&site.id)?))).collect();
    gathered
        .sort_by(|(name, origin), (other_name, other)| (&origin.location, name).cmp(&(&other.location, other_name)));
    Ok(gathered)
}
