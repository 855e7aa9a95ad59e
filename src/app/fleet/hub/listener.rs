//! The network side of a hub: hears frames and questions, and says what the gatherer has committed.
//!
//! Every five seconds each location gets its word, at once if something was missing; the status of the fleet goes with it.
//! Invariants: a frame that was handed over is never asked for again while the hub runs; after any failure it begins where it was.

use std::collections::HashMap;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::clock::Clock;
use crate::fleet::agent::RETRY_MAX;
use crate::fleet::connection::{Link, Role, Standing, connect};
use crate::fleet::frame::have;
use crate::fleet::gather::{Heard, Word};
use crate::fleet::key_watch::KeyWatch;
use crate::fleet::lease::Leading;
use crate::fleet::status::STATUS_EVERY;
use crate::fleet::stream::{StreamLimits, ensure};
use crate::fleet::subscription::{Arrival, Subscription};
use crate::fleet::{hub_word, subjects};
use crate::model::time::backoff::Backoff;
use crate::model::{FleetTerms, Location, Timestamp};
use crate::store::StreamPosition;

use super::planner::Planner;
use super::speaker::Speaker;
use super::status::status;
use super::{HubPlan, Input, Progress};

/// See the module.
pub(super) struct Listener {
    name: Location,
    terms: FleetTerms,
    clock: Clock,
    inputs: mpsc::Sender<Input>,
    progress: watch::Receiver<Progress>,
    tell: mpsc::Sender<String>,
    /// How far the frames of the stream were handed over.
    position: Option<StreamPosition>,
    /// Messages of the stream that were not, as of the last look.
    behind: u64,
    said: HashMap<Location, Word>,
    /// Since when locations can be heard, by the steady clock.
    heard_from: Timestamp,
    planner: Planner,
    speaker: Speaker,
    linked: watch::Sender<bool>,
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
        plan: &HubPlan,
        (inputs, progress): (mpsc::Sender<Input>, watch::Receiver<Progress>),
        (position, tell): (Option<StreamPosition>, mpsc::Sender<String>),
        (planner, speaker, linked): (Planner, Speaker, watch::Sender<bool>),
    ) -> Self {
        let (name, terms, clock) = (plan.name.clone(), plan.terms.clone(), plan.clock.clone());
        let (said, heard_from) = (HashMap::new(), clock.moment().steady);
        Self {
            name,
            terms,
            clock,
            inputs,
            progress,
            tell,
            position,
            behind: 0,
            said,
            heard_from,
            planner,
            speaker,
            linked,
        }
    }

    /// Listens until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(self.clock.now().as_micros() ^ u64::from(std::process::id()));
        let mut failing: Option<String> = None;
        loop {
            let (mut began, clock) = (None, self.clock.clone());
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.session(|| began = Some(clock.monotonic())) => ended,
            };
            self.linked.send_replace(false);
            self.speaker.wait(self.clock.moment().steady);
            if began.is_some() {
                backoff.reset();
                failing = None;
            }
            match ended {
                Ended::OtherStream => self.tell(format!(
                    "the stream {} is another one than before; every location sends again what is missing",
                    self.terms.stream
                )),
                Ended::Failed(reason) => {
                    // The same reason is reported once.
                    if failing.as_ref() != Some(&reason) {
                        self.tell(reason.clone());
                        failing = Some(reason);
                    }
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
        let link = match connect(&self.terms, &Role::Hub, move || clock.now()).await {
            Ok(link) => link,
            Err(fault) => return Ended::Failed(fault.to_string()),
        };
        match ensure(&link, &self.terms, StreamLimits::default()).await {
            Ok(ensured) => {
                ensured.made.iter().for_each(|name| self.tell(format!("the stream {name} was missing and is made")));
                ensured.differences.into_iter().for_each(|difference| self.tell(difference));
            }
            Err(fault) => return Ended::Failed(fault.to_string()),
        }
        let opened = async {
            let subscription = Subscription::open(&link, &self.terms.stream, self.position.as_ref()).await?;
            let keys = [Planner::key(), subjects::TOLD_KEY.to_owned()];
            let plan = KeyWatch::open(&link, subjects::PLAN_BUCKET, &keys).await?;
            Ok((subscription, plan))
        };
        match opened.await {
            Ok(opened) => {
                began();
                self.said.clear();
                self.heard_from = self.clock.moment().steady;
                self.planner.connected(self.heard_from);
                self.speaker.connected(&link).await;
                self.linked.send_replace(true);
                self.listen(&link, opened).await
            }
            Err(reason) => Ended::Failed(reason),
        }
    }

    async fn listen(&mut self, link: &Link, (mut subscription, mut plan): (Subscription, KeyWatch)) -> Ended {
        let mut looks = tokio::time::interval(STATUS_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut state = link.state();
        loop {
            tokio::select! {
                biased;
                _ = looks.tick() => {
                    if let Some(notice) = self.speaker.keep(link, self.clock.moment()).await {
                        self.tell(notice);
                    }
                    match subscription.is_same().await {
                        Ok((true, behind)) => self.behind = behind,
                        Ok((false, _)) => return Ended::OtherStream,
                        // The connection tells why, or the stream is gone; the client keeps trying only the former.
                        Err(reason) if state.borrow().standing == Standing::Connected => return Ended::Failed(reason),
                        Err(_) => {}
                    }
                    self.say(link, true).await;
                }
                Ok(()) = self.progress.changed() => self.say(link, false).await,
                Ok(()) = state.changed() => {
                    let state = state.borrow_and_update().clone();
                    let is_linked = state.standing == Standing::Connected;
                    if !self.linked.send_replace(is_linked) && is_linked {
                        self.heard_from = self.clock.moment().steady;
                        self.planner.connected(self.heard_from);
                        plan.read(link);
                    }
                    if let Some(refusal) = state.refusal {
                        self.tell(format!("NATS: {refusal}"));
                    }
                }
                (key, Some(value)) = plan.next() => match key {
                    0 => self.planner.hear(&value),
                    _ => self.speaker.hear(&value),
                },
                () = self.speaker.has_told() => self.speaker.say(link).await,
                arrival = subscription.next() => match arrival {
                    Ok(arrival) => self.hand_over(link, &subscription, arrival).await,
                    Err(reason) => return Ended::Failed(reason),
                },
            }
        }
    }

    async fn hand_over(&mut self, link: &Link, subscription: &Subscription, arrival: Arrival) {
        let input = match arrival {
            Arrival::Frame { location, bytes, sequence, published, waiting } => {
                let heard = Heard::new(self.clock.moment(), (waiting > 0).then_some(published));
                let position = subscription.position(sequence);
                self.position = Some(position.clone());
                Input::Frame { location, bytes, heard, position }
            }
            Arrival::Question { location, bytes, reply } => {
                let Ok(store) = have::asked(&bytes) else { return };
                let (answer, answered) = oneshot::channel();
                let client = link.client.clone();
                tokio::spawn(async move {
                    // The gatherer has ended, or the asker has left.
                    let Ok(have) = answered.await else { return };
                    let mut bytes = Vec::new();
                    have::Have::encode(&have, &mut bytes);
                    let _unheard = client.publish(reply, bytes.into()).await;
                });
                Input::Asked { location, store, answer }
            }
        };
        // The gatherer ends after the listener, or has panicked, which the hub finds when it joins it.
        let _ended = self.inputs.send(input).await;
    }

    /// Says what changed: everything if it is `due`, else only to those that have to send again.
    async fn say(&mut self, link: &Link, due: bool) {
        let progress = self.progress.borrow_and_update().clone();
        let now = self.clock.moment();
        for (location, word) in &progress.words {
            let before = self.said.get(location);
            let is_urgent = word.gap && before.is_none_or(|said| !said.gap || said.store != word.store);
            if due || is_urgent {
                self.said.insert(location.clone(), word.clone());
                let key = subjects::word_key(&self.name, location);
                self.put(link, subjects::HUB_BUCKET, &key, hub_word::encode(word, now.wall)).await;
            }
        }
        if due {
            let members = self.planner.members();
            let status = status(
                &self.name,
                &self.terms,
                (&progress, members.as_ref()),
                (self.behind, self.heard_from, now),
                &self.speaker.leading(),
            );
            self.put(link, subjects::HUB_BUCKET, &subjects::status_key(&self.name), status.to_json().into_bytes())
                .await;
        }
        if *self.linked.borrow() {
            let leads = self.speaker.leading() == Leading::Leads;
            for (key, value) in self.planner.step(&progress.reports, leads, now.steady) {
                self.put(link, subjects::PLAN_BUCKET, &key, value).await;
            }
        }
    }

    /// Puts a value into a bucket. A failure is repaired by the next one.
    async fn put(&self, link: &Link, bucket: &str, key: &str, value: Vec<u8>) {
        let subject = subjects::kv(bucket, key);
        let _repaired = link.client.publish(subject, value.into()).await;
    }

    fn tell(&self, notice: String) {
        let _dropped = self.tell.try_send(notice);
    }
}
