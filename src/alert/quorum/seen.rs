//! For how long a site was up, as its locations saw it together.
//!
//! At each instant a location shows the outcome of its last sample, for an interval and a timeout after it; nothing if that is
//! `local`, older, or if the location is blind. The verdict over what they show holds until one of them shows something else.
//! So time is what is counted, and a location that checks more often weighs no more than the others.
//!
//! Cost: one sweep over all samples, O(n log k) for n samples of k locations; memory O(k). The samples are read once, in their
//! order, and only to the end of the period.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;
use std::ops::{AddAssign, Range};
use std::time::Duration;

use crate::model::time::duration;
use crate::model::{Outcome, Timestamp};
use crate::stats::{Availability, Outages};

use super::{QuorumRule, Tally, Verdict, Vote};

/// How long a site had which verdict, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Up, or down for some locations and not enough of them.
    pub up: u64,
    /// Down.
    pub down: u64,
    /// No location knows.
    pub unknown: u64,
}

impl Seen {
    /// The share of the known time in which it was up, in µs of µs; `None` if nothing is known.
    #[must_use]
    pub const fn availability(&self) -> Option<Availability> {
        ratio(self.up, self.up + self.down)
    }

    /// The share of the period that is known, in µs of µs; `None` of an empty period.
    #[must_use]
    pub const fn coverage(&self) -> Option<Availability> {
        ratio(self.up + self.down, self.up + self.down + self.unknown)
    }

    /// Adds a time with this verdict.
    pub fn add(&mut self, verdict: Verdict, span: Duration) {
        let slot = match verdict.is_up() {
            Some(true) => &mut self.up,
            Some(false) => &mut self.down,
            None => &mut self.unknown,
        };
        *slot += duration::micros(span);
    }
}

/// What the locations saw of a site in one stretch of time, as a value that can be appended and stored.
///
/// Invariant: the sights of neighbouring stretches, appended, are that of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// How long it had which verdict.
    pub seen: Seen,
    /// When it was down: an outage begins and ends with the verdict, and time without a verdict belongs to no outage.
    pub outages: Outages,
}

impl Sight {
    /// Adds a time with this verdict, later than those before it.
    pub fn take(&mut self, verdict: Verdict, span: Range<Timestamp>) {
        self.seen.add(verdict, span.end.since(span.start));
        let outcome = match verdict.is_up() {
            Some(true) => Outcome::Up,
            Some(false) => Outcome::Down,
            None => return self.outages.interrupt(),
        };
        self.outages.admit(span.start, outcome);
        self.outages.admit(span.end, outcome);
    }

    /// Appends the stretch that follows.
    pub fn append(&mut self, later: &Self) {
        self.seen += later.seen;
        self.outages.append(&later.outages);
    }

    /// Notes a time between two stretches of which nothing is known.
    pub fn pass_over(&mut self, span: &Range<Timestamp>) {
        self.take(Verdict::Unknown, span.clone());
    }
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.up += other.up;
        self.down += other.down;
        self.unknown += other.unknown;
    }
}

const fn ratio(part: u64, whole: u64) -> Option<Availability> {
    if whole == 0 { None } else { Some(Availability { up: part, checks: whole }) }
}

/// What one location knows of the site.
#[derive(Clone, Debug)]
pub struct Track<S> {
    /// Its samples in order of time, from an interval and a timeout before the period on.
    pub samples: S,
    /// For how long a sample counts: the interval and the timeout.
    pub hold: Duration,
    /// When the location was blind, each from its start to before its end, in any order.
    pub blind: Vec<Range<Timestamp>>,
}

/// How long the site had which verdict in `period`, for the locations that check it, a track each.
#[must_use]
pub fn seen<S>(tracks: Vec<Track<S>>, period: Range<Timestamp>, rule: &QuorumRule) -> Seen
where
    S: Iterator<Item = (Timestamp, Outcome)>,
{
    let mut seen = Seen::default();
    spans(tracks, period, rule, |verdict, span| seen.add(verdict, span.end.since(span.start)));
    seen
}

