//! Tracks one site: its ring readers, windows, verdicts and state.
//!
//! One reader at the head delivers each new sample once, to all windows; one reader at the tail of each window delivers the
//! same samples again when they expire, so no window stores samples.
//!
//! Invariants: a window holds exactly the samples between its tail and the head ([`panes`] says when a tail moves). After a
//! reader lost samples, the tracker empties every window and refills it in one pass over the intact part of the ring; samples
//! observed before do not count as new again. Cost: a step reads nothing of a tracker that rests.

pub(crate) mod clock_set;
mod elsewhere;
mod mask;
pub(crate) mod observe;
mod panes;
pub(crate) mod reconfigure;
mod rules;
mod tails;

use std::sync::Arc;
use std::time::Duration;

use crate::alert::maintenance::{self, Maintenance};
use crate::alert::network::Mask;
use crate::alert::policy::{Expired, Minutes};
use crate::alert::{Judge, Policies, RuleKind, StandingIncident, Transition};
use crate::model::{Cause, Observation, Packed, Place, Sample, SiteSlot, TextJoin, Timestamp, View};
use crate::ring::{Reader, Ring};
use crate::stats::{Cadence, Windows};

use super::state_machine::{Change, StateMachine};
use super::{LastCheck, OpenIncident, Row, SiteFacts, SiteSnapshot};
use panes::Panes;
use tails::{RuleTails, Stage};

/// A site as the engine takes it.
#[derive(Clone, Debug)]
pub struct SiteInput {
    /// Its number while webmon runs.
    pub slot: SiteSlot,
    /// Its unique name.
    pub name: Arc<str>,
    /// Its URL, secrets as `***`.
    pub url: Arc<str>,
    /// The line of curl, openssl or nc that repeats its check, secrets as `***`; empty if it is not known.
    pub curl: Arc<str>,
    /// Time between due checks.
    pub interval: Duration,
    /// The limit for a whole probe.
    pub timeout: Duration,
    /// A successful check that takes longer counts as down.
    pub max_response_time: Option<Duration>,
    /// Its group in sites.yaml.
    pub group: Option<Arc<str>>,
    /// Its alert rules.
    pub policies: Policies,
    /// Its windows of maintenance, which an objective leaves out.
    pub maintenance: Arc<[Maintenance]>,
    /// Where its samples come from.
    pub place: Place,
    /// Its samples; those already in it are history.
    pub ring: Arc<Ring>,
    /// Its open incidents.
    pub open: Vec<StandingIncident>,
    /// With an objective: its checks from before those in the ring.
    pub minutes: Option<Minutes>,
    /// Which of its checks say nothing about it.
    pub mask: Mask,
}

impl SiteInput {
    /// A site that is checked here, without a rule, a group, or incidents; its URL is its name.
    #[must_use]
    pub fn new(slot: SiteSlot, name: impl Into<Arc<str>>, cadence: Cadence, ring: &Arc<Ring>) -> Self {
        let name = name.into();
        Self {
            slot,
            url: Arc::clone(&name),
            name,
            curl: Arc::default(),
            interval: cadence.interval,
            timeout: cadence.timeout,
            max_response_time: None,
            group: None,
            policies: Policies::default(),
            maintenance: Arc::default(),
            place: Place::Here,
            ring: Arc::clone(ring),
            open: Vec::new(),
            minutes: None,
            mask: Mask::default(),
        }
    }

    /// What lasts about it.
    fn facts(&self) -> Arc<SiteFacts> {
        Arc::new(SiteFacts {
            slot: self.slot,
            name: Arc::clone(&self.name),
            url: Arc::clone(&self.url),
            curl: Arc::clone(&self.curl),
            group: self.group.clone(),
            interval: self.interval,
            timeout: self.timeout,
            max_response_time: self.max_response_time,
            policies: self.policies,
            maintenance: Arc::clone(&self.maintenance),
            place: self.place.clone(),
        })
    }
}

/// Texts per site that may wait for their samples; they arrive at most a few steps early.
const TEXTS: usize = 16;

/// The two counters in front of an `Arc`'s value, bytes.
const COUNTS: usize = 2 * size_of::<usize>();

