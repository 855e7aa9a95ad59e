//! The figures that are sums over samples: counts, durations, and how often each answer occurred.
//!
//! A sum needs no history: a window is what arrived minus what left, a rollup only adds, a merge adds two. Codes,
//! causes and answers derive from one table by (cause, status).
//!
//! Invariants: integers only, so a difference is exact and merging is associative and commutative. Response time and
//! time to first byte cover the samples of [`Cause::is_timed`], each phase those of them in which it took place.
//! Bounds: 64-bit sums of microseconds, 500,000 years.

use std::hint::cold_path;

use crate::model::{Cause, Micros, Phase, Phases, Status, Timeframe, Timestamp};

use super::coverage::Unmade;
use super::facts::{SampleFacts, has_head, is_timed, key_of};
use super::{Answer, Counts, Latency, Summary};

/// A number of values and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseSum {
    /// Columns.
    pub count: u64,
    /// Their sum, µs.
    pub micros: u64,
}

impl PhaseSum {
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

/// How often each (cause, status) occurred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerCounts {
    /// By key, ascending; counts are positive. A site has one to three entries.
    entries: Vec<AnswerEntry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AnswerEntry {
    /// See [`key_of`].
    key: u32,
    count: u64,
}

impl AnswerCounts {
    /// Adds `count` samples of this cause and status.
    #[inline]
    pub fn add(&mut self, cause: Cause, status: Option<Status>, count: u64) {
        self.add_key(key_of(cause, status), count);
    }

    #[inline]
    fn add_key(&mut self, key: u32, count: u64) {
        match self.entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => entry.count += count,
            None if count > 0 => self.insert(AnswerEntry { key, count }),
            None => {}
        }
    }

    /// Each cause and status with its count, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (Cause, Option<Status>, u64)> {
        self.entries.iter().map(|&AnswerEntry { key, count }| {
            let [_, cause, high, low] = key.to_be_bytes();
            let cause = Cause::from_code(cause).expect("made of a cause");
            (cause, Status::new(u16::from_be_bytes([high, low])), count)
        })
    }

    fn since(&self, earlier: &Self) -> Self {
        let before = |key| earlier.entries.iter().find(|entry| entry.key == key).map_or(0, |entry| entry.count);
        let left =
            self.entries.iter().map(|&AnswerEntry { key, count }| AnswerEntry { key, count: count - before(key) });
        Self { entries: left.filter(|entry| entry.count > 0).collect() }
    }

    #[cold]
    fn insert(&mut self, entry: AnswerEntry) {
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
            let answer = Answer::of(cause, status);
            match answers.iter_mut().find(|(is_up, other, _)| (*is_up, *other) == (up, answer)) {
                Some((.., sum)) => *sum += count,
                None => answers.push((up, answer, count)),
            }
        }
        answers.sort_unstable_by_key(|&(up, answer, count)| (up, std::cmp::Reverse(count), answer));
        answers.into_iter().map(|(_, answer, count)| (answer, count)).collect()
    }

    fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<AnswerEntry>()
    }
}

/// The sums of a set of samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Numbers of checks by outcome, and of skipped ones.
    pub counts: Counts,
    /// How often each (cause, status) occurred.
    pub tally: AnswerCounts,
    /// Response times of the successful and the slow checks.
    pub response: PhaseSum,
    /// Times to first byte of the same samples.
    pub ttfb: PhaseSum,
    /// Times in each phase of the same samples, in the order of [`Phase::ALL`].
    pub phases: [PhaseSum; Phase::ALL.len()],
}

impl Totals {
    /// Adds `samples`, oldest first, and passes the response times of the timed ones to `each`, a few at a time, with
    /// their times to first byte, or none if they had no head.
    ///
    /// Shared fields are counted once per run of equal answers: a site nearly always answers as before.
    #[inline]
    pub(super) fn admit<S: SampleFacts>(&mut self, samples: &[S], mut each: impl FnMut(&[u32], &[u32])) {
        for mut samples in samples.chunks(PhaseColumns::MOST) {
            self.counts.skipped += samples.iter().map(|sample| u64::from(sample.skipped())).sum::<u64>();
            let mut columns = PhaseColumns::default();
            while let Some(key) = samples.first().map(SampleFacts::key) {
                let same = samples[1..].iter().position(|sample| sample.key() != key);
                let (run, rest) = samples.split_at(same.map_or(samples.len(), |same| 1 + same));
                self.admit_run(key, run.len() as u64);
                if is_timed(key) {
                    columns.admit_run(run, has_head(key), &mut each);
                }
                samples = rest;
            }
            columns.hand_over(true, &mut each);
            columns.fold_into(self);
        }
    }

    /// Adds the shared fields of `count` samples of this key.
    #[inline]
    fn admit_run(&mut self, key: u32, count: u64) {
        self.tally.add_key(key, count);
        if is_timed(key) {
            self.response.count += count;
            self.ttfb.count += if has_head(key) { count } else { 0 };
        }
        if key >> 16 == u32::from(Cause::Ok.code()) {
            self.counts.up += count;
        } else if key >> 16 == u32::from(Cause::Local.code()) {
            self.counts.unknown += count;
        } else {
            self.counts.down += count;
        }
    }

