//! Frames between their making and the server's acknowledgement.
//!
//! The acknowledgement only says that the server need not be sent the frame again; that a hub has it is the hub's word. Invariants:
//! frames are sent in order, and again in order. Bounds: [`WINDOW`] frames are made ahead and on their way.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use crate::fleet::frame::Body;
use crate::model::time::backoff::Backoff;
use crate::model::{SiteId, Timestamp};

/// Frames on their way at most.
pub const WINDOW: usize = 8;

/// The longest wait after a refusal: a hub would count a location that waits longer as silent, though the server is well again.
pub const RETRY_MAX: Duration = Duration::from_secs(10);

/// The server has this long to acknowledge a frame.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// A frame to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number.
    pub number: u64,
    /// Its header `Nats-Msg-Id`.
    pub id: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A frame and what is known of it.
#[derive(Debug)]
struct Entry {
    frame: Outgoing,
    /// Its first sample of each site.
    firsts: Vec<(SiteId, u64)>,
    samples: u64,
    /// When it was last sent; none if it is to be sent.
    sent: Option<Timestamp>,
}

/// See the module.
#[derive(Debug)]
pub struct Flight {
    entries: VecDeque<Entry>,
    backoff: Backoff,
    /// Nothing is sent before.
    quiet_until: Timestamp,
    /// Since when the server acknowledges nothing, and what it said instead.
    trouble: Option<(Timestamp, Option<String>)>,
    acknowledged: u64,
}

impl Flight {
    /// Nothing is on its way. Seeds should differ between programs.
    pub const fn new(seed: u64) -> Self {
        let (backoff, quiet_until) = (Backoff::new(seed), Timestamp::ZERO);
        Self { entries: VecDeque::new(), backoff, quiet_until, trouble: None, acknowledged: 0 }
    }

    /// Adds a frame with `body`.
    pub fn add(&mut self, frame: Outgoing, body: &Body) {
        let groups = if let Body::Samples(groups) = body { groups.as_slice() } else { &[] };
        let firsts = groups.iter().map(|group| (group.site, group.first_seq)).collect();
        let samples = groups.iter().map(|group| group.samples.len() as u64).sum();
        self.entries.push_back(Entry { frame, firsts, samples, sent: None });
    }

    /// Whether more frames may be made.
    pub fn has_room(&self, now: Timestamp) -> bool {
        self.entries.len() < WINDOW && self.quiet_until <= now
    }

    /// The next frame to send now.
    pub fn next(&mut self, now: Timestamp) -> Option<Outgoing> {
        if self.is_full() || now < self.quiet_until {
            return None;
        }
        let entry = self.entries.iter_mut().find(|entry| entry.sent.is_none())?;
        entry.sent = Some(now);
        Some(entry.frame.clone())
    }

    /// Whether as many are on their way as may be.
    fn is_full(&self) -> bool {
        self.entries.iter().filter(|entry| entry.sent.is_some()).count() >= WINDOW
    }

    /// The server has frame `number`. Returns whether it was waited for.
    pub fn acknowledged(&mut self, number: u64) -> bool {
        let Some(index) = self.entries.iter().position(|entry| entry.frame.number == number) else { return false };
        self.acknowledged += self.entries.remove(index).map_or(0, |entry| entry.samples);
        self.backoff.reset();
        (self.trouble, self.quiet_until) = (None, Timestamp::ZERO);
        true
    }

    /// The server does not take frame `number`, for this reason if it said one.
    pub fn refused(&mut self, number: u64, reason: Option<String>, now: Timestamp) {
        if self.entries.iter().any(|entry| entry.frame.number == number && entry.sent.is_some()) {
            self.hold(reason, now);
        }
    }

    /// Gives the reason of a trouble that has none yet.
    pub fn explain(&mut self, reason: Option<String>) {
        if let Some((_, known)) = &mut self.trouble {
            *known = known.take().or(reason);
        }
    }

    /// Everything is to be sent again, on another connection.
    pub fn restart(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.sent = None);
        self.quiet_until = Timestamp::ZERO;
    }

    /// Notices what was not acknowledged in time.
    pub fn expire(&mut self, now: Timestamp) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.hold(None, now);
        }
    }

    /// All that is on its way is sent again, after a while.
    fn hold(&mut self, reason: Option<String>, now: Timestamp) {
        let sent = self.entries.iter().filter_map(|entry| entry.sent).min();
        let (since, before) = self.trouble.take().unwrap_or((sent.unwrap_or(now), None));
        self.trouble = Some((since, reason.or(before)));
        self.entries.iter_mut().for_each(|entry| entry.sent = None);
        self.quiet_until = now.after(self.backoff.wait().min(RETRY_MAX));
    }

    /// When the oldest frame on its way is given up.
    fn deadline(&self) -> Option<Timestamp> {
        self.entries.iter().filter_map(|entry| entry.sent).min().map(|sent| sent.after(DEADLINE))
    }

    /// When something is to be done, if nothing happens before.
    pub fn due(&self) -> Option<Timestamp> {
        let waits = !self.is_full() && self.entries.iter().any(|entry| entry.sent.is_none());
        let waits = waits.then_some(self.quiet_until);
        waits.into_iter().chain(self.deadline()).min()
    }

    /// The first number of each site that is in a frame which is not acknowledged.
    pub fn floors(&self) -> BTreeMap<SiteId, u64> {
        let mut floors = BTreeMap::new();
        for &(site, first) in self.entries.iter().flat_map(|entry| &entry.firsts) {
            let floor = floors.entry(site).or_insert(first);
            *floor = first.min(*floor);
        }
        floors
    }

    /// Samples that are not acknowledged.
    pub fn samples(&self) -> u64 {
        self.entries.iter().map(|entry| entry.samples).sum()
    }

    /// Samples that were acknowledged.
    pub const fn sent(&self) -> u64 {
        self.acknowledged
    }

    /// Whether nothing is on its way nor waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Since when the server acknowledges nothing, and what it said instead.
    pub const fn trouble(&self) -> Option<&(Timestamp, Option<String>)> {
        self.trouble.as_ref()
    }
}