/// Passes the spans of `period` with one verdict each to `each`, in the order of time; neighbours may have the same one.
pub fn spans<S>(
    tracks: Vec<Track<S>>,
    period: Range<Timestamp>,
    rule: &QuorumRule,
    mut each: impl FnMut(Verdict, Range<Timestamp>),
) where
    S: Iterator<Item = (Timestamp, Outcome)>,
{
    let assigned = u32::try_from(tracks.len()).unwrap_or(u32::MAX);
    let mut screens: Vec<_> = tracks.into_iter().map(Screen::new).collect();
    let mut agenda: BinaryHeap<_> =
        screens.iter_mut().enumerate().filter_map(|(place, screen)| Some(Reverse((screen.next()?, place)))).collect();
    let mut tally = Tally::default();
    let mut pass = |tally: &Tally, span: Range<Timestamp>| {
        if span.start < span.end {
            each(tally.verdict(rule, assigned), span);
        }
    };
    let mut since = period.start;
    while let Some(mut top) = agenda.peek_mut()
        && let Reverse((at, place)) = *top
        && at < period.end
    {
        let screen = &mut screens[place];
        let (before, now) = screen.advance(at);
        match screen.next() {
            Some(next) => *top = Reverse((next, place)),
            None => drop(std::collections::binary_heap::PeekMut::pop(top)),
        }
        if before != now {
            // Changes before the period only say what it begins with.
            pass(&tally, since..at);
            since = since.max(at);
            if let Some(vote) = before {
                tally.remove(vote);
            }
            if let Some(vote) = now {
                tally.add(vote);
            }
        }
    }
    pass(&tally, since..period.end);
}

/// What a location shows, as time goes on.
struct Screen<S: Iterator> {
    samples: Peekable<S>,
    hold: Duration,
    /// The begins and ends of blind spans, `+1` and `−1`, last first.
    edges: Vec<(Timestamp, i32)>,
    /// How many blind spans cover the present.
    blind: i32,
    /// The last sample that is not too old: until when it counts, and what it says.
    last: Option<(Timestamp, Option<Vote>)>,
}

impl<S: Iterator<Item = (Timestamp, Outcome)>> Screen<S> {
    fn new(track: Track<S>) -> Self {
        let spans = track.blind.into_iter().filter(|span| span.start < span.end);
        let mut edges: Vec<_> = spans.flat_map(|span| [(span.start, 1), (span.end, -1)]).collect();
        edges.sort_unstable_by_key(|&(at, _)| Reverse(at));
        Self { samples: track.samples.peekable(), hold: track.hold, edges, blind: 0, last: None }
    }

    /// When it may show something else.
    fn next(&mut self) -> Option<Timestamp> {
        let sample = self.samples.peek().map(|&(at, _)| at);
        let edge = self.edges.last().map(|&(at, _)| at);
        [sample, edge, self.last.map(|(until, _)| until)].into_iter().flatten().min()
    }

    /// Moves on to `at`, which [`Screen::next`] gave. Returns what it showed before and what it shows from then on.
    fn advance(&mut self, at: Timestamp) -> (Option<Vote>, Option<Vote>) {
        let before = self.shown();
        if self.last.is_some_and(|(until, _)| until <= at) {
            self.last = None;
        }
        while let Some((sampled, outcome)) = self.samples.next_if(|&(sampled, _)| sampled <= at) {
            let vote = match outcome {
                Outcome::Up => Some(Vote::Up),
                Outcome::Down => Some(Vote::Down),
                Outcome::Unknown => None,
            };
            // Without a hold a sample says nothing.
            self.last = Some((sampled.after(self.hold), vote)).filter(|(until, _)| at < *until);
        }
        while let Some(&(_, step)) = self.edges.last().filter(|(edge, _)| *edge <= at) {
            self.blind += step;
            self.edges.pop();
        }
        (before, self.shown())
    }

    fn shown(&self) -> Option<Vote> {
        self.last.and_then(|(_, vote)| vote).filter(|_| self.blind == 0)
    }
}
