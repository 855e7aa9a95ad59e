//! What can be added up over samples, and taken back: counts, sums, and how often each answer came.
//!
//! **Idea.** Whatever is a sum needs no history: a window adds what arrives and subtracts what expires, a rollup only
//! adds, a merge adds two. Codes, causes and answers are three readings of one tally by (cause, status).
//!
//! **Invariants.** Integers only, so that taking back is exact in any order and merging is associative and commutative.
//! Response time and time to first byte are over the samples that were answered rightly ([`Cause::is_timed`]); so are
//! the phases, each over those in which it took place.
//!
//! **Limits.** Sums of microseconds in 64 bits: 500,000 years.

use crate::model::{Cause, Phase, Sample, Status, Timeframe, Timestamp};

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
    const fn apply<const IN: bool>(&mut self, present: bool, micros: u32) {
        let (count, micros) = (present as u64, micros as u64);
        if IN {
            self.count += count;
            self.micros += micros;
        } else {
            self.count -= count;
            self.micros -= micros;
        }
    }

    const fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.micros += other.micros;
    }
}

/// How often each (cause, status) came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By cause and status, ascending; never zero. A site has one to three of them.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    key: (Cause, Option<Status>),
    count: u64,
}

impl Tally {
    /// Counts `count` samples of this cause and status in.
    #[inline]
    pub fn add(&mut self, cause: Cause, status: Option<Status>, count: u64) {
        let key = (cause, status);
        match self.entries.iter_mut().find(|entry| entry.key >= key) {
            Some(entry) if entry.key == key => entry.count += count,
            _ if count > 0 => self.insert(Entry { key, count }),
            _ => {}
        }
    }

    /// Each cause and status that came, ascending, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (Cause, Option<Status>, u64)> {
        self.entries.iter().map(|entry| (entry.key.0, entry.key.1, entry.count))
    }

    #[inline]
    fn remove_one(&mut self, cause: Cause, status: Option<Status>) {
        let key = (cause, status);
        let at =
            self.entries.iter().position(|entry| entry.key == key).expect("a sample is retired after its admission");
        self.entries[at].count -= 1;
        if self.entries[at].count == 0 {
            self.entries.remove(at);
        }
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
            self.time::<true>(sample, timing);
        }
    }

    /// Takes back what [`Totals::admit`] did for the same sample.
    #[inline]
    pub(super) fn retire(&mut self, sample: &Sample, timing: Option<Timing>) {
        self.counts.retire(sample);
        self.tally.remove_one(sample.cause, sample.status);
        if let Some(timing) = timing {
            self.time::<false>(sample, timing);
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

    #[inline]
    fn time<const IN: bool>(&mut self, sample: &Sample, timing: Timing) {
        self.response.apply::<IN>(true, timing.response);
        if let Some(ttfb) = timing.ttfb {
            self.ttfb.apply::<IN>(true, ttfb);
        }
        for (sum, phase) in self.phases.iter_mut().zip(Phase::ALL) {
            let spent = sample.phases.get(phase);
            sum.apply::<IN>(spent.is_some(), spent.map_or(0, crate::model::Micros::get));
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
        sample
            .cause
            .is_timed()
            .then(|| Self { response: sample.total().get(), ttfb: sample.ttfb().map(crate::model::Micros::get) })
    }
}
