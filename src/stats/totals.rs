//! What can be added up over samples: counts, sums, and how often each answer came.
//!
//! **Idea.** Whatever is a sum needs no history: a window is what arrived less what left, a rollup only adds, a merge adds
//! two. Codes, causes and answers are three readings of one tally by (cause, status).
//!
//! **Invariants.** Integers only, so that a difference is exact and merging is associative and commutative.
//! Response time and time to first byte are over the samples that were answered rightly ([`Cause::is_timed`]); so are
//! the phases, each over those in which it took place.
//!
//! **Limits.** Sums of microseconds in 64 bits: 500,000 years.

use crate::model::{Cause, Micros, Phase, Phases, Sample, Status, Timeframe, Timestamp};

use super::coverage::Unmade;
use super::{Answer, Counts, Latency, Summary};

/// A number of values and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Values.
    pub count: u64,
    /// Their sum, µs.
    pub micros: u64,
}

impl Sum {
    /// The mean, µs; none without values.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "sums stay below 2^52 for 142 years of microseconds")]
    pub fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| self.micros as f64 / self.count as f64)
    }

    #[inline]
    const fn add(&mut self, micros: u32) {
        self.count += 1;
        self.micros += micros as u64;
    }

    const fn since(self, earlier: Self) -> Self {
        Self { count: self.count - earlier.count, micros: self.micros - earlier.micros }
    }

    const fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.micros += other.micros;
    }
}

/// How often each (cause, status) came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By key, ascending; never zero. A site has one to three of them.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// The code of the cause, then the status, 0 for none: ascends as (cause, status) does.
    key: u32,
    count: u64,
}

#[inline]
fn key_of(cause: Cause, status: Option<Status>) -> u32 {
    u32::from(cause.code()) << 16 | u32::from(status.map_or(0, Status::get))
}

impl Tally {
    /// Counts `count` samples of this cause and status in.
    #[inline]
    pub fn add(&mut self, cause: Cause, status: Option<Status>, count: u64) {
        let key = key_of(cause, status);
        match self.entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => entry.count += count,
            None if count > 0 => self.insert(Entry { key, count }),
            None => {}
        }
    }

    /// Each cause and status that came, ascending, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (Cause, Option<Status>, u64)> {
        self.entries.iter().map(|&Entry { key, count }| {
            let [_, cause, high, low] = key.to_be_bytes();
            let cause = Cause::from_code(cause).expect("made of a cause");
            (cause, Status::new(u16::from_be_bytes([high, low])), count)
        })
    }

    fn since(&self, earlier: &Self) -> Self {
        let before = |key| earlier.entries.iter().find(|entry| entry.key == key).map_or(0, |entry| entry.count);
        let left = self.entries.iter().map(|&Entry { key, count }| Entry { key, count: count - before(key) });
        Self { entries: left.filter(|entry| entry.count > 0).collect() }
    }

    #[cold]
    fn insert(&mut self, entry: Entry) {
        let at = self.entries.partition_point(|other| other.key < entry.key);
        if self.entries.len() == self.entries.capacity() {
            // One or two is what nearly every site has; doubling from four would be mostly empty.
            self.entries.reserve_exact(1 + self.entries.len());
        }
        self.entries.insert(at, entry);
    }

    fn codes(&self) -> Vec<(Status, u64)> {
        let mut codes: Vec<(Status, u64)> = Vec::with_capacity(self.entries.len());
        for (_, status, count) in self.iter() {
            let Some(status) = status else { continue };
            match codes.iter_mut().find(|(code, _)| *code == status) {
                Some((_, sum)) => *sum += count,
                None => codes.push((status, count)),
            }
        }
        codes.sort_unstable_by_key(|&(status, _)| status);
        codes
    }

    fn causes(&self) -> Vec<(Cause, u64)> {
        let mut causes: Vec<(Cause, u64)> = Vec::new();
        for (cause, _, count) in self.iter().filter(|&(cause, ..)| cause != Cause::Ok) {
            match causes.last_mut() {
                Some((last, sum)) if *last == cause => *sum += count,
                _ => causes.push((cause, count)),
            }
        }
        causes
    }

    /// Failures first, then successes, each by count, descending; equal counts in the order of the answers.
    fn answers(&self) -> Vec<(Answer, u64)> {
        let mut answers: Vec<(bool, Answer, u64)> = Vec::with_capacity(self.entries.len());
        for (cause, status, count) in self.iter().filter(|&(cause, ..)| cause != Cause::Local) {
            let up = cause == Cause::Ok;
            let answer = match (cause, status) {
                (Cause::Ok | Cause::Status, Some(status)) => Answer::Code(status),
                (cause, _) => Answer::Cause(cause),
            };
            match answers.iter_mut().find(|(is_up, other, _)| (*is_up, *other) == (up, answer)) {
                Some((.., sum)) => *sum += count,
                None => answers.push((up, answer, count)),
            }
        }
        answers.sort_unstable_by_key(|&(up, answer, count)| (up, std::cmp::Reverse(count), answer));
        answers.into_iter().map(|(_, answer, count)| (answer, count)).collect()
    }

    fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }
}

