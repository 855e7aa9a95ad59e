//! What a location sends next, without I/O and without a clock. Times are of the steady clock, but for that of a frame.
//!
//! A loop asks for the next [`Step`], does it, and tells the outcome. Two readers pass over the store: `live`, from its end at the first
//! connection on, and, while a hub lacks something, `back`, from the lowest number that a hub lacks up to where `live` is. New
//! samples go first; while more of them wait, at most every fourth frame is of old ones.
//!
//! Invariants: whatever the server or a hub loses, a hub that runs and frames that get through at last make that hub have every
//! sample of the store, each once, but those of sites for which it has no room; what the store itself no longer has is declared gone.
//! No position is kept on the disk: the hubs know it. Bounds: eight frames, those of one reading of [`BATCH_MAX`] samples in memory,
//! and a number for each site and reader.

mod batch;
mod flight;
mod hubs;
mod reading;
mod step;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::{Certificate, Location, Moment, SiteId, StoreId, Timestamp};

use super::frame::{Body, Frame, Have, Origin, Packing, Roster, RosterSite, Status};
use super::gather::Word;
pub use batch::{Batch, Positions};
use flight::Flight;
pub use flight::{DEADLINE, Outgoing, RETRY_MAX};
use hubs::Hubs;
pub use reading::Reading;
use step::Track;
pub use step::{BATCH_MAX, Lane, Step};

/// New samples gather for this long.
const LINGER: Duration = Duration::from_secs(1);

/// How long the first connection waits for an answer before new samples are sent.
const OPENING: Duration = Duration::from_secs(5);

/// A location is heard at least this often.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// Sites are described again after so long, for readers of the stream that have not heard it all.
pub const ROSTER_EVERY: Duration = Duration::from_mins(15);

/// Of new samples, while more wait, for each frame of old ones.
const LIVE_FOR_BACK: usize = 3;

/// Whether anything can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// There is no connection.
    Away,
    /// There is one.
    Connected,
    /// A hub has more than the store.
    OlderCopy,
}

/// See the module.
#[derive(Debug)]
pub struct Agent {
    store: StoreId,
    session: u64,
    /// Of the last frame that was made.
    number: u64,
    bytes_max: usize,
    standing: Standing,
    /// New samples wait for an answer until then.
    opens: Timestamp,
    is_finishing: bool,
    sites: Vec<RosterSite>,
    watched: BTreeSet<SiteId>,
    /// Sites that were watched in this run: their last samples may not be stored yet when they leave.
    left: BTreeSet<SiteId>,
    revision: u64,
    /// Whether the roster is to be sent, and when it is to be sent again.
    owes_roster: bool,
    roster_due: Timestamp,
    live: Option<Track>,
    live_due: Timestamp,
    /// Frames since the last one of old samples.
    live_made: usize,
    back: Option<Track>,
    status_due: Timestamp,
    flight: Flight,
    hubs: Hubs,
}

impl Agent {
    /// One that sends the samples of `store`; `session` is random for each start.
    #[must_use]
    pub fn new(store: StoreId, session: u64) -> Self {
        Self {
            store,
            session,
            number: 0,
            bytes_max: batch::bytes_max(0),
            standing: Standing::Away,
            opens: Timestamp::ZERO,
            is_finishing: false,
            sites: Vec::new(),
            watched: BTreeSet::new(),
            left: BTreeSet::new(),
            revision: 0,
            owes_roster: false,
            roster_due: Timestamp::MAX,
            live: None,
            live_due: Timestamp::ZERO,
            live_made: 0,
            back: None,
            status_due: Timestamp::ZERO,
            flight: Flight::new(session),
            hubs: Hubs::default(),
        }
    }

    /// The sites that are checked from now on. Their samples are sent, and the last ones of sites that are checked no longer.
    pub fn watch(&mut self, mut sites: Vec<RosterSite>) {
        sites.sort_by_key(|site| site.site);
        let before = std::mem::replace(&mut self.watched, sites.iter().map(|site| site.site).collect());
        self.left.extend(before);
        self.left.retain(|site| !self.watched.contains(site));
        self.sites = sites;
        self.revision += 1;
        self.owes_roster = true;
    }

    /// There is a connection, to a server that takes messages of `max_payload` bytes.
    pub fn connected(&mut self, max_payload: usize, now: Timestamp) {
        if self.standing == Standing::Away {
            self.standing = Standing::Connected;
        }
        self.bytes_max = batch::bytes_max(max_payload);
        self.flight.restart();
        self.hubs.ask_all();
        self.opens = if self.live.is_some() { now } else { now.after(OPENING) };
    }

    /// There is none any more.
    pub fn disconnected(&mut self) {
        if self.standing == Standing::Connected {
            self.standing = Standing::Away;
        }
        self.flight.restart();
    }

