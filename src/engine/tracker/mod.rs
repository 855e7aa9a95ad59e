//! Tracks one site: its ring readers, windows, verdict and state.
//!
//! One reader at the head delivers each new sample once, to all windows; one reader at the tail of each window delivers the
//! same samples again when they expire, so no window stores samples.
//!
//! Invariants: a window holds exactly the samples between its tail and the head. After a reader lost samples, the tracker
//! empties every window and refills it in one pass over the intact part of the ring; samples observed before do not count
//! as new again. Cost: a step without new or expired samples reads one counter of the ring and one instant.

pub(crate) mod clock_set;
pub(crate) mod observe;
pub(crate) mod reconfigure;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Alert, Evaluator, Rule};
use crate::model::{Observation, Packed, Sample, SiteSlot, TextJoin, Timeframe, Timestamp, View};
use crate::ring::{Drained, Reader, Ring};
use crate::stats::{Cadence, Counts, Oldest, Unmade, Windows};

use super::span::Span;
use super::state_machine::{Change, StateMachine};
use super::{LastCheck, OpenIncident, Row, SiteSnapshot};

/// A site as the engine takes it.
#[derive(Clone, Debug)]
pub struct SiteInput {
    /// Its number while webmon runs.
    pub slot: SiteSlot,
    /// Its unique name.
    pub name: Arc<str>,
    /// Its URL, secrets as `***`.
    pub url: Arc<str>,
    /// Time between due checks.
    pub interval: Duration,
    /// The limit for a whole probe.
    pub timeout: Duration,
    /// Its group in sites.yaml.
    pub group: Option<Arc<str>>,
    /// Its alert rule.
    pub rule: Rule,
    /// Its samples; those already in it are history.
    pub ring: Arc<Ring>,
    /// The `at` of the last `down`, while that incident is open.
    pub open_since: Option<Timestamp>,
}

/// Texts per site that may wait for their samples; they arrive at most a few steps early.
const TEXTS: usize = 16;

/// The two counters in front of an `Arc`'s value, bytes.
const COUNTS: usize = 2 * size_of::<usize>();

#[derive(Debug)]
pub(super) struct SiteTracker {
    head: Reader,
    /// The earliest expiry in any window.
    expires: Timestamp,
    standing: StateMachine,
    evaluator: Evaluator,
    recent: Recent,
    windows: Windows,
    panes: Box<[ViewWindow]>,
    /// Whether any view shows an empty row, cached so that a step need not check every view.
    blank: bool,
    cadence: Cadence,
    newest_due: Option<Timestamp>,
    /// The number of the first sample that was not observed.
    unseen: u64,
    changed: bool,
    /// Whether verdicts come only from [`SiteTracker::overrule`].
    pub(super) looks_on: bool,
    texts: TextJoin<u64, Arc<Observation>, TEXTS>,
    shown: SiteSnapshot,
}

/// The window of the alert rule: counts only.
#[derive(Debug)]
struct Recent {
    span: Span,
    tail: Reader,
    /// The samples that have left it, of all that arrived in the windows.
    left: Counts,
}

/// The bounds of a view's window.
#[derive(Debug)]
struct ViewWindow {
    span: Span,
    tail: Reader,
    /// Whether the view shows an empty row.
    blank: bool,
}

/// Buffers for reading, shared by all sites.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    arrived: Vec<Packed>,
    expired: Vec<Packed>,
}

/// The events of one advance.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) changes: Vec<(Change, Option<LastCheck>)>,
    pub(super) checks: u64,
    pub(super) lost: u64,
}

impl SiteTracker {
    /// A tracker that has replayed the ring up to `now` as history.
    pub(super) fn new(track: SiteInput, views: &[View], now: Timestamp, scratch: &mut Scratch) -> Self {
        let SiteInput { slot, name, url, group, interval, timeout, rule, ring, open_since } = track;
        let cadence = Cadence { interval, timeout };
        let head = ring.reader_at_oldest();
        let pane = |view: &View| ViewWindow { span: Span::of(view.timeframe), tail: head.clone(), blank: true };
        let mut lane = Self {
            expires: Timestamp::ZERO,
            standing: StateMachine::new(now, cadence.silence()),
            evaluator: Evaluator::new(rule, interval, open_since),
            recent: Recent::new(rule, &head),
            windows: Windows::new(views.iter().map(|view| view.timeframe)),
            panes: views.iter().map(pane).collect(),
            blank: true,
            cadence,
            newest_due: None,
            unseen: head.next_seq(),
            changed: false,
            looks_on: false,
            texts: TextJoin::default(),
            shown: SiteSnapshot {
                slot,
                name,
                url,
                group,
                interval,
                timeout,
                rule,
                state: super::SiteState::New,
                since: now,
                is_older: false,
                last: None,
                last_up: None,
                incident: None,
                paused_until: None,
                judged_from: None,
            },
            head,
        };
        // The incident first: it began before or among the replayed checks.
        if let Some(since) = open_since {
            lane.standing.judged(true, since);
        }
        let horizon = lane.head.peek().filter(|_| lane.head.next_seq() > 0).map(|oldest| oldest.at);
        // A later sample is new, not history.
        let horizon = horizon.filter(|&at| at <= now);
        lane.advance(now, scratch, &mut Observed::default());
        lane.standing.replayed(horizon, now);
        lane.show(now);
        lane
    }

