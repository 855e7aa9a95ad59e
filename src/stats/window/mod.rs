//! The figures of the sliding windows of one site.
//!
//! Law: after admitting all samples with `at ≤ as_of` and retiring those with `at ≤ as_of − timeframe`, each figure of
//! a window equals a recomputation over the samples between: counts, availability, mean, maximum, codes, causes and
//! answers exactly; percentiles within the histogram's resolution (1 %) and within [min, max]. A property test compares
//! it with a model that filters a `Vec` and sorts it.
//!
//! All windows end at the same head, so arriving samples are summed once ([`Totals`]); a window stores only the sum of
//! what left it and is the difference. One falling queue ([`RunningMax`]) yields the maximum since any sample. Each
//! window has two distributions of its own, whose counters lie next to those of the other windows, and the cells of the
//! heartbeat. Nothing is scanned, and no samples are stored: expiring ones are read again from the ring.
//!
//! Invariants: a window retires samples in the order of admission; it begins in the falling queues at the number of
//! values that left it.
//! Bounds: every (cause, status) pair that a site showed is kept until the windows are cleared, 16 bytes each.

use crate::model::{Packed, Timeframe, Timestamp};

use super::histogram::{HIGHEST, index_of};
use super::totals::PhaseSum;
use super::{Beats, Counts, Latency, RunningMax, Summary, Totals, Unmade};
use beats::RunningBeats;
use counters::Counters;

/// The windows of one site, by number.
#[derive(Clone, Debug)]
pub struct Windows {
    arrived: Totals,
    response: WindowTimes,
    ttfb: WindowTimes,
    each: Box<[Window]>,
    /// The number of the window with the longest timeframe.
    longest: usize,
}

#[derive(Clone, Debug)]
struct Window {
    timeframe: Timeframe,
    left: Totals,
    cells: RunningBeats,
}

/// The distribution of one quantity in every window, and its maximum.
#[derive(Clone, Debug)]
struct WindowTimes {
    counters: Counters,
    peak: RunningMax,
}

impl Windows {
    /// Empty windows of these timeframes.
    #[must_use]
    pub fn new(timeframes: impl IntoIterator<Item = Timeframe>) -> Self {
        let each: Box<[Window]> = timeframes.into_iter().map(Window::new).collect();
        let longest = (0..each.len()).max_by_key(|&number| each[number].timeframe).unwrap_or(0);
        let times = || WindowTimes { counters: Counters::new(each.len()), peak: RunningMax::default() };
        Self { arrived: Totals::default(), response: times(), ttfb: times(), each, longest }
    }

    /// The span that window number `window` covers.
    #[must_use]
    pub fn timeframe(&self, window: usize) -> Timeframe {
        self.each[window].timeframe
    }

    /// The counts of window number `window`.
    #[must_use]
    pub fn counts(&self, window: usize) -> Counts {
        self.arrived.counts.since(&self.each[window].left.counts)
    }

    /// The counts of all samples since the windows were empty.
    #[must_use]
    pub const fn arrived(&self) -> &Counts {
        &self.arrived.counts
    }

    /// Adds samples to every window, oldest first.
    #[inline]
    pub fn admit(&mut self, arrived: &[Packed]) {
        for window in &mut self.each {
            window.cells.admit(arrived, &self.arrived.counts);
        }
        if self.each.is_empty() {
            // Without a window no maximum would ever be removed.
            return self.arrived.admit(arrived, |_, _| ());
        }
        let Self { arrived: totals, response: responses, ttfb: ttfbs, .. } = self;
        totals.admit(arrived, |response, ttfb| {
            responses.admit(response);
            ttfbs.admit(ttfb);
        });
    }