    /// New samples are those after `ends`, which is how far the store is.
    pub fn begin(&mut self, ends: &Positions) {
        if self.live.is_none() {
            self.live = Some(Track::new(ends.clone()));
        }
    }

    /// A hub has answered; `ends` is how far the store is.
    pub fn answered(&mut self, have: &Have, ends: &Positions, now: Timestamp) {
        self.begin(ends);
        if !self.hubs.answered(&have.hub, now) {
            return;
        }
        self.opens = self.opens.min(now);
        let end = |site: &SiteId| ends.get(site).copied().unwrap_or(0);
        if have.next.iter().any(|(site, next)| *next > end(site)) {
            self.standing = Standing::OlderCopy;
            return;
        }
        let next: Positions = have.next.iter().copied().collect();
        self.owes_roster |= self.watched.iter().any(|site| !next.contains_key(site));
        let (Some(live), floors) = (&self.live, self.flight.floors()) else { return };
        // What is on its way is sent again anyway, if need be.
        let sent = |site: SiteId| live.at(site).min(floors.get(&site).copied().unwrap_or(u64::MAX));
        let lacks = |site: &SiteId| (*site, next.get(site).copied().unwrap_or(0));
        let asked_for = self.watched.iter().filter(|site| !self.hubs.refuses(&have.hub, **site));
        let lacked: Positions = asked_for.map(lacks).filter(|(site, next)| *next < sent(*site)).collect();
        if lacked.is_empty() {
            return;
        }
        let before = self.back.take().map_or_else(|| live.expected.clone(), |back| back.expected);
        let mut from = before;
        for (site, next) in lacked {
            let at = from.entry(site).or_default();
            *at = next.min(*at);
        }
        self.back = Some(Track::new(from));
        self.hubs.repeating();
    }

    /// A hub has said how far it is.
    pub fn heard(&mut self, hub: &Location, word: &Word, now: Timestamp) {
        self.hubs.heard(hub, word, (self.store, self.session), now);
    }

    /// The server has the frame `number`.
    pub fn acknowledged(&mut self, number: u64, now: Timestamp) {
        if self.flight.acknowledged(number) {
            self.hubs.acknowledged(number, now);
        }
    }

    /// The server does not take the frame `number`, for this reason.
    pub fn refused(&mut self, number: u64, reason: Option<String>, now: Timestamp) {
        self.flight.refused(number, reason, now);
    }

    /// What a reader has found.
    pub fn take(&mut self, lane: Lane, found: Batch, now: Moment) {
        let Some(live) = self.live.as_mut() else { return };
        let (watched, left, more, refused) = (&self.watched, &self.left, found.more, self.hubs.refused(now.steady));
        let is_known = |site: SiteId| watched.contains(&site) || (lane == Lane::Live && left.contains(&site));
        let is_sent = |site: SiteId| is_known(site) && !refused.contains(&site);
        let bodies = match lane {
            Lane::Live => {
                (live.more, self.live_due) = (more, now.steady.after(LINGER));
                batch::cut(found, &mut live.expected, None, is_sent, self.bytes_max)
            }
            Lane::Back => {
                let Some(back) = self.back.as_mut() else { return };
                batch::cut(found, &mut back.expected, Some(&live.expected), is_sent, self.bytes_max)
            }
        };
        self.live_made = if lane == Lane::Live { self.live_made + bodies.len() } else { 0 };
        for body in bodies {
            self.make(body, now);
        }
        // Nothing that `live` has passed is newer than what this reading saw.
        if lane == Lane::Back && !more {
            self.back = None;
            self.hubs.repeated(self.number);
        }
    }

    /// A reader failed, and may have passed over what it did not deliver: a new one begins where the old one was.
    pub fn unread(&mut self, lane: Lane) {
        let track = match lane {
            Lane::Live => self.live.as_mut(),
            Lane::Back => self.back.as_mut(),
        };
        if let Some(track) = track {
            track.is_new = true;
        }
    }

    /// How this location is; how many samples wait is known here.
    pub fn status(&mut self, status: Status, now: Moment) {
        let lag = self.flight.samples();
        self.make(Body::Status(Status { lag, ..status }), now);
    }

    /// Certificates that sites present, by ascending site; those of sites that are not checked are left out.
    pub fn certificates(&mut self, certificates: Vec<(SiteId, Certificate)>, now: Moment) {
        let watched = certificates.into_iter().filter(|(site, _)| self.watched.contains(site));
        for part in batch::parts(watched, self.bytes_max, batch::certificate_size) {
            self.make(Body::Certificates(part), now);
        }
    }