    /// The sums added since `earlier`, an earlier state of `self`.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let mut phases = self.phases;
        for (phase, earlier) in phases.iter_mut().zip(earlier.phases) {
            *phase = phase.since(earlier);
        }
        Self {
            counts: self.counts.since(&earlier.counts),
            tally: self.tally.since(&earlier.tally),
            response: self.response.since(earlier.response),
            ttfb: self.ttfb.since(earlier.ttfb),
            phases,
        }
    }

    /// Adds the sums of `other`.
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

    /// Bytes on the heap.
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
            availability: counts.availability(),
            coverage: super::coverage::coverage(&counts),
            response,
            ttfb,
            phase_means: self.phases.map(PhaseSum::mean),
            codes: self.tally.codes(),
            causes: self.tally.causes(),
            answers: self.tally.answers(),
        }
    }
}

/// The phases of at most [`PhaseColumns::MOST`] timed samples while they are summed.
#[derive(Default)]
struct PhaseColumns {
    rows: u32,
    sums: [u64; BEFORE],
    absent: [u32; BEFORE],
    transfer: u64,
    no_transfer: u32,
    /// What the sums hold beyond those of the response times and of the times to first byte.
    beyond: (u64, u64),
    /// The two times of the last few samples.
    filled: usize,
    responses: [u32; PhaseColumns::FEW],
    ttfbs: [u32; PhaseColumns::FEW],
}

/// Phases before the transfer.
const BEFORE: usize = Phase::ALL.len() - 1;

impl PhaseColumns {
    /// Keeps the number of rows within 32 bits.
    const MOST: usize = 1 << 20;
    const FEW: usize = 16;

    /// Sums `run` and passes its times to `each`, a few at a time.
    #[inline]
    fn admit_run<S: SampleFacts>(&mut self, mut run: &[S], has_head: bool, each: &mut impl FnMut(&[u32], &[u32])) {
        if !has_head {
            // Rare. The buffered times had a head and go first.
            self.hand_over(true, each);
        }
        while !run.is_empty() {
            let (few, rest) = run.split_at(run.len().min(Self::FEW - self.filled));
            self.admit(few, has_head);
            if self.filled == Self::FEW || !has_head {
                self.hand_over(has_head, each);
            }
            run = rest;
        }
    }

    #[inline]
    fn hand_over(&mut self, has_head: bool, each: &mut impl FnMut(&[u32], &[u32])) {
        let filled = std::mem::take(&mut self.filled);
        each(&self.responses[..filled], &self.ttfbs[..if has_head { filled } else { 0 }]);
    }

    /// Sums `few` samples, whose times fit the buffers.
    ///
    /// A function of its own without calls in its loop, so the compiler vectorizes the phases before the transfer.
    #[inline(never)]
    fn admit<S: SampleFacts>(&mut self, few: &[S], has_head: bool) {
        let (mut sums, mut absent) = (self.sums, self.absent);
        let (mut transfers, mut no_transfer) = (0, 0);
        let responses = &mut self.responses[self.filled..];
        let ttfbs = &mut self.ttfbs[self.filled..];
        for ((sample, response), ttfb) in few.iter().zip(responses).zip(ttfbs) {
            let [before @ .., transfer] = sample.phases().to_raw();
            let is_absent = before.map(|micros| if micros == ABSENT { u32::MAX } else { 0 });
            let mut there = [0; BEFORE];
            for phase in 0..BEFORE {
                absent[phase] = absent[phase].wrapping_sub(is_absent[phase]);
                there[phase] = u64::from(before[phase] & !is_absent[phase]);
                sums[phase] += there[phase];
            }
            let to_head = (there[0] + there[2]) + (there[1] + there[3]);
            let moved = if transfer == ABSENT { 0 } else { u64::from(transfer) };
            no_transfer += u32::from(transfer == ABSENT);
            transfers += moved;
            let total = to_head + moved;
            (*response, *ttfb) = (saturated(total), saturated(to_head));
            if total > u64::from(Micros::MAX.get()) {
                // More than an hour.
                cold_path();
                self.beyond.0 += total - u64::from(*response);
                self.beyond.1 += to_head - u64::from(*ttfb);
            }
        }
        (self.sums, self.absent) = (sums, absent);
        self.transfer += transfers;
        self.no_transfer += no_transfer;
        self.rows += u32::try_from(few.len()).expect("a few");
        if !has_head {
            self.beyond.1 += self.ttfbs[self.filled..][..few.len()].iter().map(|&ttfb| u64::from(ttfb)).sum::<u64>();
        }
        self.filled += few.len();
    }

    fn fold_into(&self, totals: &mut Totals) {
        let Self { rows, sums, absent, transfer, no_transfer, beyond, .. } = *self;
        let to_head: u64 = sums.iter().sum();
        totals.response.micros += to_head + transfer - beyond.0;
        totals.ttfb.micros += to_head - beyond.1;
        let [first @ .., last] = &mut totals.phases;
        for ((sum, micros), absent) in first.iter_mut().zip(sums).zip(absent) {
            sum.merge(PhaseSum { count: u64::from(rows - absent), micros });
        }
        last.merge(PhaseSum { count: u64::from(rows - no_transfer), micros: transfer });
    }
}

/// Saturates like the sum of phases.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "just compared")]
const fn saturated(micros: u64) -> u32 {
    const MAX: u64 = Micros::MAX.get() as u64;
    if micros > MAX { MAX as u32 } else { micros as u32 }
}

/// The raw form of a phase that did not take place.
const ABSENT: u32 = Phases::NONE.to_raw()[0];
