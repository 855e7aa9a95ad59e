//! Samples of one site as columns of small numbers: the encoding of blocks, and of journal entries of version 1.
//!
//! Each field is a column of small integers, in an order in which each can be read with those before it:
//!
//! ```text
//! verdicts   runs of (status 10 | phases present 5 | http, low bits 2 | flags 4 | cause 6 | redirects 8 | http, high bit 1,
//!            how many); columns of blocks of version 1, and of journal entries, have no high bit
//! skips      runs of (skipped, how many)
//! late       µs
//! phases     resolve … transfer, only where present: µs as the difference to a running mean of those before
//! bytes      as the difference to the one before
//! due        at − total − late, as the difference of differences: on schedule it is 0
//! ```
//!
//! Late and the phases are byte-wise columns (see [`super::stream_vbyte`]), the others varints. Delta of deltas for
//! times: Pelkonen et al., "Gorilla" (VLDB 2015); run lengths and zig-zag deltas as in Apache Parquet. Latencies are
//! noise: general compressors save less than a tenth at many times the cost.
//!
//! Invariants: lossless for every sample; the columns hold neither their number of samples nor their base time.
//! Bounds: [`SAMPLE_MIN`] to [`SAMPLE_MAX`] bytes per sample, so decoding allocates in proportion to its input.

use crate::model::{Micros, Sample, Status, Timestamp};

use super::frame::{put, put_signed};
use super::stream_vbyte::{Column, NUMBER_MAX};

/// A sample takes at least this many bytes: late, bytes and due are never absent.
pub const SAMPLE_MIN: usize = 3;

/// A sample takes at most this many bytes, its own runs included.
pub const SAMPLE_MAX: usize = (6 + 3) + (5 + 3) + 6 * NUMBER_MAX + 5 + 10;

/// The last runs of both columns, at their largest.
const RUNS_OPEN_MAX: usize = (6 + 3) + (5 + 3);

/// Samples in one set of columns, so that a run length has at most three bytes.
pub const SAMPLES_MAX: usize = 1 << 16;

/// A column of repeated values.
#[derive(Debug, Default)]
struct Runs {
    encoded: Vec<u8>,
    value: u64,
    length: u64,
}

impl Runs {
    /// Adds `value`, `times` times.
    fn push(&mut self, value: u64, times: usize) {
        if value != self.value {
            self.close();
            self.value = value;
        }
        self.length += times as u64;
    }

    fn close(&mut self) {
        if self.length > 0 {
            put(&mut self.encoded, self.value);
            put(&mut self.encoded, self.length);
            self.length = 0;
        }
    }
}

/// Encodes samples of one site, in order, as columns.
#[derive(Debug, Default)]
pub struct Encoder {
    verdicts: Runs,
    skips: Runs,
    late: Column,
    phases: [Column; 5],
    bytes: Vec<u8>,
    due: Vec<u8>,
    means: [Mean; 5],
    last_bytes: u32,
    last_due: i64,
    last_step: i64,
    count: usize,
}

impl Encoder {
    /// Starts over; the first due time is encoded relative to `base`.
    pub fn restart(&mut self, base: Timestamp) {
        for runs in [&mut self.verdicts, &mut self.skips] {
            runs.encoded.clear();
            runs.length = 0;
        }
        self.late.clear();
        self.phases.iter_mut().for_each(Column::clear);
        self.bytes.clear();
        self.due.clear();
        self.means = [Mean::default(); 5];
        self.last_bytes = 0;
        self.last_due = micros(base);
        self.last_step = 0;
        self.count = 0;
    }

    /// Adds the next samples, at most `SAMPLES_MAX` since the restart.
    pub fn push_all(&mut self, mut samples: &[Sample]) {
        debug_assert!(self.count + samples.len() <= SAMPLES_MAX, "the caller splits longer runs");
        while let Some(first) = samples.first() {
            // Nearly every sample is like the one before it.
            let verdict = verdict(first);
            let other = |sample: &Sample| self::verdict(sample) != verdict || sample.skipped != first.skipped;
            let (run, rest) = samples.split_at(samples.iter().position(other).unwrap_or(samples.len()));
            self.verdicts.push(verdict, run.len());
            self.skips.push(u64::from(first.skipped), run.len());
            self.push_run(run, verdict >> PRESENT_SHIFT & ALL_PRESENT);
            samples = rest;
        }
    }

