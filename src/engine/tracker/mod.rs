//! One site in the engine: its readers, its windows, its verdict, its state.
//!
//! **Idea.** One reader at the head brings each new sample once, to all windows; one reader at the tail of each window
//! brings the same samples again when they expire, so no window keeps samples. A tail knows when its next sample
//! expires, so a step with nothing new looks at one counter of the ring and at one instant.
//!
//! **Invariants.** A window holds exactly the samples between its tail and the head. When a reader lost samples, that no
//! longer holds: then every window is emptied and filled again from the intact part of the ring in one pass, and its
//! tail is set to the first sample that it holds. Samples seen before are no news the second time.

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

/// What the engine has to know of a site.
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
    /// For a whole probe.
    pub timeout: Duration,
    /// What it belongs to.
    pub group: Option<Arc<str>>,
    /// How it is judged.
    pub rule: Rule,
    /// Where its samples come from; what is in it already is history.
    pub ring: Arc<Ring>,
    /// The `at` of the last `down`, while that incident is open.
    pub open_since: Option<Timestamp>,
}

/// Texts per site that may wait for their samples. They come at most a few steps early.
const TEXTS: usize = 16;

/// Of an `Arc`: the two counters before its value.
const COUNTS: usize = 2 * size_of::<usize>();

#[derive(Debug)]
pub(super) struct SiteTracker {
    head: Reader,
    /// The earliest instant at which a window has something to retire.
    expires: Timestamp,
    standing: StateMachine,
    evaluator: Evaluator,
    recent: Recent,
    windows: Windows,
    panes: Box<[ViewWindow]>,
    /// Whether the row of any view that is shown has no results; here, so that a step need not look at every view.
    blank: bool,
    cadence: Cadence,
    newest_due: Option<Timestamp>,
    /// The number of the first sample that is news.
    unseen: u64,
    changed: bool,
    /// Whether verdicts come by [`SiteTracker::overrule`] only.
    pub(super) looks_on: bool,
    texts: TextJoin<u64, Arc<Observation>, TEXTS>,
    shown: SiteSnapshot,
}

/// The window of the alert rule: counts only.
#[derive(Debug)]
struct Recent {
    span: Span,
    tail: Reader,
    /// What has left it of all that arrived in the windows.
    left: Counts,
}

/// What a view's window has beside its figures.
#[derive(Debug)]
struct ViewWindow {
    span: Span,
    tail: Reader,
    /// Whether the row that is shown has no results.
    blank: bool,
}

/// What a lane reads into: one for all sites, so that a site costs no memory for it.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    arrived: Vec<Packed>,
    expired: Vec<Packed>,
}

/// What a lane met on its way.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) changes: Vec<(Change, Option<LastCheck>)>,
    pub(super) checks: u64,
    pub(super) lost: u64,
}

impl SiteTracker {
    /// Reads what is in the ring up to `now`; nothing of it is news.
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
        // An incident first: it began before the checks that are replayed, or among them.
        if let Some(since) = open_since {
            lane.standing.judged(true, since);
        }
        let horizon = lane.head.peek().filter(|_| lane.head.next_seq() > 0).map(|oldest| oldest.at);
        // What is later is there already, but no history.
        let horizon = horizon.filter(|&at| at <= now);
        lane.advance(now, scratch, &mut Observed::default());
        lane.standing.replayed(horizon, now);
        lane.show(now);
        lane
    }

    /// Brings every window to `to`: admits what came, retires what expired.
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

    /// Judges what there is at `now`, and takes note of the time that passed.
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

    /// Takes a verdict from elsewhere, found at `at`.
    pub(super) fn overrule(&mut self, open_since: Option<Timestamp>, at: Timestamp) -> Option<Change> {
        self.evaluator.overrule(open_since);
        self.changed = true;
        self.standing.judged(open_since.is_some(), at)
    }

    /// Pauses it at `at` until then, or resumes it. Nothing is judged while it is paused: what ages out of the window
    /// meanwhile is no news.
    pub(super) fn pause(&mut self, until: Option<Timestamp>, at: Timestamp) -> Option<Change> {
        self.shown.paused_until = until;
        self.changed = true;
        if until.is_some() { self.standing.pause(at) } else { self.standing.resume(at) }
    }

    /// The snapshot at `now`, if it is another than before.
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

    /// The figures of view number `view` at `as_of`, to which the lane was advanced.
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

    /// Whether a row that is shown has no results, though its window has.
    #[inline]
    pub(super) fn wants_rows(&self) -> bool {
        self.blank && (0..self.panes.len()).any(|view| self.wants_row(view))
    }

    /// Whether the row that is shown of view number `view` has no results, though the window has.
    pub(super) fn wants_row(&self, view: usize) -> bool {
        let counts = self.windows.counts(view);
        self.panes[view].blank && counts.checks() + counts.unknown > 0
    }

    /// Bytes that the site takes here, with its ring, what is shown of it, and its rows.
    pub(super) fn bytes(&self, rows: impl Iterator<Item = Arc<Row>>) -> usize {
        let windows = size_of_val(&*self.panes) + self.windows.heap_bytes();
        let shown = size_of::<SiteSnapshot>() + self.shown.name.len() + self.shown.url.len() + 3 * COUNTS;
        let rows: usize = rows.map(|row| COUNTS + row.bytes()).sum();
        size_of::<Self>() + windows + shown + self.texts.heap_bytes() + rows + COUNTS + self.head.ring().bytes()
    }

    /// The oldest sample in the window of view number `view`.
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

    /// Empties every window and fills it from the intact part of the ring.
    #[cold]
    fn rebuild(&mut self, to: Timestamp, scratch: &mut Scratch, met: &mut Observed) {
        let Scratch { arrived: held, .. } = scratch;
        held.clear();
        let ring = Arc::clone(self.head.ring());
        self.head = ring.reader_at_oldest();
        let first_seq = self.head.drain_packed_before(to, held).first_seq;
        // One copy of the ring serves all windows, so that they cannot disagree with their tails.
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
        // Tails that have not looked yet do not know when they expire.
        self.expires = Timestamp::ZERO;
        self.observe(first_seq, held, met);
    }
}

impl Recent {
    fn new(rule: Rule, head: &Reader) -> Self {
        Self { span: Span::of(Timeframe::new(rule.window)), tail: head.clone(), left: Counts::default() }
    }
}
