//! The disk side of a hub: takes frames, and commits their samples with the position in the stream, once a second or earlier.
//!
//! It has a thread of its own, which waits for the disk: no check waits for it. Bounds: [`WAITING_MAX`] samples wait for a
//! commit; beyond that nothing more is taken until one succeeds.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use tracing::debug;

use crate::app::clock::Clock;
use crate::app::log::about;
use crate::app::status::health_meter::StoreStatus;
use crate::app::storage::export_handle::ExportHandle;
use crate::app::storage::task::{StoreReceivers, ended};
use crate::fleet::frame::{self, Have};
use crate::fleet::gather::{Gathering, Tally, WriterKeeper};
use crate::model::lock::lock;
use crate::model::{Location, StoreHealth};
use crate::store::{Flushed, SeenNews, StreamPosition, Writer};

use super::{HubPlan, Input, Progress};

/// Samples that are committed without waiting for the next flush.
const FLUSH_AT: u64 = 50_000;

/// Samples that may wait for a commit, about 6 MiB.
const WAITING_MAX: u64 = 150_000;

/// See the module.
pub(super) struct Gatherer {
    name: Location,
    writer: Writer,
    gathering: Gathering,
    /// The alerts of the hub, and what belongs to them.
    receivers: StoreReceivers,
    seen: mpsc::Receiver<SeenNews>,
    export: Option<ExportHandle>,
    status: watch::Sender<StoreStatus>,
    flush: Duration,
    clock: Clock,
    inputs: mpsc::Receiver<Input>,
    told: watch::Sender<Progress>,
    tell: mpsc::Sender<String>,
    /// How far the stream was read, and how far that is on the disk.
    position: Option<StreamPosition>,
    saved: Option<StreamPosition>,
    /// Samples that were taken and are not on the disk.
    waiting: u64,
    /// A frame that the store could not take.
    refused: Option<Input>,
}

impl Gatherer {
    pub(super) fn new(
        plan: HubPlan,
        inputs: mpsc::Receiver<Input>,
        (told, tell): (watch::Sender<Progress>, mpsc::Sender<String>),
    ) -> Self {
        let HubPlan { name, writer, gathering, receivers, seen, export, status, flush, clock, .. } = plan;
        Self {
            name,
            writer,
            gathering,
            receivers,
            seen,
            export,
            status,
            flush,
            clock,
            inputs,
            told,
            tell,
            position: None,
            saved: None,
            waiting: 0,
            refused: None,
        }
    }

    /// Gathers until `stop`, then commits once more and closes the store; how that went is returned.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Flushed {
        let mut ticks = tokio::time::interval(self.flush);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let urgent = self.receivers.reports.urgent();
        loop {
            let has_room = self.waiting < WAITING_MAX && self.refused.is_none();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = ticks.tick() => self.commit(),
                () = urgent.notified() => self.commit(),
                () = ended(&mut self.export) => {}
                Some(input) = self.inputs.recv(), if has_room => {
                    self.take(input);
                    if self.waiting >= FLUSH_AT {
                        self.commit();
                    }
                }
            }
        }
        if self.export.is_some() {
            // It sends what is committed by now, as far as its patience goes.
            self.commit();
        }
        if let Some(export) = &mut self.export {
            export.finish().await;
        }
        self.hand_over();
        let now = self.clock.now();
        self.writer.close(now)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Asked { location, store, answer } => {
                // What was taken lately has to be on the disk before it is spoken of.
                self.commit();
                let (last_store, next) = self.gathering.have(&location, store, self.clock.moment().steady);
                // The asker may have left.
                let _unheard = answer.send(Have { hub: self.name.clone(), last_store, next });
            }
            Input::Frame { location, bytes, heard, position } => {
                match frame::decode(&bytes) {
                    Err(fault) => self.gathering.refuse(&location, fault),
                    Ok(decoded) => {
                        let places = self.gathering.places().0;
                        let mut keeper = WriterKeeper::new(&mut self.writer, self.clock.now());
                        if self.gathering.take(&location, &decoded, heard, &mut keeper).is_err() {
                            self.refused = Some(Input::Frame { location, bytes, heard, position });
                            return;
                        }
                        self.waiting += keeper.waiting();
                        self.note_full(places);
                    }
                }
                self.position = Some(position);
            }
        }
    }

    /// Says once that there is no room for more sites.
    fn note_full(&self, before: usize) {
        let (places, most) = self.gathering.places();
        if places == most && before < most {
            self.tell(format!("{most} sites over all locations are gathered, the most that `fleet.max_pairs` allows"));
        }
    }

    /// Hands what goes into the next commit to the writer, besides the samples.
    fn hand_over(&mut self) {
        let intake = self.writer.entrance();
        let mut intake = lock(&intake);
        self.receivers.hand_over(&mut intake);
        while let Ok(news) = self.seen.try_recv() {
            intake.take_seen(&news);
        }
        if let Some(export) = &mut self.export {
            export.hand_over(&mut intake);
        }
        if let Some(position) = self.position.clone().filter(|position| self.saved.as_ref() != Some(position)) {
            intake.take_position(position);
        }
    }

    /// Commits what waits, and says what is on the disk.
    fn commit(&mut self) {
        let now = self.clock.now();
        self.hand_over();
        let flushed = self.writer.flush(now);
        let is_saved = !matches!(flushed.health, StoreHealth::NotSaving { .. });
        if is_saved {
            self.gathering.committed();
            (self.waiting, self.saved) = (0, self.position.clone());
            if let Some(refused) = self.refused.take() {
                self.take(refused);
            }
        }
        self.report(flushed.health.clone());
        self.status.send_modify(|status| status.note(flushed));
    }

    fn report(&self, store: StoreHealth) {
        let Tally { taken, doubled, early, gone, unknown, refused } = self.gathering.tally();
        debug!(target: about::FLEET, taken, doubled, early, gone, unknown, refused, "gathered so far");
        let progress = Progress {
            words: self.gathering.words().map(|(location, word)| (location.clone(), word)).collect(),
            reports: self.gathering.reports(self.clock.moment()),
            places: self.gathering.places(),
            position: self.saved.clone(),
            store,
            roster: self.gathering.revision(),
        };
        self.told.send_replace(progress);
    }

    fn tell(&self, notice: String) {
        // The screen is behind by a page already.
        let _dropped = self.tell.try_send(notice);
    }
}
