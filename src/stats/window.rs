//! The figures of the sliding windows of one site: they admit what arrives, retire what expires, and know the rest at any
//! instant.
//!
//! **The law.** After admitting all samples with `at ≤ as_of` and retiring those with `at ≤ as_of − timeframe`, each
//! figure of a window equals a plain recomputation over the samples between: counts, availability, mean, max, codes,
//! causes and answers exactly; percentiles within the histogram's resolution (1 %) and never outside [min, max]. A
//! property test holds it to a model that filters a `Vec` and sorts it.
//!
//! **Idea.** All windows end at the same head, so what arrives is summed once for all ([`Totals`]), and a window keeps
//! only the sum of what left it: its own is the difference. One falling queue knows the maximum since any sample
//! ([`Peak`]). What is left to each window are two [`Histogram`]s that forget, and the heartbeat's cells, which the
//! clock replaces. Nothing is ever scanned, and no samples are kept: what expires is read again from the ring.
//!
//! **Invariants.** A window retires samples in the order in which they were admitted. Where a window begins in the falling
//! queues is the number of values that left it.
//!
//! **Limits.** The (cause, status) pairs that a site ever showed are kept until the windows are cleared, 16 bytes each.

use crate::model::{Packed, Sample, Timeframe, Timestamp};

use super::beats::Cells;
use super::histogram::Place;
use super::totals::Sum;
use super::{Beats, Counts, Histogram, Latency, Peak, Summary, Totals, Unmade};

/// The windows of one site, by number.
#[derive(Clone, Debug)]
pub struct Windows {
    arrived: Totals,
    response: Peak,
    ttfb: Peak,
    each: Box<[Window]>,
    /// The number of the window with the longest timeframe.
    longest: usize,
}

#[derive(Clone, Debug)]
struct Window {
    timeframe: Timeframe,
    left: Totals,
    response: Histogram,
    ttfb: Histogram,
    cells: Cells,
}

impl Windows {
    /// Empty windows of these timeframes.
    #[must_use]
    pub fn new(timeframes: impl IntoIterator<Item = Timeframe>) -> Self {
        let each: Box<[Window]> = timeframes.into_iter().map(Window::new).collect();
        let longest = (0..each.len()).max_by_key(|&number| each[number].timeframe).unwrap_or(0);
        Self { arrived: Totals::default(), response: Peak::default(), ttfb: Peak::default(), each, longest }
    }

    /// The span that window number `window` covers.
    #[must_use]
    pub fn timeframe(&self, window: usize) -> Timeframe {
        self.each[window].timeframe
    }

    /// How many checks in window number `window` came out how.
    #[must_use]
    pub fn counts(&self, window: usize) -> Counts {
        self.arrived.counts_since(&self.each[window].left)
    }

    /// Counts samples into every window, oldest first.
    #[inline]
    pub fn admit(&mut self, arrived: &[Sample]) {
        if self.each.is_empty() {
            return;
        }
        for window in &mut self.each {
            window.cells.admit(arrived, &self.arrived.counts);
        }
        let Self { arrived: totals, response: longest, ttfb: slowest, each, .. } = self;
        totals.admit(arrived, |response, ttfb| {
            longest.admit(response);
            let place = Place::of(response);
            for window in &mut *each {
                window.response.record_at(place);
            }
            if let Some(ttfb) = ttfb {
                slowest.admit(ttfb);
                let place = Place::of(ttfb);
                for window in &mut *each {
                    window.ttfb.record_at(place);
                }
            }
        });
    }

    /// Takes the oldest samples out of window number `window`, in the order of their admission.
    #[inline]
    pub fn retire(&mut self, window: usize, expired: &[Packed]) {
        let Window { left, response: responses, ttfb: ttfbs, .. } = &mut self.each[window];
        left.admit(expired, |response, ttfb| {
            responses.forget(response);
            if let Some(ttfb) = ttfb {
                ttfbs.forget(ttfb);
            }
        });
        let Window { left, .. } = &self.each[window];
        if window == self.longest {
            self.response.drop_before(number(left.response));
            self.ttfb.drop_before(number(left.ttfb));
        }
    }

    /// Empties all windows; their memory stays.
    pub fn clear(&mut self) {
        self.arrived = Totals::default();
        self.response = Peak::default();
        self.ttfb = Peak::default();
        for window in &mut self.each {
            window.left = Totals::default();
            window.response.clear();
            window.ttfb.clear();
            window.cells.clear();
        }
    }

    /// All figures of window number `window` at `as_of`, with what coverage needs beside the samples.
    #[must_use]
    pub fn summary(&self, window: usize, as_of: Timestamp, unmade: Unmade) -> Summary {
        let Window { timeframe, left, response, ttfb, .. } = &self.each[window];
        let totals = self.arrived.since(left);
        let response_max = self.response.max_since(number(left.response));
        let ttfb_max = self.ttfb.max_since(number(left.ttfb));
        let latencies = [
            response_max.and_then(|max| latency(response, max, totals.response)),
            ttfb_max.and_then(|max| latency(ttfb, max, totals.ttfb)),
        ];
        totals.summary((as_of, *timeframe), unmade, latencies)
    }

    /// The heartbeat of window number `window` at `as_of`, which is not before any admitted sample.
    #[must_use]
    pub fn beats(&self, window: usize, as_of: Timestamp) -> Beats {
        self.each[window].cells.beats(as_of, &self.arrived.counts)
    }

    /// Bytes that they have on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let shared = self.arrived.heap_bytes() + self.response.heap_bytes() + self.ttfb.heap_bytes();
        let own = self.each.iter().map(|window| {
            size_of_val(window) + window.left.heap_bytes() + window.response.heap_bytes() + window.ttfb.heap_bytes()
        });
        shared + own.sum::<usize>()
    }
}

impl Window {
    fn new(timeframe: Timeframe) -> Self {
        Self {
            timeframe,
            left: Totals::default(),
            response: Histogram::default(),
            ttfb: Histogram::default(),
            cells: Cells::new(timeframe),
        }
    }
}

/// The number of the first value after those that left, as the falling queues count.
#[allow(clippy::cast_possible_truncation, reason = "they count modulo 2^32")]
const fn number(left: Sum) -> u32 {
    left.count as u32
}

/// The figures of a distribution. A percentile is the upper end of its bucket, so it may exceed the true value by 1/128;
/// the exact maximum caps it.
pub(super) fn latency(histogram: &Histogram, max: u32, sum: Sum) -> Option<Latency> {
    let [p50, p90, p95, p99] = histogram.percentiles([50, 90, 95, 99])?.map(|value| value.min(max));
    Some(Latency { count: sum.count, avg: sum.mean()?, max, p50, p90, p95, p99 })
}

#[cfg(test)]
pub(crate) mod tests;