    /// Advances every window to `to`: admits new samples, retires expired ones.
    #[inline]
    pub(super) fn advance(&mut self, to: Timestamp, scratch: &mut Scratch, met: &mut Observed) {
        let Scratch { arrived, .. } = scratch;
        arrived.clear();
        let drained = self.head.drain_packed_before(to, arrived);
        if drained.lost > 0 {
            return self.rebuild(to, scratch, met);
        }
        if !arrived.is_empty() {
            self.admit(drained, arrived, met);
        } else if to < self.expires {
            return;
        }
        self.retire(to, scratch, met);
    }

    pub(super) const fn slot(&self) -> SiteSlot {
        self.shown.slot
    }

    /// The ring that it reads.
    pub(super) const fn ring(&self) -> &Arc<Ring> {
        self.head.ring()
    }

    /// Judges the rule at `now`, and detects silence and the end of a pause.
    #[inline]
    pub(super) fn judge(&mut self, now: Timestamp, met: &mut Observed) -> Option<Alert> {
        if let Some(until) = self.shown.paused_until {
            if now < until {
                return None;
            }
            let change = self.pause(None, until);
            met.changes.extend(change.map(|change| (change, None)));
        }
        let transition = if self.looks_on {
            None
        } else {
            self.evaluator.step(&self.windows.arrived().since(&self.recent.left), now)
        };
        let alert = transition.map(|transition| {
            let change = self.standing.judged(self.evaluator.is_down(), now);
            self.note(change, met);
            Alert::new(Arc::clone(&self.shown.name), &self.shown.rule, &transition)
        });
        let silent = self.standing.pass(now);
        met.changes.extend(silent.map(|change| (change, None)));
        self.changed |= silent.is_some() || alert.is_some();
        self.changed |= self.shown.judged_from.is_some_and(|from| from <= now);
        alert
    }

    /// Adopts a verdict from elsewhere, made at `at`.
    pub(super) fn overrule(&mut self, open_since: Option<Timestamp>, at: Timestamp) -> Option<Change> {
        self.evaluator.overrule(open_since);
        self.changed = true;
        self.standing.judged(open_since.is_some(), at)
    }

    /// Pauses the site at `at` until `until`, or resumes it. A paused site is not judged: samples that expire meanwhile
    /// announce nothing.
    pub(super) fn pause(&mut self, until: Option<Timestamp>, at: Timestamp) -> Option<Change> {
        self.shown.paused_until = until;
        self.changed = true;
        if until.is_some() { self.standing.pause(at) } else { self.standing.resume(at) }
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
        self.shown.state = self.standing.state();
        (self.shown.since, self.shown.is_older) = (self.standing.since(), self.standing.is_older());
        self.shown.incident = self.evaluator.open_since().map(|since| OpenIncident { since });
        self.shown.judged_from = self.evaluator.judged_from().filter(|&from| from > now);
        &self.shown
    }

    /// Adds the texts of check `seq`, before or after its sample is read. Returns how many texts were lost.
    pub(super) fn attach(&mut self, seq: u64, observation: Arc<Observation>) -> u64 {
        match &mut self.shown.last {
            Some(last) if last.seq == seq => {
                last.observation = Some(observation);
                self.changed = true;
            }
            _ if seq >= self.unseen => return self.texts.add(seq, observation),
            _ => {}
        }
        0
    }

