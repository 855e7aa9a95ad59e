//! `webmon watch`: the dashboard over the store that another webmon is writing.
//!
//! Nothing is probed, judged or written here: see [`crate::app::follow`]. Any number of them may look at one store, each for
//! itself. A sites.yaml that has changed is read again; how the dashboard looks and where the store is stay as at the start.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::MissedTickBehavior;

use crate::app::cli::args::CommonArgs;
use crate::app::cli::selection::load;
use crate::app::cli::zone;
use crate::app::clock::{self, Clock};
use crate::app::dashboard::{self, Dashboard};
use crate::app::exit::{Ending, Failure, NO_THREAD, store_failure};
use crate::app::follow::{FollowOptions, ReadOnlyMonitor};
use crate::app::reload::REASON_MAX;
use crate::app::session::MainRuntime;
use crate::app::storage::site_spec::SiteSpec;
use crate::app::storage::task::blocking;
use crate::app::system::signals::{self, HANGUP};
use crate::config::{self, Config, ConfigError, FileStamp, default_views};
use crate::model::Timestamp;
use crate::model::text::clean_line;

use super::samples;

/// Time between two looks at the store, and the flush that is assumed where no configuration tells it.
const LOOK: Duration = Duration::from_secs(1);

/// Shows what another webmon stores, until something ends it.
///
/// # Errors
/// [`Failure`]: no terminal, the configuration, the store, or the system.
pub fn watch(common: &CommonArgs) -> Result<Ending, Failure> {
    if !io::stdout().is_terminal() {
        let way_on = "for lines in a pipe there are `webmon stats`, `webmon samples` and `webmon alerts`";
        return Err(Failure::Usage(format!("webmon: watch needs a terminal on stdout; {way_on}")));
    }
    // Before it is read: what is written meanwhile is then seen as new.
    let sheet = WatchedFile::of(&common.config);
    let config = configuration(common)?;
    let store = samples::store_path(common, config.as_ref());
    let zone = zone::local();
    let clock = Clock::start(Timestamp::ZERO);
    let plan = FollowOptions {
        path: store.clone(),
        subjects: subjects(config.as_ref()),
        views: config.as_ref().map_or_else(default_views, |config| config.views.clone()),
        flush: flush(config.as_ref()),
        clock: clock.clone(),
        wall: clock::wall,
    };
    let follower = ReadOnlyMonitor::open(plan).map_err(|error| store_failure(&error))?;
    if let Some(warning) = zone::warning() {
        follower.tell(warning);
    }
    let mut attentive = MainRuntime::new()?;
    let (face, started) = (follower.face(), clock.running());
    let config_path = config.is_some().then_some(&*common.config);
    let look = config.as_ref().map(|config| config.dashboard).unwrap_or_default();
    let fixed = dashboard::fixed(config_path, Some(&store), zone);
    let settings = dashboard::settings(look, common.color);
    let past = Some(store.clone());
    let shown = Dashboard::start(face.clone(), clock.clone(), past, (fixed, settings), signals::listen());
    let (dashboard, ended) = shown.context(NO_THREAD)?;
    attentive.mind_jobs(dashboard.orders())?;
    let ending = attentive.attend(follow(follower, common.clone(), sheet), async move {
        // Dropped without a word: it panicked, and is joined below.
        ended.await.unwrap_or(Ending::Done)
    });
    attentive.leave();
    let screen = dashboard.join().context("the dashboard failed")?;
    let watched = clock.running().saturating_sub(started);
    match ending {
        // The terminal is gone, and with it whoever could read; after a panic its message is what is to be read.
        Ending::Signal(HANGUP) | Ending::Panicked => Ok(ending),
        ending => {
            let told = dashboard::farewell(&face, watched, Some(&store), screen, &[]);
            Ok(told.context("cannot write to stdout").map(|()| ending)?)
        }
    }
}

/// The configuration, also where secrets of it are not at hand; none where a store is named and there is no file.
fn configuration(common: &CommonArgs) -> Result<Option<Config>, Failure> {
    if common.store.is_some() && !Path::exists(&common.config) {
        return Ok(None);
    }
    match config::load(&common.config, &|name| std::env::var(name).ok()) {
        Ok(config) => Ok(Some(config)),
        Err(ConfigError::Missing { .. }) => load(&common.config).map(Some),
        Err(faults) => {
            config::load_without_env(&common.config).map(Some).map_err(|_| Failure::Usage(faults.to_string()))
        }
    }
}

fn subjects(config: Option<&Config>) -> Vec<SiteSpec> {
    config.iter().flat_map(|config| &config.sites).map(Into::into).collect()
}

fn flush(config: Option<&Config>) -> Duration {
    config.and_then(|config| config.storage.as_ref()).map_or(LOOK, |storage| storage.flush)
}

/// The configuration file, to notice that it is another one.
struct WatchedFile {
    path: PathBuf,
    /// As it was read last, and as the last look found it.
    read: Option<FileStamp>,
    found: Option<FileStamp>,
}

impl WatchedFile {
    fn of(path: &Path) -> Self {
        let read = FileStamp::of(path);
        Self { path: path.to_owned(), read, found: read }
    }

    /// Whether it has changed and stands still: two looks agree.
    fn is_new(&mut self) -> bool {
        let found = FileStamp::of(&self.path);
        let still = std::mem::replace(&mut self.found, found) == found;
        found.is_some() && still && found != self.read
    }
}

/// Follows the store, and sites.yaml, for ever.
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

/// Shows the sites and views that the file has now. One that cannot be taken changes nothing and is told once.
fn read_again(follower: &mut ReadOnlyMonitor, common: &CommonArgs, sheet: &mut WatchedFile) {
    let name = sheet.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let config = match configuration(common) {
        Ok(config) => config,
        Err(failure) => {
            sheet.read = sheet.found;
            let reason = clean_line(&failure.to_string(), REASON_MAX);
            return follower.tell(format!("{name} changed but was not taken: {reason}"));
        }
    };
    let views = config.as_ref().map_or_else(default_views, |config| config.views.clone());
    // A store that cannot be read just now is told by every look, and tried again.
    if follower.turn_to(subjects(config.as_ref()), views, flush(config.as_ref())).is_ok() {
        sheet.read = sheet.found;
        let sites = config.map_or(0, |config| config.sites.len());
        follower.tell(format!("{name} read: {sites} sites"));
    }
}
