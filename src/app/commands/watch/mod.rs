//! `webmon watch`: the read-only dashboard over the store of another webmon process, or over a fleet ([`over_nats`]).
//!
//! It neither probes nor judges, and writes nothing but orders to the monitor; see [`crate::app::follow`]. Any number of processes may watch one store. A changed
//! sites.yaml is reloaded, but of its `dashboard` section only views, keys and columns, and its `storage` section not at all.

#[cfg(feature = "nats")]
mod over_nats;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::time::MissedTickBehavior;

use crate::alert::Calm;
use crate::alert::incident::terms::LedgerTerms;
use crate::app::alerts::outlets::ledger_terms;
use crate::app::cli::args::CommonArgs;
use crate::app::cli::selection::{load_for_reading, needed_for_store, unknown_site};
use crate::app::cli::stored::watch::{PageChoice, WatchArgs};
use crate::app::cli::terminal::is_dumb;
use crate::app::cli::time_range::instant;
use crate::app::cli::zone;
use crate::app::clock::{self, Clock};
use crate::app::commands::history::stored_period;
use crate::app::commands::picture::{self, PictureOrder};
use crate::app::dashboard::{self, memory};
use crate::app::exit::{CommandError, Ending};
use crate::app::follow::{FollowOptions, ReadOnlyMonitor};
use crate::app::monitor::MonitorHandle;
use crate::app::reload::{reason, sites};
use crate::app::session::runtime::{MainRuntime, Screen};
use crate::app::storage::site_spec::SiteSpec;
use crate::app::storage::task::blocking;
use crate::config::{Config, FileStamp, Needed, default_views};
use crate::model::{SiteIndex, Timestamp};
use crate::tui::{Arrangement, PicturePage};

/// Time between two reads of the store, and the default of `storage.flush`.
const LOOK: Duration = Duration::from_secs(1);

/// Shows the store of another webmon process until something ends it.
///
/// # Errors
/// [`CommandError`]: no terminal, the configuration, the store, or the system.
pub fn watch(args: &WatchArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    if args.fleet.is_wanted() {
        #[cfg(feature = "nats")]
        return over_nats::watch(&args.fleet, common);
        #[cfg(not(feature = "nats"))]
        return Err(CommandError::Usage(crate::app::cli::fleet::MISSING.to_owned()));
    }
    if args.picture.is_none() && (!io::stdout().is_terminal() || is_dumb()) {
        let way_on = "for output in a pipe, use `webmon stats`, `webmon samples` or `webmon alerts`";
        return Err(CommandError::Usage(format!(
            "watch needs a terminal on stdout that can show a dashboard; {way_on}"
        )));
    }
    // Before the file is read, so that a later change is noticed.
    let sheet = WatchedFile::of(&common.config);
    let config = configuration(common)?;
    let store = stored_period::store_path(common, config.as_ref());
    let zone = zone::local();
    let clock = Clock::start(Timestamp::ZERO);
    let plan = FollowOptions {
        path: store.clone(),
        subjects: subjects(config.as_ref()),
        views: config.as_ref().map_or_else(default_views, |config| config.views.clone()),
        flush: flush(config.as_ref()),
        clock: clock.clone(),
        wall: clock::wall,
        judges: false,
    };
    let mut follower = ReadOnlyMonitor::open(plan)?;
    follower.terms.send_replace(terms(config.as_ref()));
    follower.arrangement.send_replace(arrangement(config.as_ref()));
    if let Some(file) = &args.picture {
        follower.look();
        let config_path = config.is_some().then_some(&*common.config);
        let fixed = dashboard::fixed(config_path, (Some(&store), None), zone);
        let order = order(args, &follower.face(), (&store, &fixed.zone))?;
        picture::write(file, (&follower.face(), clock.now()), &fixed, Some(&store), order)?;
        return Ok(Ending::Done);
    }
    for warning in zone::warning().iter().chain(config.iter().flat_map(|config| &config.absent)) {
        follower.tell(warning.clone());
    }
    let mut runtime = MainRuntime::new()?;
    let memory = memory::place(|name| std::env::var_os(name));
    let remembered = memory.as_deref().map(memory::read).unwrap_or_default();
    let screen = Screen {
        monitor: follower.face(),
        clock,
        history: Some(store.clone()),
        config_path: config.is_some().then_some(&*common.config),
        store_path: Some(&store),
        listen: None,
        zone,
        settings: dashboard::settings(config.as_ref(), common.color, remembered),
        memory,
        notices: &[],
    };
    let ending =
        runtime.show(screen, |runtime, shown| Ok(runtime.attend(follow(follower, common.clone(), sheet), shown)));
    runtime.leave();
    ending
}

