//! A location of a fleet: sends what its store keeps to the hubs, on a thread of its own.
//!
//! Invariants: nothing here delays a check or a commit, and none of it is needed to probe, to keep, to show or to alert. The store is open
//! only while there is something to read, so that it never blocks a repair. Cost: `benches/fleet.rs`.

mod describe;
mod left;
mod obeyed;
mod sender;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::app::alerts::book::AlertBook;
use crate::app::cli::args::FleetArgs;
use crate::app::clock::Clock;
use crate::app::exit::{CommandError, NO_THREAD};
use crate::app::share::Share;
use crate::app::status::health_meter::StoreStatus;
use crate::app::system::{machine, threads};
use crate::config::{Config, ConfiguredSite};
use crate::engine::Board;
use crate::model::{FleetHealth, FleetServer, FleetTerms, Health, Location, StoreId};
use crate::store::{Intake, Store};

use sender::Sender;

/// How long a clean exit waits for what was committed last, at most.
const LAST: Duration = Duration::from_millis(1_500);

/// Where to send, and as whom.
pub struct LocationPlan {
    terms: FleetTerms,
    location: Location,
}

/// The location that `args` and `config` ask for, if any.
///
/// # Errors
/// [`CommandError::Usage`]: no server anywhere, a wrong one, no name, nothing stored to send.
pub fn wanted(args: &FleetArgs, config: &Config, has_store: bool) -> Result<Option<LocationPlan>, CommandError> {
    let usage = |text: &str| CommandError::Usage(text.to_owned());
    let Some(url) = &args.fleet else { return Ok(None) };
    if !has_store {
        return Err(usage("only what is stored is sent to a fleet, and nothing is stored"));
    }
    let terms = match (url, config.fleet.clone()) {
        (None, None) => return Err(usage("--fleet needs a server: write --fleet=URL, or `fleet.server` in the file")),
        (None, Some(section)) => section,
        (Some(url), section) => {
            let server = FleetServer::parse(url).map_err(|reason| CommandError::Usage(format!("--fleet: {reason}")))?;
            match section {
                Some(section) => FleetTerms { servers: vec![server], ..section },
                None => FleetTerms::at(vec![server]),
            }
        }
    };
    let location = terms.location_on(machine::host_name().as_deref());
    let unnamed = || usage("the name of this machine is no name of a location: write `fleet.location` in the file");
    Ok(Some(LocationPlan { location: location.ok_or_else(unnamed)?, terms }))
}

impl LocationPlan {
    /// What it checks of the sites of the fleet, if `store` has its samples.
    #[must_use]
    pub fn share(&self, store: &Path) -> Share {
        Share::of(&self.location, store)
    }

    /// Prepares to send what `store` keeps, and to keep what a hub says of its `share`; `config` is its own sites.yaml.
    ///
    /// # Errors
    /// [`CommandError::Store`].
    pub fn begin(self, store: &Store, share: Share, config: &Path) -> Result<LocationStart, CommandError> {
        let Self { terms, location } = self;
        let id = store.id(fresh_store())?;
        let health = FleetHealth { location: location.name().into(), ..FleetHealth::default() };
        let (health, seen) = watch::channel(health);
        Ok(LocationStart {
            terms,
            location,
            id,
            path: store.path().to_owned(),
            share,
            config: config.to_owned(),
            health,
            seen,
        })
    }
}

/// A location that is ready to send.
pub struct LocationStart {
    terms: FleetTerms,
    location: Location,
    id: StoreId,
    path: PathBuf,
    share: Share,
    /// The location's own sites.yaml.
    config: PathBuf,
    health: watch::Sender<FleetHealth>,
    seen: watch::Receiver<FleetHealth>,
}

/// What a location says of the monitor that it is in.
pub struct Surroundings {
    /// The sites that are checked.
    pub sites: watch::Receiver<Vec<ConfiguredSite>>,
    /// Which of them are paused.
    pub board: Arc<Board>,
    /// Whether its network is down.
    pub health: watch::Receiver<Arc<Health>>,
    /// Takes notices for the user.
    pub status: watch::Sender<StoreStatus>,
    /// The incidents, which are left to a hub while one is there.
    pub book: Arc<AlertBook>,
    /// Takes another number of the store.
    pub entrance: Arc<Mutex<Intake>>,
}

impl LocationStart {
    /// Where its health is read.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<FleetHealth> {
        self.seen.clone()
    }

    /// Starts to send.
    ///
    /// # Errors
    /// The system's, if it cannot start a thread.
    pub fn start(self, clock: Clock, around: Surroundings) -> Result<LocationHandle, CommandError> {
        let finish = CancellationToken::new();
        let (alive, ended) = mpsc::channel();
        let sender = Sender::new(self, clock, around, finish.clone());
        let thread = threads::spawn("webmon-fleet", move |runtime| {
            let _alive: mpsc::Sender<()> = alive;
            runtime.block_on(sender.run());
        });
        Ok(LocationHandle { finish, ended, thread: thread.context(NO_THREAD)? })
    }
}

/// A location that sends.
pub struct LocationHandle {
    finish: CancellationToken,
    ended: mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl LocationHandle {
    /// Lets it send what was committed last, for at most [`LAST`]. The next start sends the rest.
    pub fn finish(self) {
        self.finish.cancel();
        if self.ended.recv_timeout(LAST) == Err(RecvTimeoutError::Disconnected)
            && let Err(panic) = self.thread.join()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// A number for a store.
fn fresh_store() -> StoreId {
    let mut bytes = [0; 16];
    fill(&mut bytes);
    StoreId(bytes)
}

/// A number for a start.
fn fresh_session() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

fn fill(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes).expect("the generator is seeded before anything that needs it");
}

#[cfg(test)]
mod tests;