    /// Adds samples that all have these phases.
    fn push_run(&mut self, run: &[Sample], present: u64) {
        // All phases in one loop, because their predictions are independent.
        let mut means = self.means;
        if present == ALL_PRESENT {
            let [resolve, connect, tls, processing, transfer] = &mut self.phases;
            let columns = [resolve, connect, tls, processing, transfer].map(|column| column.grow(run.len()));
            for (index, sample) in run.iter().enumerate() {
                for (phase, raw) in sample.phases.to_raw().into_iter().enumerate() {
                    columns[phase][index] = means[phase].difference(raw);
                }
            }
        } else {
            for sample in run {
                for (phase, raw) in sample.phases.to_raw().into_iter().enumerate() {
                    if present >> phase & 1 == 1 {
                        self.phases[phase].push(means[phase].difference(raw));
                    }
                }
            }
        }
        self.means = means;
        for (late, sample) in self.late.grow(run.len()).iter_mut().zip(run) {
            *late = sample.late.get();
        }
        for sample in run {
            put_signed(&mut self.bytes, i64::from(sample.bytes) - i64::from(self.last_bytes));
            self.last_bytes = sample.bytes;
            let due = micros(sample.at) - i64::from(sample.total().get()) - i64::from(sample.late.get());
            let step = due - self.last_due;
            put_signed(&mut self.due, step - self.last_step);
            self.last_due = due;
            self.last_step = step;
        }
        self.count += run.len();
    }

    /// Samples added since the restart.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Bytes that [`Encoder::finish`] will write, open runs at their largest.
    #[must_use]
    pub fn size(&mut self) -> usize {
        let runs = self.verdicts.encoded.len() + self.skips.encoded.len() + RUNS_OPEN_MAX;
        let phases: usize = self.phases.iter_mut().map(Column::size).sum();
        runs + self.late.size() + phases + self.bytes.len() + self.due.len()
    }

    /// Appends the columns to `out`.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        for runs in [&mut self.verdicts, &mut self.skips] {
            runs.close();
            out.extend_from_slice(&runs.encoded);
        }
        self.late.finish(out);
        self.phases.iter().for_each(|column| column.finish(out));
        out.extend_from_slice(&self.bytes);
        out.extend_from_slice(&self.due);
    }
}

/// Every phase took place.
const ALL_PRESENT: u64 = 0b1_1111;

/// A bit for each phase that took place.
fn present(sample: &Sample) -> u64 {
    let raw = sample.phases.to_raw();
    raw.iter().rev().fold(0, |bits, &raw| bits << 1 | u64::from(raw <= Micros::MAX.get()))
}

/// The prediction for the next number of a noisy column, better than the previous number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean(u32);

impl Mean {
    /// The encoded form of the next number.
    #[inline]
    fn difference(&mut self, number: u32) -> u32 {
        let difference = number.wrapping_sub(self.0);
        self.follow(difference);
        zigzag(difference)
    }

    /// The next number, from its encoded form.
    #[inline]
    pub const fn next(&mut self, mapped: u32) -> u32 {
        let difference = unzigzag(mapped);
        let number = self.0.wrapping_add(difference);
        self.follow(difference);
        number
    }

    /// Moves a quarter of the way to the number at this distance, all the way from zero. Wraps the same in both
    /// directions.
    const fn follow(&mut self, difference: u32) {
        let quarter = (difference.cast_signed() >> 2).cast_unsigned();
        self.0 = self.0.wrapping_add(if self.0 == 0 { difference } else { quarter });
    }
}

/// A difference of either sign (in two's complement) such that small magnitudes are small.
const fn zigzag(difference: u32) -> u32 {
    (difference << 1) ^ (difference.cast_signed() >> 31).cast_unsigned()
}