/// Reads the options about the picture.
fn order(
    args: &WatchArgs,
    face: &MonitorHandle,
    (store, zone): (&Path, &TimeZone),
) -> Result<PictureOrder, CommandError> {
    let page = match (&args.site, args.page) {
        (Some(name), _) => {
            let sites = face.board.snapshot().sites;
            let found = sites.iter().position(|site| *site.name == **name);
            let unknown = || unknown_site(name, store, sites.iter().map(|site| &*site.name));
            PicturePage::Site(SiteIndex::new(found.ok_or_else(unknown)?))
        }
        (None, None | Some(PageChoice::Overview)) => PicturePage::Overview,
        (None, Some(PageChoice::Alerts)) => PicturePage::Alerts,
        (None, Some(PageChoice::Help)) => PicturePage::Help,
        (None, Some(PageChoice::Incident)) if face.alerts.list().is_empty() => {
            return Err(CommandError::Usage(format!(
                "{} has no alert, so there is no incident to show",
                store.display()
            )));
        }
        (None, Some(PageChoice::Incident)) => PicturePage::Incident,
    };
    let now = clock::wall();
    let until = args.until.as_ref().map(|text| instant(text, now, zone)).transpose();
    let until = until.map_err(CommandError::Usage)?;
    if until.is_some() && !matches!(page, PicturePage::Overview | PicturePage::Alerts) {
        return Err(CommandError::Usage("--until goes with the overview and the alerts only".to_owned()));
    }
    // Of the future nothing is known: as of now, as the pages are.
    let until = until.filter(|until| *until < now);
    let usual = PictureOrder::of(page);
    Ok(PictureOrder { size: args.size.unwrap_or(usual.size), until, ..usual })
}

/// The configuration, even without its secrets; none if the user names a store and there is no file.
fn configuration(common: &CommonArgs) -> Result<Option<Config>, CommandError> {
    if common.store.is_some() && !Path::exists(&common.config) {
        return Ok(None);
    }
    configuration_of(common, needed_for_store(common)).map(Some)
}

/// The configuration, even without its secrets, but with what is `needed`.
fn configuration_of(common: &CommonArgs, needed: Needed) -> Result<Config, CommandError> {
    Ok(load_for_reading(&common.config, needed)?)
}

fn subjects(config: Option<&Config>) -> Vec<SiteSpec> {
    config.iter().flat_map(|config| &config.sites).map(Into::into).collect()
}

/// How incidents are reported; without a file as by default.
fn terms(config: Option<&Config>) -> LedgerTerms {
    let usual = || LedgerTerms { calm: Some(Calm::default()), ..LedgerTerms::default() };
    config.map_or_else(usual, ledger_terms)
}

/// The keys and columns; without a file the usual ones.
fn arrangement(config: Option<&Config>) -> Arc<Arrangement> {
    config.map_or_else(Arc::default, |config| Arc::new(config.dashboard.arrangement.clone()))
}

fn flush(config: Option<&Config>) -> Duration {
    config.and_then(|config| config.storage.as_ref()).map_or(LOOK, |storage| storage.flush)
}

/// The configuration file, to notice changes.
struct WatchedFile {
    path: PathBuf,
    /// Its stamp when it was last read, and at the last look.
    read: Option<FileStamp>,
    found: Option<FileStamp>,
}

impl WatchedFile {
    fn of(path: &Path) -> Self {
        let read = FileStamp::of(path);
        Self { path: path.to_owned(), read, found: read }
    }

    /// Whether it has changed, and two looks agree.
    fn is_new(&mut self) -> bool {
        let found = FileStamp::of(&self.path);
        let still = std::mem::replace(&mut self.found, found) == found;
        found.is_some() && still && found != self.read
    }
}

/// Follows the store and sites.yaml. Never returns.
async fn follow(mut follower: ReadOnlyMonitor, common: CommonArgs, mut sheet: WatchedFile) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let common = common.clone();
        (follower, sheet) = blocking(move || {
            if sheet.is_new() {
                read_again(&mut follower, &common, &mut sheet);
            }
            follower.look();
            (follower, sheet)
        })
        .await;
    }
}

/// Reloads the sites and views. A faulty file changes nothing and is reported once.
fn read_again(follower: &mut ReadOnlyMonitor, common: &CommonArgs, sheet: &mut WatchedFile) {
    let name = sheet.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let config = match configuration(common) {
        Ok(config) => config,
        Err(failure) => {
            sheet.read = sheet.found;
            let reason = reason(&failure, &sheet.path);
            return follower.tell(format!("{name} changed, but was refused: {reason}"));
        }
    };
    let views = config.as_ref().map_or_else(default_views, |config| config.views.clone());
    // If the store cannot be read, every look reports it and tries again.
    if follower.turn_to(subjects(config.as_ref()), views, flush(config.as_ref())).is_ok() {
        sheet.read = sheet.found;
        follower.terms.send_replace(terms(config.as_ref()));
        follower.arrangement.send_replace(arrangement(config.as_ref()));
        let number = config.map_or(0, |config| config.sites.len());
        follower.tell(format!("reloaded {name}: {}", sites(number)));
    }
}
