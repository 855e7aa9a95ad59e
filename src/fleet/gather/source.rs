//! One store of a location, as the hub sees it: its sites, its gaps, its clock, when it was heard.
//!
//! Its clock is ahead of the hub's by no less than a live frame seems to be sent after it was heard: the frame took its time. The
//! most of the last [`OFFSETS`] live frames is shown, and corrects nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Location, Moment, SiteId, StoreId, Timestamp};
use crate::store::Origin;

use super::places::Places;
use super::{Heard, Keeper, Tally};
use crate::fleet::frame::{self, FrameFault, Group, Hole, Roster, Status};

/// Live frames whose offset is remembered: a minute, where a frame comes every five seconds.
const OFFSETS: usize = 12;

/// For how long samples beyond a gap are expected after the location asked, or after a sample that closes the gap: it sends new
/// samples before old ones.
const FILLING: Duration = Duration::from_secs(15);

/// One store of a location.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) places: Places,
    /// The newest run of it, and the number of the last frame taken and of the last one committed.
    session: Option<(u64, u64, u64)>,
    /// Samples were not taken, and nothing is under way that will bring them again.
    gap: bool,
    /// Until when samples that close a gap are expected, by the steady clock, as all times here but those that the location sent.
    filling_until: Timestamp,
    heard: Option<Timestamp>,
    /// When it sent the newest of its frames, by its own clock.
    sent: Option<Timestamp>,
    /// Sent minus heard, µs, of which the latter is by the steady clock.
    offsets: VecDeque<i64>,
    status: Option<Status>,
    /// The sites that it described, as of the last time.
    origins: BTreeMap<SiteId, Origin>,
    /// Sites beyond the bound.
    refused: Arc<BTreeSet<SiteId>>,
    taken: u64,
}

/// What the hub has committed of a store of a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The store.
    pub store: StoreId,
    /// Its newest run.
    pub session: u64,
    /// The last frame of that run whose samples are on the disk, as far as they were taken.
    pub number: u64,
    /// Whether samples were not taken: the location has to ask what the hub has, and send again from there.
    pub gap: bool,
    /// The sites of that store for which the hub has no room.
    pub refused: Arc<BTreeSet<SiteId>>,
}

/// How a location is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The location.
    pub location: Location,
    /// Its store.
    pub store: StoreId,
    /// How many stores of it there are.
    pub stores: usize,
    /// Whether two programs use its name.
    pub is_shared: bool,
    /// When it was last heard, by the steady clock of the hub; none since the hub started.
    pub heard: Option<Timestamp>,
    /// When it sent the newest of its frames, by its own clock, which may have been set back since it sent another one.
    pub sent: Option<Timestamp>,
    /// How far its clock is ahead of the hub's, µs, as far as that is known.
    pub ahead: Option<i64>,
    /// Whether samples are missing that it sends again, or has to.
    pub is_filling: bool,
    /// Samples that it has stored and no server has acknowledged.
    pub lag: u64,
    /// Whether it says that it cannot reach anything.
    pub is_network_down: bool,
    /// The sites that are paused there, by their numbers there.
    pub paused: Vec<SiteId>,
    /// The version of webmon there; empty until it says so.
    pub version: String,
    /// Sites gathered, and sites refused because there are too many.
    pub sites: (usize, usize),
    /// Samples taken since the hub started.
    pub taken: u64,
    /// The newest frame that could not be read.
    pub fault: Option<FrameFault>,
}

impl Report {
    /// How far the clocks of the locations of `reports` are ahead of the hub's, µs, as far as that is known.
    #[must_use]
    pub fn clocks(reports: &[Self]) -> BTreeMap<Location, i64> {
        reports.iter().filter_map(|report| Some((report.location.clone(), report.ahead?))).collect()
    }
}

#[cfg(test)]
impl Report {
    /// That of a location with one store and one site, of which nothing else is known.
    #[must_use]
    pub fn plain(location: &str, heard: Option<Timestamp>) -> Self {
        Self {
            location: Location::new(location).expect("a name of a location"),
            store: StoreId([1; 16]),
            stores: 1,
            is_shared: false,
            heard,
            sent: None,
            paused: Vec::new(),
            ahead: None,
            is_filling: false,
            lag: 0,
            is_network_down: false,
            version: String::new(),
            sites: (1, 0),
            taken: 0,
            fault: None,
        }
    }
}

impl Source {
    /// Whether it was heard since the hub started.
    pub(super) const fn was_heard(&self) -> bool {
        self.heard.is_some()
    }

    /// Notes that a frame was heard; of another run than the one before, a later one.
    pub(super) fn hear(&mut self, origin: &frame::Origin, heard: Heard) {
        let (before, committed) = match self.session {
            Some((session, number, committed)) if session == origin.session => (number, committed),
            _ => (0, 0),
        };
        // What a lost frame held may never be followed by anything else. Of a run that began before this hub did, only the numbers
        // of its samples tell.
        self.gap |= 0 < before && before + 1 < origin.number && heard.at >= self.filling_until;
        self.session = Some((origin.session, before.max(origin.number), committed));
        self.heard = self.heard.max(Some(heard.at));
        // Numbers rise, and a clock need not: the newest frame says what time it is there.
        let is_newest = before < origin.number;
        if is_newest {
            if self.sent.is_some_and(|sent| origin.sent < sent) {
                self.offsets.clear();
            }
            self.sent = Some(origin.sent);
        }
        if is_newest && heard.is_live {
            if self.offsets.len() == OFFSETS {
                self.offsets.pop_front();
            }
            self.offsets.push_back(origin.sent.as_micros().cast_signed() - heard.at.as_micros().cast_signed());
        }
    }