#[derive(Debug)]
pub(super) struct SiteTracker {
    head: Reader,
    /// When expired samples are retired from the windows of the views; see [`panes`].
    expires: Timestamp,
    standing: StateMachine,
    judge: Judge,
    tails: RuleTails,
    stage: Stage,
    /// What the judge found since the last step.
    found: Vec<Transition>,
    windows: Windows,
    mask: Mask,
    panes: Panes,
    cadence: Cadence,
    newest_due: Option<Timestamp>,
    /// The number of the first sample that was not observed.
    unseen: u64,
    changed: bool,
    /// Times that its objective leaves out, beside the windows.
    left_out: Vec<maintenance::Span>,
    texts: TextJoin<u64, Arc<Observation>, TEXTS>,
    shown: SiteSnapshot,
    /// How far the clock at its place is ahead of that of the steps, µs.
    ahead: i64,
}

/// Buffers for reading, shared by all sites.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    arrived: Vec<Packed>,
    expired: Vec<Packed>,
    /// What leaves the window of the availability rule.
    availability: Vec<Packed>,
    /// What leaves the window of the latency rule.
    latency: Vec<Packed>,
}

/// The events of one advance.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) changes: Vec<(Change, Option<LastCheck>)>,
    pub(super) checks: u64,
    pub(super) lost: u64,
}

impl SiteTracker {
    /// A tracker that has replayed the ring up to `step` as history; the clock of the site is `ahead` by so many µs.
    pub(super) fn new(
        track: SiteInput,
        views: &[View],
        (step, ahead): (Timestamp, i64),
        scratch: &mut Scratch,
    ) -> Self {
        let now = elsewhere::shifted(step, ahead);
        let facts = track.facts();
        let SiteInput { interval, timeout, policies, ring, open, minutes, mask, .. } = track;
        let cadence = Cadence { interval, timeout };
        let head = ring.reader_at_oldest();
        let mut lane = Self {
            expires: Timestamp::ZERO,
            standing: StateMachine::new(now, cadence.silence()),
            judge: Judge::new(&policies, interval),
            tails: RuleTails::new(&policies, &head),
            stage: Stage::History,
            found: Vec::new(),
            windows: Windows::new(views.iter().map(|view| view.timeframe)),
            mask,
            panes: Panes::new(views.iter().map(|view| view.timeframe), interval, &head),
            cadence,
            newest_due: None,
            unseen: head.next_seq(),
            changed: false,
            left_out: Vec::new(),
            texts: TextJoin::default(),
            shown: SiteSnapshot {
                facts,
                state: super::SiteState::New,
                since: now,
                is_older: false,
                last: None,
                last_up: None,
                incident: None,
                breaches: Vec::new(),
                paused_until: None,
                judged_from: None,
                votes: None,
            },
            head,
            ahead,
        };
        // Incidents first: they began before or among the replayed checks.
        for incident in open {
            if !lane.judge.reopen(&incident) {
                lane.found.push(Transition::ended(incident.rule, incident.since, now));
            } else if incident.rule == RuleKind::Availability {
                lane.standing.judged(true, incident.since);
            }
        }
        if let Some(minutes) = minutes {
            lane.judge.remember(minutes);
        }
        lane.judge.leave_out(&lane.shown.maintenance);
        let horizon = lane.head.peek().filter(|_| lane.head.next_seq() > 0).map(|oldest| oldest.at);
        // A later sample is new, not history.
        let horizon = horizon.filter(|&at| at <= now);
        lane.advance(step, scratch, &mut Observed::default());
        lane.stage = Stage::Restored;
        lane.standing.replayed(horizon, now);
        lane.show_breaches();
        lane.show(step);
        lane
    }

    /// Advances to `to`: admits new samples to every window, and retires expired ones when they are worth it.
    #[inline]
    pub(super) fn advance(&mut self, to: Timestamp, scratch: &mut Scratch, met: &mut Observed) {
        let to = self.there(to);
        scratch.arrived.clear();
        let drained = self.head.drain_packed_before(to, &mut scratch.arrived);
        if drained.lost > 0 {
            return self.rebuild(to, scratch, met);
        }
        if let Some(&last) = scratch.arrived.last() {
            if !self.expire(last.at(), scratch) {
                return self.rebuild(to, scratch, met);
            }
            let Scratch { arrived, availability, latency, .. } = scratch;
            self.mask.hide(arrived);
            self.windows.admit(arrived);
            self.observe((drained.first_seq, Some(last)), arrived, Expired { availability, latency }, to, met);
            self.await_expiry(scratch.arrived[0].at());
        }
        if self.is_retiring(to) {
            self.retire(to, scratch, met);
        }
    }

    pub(super) fn slot(&self) -> SiteSlot {
        self.shown.slot
    }

    /// The number of the first sample that it has not read.
    pub(super) const fn unread(&self) -> u64 {
        self.head.next_seq()
    }