    fn make(&mut self, body: Body, now: Moment) {
        if matches!(body, Body::Status(_)) {
            self.status_due = now.steady.after(STATUS_EVERY);
        }
        self.number += 1;
        let origin = Origin { store: self.store, session: self.session, number: self.number, sent: now.wall };
        let frame = Frame { origin, body };
        let mut bytes = Vec::new();
        frame.encode(Packing::Deflate, &mut bytes);
        let outgoing = Outgoing { number: self.number, id: origin.message_id(), bytes: bytes.into() };
        self.flight.add(outgoing, &frame.body);
    }

    /// What to do next.
    pub fn step(&mut self, moment: Moment) -> Step {
        let now = moment.steady;
        match self.standing {
            Standing::OlderCopy => return Step::Redraw,
            Standing::Away => return Step::Wait(Timestamp::MAX),
            Standing::Connected => {}
        }
        self.flight.expire(now);
        if self.hubs.asks(now) {
            return Step::Ask(self.store);
        }
        if std::mem::take(&mut self.owes_roster) || self.roster_due <= now {
            self.make_roster(moment);
        }
        if let Some(frame) = self.flight.next(now) {
            return Step::Send(frame);
        }
        if self.flight.has_room(now) {
            if now >= self.opens && self.live.is_none() {
                return Step::Look;
            }
            if let Some(read) = self.read(now) {
                return read;
            }
            if now >= self.status_due {
                return Step::Report;
            }
        }
        let due = [self.flight.due(), self.hubs.ask_at(now), self.work_due(now), Some(self.roster_due)];
        Step::Wait(due.into_iter().flatten().min().unwrap_or(self.status_due))
    }

    fn make_roster(&mut self, now: Moment) {
        self.roster_due = now.steady.after(ROSTER_EVERY);
        let sites = self.sites.clone();
        let parts = batch::parts(sites.into_iter(), self.bytes_max, RosterSite::size_max);
        let (revision, count) = (self.revision, u32::try_from(parts.len()).unwrap_or(u32::MAX));
        for (part, sites) in (0..).zip(parts) {
            self.make(Body::Roster(Roster { revision, part, parts: count, sites }), now);
        }
    }

    /// The reading that is due.
    fn read(&mut self, now: Timestamp) -> Option<Step> {
        let live = self.live.as_mut().filter(|_| now >= self.opens)?;
        let is_due = live.is_new || live.more || now >= self.live_due;
        let turn = !live.more || self.live_made >= LIVE_FOR_BACK;
        match &mut self.back {
            Some(back) if !is_due || (turn && live.more) => Some(back.read(Lane::Back)),
            _ if is_due => Some(live.read(Lane::Live)),
            _ => None,
        }
    }

    /// When something is to be read or said, if there is room for it.
    fn work_due(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.flight.has_room(now) {
            return None;
        }
        let read = if self.live.is_some() { self.live_due } else { self.opens };
        Some(read.max(self.opens).min(self.status_due))
    }

    /// Reads once more what is new, and says nothing after that.
    pub const fn finish(&mut self) {
        self.is_finishing = true;
        self.live_due = Timestamp::ZERO;
    }

    /// Whether it was told to finish.
    #[must_use]
    pub const fn is_finishing(&self) -> bool {
        self.is_finishing
    }

    /// Whether everything that was read is acknowledged, and new samples were read to the end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.flight.is_empty() && self.live.as_ref().is_none_or(|live| !live.more)
    }

    /// What the server said without saying about which frame.
    pub fn explain(&mut self, reason: Option<String>) {
        self.flight.explain(reason);
    }

    /// Whether the store may hold something that was not read.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.back.is_some() || self.live.as_ref().is_some_and(|live| live.more)
    }

    /// Samples that were read and not acknowledged, and those of a store that is as far as `ends` which were not read.
    #[must_use]
    pub fn waiting(&self, ends: Option<&Positions>) -> u64 {
        let unread = |live: &Track, ends: &Positions| -> u64 {
            let sent = ends.iter().filter(|(site, _)| self.watched.contains(site) || self.left.contains(site));
            sent.map(|(site, end)| end.saturating_sub(live.at(*site))).sum()
        };
        let unread = self.live.as_ref().zip(ends).map_or(0, |(live, ends)| unread(live, ends));
        self.flight.samples() + unread
    }

    /// Samples that are still to be sent again because a hub lacks them.
    #[must_use]
    pub fn lacked(&self) -> u64 {
        let (Some(live), Some(back)) = (&self.live, &self.back) else { return 0 };
        self.watched.iter().map(|site| live.at(*site).saturating_sub(back.at(*site))).sum()
    }

    /// Samples that the server has acknowledged since the start.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.flight.sent()
    }

    /// Since when the server acknowledges nothing, and what it said instead.
    #[must_use]
    pub const fn trouble(&self) -> Option<&(Timestamp, Option<String>)> {
        self.flight.trouble()
    }
}

#[cfg(test)]
mod tests;