    /// The figures of view `view` at `as_of`, to which the tracker was advanced.
    pub(super) fn row(&mut self, view: usize, as_of: Timestamp) -> Arc<Row> {
        let oldest = self.oldest(view);
        let unmade = self.unmade(view, oldest.as_ref(), as_of);
        let summary = self.windows.summary(view, as_of, unmade);
        self.panes[view].blank = summary.counts.checks() + summary.counts.unknown == 0;
        self.blank = self.panes.iter().any(|pane| pane.blank);
        Arc::new(Row {
            summary,
            beats: self.windows.beats(view, as_of),
            oldest: oldest.map(|sample| sample.at),
            is_exact: true,
        })
    }

    /// Whether any view shows an empty row although its window has results.
    #[inline]
    pub(super) fn wants_rows(&self) -> bool {
        self.blank && (0..self.panes.len()).any(|view| self.wants_row(view))
    }

    /// Whether view `view` shows an empty row although its window has results.
    pub(super) fn wants_row(&self, view: usize) -> bool {
        let counts = self.windows.counts(view);
        self.panes[view].blank && counts.checks() + counts.unknown > 0
    }

    /// The site's size with its ring, snapshot and rows, bytes.
    pub(super) fn bytes(&self, rows: impl Iterator<Item = Arc<Row>>) -> usize {
        let windows = size_of_val(&*self.panes) + self.windows.heap_bytes();
        let shown = size_of::<SiteSnapshot>() + self.shown.name.len() + self.shown.url.len() + 3 * COUNTS;
        let rows: usize = rows.map(|row| COUNTS + row.bytes()).sum();
        size_of::<Self>() + windows + shown + self.texts.heap_bytes() + rows + COUNTS + self.head.ring().bytes()
    }

    /// The oldest sample in the window of view `view`.
    fn oldest(&self, view: usize) -> Option<Sample> {
        let tail = &self.panes[view].tail;
        (tail.next_seq() < self.head.next_seq()).then(|| tail.peek()).flatten()
    }

    fn unmade(&self, view: usize, oldest: Option<&Sample>, as_of: Timestamp) -> Unmade {
        let span = (self.windows.timeframe(view).cutoff(as_of), as_of);
        self.cadence.unmade(span, oldest.map(Oldest::from), self.newest_due)
    }

    #[inline]
    fn admit(&mut self, drained: Drained, arrived: &[Packed], met: &mut Observed) {
        self.windows.admit(arrived);
        self.observe(drained.first_seq, arrived, met);
    }

    fn retire(&mut self, to: Timestamp, scratch: &mut Scratch, met: &mut Observed) {
        let Scratch { expired, .. } = scratch;
        expired.clear();
        let recent = &mut self.recent;
        if recent.tail.follow(&self.head, recent.span.cutoff(to), expired).lost > 0 {
            return self.rebuild(to, scratch, met);
        }
        recent.left.admit_all(expired);
        self.expires = recent.span.expiry(&recent.tail, &self.head);
        for (number, pane) in self.panes.iter_mut().enumerate() {
            expired.clear();
            if pane.tail.follow(&self.head, pane.span.cutoff(to), expired).lost > 0 {
                return self.rebuild(to, scratch, met);
            }
            self.windows.retire(number, expired);
            self.expires = self.expires.min(pane.span.expiry(&pane.tail, &self.head));
        }
    }

    /// Refills every window from the intact part of the ring.
    #[cold]
    fn rebuild(&mut self, to: Timestamp, scratch: &mut Scratch, met: &mut Observed) {
        let Scratch { arrived: held, .. } = scratch;
        held.clear();
        let ring = Arc::clone(self.head.ring());
        self.head = ring.reader_at_oldest();
        let first_seq = self.head.drain_packed_before(to, held).first_seq;
        // One copy of the ring serves all windows, so that windows and tails agree.
        let left = |span: Span| held.partition_point(|sample| sample.at() <= span.cutoff(to));
        let at = left(self.recent.span);
        self.recent.tail = ring.reader_at(first_seq + at as u64);
        self.recent.left = Counts::default();
        self.recent.left.admit_all(&held[..at]);
        self.windows.clear();
        self.windows.admit(held);
        for (number, pane) in self.panes.iter_mut().enumerate() {
            let at = left(pane.span);
            pane.tail = ring.reader_at(first_seq + at as u64);
            self.windows.retire(number, &held[..at]);
        }
        // The new tails do not know their next expiry yet.
        self.expires = Timestamp::ZERO;
        self.observe(first_seq, held, met);
    }
}

impl Recent {
    fn new(rule: Rule, head: &Reader) -> Self {
        Self { span: Span::of(Timeframe::new(rule.window)), tail: head.clone(), left: Counts::default() }
    }
}
