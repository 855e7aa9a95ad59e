//! What the hubs have said, and when it is time to ask them what they have.
//!
//! A hub is asked at each connection, when it is heard for the first time, when it says that samples are missing, and when the number
//! in its word stands still although the server has had later frames for a while: then they were lost behind the acknowledgement.
//! Invariants: a hub that says nothing new is not asked, for it does not run; what is sent again is not asked about before the hub
//! can have read it. Bounds: one question in [`ASK_EVERY`]; the patience with a number doubles to [`PATIENCE_MAX`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::fleet::gather::Word;
use crate::model::{Location, SiteId, StoreId, Timestamp};

/// Time between two questions at least.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// How long the number of a hub may stand still.
const PATIENCE: Duration = Duration::from_secs(15);

/// The same for a hub that has much to read and did not move after it was asked.
const PATIENCE_MAX: Duration = Duration::from_mins(10);

/// A hub that was not heard for so long does not run.
const SILENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Hub {
    number: u64,
    /// When the number changed, or an answer came.
    moved: Timestamp,
    heard: Timestamp,
    patience: Duration,
    is_due: bool,
    /// Sites for which it has no room.
    refused: Arc<BTreeSet<SiteId>>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Hubs {
    known: BTreeMap<Location, Hub>,
    asks_all: bool,
    asked: Option<Timestamp>,
    /// A gap counts only if the hub has read up to here.
    barrier: u64,
    /// Frames of samples that were acknowledged lately, and when.
    acknowledged: VecDeque<(u64, Timestamp)>,
    /// The last one of those that the server has had for [`PATIENCE`].
    settled: u64,
}

impl Hub {
    fn new(number: u64, now: Timestamp) -> Self {
        Self { number, moved: now, heard: now, patience: PATIENCE, is_due: true, refused: Arc::default() }
    }

    fn runs(&self, now: Timestamp) -> bool {
        now.since(self.heard) < SILENCE
    }
}

impl Hubs {
    /// Whether `hub` has no room for `site`.
    pub fn refuses(&self, hub: &Location, site: SiteId) -> bool {
        self.known.get(hub).is_some_and(|hub| hub.refused.contains(&site))
    }

    /// The sites for which no hub that runs has room; none if none runs.
    pub fn refused(&self, now: Timestamp) -> BTreeSet<SiteId> {
        let mut running = self.known.values().filter(|hub| hub.runs(now));
        let Some(first) = running.next() else { return BTreeSet::new() };
        running.fold((*first.refused).clone(), |refused, hub| &refused & &hub.refused)
    }

    /// All are to be asked, known or not.
    pub fn ask_all(&mut self) {
        self.asks_all = true;
        self.known.values_mut().for_each(|hub| hub.is_due = true);
    }

    /// Whether to ask now; if so, they were asked.
    pub fn asks(&mut self, now: Timestamp) -> bool {
        if self.ask_at(now).is_none_or(|at| at > now) {
            return false;
        }
        (self.asks_all, self.asked) = (false, Some(now));
        true
    }

    /// When to ask next.
    pub fn ask_at(&self, now: Timestamp) -> Option<Timestamp> {
        let wanted = self.asks_all || self.known.values().any(|hub| hub.is_due && hub.runs(now));
        wanted.then(|| self.asked.map_or(now, |asked| asked.after(ASK_EVERY)))
    }

    /// `hub` has answered. Returns whether it was asked, rather than another one.
    pub fn answered(&mut self, hub: &Location, now: Timestamp) -> bool {
        let hub = self.known.entry(hub.clone()).or_insert_with(|| Hub::new(0, now));
        (hub.moved, hub.heard) = (now, now);
        std::mem::take(&mut hub.is_due)
    }

    /// `hub` has said `word` to the one with this store and session.
    pub fn heard(&mut self, hub: &Location, word: &Word, (store, session): (StoreId, u64), now: Timestamp) {
        self.settle(now);
        let number = if (word.store, word.session) == (store, session) { word.number } else { 0 };
        let hub = self.known.entry(hub.clone()).or_insert_with(|| Hub::new(number, now));
        hub.heard = now;
        let refused = if word.store == store { Arc::clone(&word.refused) } else { Arc::default() };
        let before = std::mem::replace(&mut hub.refused, refused);
        // It has room for more sites, of which it lacks everything.
        hub.is_due |= before.difference(&hub.refused).next().is_some();
        if hub.number != number {
            (hub.number, hub.moved, hub.patience) = (number, now, PATIENCE);
        }
        if word.gap && number >= self.barrier {
            hub.is_due = true;
        }
        if number < self.settled && now.since(hub.moved) >= hub.patience {
            (hub.is_due, hub.moved) = (true, now);
            hub.patience = (hub.patience * 2).min(PATIENCE_MAX);
        }
    }

    /// The server has frame `number`, which holds samples or says that some are gone.
    pub fn acknowledged(&mut self, number: u64, now: Timestamp) {
        self.settle(now);
        self.acknowledged.push_back((number, now));
    }

    fn settle(&mut self, now: Timestamp) {
        while let Some(&(number, at)) = self.acknowledged.front()
            && now.since(at) >= PATIENCE
        {
            self.settled = self.settled.max(number);
            self.acknowledged.pop_front();
        }
    }

    /// Samples are being sent again: gaps say nothing until that is over.
    pub const fn repeating(&mut self) {
        self.barrier = u64::MAX;
    }

    /// They were sent again, in frames up to `number`.
    pub const fn repeated(&mut self, number: u64) {
        self.barrier = number;
    }
}
