//! The windows of the views of one site: their tails, and the rows that are made of them.
//!
//! Samples leave a window at less cost together than each by itself, and only a row shows whether they did. So they wait for a
//! few others, but never longer than the ring is sure to hold them; a row is made of a window that is settled.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Row;
use crate::engine::span::Span;
use crate::model::time::duration;
use crate::model::{Sample, Timeframe, Timestamp};
use crate::ring::Reader;
use crate::stats::{Oldest, Unmade};

use super::{Observed, Scratch, SiteTracker};

/// Due checks for which an expired sample waits.
const TOGETHER: u64 = 8;

/// What is kept of the windows beside their figures.
#[derive(Debug)]
pub(super) struct Panes {
    pub(super) each: Box<[Pane]>,
    /// Whether any view shows an empty row, cached so that a step need not check every view.
    is_blank: bool,
    /// The shortest time from a sample to its retirement.
    soonest: Span,
}

/// The bounds of one window.
#[derive(Debug)]
pub(super) struct Pane {
    pub(super) span: Span,
    pub(super) tail: Reader,
    /// From a sample to its retirement with others.
    stay: Span,
    /// Whether the view shows an empty row.
    is_blank: bool,
}

impl Panes {
    /// Empty windows of these timeframes, of a site checked every `interval`, that begin at `head`.
    pub(super) fn new(timeframes: impl Iterator<Item = Timeframe>, interval: Duration, head: &Reader) -> Self {
        let interval = duration::micros(interval);
        let reach = interval.saturating_mul(u64::try_from(head.ring().capacity()).unwrap_or(u64::MAX));
        let pane = |timeframe: Timeframe| {
            let length = duration::micros(timeframe.length());
            // Half of what the ring holds beyond the window is for steps that come late.
            let wait = interval.saturating_mul(TOGETHER).min(reach.saturating_sub(length) / 2);
            let stay = Span::from_micros(length.saturating_add(wait));
            Pane { span: Span::of(timeframe), tail: head.clone(), stay, is_blank: true }
        };
        let each: Box<[Pane]> = timeframes.map(pane).collect();
        let soonest = each.iter().map(|pane| pane.stay).min().unwrap_or(Span::from_micros(u64::MAX));
        Self { each, is_blank: true, soonest }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.each)
    }
}

impl SiteTracker {
    /// Notes that a sample of `first` and perhaps later ones were admitted.
    #[inline]
    pub(super) fn await_expiry(&mut self, first: Timestamp) {
        self.expires = self.expires.min(self.panes.soonest.after(first));
    }

    /// Whether samples are to be retired at `to`. While a row is empty, all windows stay settled, so that it is filled only
    /// with what they hold.
    #[inline]
    pub(super) fn is_retiring(&self, to: Timestamp) -> bool {
        self.panes.is_blank || to >= self.expires
    }

    /// Retires expired samples as of `to` from the windows for which they have waited long enough.
    pub(super) fn retire(&mut self, to: Timestamp, scratch: &mut Scratch, met: &mut Observed) {
        self.retire_from(|pane, head| pane.stay.expiry(&pane.tail, head) <= to, to, scratch, met);
    }

    /// Retires all expired samples as of `to`, to which the tracker was advanced.
    pub(in crate::engine) fn settle(&mut self, to: Timestamp, scratch: &mut Scratch, met: &mut Observed) {
        let to = self.there(to);
        self.retire_from(|_, _| true, to, scratch, met);
    }

    #[inline]
    fn retire_from(
        &mut self,
        is_due: impl Fn(&Pane, &Reader) -> bool,
        to: Timestamp,
        scratch: &mut Scratch,
        met: &mut Observed,
    ) {
        let Scratch { expired, .. } = scratch;
        self.expires = Timestamp::MAX;
        for (number, pane) in self.panes.each.iter_mut().enumerate() {
            if self.panes.is_blank || is_due(pane, &self.head) {
                expired.clear();
                if pane.tail.follow(&self.head, pane.span.cutoff(to), expired).lost > 0 {
                    return self.rebuild(to, scratch, met);
                }
                self.mask.hide(expired);
                self.windows.retire(number, expired);
            }
            self.expires = self.expires.min(pane.stay.expiry(&pane.tail, &self.head));
        }
    }

    /// The figures of view `view` at `as_of`, to which the tracker was advanced and settled.
    pub(in crate::engine) fn row(&mut self, view: usize, as_of: Timestamp) -> Arc<Row> {
        let oldest = self.oldest(view);
        let there = self.there(as_of);
        let unmade = self.unmade(view, oldest.as_ref(), there);
        let mut summary = self.windows.summary(view, there, unmade);
        summary.as_of = as_of;
        self.panes.each[view].is_blank = summary.counts.checks() + summary.counts.unknown == 0;
        self.panes.is_blank = self.panes.each.iter().any(|pane| pane.is_blank);
        Arc::new(Row {
            summary,
            beats: self.windows.beats(view, there),
            oldest: oldest.map(|sample| sample.at),
            is_exact: true,
        })
    }

    /// Whether any view shows an empty row although its window has results.
    #[inline]
    pub(in crate::engine) fn wants_rows(&self) -> bool {
        self.panes.is_blank && (0..self.panes.each.len()).any(|view| self.wants_row(view))
    }

    /// Whether view `view` shows an empty row although its window has results.
    pub(in crate::engine) fn wants_row(&self, view: usize) -> bool {
        let counts = self.windows.counts(view);
        self.panes.each[view].is_blank && counts.checks() + counts.unknown > 0
    }

    /// The oldest sample in the window of view `view`.
    fn oldest(&self, view: usize) -> Option<Sample> {
        let tail = &self.panes.each[view].tail;
        (tail.next_seq() < self.head.next_seq()).then(|| tail.peek()).flatten()
    }

    fn unmade(&self, view: usize, oldest: Option<&Sample>, as_of: Timestamp) -> Unmade {
        let span = (self.windows.timeframe(view).cutoff(as_of), as_of);
        self.cadence.unmade(span, oldest.map(Oldest::from), self.newest_due)
    }
}
