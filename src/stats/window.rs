//! The figures of one sliding window: admits what arrives, retires what expires, and knows the rest at any instant.
//!
//! **The law.** After admitting all samples with `at ≤ as_of` and retiring those with `at ≤ as_of − timeframe`, each
//! figure equals a plain recomputation over the samples between: counts, availability, mean, max, codes, causes and
//! answers exactly; percentiles within the histogram's resolution (1 %) and never outside [min, max]. A property test
//! holds it to a model that filters a `Vec` and sorts it.
//!
//! **Idea.** Everything that is a sum is added and taken back ([`Totals`]); a distribution is a [`Histogram`] that
//! forgets; a maximum is a queue that falls ([`Peak`]); the heartbeat is cells that the clock replaces. Nothing is ever
//! scanned, and the window keeps no samples: what expires is read again from the ring.
//!
//! **Invariants.** Samples are retired in the order in which they were admitted.

use crate::model::{Sample, Timeframe, Timestamp};

use super::beats::Cells;
use super::totals::{Sum, Timing};
use super::{Beats, Counts, Histogram, Latency, Peak, Summary, Totals, Unmade};

/// All figures of the samples that were admitted and not yet retired.
#[derive(Clone, Debug)]
pub struct Window {
    timeframe: Timeframe,
    totals: Totals,
    response: Distribution,
    ttfb: Distribution,
    cells: Cells,
}

#[derive(Clone, Debug, Default)]
struct Distribution {
    histogram: Histogram,
    peak: Peak,
}

impl Window {
    /// An empty window.
    #[must_use]
    pub fn new(timeframe: Timeframe) -> Self {
        Self {
            timeframe,
            totals: Totals::default(),
            response: Distribution::default(),
            ttfb: Distribution::default(),
            cells: Cells::new(timeframe),
        }
    }

    /// The span that it covers.
    #[must_use]
    pub const fn timeframe(&self) -> Timeframe {
        self.timeframe
    }

    /// How many checks came out how.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.totals.counts
    }

    /// Counts samples in, oldest first.
    #[inline]
    pub fn admit(&mut self, arrived: &[Sample]) {
        for sample in arrived {
            let timing = Timing::of(sample);
            self.totals.admit(sample, timing);
            self.cells.admit(sample);
            if let Some(timing) = timing {
                self.response.admit(timing.response);
                if let Some(ttfb) = timing.ttfb {
                    self.ttfb.admit(ttfb);
                }
            }
        }
    }

    /// Takes back the oldest samples, in the order of their admission.
    #[inline]
    pub fn retire(&mut self, expired: &[Sample]) {
        for sample in expired {
            let timing = Timing::of(sample);
            self.totals.retire(sample, timing);
            if let Some(timing) = timing {
                self.response.retire(timing.response);
                if let Some(ttfb) = timing.ttfb {
                    self.ttfb.retire(ttfb);
                }
            }
        }
    }

    /// Empties it; its memory stays.
    pub fn clear(&mut self) {
        self.totals = Totals::default();
        self.response.clear();
        self.ttfb.clear();
        self.cells.clear();
    }

    /// All figures at `as_of`, with what coverage needs beside the samples.
    #[must_use]
    pub fn summary(&self, as_of: Timestamp, unmade: Unmade) -> Summary {
        let latencies = [self.response.latency(self.totals.response), self.ttfb.latency(self.totals.ttfb)];
        self.totals.summary((as_of, self.timeframe), unmade, latencies)
    }

    /// The heartbeat at `as_of`, which is not before any admitted sample.
    #[must_use]
    pub fn beats(&self, as_of: Timestamp) -> Beats {
        self.cells.beats(as_of)
    }

    /// Bytes that it has on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.totals.heap_bytes() + self.response.heap_bytes() + self.ttfb.heap_bytes()
    }
}

impl Distribution {
    #[inline]
    fn admit(&mut self, micros: u32) {
        self.histogram.record(micros);
        self.peak.admit(micros);
    }

    #[inline]
    fn retire(&mut self, micros: u32) {
        self.histogram.forget(micros);
        self.peak.retire();
    }

    fn clear(&mut self) {
        self.histogram.clear();
        self.peak.clear();
    }

    fn latency(&self, sum: Sum) -> Option<Latency> {
        latency(&self.histogram, self.peak.max()?, sum)
    }

    fn heap_bytes(&self) -> usize {
        self.histogram.heap_bytes() + self.peak.heap_bytes()
    }
}

/// The figures of a distribution. A percentile is the upper end of its bucket, so it may exceed the true value by 1/128;
/// the exact maximum caps it.
pub(super) fn latency(histogram: &Histogram, max: u32, sum: Sum) -> Option<Latency> {
    let [p50, p90, p95, p99] = histogram.percentiles([50, 90, 95, 99])?.map(|value| value.min(max));
    Some(Latency { count: sum.count, avg: sum.mean()?, max, p50, p90, p95, p99 })
}

#[cfg(test)]
pub(crate) mod tests;
