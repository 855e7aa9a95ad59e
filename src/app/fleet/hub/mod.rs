//! The hub: one thread hears what the locations publish, another one puts it into the store.
//!
//! ```text
//! NATS ─ frames ─▶ listener (webmon-fleet) ─ bounded queue ─▶ gatherer (webmon-gather) ─ one commit ─▶ store
//!        ◀ words, answers, status ─┘   ◀───── what is committed ─────┘
//! ```
//!
//! Invariants: a word, an answer and a position say only what is on the disk; a disk that fails stops the gatherer, then the
//! listener, and loses nothing, because the stream and the locations keep what was not taken. Bounds: [`QUEUE`] frames wait.

mod gatherer;
mod listener;
pub mod news;
mod planner;
mod speaker;
mod status;

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::app::clock::Clock;
use crate::app::status::health_meter::StoreStatus;
use crate::app::storage::export_handle::ExportHandle;
use crate::app::storage::task::StoreReceivers;
use crate::app::system::threads;
use crate::fleet::frame::Have;
use crate::fleet::gather::{Gathering, Heard, Report, Word};
use crate::model::{FleetTerms, Location, Members, StoreHealth, StoreId};
use crate::store::{Flushed, SeenNews, StreamPosition, Writer};

use gatherer::Gatherer;
use listener::Listener;
use planner::Planner;
pub use speaker::Part;
use speaker::Speaker;

/// Frames that wait for the gatherer: at most 32 MiB.
const QUEUE: usize = 64;

/// Notices that wait for the screen or the log.
const NOTICES: usize = 64;

/// What the listener hears.
pub(super) enum Input {
    /// A frame.
    Frame {
        /// Whose.
        location: Location,
        /// Its bytes.
        bytes: Bytes,
        /// When.
        heard: Heard,
        /// Where the stream goes on after it.
        position: StreamPosition,
    },
    /// A location asks what the hub has.
    Asked {
        /// Which.
        location: Location,
        /// The store that it asks about.
        store: StoreId,
        /// Receives the answer.
        answer: oneshot::Sender<Have>,
    },
}

/// How the gathering goes, as of the last commit.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// The word to each location.
    pub words: Vec<(Location, Word)>,
    /// How each location is.
    pub reports: Vec<Report>,
    /// Sites gathered, and how many there may be.
    pub places: (usize, usize),
    /// How far the stream was read.
    pub position: Option<StreamPosition>,
    /// How the store is.
    pub store: StoreHealth,
    /// Counts up whenever the sites change.
    pub roster: u64,
}

/// What a hub begins with.
pub struct HubPlan {
    /// The name of the hub.
    pub name: Location,
    /// Where the server is, and what is asked of it.
    pub terms: FleetTerms,
    /// The store, opened for writing.
    pub writer: Writer,
    /// What it knows.
    pub gathering: Gathering,
    /// The queues of its alerts.
    pub receivers: StoreReceivers,
    /// What was found about what locations see.
    pub seen: mpsc::Receiver<SeenNews>,
    /// The export of what is committed, if there is one.
    pub export: Option<ExportHandle>,
    /// Where the health of the store is read.
    pub status: watch::Sender<StoreStatus>,
    /// Time between commits.
    pub flush: Duration,
    /// The clock.
    pub clock: Clock,
}

/// A running hub.
pub struct Hub {
    /// How the gathering goes.
    pub progress: watch::Receiver<Progress>,
    /// Sentences for the user.
    pub notices: mpsc::Receiver<String>,
    /// Whether it is connected to a server.
    pub is_linked: watch::Receiver<bool>,
    /// The locations that share what only some of them check, once a hub has said it.
    pub members: watch::Receiver<Option<Members>>,
    /// Whether it delivers alerts, or another hub does.
    pub part: Part,
    stop: CancellationToken,
    listener: JoinHandle<()>,
    gatherer: JoinHandle<Flushed>,
}

impl Hub {
    /// Starts both threads.
    ///
    /// # Errors
    /// The system's, if it cannot start a thread.
    pub fn start(plan: HubPlan) -> io::Result<Self> {
        let (to_gatherer, inputs) = mpsc::channel(QUEUE);
        let (told, progress) = watch::channel(Progress::default());
        let (tell, notices) = mpsc::channel(NOTICES);
        let stop = CancellationToken::new();
        let position = plan.writer.store().position(&plan.terms.stream).map_err(io::Error::other)?;
        let (linked, is_linked) = watch::channel(false);
        let (planner, members) = Planner::new(plan.terms.silent_after, plan.clock.moment().steady);
        let (speaker, part) = Speaker::new(plan.name.clone(), plan.clock.moment().steady);
        let (inputs_of, told_by) = ((to_gatherer, progress.clone()), (position, tell.clone()));
        let listener = Listener::new(&plan, inputs_of, told_by, (planner, speaker, linked));
        let gatherer = Gatherer::new(plan, inputs, (told, tell));
        let (heard, kept) = (stop.clone(), stop.clone());
        let listener = threads::spawn("webmon-fleet", move |runtime| runtime.block_on(listener.run(heard)))?;
        let gatherer = threads::spawn("webmon-gather", move |runtime| runtime.block_on(gatherer.run(kept)))?;
        Ok(Self { progress, notices, is_linked, members, part, stop, listener, gatherer })
    }

    /// Stops both, and makes the last commit. Returns how that went.
    pub fn end(self) -> Flushed {
        self.stop.cancel();
        let flushed = self.gatherer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if let Err(panic) = self.listener.join() {
            std::panic::resume_unwind(panic);
        }
        flushed
    }
}
