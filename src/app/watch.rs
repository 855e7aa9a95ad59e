//! `webmon watch`: the dashboard over the store that another webmon is writing.
//!
//! Nothing is probed, judged or written here: see [`super::follow`]. Any number of them may look at one store, each for
//! itself.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::time::MissedTickBehavior;

use crate::config::{self, Config, ConfigError, default_views};
use crate::model::Timestamp;

use super::cli::CommonArgs;
use super::clock::Clock;
use super::dashboard::{self, Dashboard};
use super::exit::{Ending, Failure};
use super::follow::{Follower, Plan};
use super::history;
use super::keeper::blocking;
use super::run::store_failure;
use super::select::load;
use super::signals::HANGUP;
use super::stage::Attentive;

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
    let config = configuration(common)?;
    let store = history::store_path(common, config.as_ref());
    let zone = TimeZone::system();
    let clock = Clock::start(Timestamp::ZERO);
    let plan = Plan {
        path: store.clone(),
        subjects: config.iter().flat_map(|config| &config.sites).map(Into::into).collect(),
        views: config.as_ref().map_or_else(default_views, |config| config.views.clone()),
        flush: config.as_ref().and_then(|config| config.storage.as_ref()).map_or(LOOK, |storage| storage.flush),
        zone: zone.clone(),
        clock: clock.clone(),
    };
    let follower = Follower::open(plan).map_err(|error| store_failure(&error))?;
    let mut attentive = Attentive::new()?;
    let (face, started) = (follower.face(), clock.now());
    let config_path = config.is_some().then_some(&*common.config);
    let look = config.as_ref().map(|config| config.dashboard).unwrap_or_default();
    let fixed = dashboard::fixed(config_path, Some(&store), zone);
    let settings = dashboard::settings(look, common.color);
    let shown = Dashboard::start(face.clone(), clock.clone(), Some(store.clone()), (fixed, settings));
    let (dashboard, ended) = shown.context("cannot start a thread")?;
    attentive.mind_jobs(dashboard.orders())?;
    let ending = attentive.attend(follow(follower), async move {
        // Dropped without a word: it panicked, and is joined below.
        ended.await.unwrap_or(Ending::Done)
    });
    attentive.leave();
    let screen = dashboard.join().context("the dashboard failed")?;
    let watched = clock.now().since(started);
    match ending {
        // The terminal is gone, and with it whoever could read.
        Ending::Signal(HANGUP) => Ok(ending),
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

async fn follow(mut follower: Follower) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        follower = blocking(move || {
            follower.look();
            follower
        })
        .await;
    }
}
