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

use crate::model::{Cause, Micros, Phase, Phases, Status, Timeframe, Timestamp};

use super::coverage::Unmade;
use super::facts::{Source, has_head, is_timed, key_of};
use super::{Answer, Counts, Histogram, Latency, Summary};

/// A number of values and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Columns.
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
    /// See [`key_of`].
    key: u32,
    count: u64,
}

impl Tally {
    /// Counts `count` samples of this cause and status in.
    #[inline]
    pub fn add(&mut self, cause: Cause, status: Option<Status>, count: u64) {
        self.add_key(key_of(cause, status), count);
    }

    #[inline]
    fn add_key(&mut self, key: u32, count: u64) {
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
    /// Counts `samples` in, oldest first, and gives `each` the response time of every one that was answered rightly and
    /// its time to first byte, none without a head.
    ///
    /// What stays the same from sample to sample is done once for a run of them: a site nearly always answers as it did
    /// before.
    #[inline]
    pub(super) fn admit<S: Source>(&mut self, samples: &[S], mut each: impl FnMut(u32, Option<u32>)) {
        for samples in samples.chunks(Tallied::MOST) {
            let mut run = Run::of(NO_KEY);
            let mut phases = [Tallied::default(); Phase::ALL.len()];
            let (mut response, mut ttfb, mut skipped) = (0, 0, 0);
            for sample in samples {
                let key = sample.key();
                if key != run.key {
                    self.end(&run);
                    run = Run::of(key);
                }
                run.count += 1;
                skipped += u64::from(sample.skipped());
                if !run.is_timed {
                    continue;
                }
                let [before @ .., transfer] = sample.phases().to_raw();
                let [first @ .., last] = &mut phases;
                let to_head = first.iter_mut().zip(before).map(|(phase, micros)| phase.add(micros)).sum::<u64>();
                let total = to_head + last.add(transfer);
                if total > u64::from(Histogram::HIGHEST) || !run.has_head {
                    // Hardly ever; asked once here, so that what follows need not ask for each of both.
                    let to_head = run.has_head.then(|| saturated(to_head));
                    response += u64::from(saturated(total));
                    ttfb += u64::from(to_head.unwrap_or(0));
                    each(saturated(total), to_head);
                    continue;
                }
                response += total;
                ttfb += to_head;
                each(saturated(total), Some(saturated(to_head)));
            }
            self.end(&run);
            self.counts.skipped += skipped;
            self.response.micros += response;
            self.ttfb.micros += ttfb;
            for (sum, phase) in self.phases.iter_mut().zip(phases) {
                sum.merge(phase.sum());
            }
        }
    }

    /// Counts what all samples of a run have in common.
    #[inline]
    fn end(&mut self, run: &Run) {
        if run.count == 0 {
            return;
        }
        self.tally.add_key(run.key, run.count);
        if run.is_timed {
            self.response.count += run.count;
            self.ttfb.count += if run.has_head { run.count } else { 0 };
        }
        if run.key >> 16 == u32::from(Cause::Ok.code()) {
            self.counts.up += run.count;
        } else if run.key >> 16 == u32::from(Cause::Local.code()) {
            self.counts.unknown += run.count;
        } else {
            self.counts.down += run.count;
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

/// Samples in a row of one key.
struct Run {
    key: u32,
    count: u64,
    is_timed: bool,
    has_head: bool,
}

impl Run {
    #[inline]
    const fn of(key: u32) -> Self {
        Self { key, count: 0, is_timed: is_timed(key), has_head: has_head(key) }
    }
}

/// A [`Sum`] of at most [`Tallied::MOST`] values in one word: the count in the upper 16 bits, the sum below.
#[derive(Clone, Copy, Default)]
struct Tallied(u64);

impl Tallied {
    /// So many 32-bit values stay below 2^48.
    const MOST: usize = u16::MAX as usize;

    /// Counts `micros` in and returns it; nothing and 0 when it is [`ABSENT`].
    #[inline]
    const fn add(&mut self, micros: u32) -> u64 {
        if micros == ABSENT {
            return 0;
        }
        self.0 += 1 << 48 | micros as u64;
        micros as u64
    }

    #[inline]
    const fn sum(self) -> Sum {
        Sum { count: self.0 >> 48, micros: self.0 & ((1 << 48) - 1) }
    }
}

/// As the sum of phases saturates.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "just compared")]
fn saturated(micros: u64) -> u32 {
    const MAX: u64 = Micros::MAX.get() as u64;
    if micros > MAX { MAX as u32 } else { micros as u32 }
}

/// The key of no sample.
const NO_KEY: u32 = u32::MAX;

/// The raw form of a phase that did not take place.
const ABSENT: u32 = Phases::NONE.to_raw()[0];