/// The inverse of [`zigzag`].
const fn unzigzag(mapped: u32) -> u32 {
    (mapped >> 1) ^ (mapped & 1).wrapping_neg()
}

const fn micros(at: Timestamp) -> i64 {
    at.as_micros().cast_signed()
}

/// Where the bits of the phases are in a verdict.
const PRESENT_SHIFT: u32 = 10;

/// Everything that seldom changes from one sample to the next, most frequent bits lowest.
#[inline]
fn verdict(sample: &Sample) -> u64 {
    u64::from(sample.status.map_or(0, Status::get))
        | present(sample) << PRESENT_SHIFT
        | u64::from(sample.http.code() & 3) << 15
        | u64::from(sample.flags.bits()) << 17
        | u64::from(sample.cause.code()) << 21
        | u64::from(sample.redirects) << 27
        | u64::from(sample.http.code() >> 2) << 35
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::codec::decoder::decode;
    use crate::store::tests::samples::{Noise, day, samples};
    use proptest::prelude::*;

    fn encode(samples: &[Sample], base: Timestamp) -> Vec<u8> {
        let mut encoder = Encoder::default();
        let mut out = Vec::new();
        encoder.restart(base);
        encoder.push_all(samples);
        assert_eq!(encoder.count(), samples.len());
        let bound = encoder.size();
        encoder.finish(&mut out);
        assert!(out.len() <= bound && bound <= samples.len() * SAMPLE_MAX + RUNS_OPEN_MAX, "{} {bound}", out.len());
        out
    }

    proptest! {
        #[test]
        fn any_samples_read_back(samples in prop::collection::vec(samples(), 0..60), base: u64) {
            let base = Timestamp::from_micros(base >> 8);
            let mut back = vec![];
            prop_assert_eq!(decode(&encode(&samples, base), samples.len(), base, &mut back), Ok(()));
            prop_assert_eq!(back, samples);
        }

        #[test]
        fn any_bytes_decode_or_are_refused(columns: Vec<u8>, count in 0usize..200, base: u64) {
            let mut out = Vec::new();
            if decode(&columns, count, Timestamp::from_micros(base), &mut out).is_err() {
                prop_assert!(out.is_empty());
            }
            prop_assert!(out.capacity() <= columns.len() / SAMPLE_MIN + 4);
        }
    }

    #[test]
    fn mutations_of_real_columns_never_panic() {
        let samples = day(200);
        let columns = encode(&samples, samples[0].at);
        let mut noise = Noise(7);
        let mut refused = 0;
        for _ in 0..20_000 {
            let mut hostile = columns.clone();
            for _ in 0..=noise.below(4) {
                let index = usize::try_from(noise.below(hostile.len() as u64)).unwrap();
                hostile[index] = hostile[index].wrapping_add(u8::try_from(noise.below(255) + 1).unwrap());
            }
            hostile.truncate(hostile.len() - usize::try_from(noise.below(3)).unwrap());
            refused += u32::from(decode(&hostile, samples.len(), samples[0].at, &mut Vec::new()).is_err());
        }
        assert!(refused > 10_000, "{refused}");
    }

    #[test]
    fn an_encoder_is_used_again_without_a_trace_of_the_last_time() {
        let samples = day(50);
        let mut encoder = Encoder::default();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for out in [&mut first, &mut second] {
            encoder.restart(samples[0].at);
            // In parts: it makes no difference.
            samples.chunks(if out.capacity() == 0 { 7 } else { 50 }).for_each(|part| encoder.push_all(part));
            encoder.finish(out);
        }
        assert_eq!(first, second);
    }

    /// The budget of the design: at most 15 bytes a sample with every field, on a day like real ones.
    #[test]
    fn a_day_of_samples_takes_at_most_fifteen_bytes_each() {
        let samples = day(8640);
        let bytes: usize = samples.chunks(280).map(|chunk| encode(chunk, chunk[0].at).len()).sum();
        let hundredths = bytes * 100 / samples.len();
        assert!(hundredths <= 1_500, "{hundredths} hundredths of a byte a sample");
        assert!(hundredths > 900, "{hundredths}: the trial data is too tame to prove anything");
    }
}
