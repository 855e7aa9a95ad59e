//! The network side of a watcher: reads the frames, and publishes nothing.
//!
//! Invariant: after a loss it goes on behind the last frame; in another stream, or after a start, it begins [`PAST`] ago.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::clock::Clock;
use crate::fleet::agent::{RETRY_MAX, ROSTER_EVERY};
use crate::fleet::connection::{Link, Role, Standing, connect};
use crate::fleet::gather::Heard;
use crate::fleet::subscription::{Arrival, Subscription};
use crate::model::time::backoff::Backoff;
use crate::model::{FleetState, FleetTerms, Location};
use crate::store::StreamPosition;

use super::Arrived;

/// How far back it begins: the samples of an hour, and before them a description of every site.
const PAST: Duration = Duration::from_secs(3_600 + ROSTER_EVERY.as_secs());

/// Time between two looks whether the stream is still the same.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Listener {
    terms: FleetTerms,
    /// Those that it listens to; empty: all.
    locations: Vec<Location>,
    clock: Clock,
    arrivals: mpsc::Sender<Arrived>,
    linked: watch::Sender<FleetState>,
    tell: mpsc::Sender<String>,
    /// How far the stream was read.
    position: Option<StreamPosition>,
    /// Whether what the stream held at the start was handed over.
    has_caught_up: bool,
}

/// Why a session ended.
enum Ended {
    /// The server has another stream now.
    OtherStream,
    /// Why it cannot go on, as a sentence.
    Failed(String),
}

impl Listener {
    pub(super) fn new(
        terms: FleetTerms,
        locations: Vec<Location>,
        clock: Clock,
        (arrivals, linked, tell): (mpsc::Sender<Arrived>, watch::Sender<FleetState>, mpsc::Sender<String>),
    ) -> Self {
        Self { terms, locations, clock, arrivals, linked, tell, position: None, has_caught_up: false }
    }

    /// Listens until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(self.clock.now().as_micros() ^ u64::from(std::process::id()));
        loop {
            let mut began = false;
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.session(|| began = true) => ended,
            };
            if began {
                backoff.reset();
            }
            match ended {
                Ended::OtherStream => {
                    self.position = None;
                    let stream = &self.terms.stream;
                    self.tell(format!(
                        "the stream {stream} is another one than before, and is read from its beginning"
                    ));
                }
                Ended::Failed(reason) => {
                    self.lost(Some(reason));
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(backoff.wait().min(RETRY_MAX)) => {}
                    }
                }
            }
        }
    }

    /// One connection; calls `began` once frames can arrive.
    async fn session(&mut self, began: impl FnOnce()) -> Ended {
        let clock = self.clock.clone();
        let link = match connect(&self.terms, &Role::Watch, move || clock.now()).await {
            Ok(link) => link,
            Err(fault) => return Ended::Failed(fault.to_string()),
        };
        let from = (self.position.as_ref(), Some(self.clock.now().before(PAST)));
        match Subscription::follow(&link, &self.terms.stream, from).await {
            Ok(subscription) => {
                began();
                self.linked.send_replace(FleetState::Ok);
                self.listen(&link, subscription).await
            }
            Err(reason) => Ended::Failed(reason),
        }
    }

    async fn listen(&mut self, link: &Link, mut subscription: Subscription) -> Ended {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut state = link.state();
        if subscription.waiting() == 0 {
            self.catch_up().await;
        }
        loop {
            tokio::select! {
                biased;
                Ok(()) = state.changed() => {
                    let state = state.borrow_and_update().clone();
                    match state.standing {
                        Standing::Connected => {
                            self.linked.send_replace(FleetState::Ok);
                        }
                        // The client connects again by itself.
                        Standing::Lost { .. } => self.lost(state.refusal),
                    }
                }
                _ = looks.tick() => match subscription.is_same().await {
                    Ok((false, _)) => return Ended::OtherStream,
                    // The connection tells why, or the stream is gone; the client keeps trying only the former.
                    Err(reason) if state.borrow().standing == Standing::Connected => return Ended::Failed(reason),
                    Ok((true, _)) | Err(_) => {}
                },
                arrival = subscription.next() => match arrival {
                    Ok(arrival) => self.hand_over(&subscription, arrival).await,
                    Err(reason) => return Ended::Failed(reason),
                },
            }
        }
    }

    async fn hand_over(&mut self, subscription: &Subscription, arrival: Arrival) {
        let Arrival::Frame { location, bytes, sequence, published, waiting } = arrival else { return };
        self.position = Some(subscription.position(sequence));
        if self.locations.is_empty() || self.locations.contains(&location) {
            let heard = Heard::new(self.clock.moment(), (waiting > 0).then_some(published));
            // The onlooker ends first only at the end of the program.
            let _ended = self.arrivals.send(Arrived::Frame { location, bytes, heard }).await;
        }
        if waiting == 0 {
            self.catch_up().await;
        }
    }

    async fn catch_up(&mut self) {
        if !std::mem::replace(&mut self.has_caught_up, true) {
            let _ended = self.arrivals.send(Arrived::CaughtUp).await;
        }
    }

    /// There is no connection.
    fn lost(&self, reason: Option<String>) {
        let now = self.clock.now();
        self.linked.send_modify(|state| {
            let (since, before) = match state {
                FleetState::Unconnected { since, reason } => (*since, reason.take()),
                _ => (now, None),
            };
            *state = FleetState::Unconnected { since, reason: reason.or(before) };
        });
    }

    fn tell(&self, notice: String) {
        // The onlooker is behind by a screenful already.
        let _dropped = self.tell.try_send(notice);
    }
}
