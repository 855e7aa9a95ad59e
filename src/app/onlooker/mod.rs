//! Looks at a fleet from outside, for `webmon watch tls://…`: reads the frames of the past hour and what follows, and keeps nothing.
//!
//! ```text
//! NATS ─ frames ─▶ listener (webmon-fleet) ─ bounded queue ─▶ onlooker: rings ─ engine ─ judge ─▶ board
//! ```
//!
//! Invariants: nothing is published and nothing is stored; a site is judged by the samples that arrive, as a hub judges it. Bounds:
//! [`QUEUE`] frames wait; `fleet.max_pairs` sites of all locations, each with the samples of an hour.

mod listener;
mod looking;
mod rings;

use std::io;
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::app::clock::Clock;
use crate::app::system::threads;
use crate::fleet::gather::Heard;
use crate::model::{FleetState, FleetTerms, Location};

use listener::Listener;
pub use looking::{Onlooker, OnlookerPlan};

/// Frames that wait for the onlooker: at most 32 MiB.
const QUEUE: usize = 64;

/// Notices that wait for the onlooker.
const NOTICES: usize = 64;

/// What the listener hears.
enum Arrived {
    /// A frame.
    Frame {
        /// Whose.
        location: Location,
        /// Its bytes.
        bytes: Bytes,
        /// When.
        heard: Heard,
    },
    /// What the stream held at the start has arrived.
    CaughtUp,
}

/// A running listener.
pub struct Watcher {
    arrivals: mpsc::Receiver<Arrived>,
    /// Whether there is a server, and why not.
    link: watch::Receiver<FleetState>,
    /// Sentences for the user.
    notices: mpsc::Receiver<String>,
    stop: CancellationToken,
    listener: JoinHandle<()>,
}

impl Watcher {
    /// Listens at the servers of `terms` to `locations`, or to all if there are none.
    ///
    /// # Errors
    /// The system's, if it cannot start a thread.
    pub fn start(terms: FleetTerms, locations: Vec<Location>, clock: Clock) -> io::Result<Self> {
        let (to_onlooker, arrivals) = mpsc::channel(QUEUE);
        let (tell, notices) = mpsc::channel(NOTICES);
        let (linked, link) = watch::channel(FleetState::Unconnected { since: clock.now(), reason: None });
        let stop = CancellationToken::new();
        let listener = Listener::new(terms, locations, clock, (to_onlooker, linked, tell));
        let heard = stop.clone();
        let listener = threads::spawn("webmon-fleet", move |runtime| runtime.block_on(listener.run(heard)))?;
        Ok(Self { arrivals, link, notices, stop, listener })
    }

    /// Ends the listener.
    fn end(self) {
        self.stop.cancel();
        // It may wait for room.
        drop(self.arrivals);
        if let Err(panic) = self.listener.join() {
            std::panic::resume_unwind(panic);
        }
    }
}