    /// Gives up what is missing before `group`.
    pub(super) fn skip_to(&mut self, group: &Group) {
        if let Some(place) = self.places.get_mut(group.site) {
            place.next = place.next.max(group.first_seq);
        }
    }

    /// Takes what is new and in order of `group`.
    pub(super) fn group(&mut self, group: &Group, at: Timestamp, tally: &mut Tally, keeper: &mut impl Keeper) {
        let count = group.samples.len() as u64;
        let Some(place) = self.places.get_mut(group.site).filter(|place| group.first_seq <= place.next) else {
            if !self.refused.contains(&group.site) {
                tally.early += count;
                self.miss(group.site, group.next_seq(), at);
            }
            return;
        };
        let passed = (place.next - group.first_seq).min(count);
        tally.doubled += passed;
        if passed == count {
            return;
        }
        keeper.take(place.id, group, usize::try_from(passed).unwrap_or(usize::MAX));
        for run in group.texts.iter().filter(|run| run.last >= place.next) {
            let mut run = run.clone();
            run.first = run.first.max(place.next);
            keeper.text(place.id, &run);
        }
        let closes = place.is_behind();
        place.next = group.next_seq();
        if closes {
            self.filling_until = self.filling_until.max(at.after(FILLING));
        }
        tally.taken += count - passed;
        self.taken += count - passed;
    }

    /// Goes on after samples that will never come.
    pub(super) fn hole(&mut self, hole: &Hole, at: Timestamp, tally: &mut Tally) {
        match self.places.get_mut(hole.site) {
            Some(place) if hole.from <= place.next => {
                tally.gone += hole.to.saturating_sub(place.next);
                place.next = place.next.max(hole.to);
            }
            _ if self.refused.contains(&hole.site) => {}
            _ => self.miss(hole.site, hole.to, at),
        }
    }

    /// Notes that something of `site` was not taken: there is a gap before it, or no roster told of the site yet.
    fn miss(&mut self, site: SiteId, end: u64, at: Timestamp) {
        if let Some(place) = self.places.get_mut(site) {
            place.beyond = place.beyond.max(end);
        }
        self.gap |= at >= self.filling_until;
    }

    pub(super) fn status(&mut self, status: &Status) {
        self.status = Some(status.clone());
    }

    /// Whether one of `origins` differs from what the last roster said.
    pub(super) fn is_new(&self, origins: &[Origin]) -> bool {
        origins.iter().any(|origin| self.origins.get(&origin.site) != Some(origin))
    }

    /// Remembers a roster, or a part of one.
    pub(super) fn roster(&mut self, roster: &Roster, origins: Vec<Origin>, refused: Vec<SiteId>) {
        if roster.part == 0 {
            self.refused = Arc::default();
        }
        for origin in origins {
            self.know(origin);
        }
        if !refused.is_empty() {
            Arc::make_mut(&mut self.refused).extend(refused);
        }
    }

    /// Remembers what a site of it is.
    pub(super) fn know(&mut self, origin: Origin) {
        self.origins.insert(origin.site, origin);
    }

    /// Everything taken is on the disk.
    pub(super) fn committed(&mut self) {
        self.places.committed();
        if let Some((_, number, committed)) = &mut self.session {
            *committed = *number;
        }
    }

    /// What is on the disk. The location sends everything after it again.
    pub(super) fn asked(&mut self, now: Timestamp) -> Vec<(SiteId, u64)> {
        self.gap = false;
        self.filling_until = now.after(FILLING);
        self.places.have()
    }

    pub(super) fn word(&self, store: StoreId) -> Option<Word> {
        let (session, _, number) = self.session?;
        Some(Word { store, session, number, gap: self.gap, refused: Arc::clone(&self.refused) })
    }

    pub(super) fn report(&self, location: &Location, store: StoreId, now: Moment) -> Report {
        let status = self.status.as_ref();
        let wall = now.wall.as_micros().cast_signed() - now.steady.as_micros().cast_signed();
        Report {
            location: location.clone(),
            store,
            stores: 1,
            is_shared: false,
            heard: self.heard,
            sent: self.sent,
            ahead: self.offsets.iter().max().map(|offset| offset - wall),
            is_filling: self.gap || (now.steady < self.filling_until && self.places.is_behind()),
            lag: status.map_or(0, |status| status.lag),
            is_network_down: status.is_some_and(|status| status.is_network_down),
            paused: status.map(|status| status.paused.clone()).unwrap_or_default(),
            version: status.map(|status| status.version.clone()).unwrap_or_default(),
            sites: (self.places.len(), self.refused.len()),
            taken: self.taken,
            fault: None,
        }
    }
}