    /// Removes the oldest samples from window number `window`, in the order of their admission.
    #[inline]
    pub fn retire(&mut self, window: usize, expired: &[Packed]) {
        let Self { response: responses, ttfb: ttfbs, each, longest, .. } = self;
        let Window { left, .. } = &mut each[window];
        left.admit(expired, |response, ttfb| {
            responses.retire(window, response);
            ttfbs.retire(window, ttfb);
        });
        if window == *longest {
            responses.peak.drop_before(number(left.response));
            ttfbs.peak.drop_before(number(left.ttfb));
        }
    }

    /// Clears all windows and keeps their memory.
    pub fn clear(&mut self) {
        self.arrived = Totals::default();
        self.response.clear();
        self.ttfb.clear();
        for window in &mut self.each {
            window.left = Totals::default();
            window.cells.clear();
        }
    }

    /// All figures of window number `window` at `as_of`; `unmade` corrects coverage.
    #[must_use]
    pub fn summary(&self, window: usize, as_of: Timestamp, unmade: Unmade) -> Summary {
        let Window { timeframe, left, .. } = &self.each[window];
        let totals = self.arrived.since(left);
        let latencies = [
            self.response.latency(window, left.response, totals.response),
            self.ttfb.latency(window, left.ttfb, totals.ttfb),
        ];
        totals.summary((as_of, *timeframe), unmade, latencies)
    }

    /// The heartbeat of window number `window` at `as_of`, which is not before any admitted sample.
    #[must_use]
    pub fn beats(&self, window: usize, as_of: Timestamp) -> Beats {
        self.each[window].cells.beats(as_of, &self.arrived.counts)
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let shared = self.arrived.heap_bytes() + self.response.heap_bytes() + self.ttfb.heap_bytes();
        shared + self.each.iter().map(|window| size_of_val(window) + window.left.heap_bytes()).sum::<usize>()
    }
}

impl Window {
    fn new(timeframe: Timeframe) -> Self {
        Self { timeframe, left: Totals::default(), cells: RunningBeats::new(timeframe) }
    }
}

impl WindowTimes {
    fn admit(&mut self, few: &[u32]) {
        self.peak.admit_all(few);
        for &micros in few {
            self.counters.raise_all(place_of(micros));
        }
    }

    fn retire(&mut self, window: usize, few: &[u32]) {
        for &micros in few {
            self.counters.lower(place_of(micros), window);
        }
    }

    fn clear(&mut self) {
        self.counters.clear();
        self.peak = RunningMax::default();
    }

    /// The figures of window number `window`, which holds `held` of the values that come after those that `left`.
    fn latency(&self, window: usize, left: PhaseSum, held: PhaseSum) -> Option<Latency> {
        let max = self.peak.max_since(number(left))?;
        latency(self.counters.percentiles(window, held.count, PERCENTS), max, held)
    }

    fn heap_bytes(&self) -> usize {
        self.counters.heap_bytes() + self.peak.heap_bytes()
    }
}

/// The bucket of `micros`; larger values count as the largest.
#[inline]
fn place_of(micros: u32) -> usize {
    const LAST: usize = index_of(HIGHEST);
    index_of(micros).min(LAST)
}

/// The number of the first value after those that left, modulo 2^32 like the falling queues.
#[allow(clippy::cast_possible_truncation, reason = "they count modulo 2^32")]
const fn number(left: PhaseSum) -> u32 {
    left.count as u32
}

/// The percentiles that are shown.
pub(super) const PERCENTS: [u8; 4] = [50, 90, 95, 99];

/// The figures of a distribution with these [`PERCENTS`]. A percentile is the upper end of its bucket, up to 1/128
/// above the true value; the exact maximum caps it.
pub(super) fn latency(percentiles: Option<[u32; 4]>, max: u32, sum: PhaseSum) -> Option<Latency> {
    let [p50, p90, p95, p99] = percentiles?.map(|value| value.min(max));
    Some(Latency { count: sum.count, avg: sum.mean()?, max, p50, p90, p95, p99 })
}

pub mod beats;
mod counters;
pub mod running_max;
#[cfg(test)]
pub(crate) mod tests;