    /// The ring that it reads.
    pub(super) const fn ring(&self) -> &Arc<Ring> {
        self.head.ring()
    }

    /// Pauses the site at `at` until `until`, or resumes it. A paused site is not judged: samples that expire meanwhile
    /// announce nothing.
    pub(super) fn pause(&mut self, until: Option<Timestamp>, at: Timestamp) -> Option<Change> {
        self.shown.paused_until = until;
        self.changed = true;
        if until.is_some() {
            return self.standing.pause(at);
        }
        self.judge.skip(at);
        self.standing.resume(at)
    }

    /// The snapshot at `now`, if it changed.
    #[inline]
    pub(super) fn show(&mut self, now: Timestamp) -> Option<Arc<SiteSnapshot>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        Some(Arc::new(self.snapshot(now).clone()))
    }

    pub(super) fn snapshot(&mut self, now: Timestamp) -> &SiteSnapshot {
        let now = self.there(now);
        self.shown.state = self.standing.state();
        (self.shown.since, self.shown.is_older) = (self.standing.since(), self.standing.is_older());
        self.shown.incident = self.judge.open_since(RuleKind::Availability).map(|since| OpenIncident { since });
        self.shown.judged_from = self.judge.judged_from().filter(|&from| from > now);
        &self.shown
    }

    /// Adds the texts of check `seq`, before or after its sample is read. Returns how many texts were lost.
    pub(super) fn attach(&mut self, seq: u64, observation: Arc<Observation>) -> u64 {
        match &mut self.shown.last {
            Some(last) if last.seq == seq => {
                let (at, cause) = (last.sample.at, last.sample.cause);
                let observation = last.observation.insert(observation);
                self.changed = true;
                if cause == Cause::Ok && self.stage != Stage::LookingOn {
                    self.judge.see_certificate(at, observation.certificate.as_deref(), &mut self.found);
                }
            }
            _ if seq >= self.unseen => return self.texts.add(seq, observation),
            _ => {}
        }
        0
    }

    /// The site's size with its ring, snapshot and rows, bytes.
    pub(super) fn bytes(&self, rows: impl Iterator<Item = Arc<Row>>) -> usize {
        let windows = self.panes.bytes() + self.windows.heap_bytes() + self.judge.heap_bytes() + self.mask.heap_bytes();
        let texts = self.shown.name.len() + self.shown.url.len();
        let shown = size_of::<SiteSnapshot>() + size_of::<SiteFacts>() + texts + 4 * COUNTS;
        let rows: usize = rows.map(|row| COUNTS + row.bytes()).sum();
        size_of::<Self>() + windows + shown + self.texts.heap_bytes() + rows + COUNTS + self.head.ring().bytes()
    }

    /// Refills every window from the intact part of the ring.
    #[cold]
    fn rebuild(&mut self, to: Timestamp, scratch: &mut Scratch, met: &mut Observed) {
        let Scratch { arrived: held, .. } = scratch;
        held.clear();
        let ring = Arc::clone(self.head.ring());
        self.head = ring.reader_at_oldest();
        let first_seq = self.head.drain_packed_before(to, held).first_seq;
        let newest = held.last().copied();
        self.mask.hide(held);
        // One copy of the ring serves all windows, so that windows and tails agree.
        let left = |cutoff: Timestamp| held.partition_point(|sample| sample.at() <= cutoff);
        self.windows.clear();
        self.windows.admit(held);
        for (number, pane) in self.panes.each.iter_mut().enumerate() {
            let at = left(pane.span.cutoff(to));
            pane.tail = ring.reader_at(first_seq + at as u64);
            self.windows.retire(number, &held[..at]);
        }
        // The new tails do not know their next expiry yet.
        self.expires = Timestamp::ZERO;
        let seen = usize::try_from(self.unseen.saturating_sub(first_seq)).unwrap_or(usize::MAX);
        self.judge.refill(&held[..seen.min(held.len())]);
        let cutoffs = self.judge.cutoffs(held.last().map_or(to, Packed::at));
        let (availability, latency) = (left(cutoffs.availability), cutoffs.latency.map_or(0, left));
        let tail = |gone: usize| ring.reader_at(first_seq + gone as u64);
        self.tails.availability = tail(availability);
        self.tails.latency = cutoffs.latency.map(|_| tail(latency));
        let expired = Expired { availability: &held[..availability], latency: &held[..latency] };
        self.observe((first_seq, newest), held, expired, to, met);
    }
}

/// Unpacks a sample that a reader delivered.
fn whole(sample: &Packed) -> Sample {
    sample.sample().expect("a reader delivers what was pushed")
}