/// Everything of a set of samples that is a sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many checks came out how, and how many were skipped.
    pub counts: Counts,
    /// How often each (cause, status) came.
    pub tally: Tally,
    /// Response times of the samples that were answered rightly.
    pub response: Sum,
    /// Times to first byte of the same samples.
    pub ttfb: Sum,
    /// Times in each phase of the same samples, in the order of [`Phase::ALL`].
    pub phases: [Sum; Phase::ALL.len()],
}

impl Totals {
    /// Counts `sample` in; `timing` is its own.
    #[inline]
    pub(super) fn admit(&mut self, sample: &Sample, timing: Option<Timing>) {
        self.counts.admit(sample);
        self.tally.add(sample.cause, sample.status, 1);
        if let Some(timing) = timing {
            self.response.add(timing.response);
            if let Some(ttfb) = timing.ttfb {
                self.ttfb.add(ttfb);
            }
            for (sum, micros) in self.phases.iter_mut().zip(sample.phases.to_raw()) {
                // A site nearly always goes through the same phases, so this is well predicted.
                if micros != ABSENT {
                    sum.add(micros);
                }
            }
        }
    }

    /// What came after `earlier`, which is of the same samples up to some point.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let mut phases = self.phases;
        for (phase, earlier) in phases.iter_mut().zip(earlier.phases) {
            *phase = phase.since(earlier);
        }
        Self {
            counts: self.counts_since(earlier),
            tally: self.tally.since(&earlier.tally),
            response: self.response.since(earlier.response),
            ttfb: self.ttfb.since(earlier.ttfb),
            phases,
        }
    }

    /// The counts of what came after `earlier`.
    pub(super) const fn counts_since(&self, earlier: &Self) -> Counts {
        let (now, before) = (&self.counts, &earlier.counts);
        Counts {
            up: now.up - before.up,
            down: now.down - before.down,
            unknown: now.unknown - before.unknown,
            skipped: now.skipped - before.skipped,
        }
    }

    /// Counts everything of `other` in.
    pub fn merge(&mut self, other: &Self) {
        self.counts.up += other.counts.up;
        self.counts.down += other.counts.down;
        self.counts.unknown += other.counts.unknown;
        self.counts.skipped += other.counts.skipped;
        for (cause, status, count) in other.tally.iter() {
            self.tally.add(cause, status, count);
        }
        self.response.merge(other.response);
        self.ttfb.merge(other.ttfb);
        for (phase, other) in self.phases.iter_mut().zip(other.phases) {
            phase.merge(other);
        }
    }

    /// Bytes that it has on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.tally.heap_bytes()
    }

    pub(super) fn summary(
        &self,
        span: (Timestamp, Timeframe),
        unmade: Unmade,
        latencies: [Option<Latency>; 2],
    ) -> Summary {
        let counts = unmade.adjust(self.counts);
        let [response, ttfb] = latencies;
        Summary {
            as_of: span.0,
            timeframe: span.1,
            counts,
            coverage: super::coverage::coverage(&counts),
            response,
            ttfb,
            phase_means: self.phases.map(Sum::mean),
            codes: self.tally.codes(),
            causes: self.tally.causes(),
            answers: self.tally.answers(),
        }
    }
}

/// The durations of a sample that enter the statistics, µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    pub(super) response: u32,
    pub(super) ttfb: Option<u32>,
}

impl Timing {
    /// None for a sample that was not answered rightly.
    #[inline]
    pub(super) fn of(sample: &Sample) -> Option<Self> {
        if !sample.cause.is_timed() {
            return None;
        }
        let [before @ .., transfer] = sample.phases.to_raw().map(|us| if us == ABSENT { 0 } else { u64::from(us) });
        let before: u64 = before.iter().sum();
        let micros = |sum: u64| u32::try_from(sum).unwrap_or(u32::MAX).min(Micros::MAX.get());
        Some(Self { response: micros(before + transfer), ttfb: sample.status.map(|_| micros(before)) })
    }
}

/// The raw form of a phase that did not take place.
const ABSENT: u32 = Phases::NONE.to_raw()[0];

#[cfg(test)]
mod tests {
    use super::super::window::tests::samples;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_timing_is_the_response_time_and_the_time_to_first_byte(samples in samples(1..50)) {
            for sample in samples {
                let expected = sample.cause.is_timed().then(|| Timing {
                    response: sample.total().get(),
                    ttfb: sample.ttfb().map(Micros::get),
                });
                prop_assert_eq!(Timing::of(&sample), expected);
            }
        }
    }
}
