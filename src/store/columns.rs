//! Samples of one site as columns of small numbers: the code that blocks and journal entries share.
//!
//! Idea: each field is a column of small integers, in an order in which each can be read with what was read before:
//!
//! ```text
//! verdicts   runs of (status 10 | phases present 5 | http 2 | flags 4 | cause 6 | redirects 8, how many)
//! skips      runs of (skipped, how many)
//! late       µs
//! phases     resolve … transfer, only where present: µs as the difference to a running mean of those before
//! bytes      as the difference to the one before
//! due        at − total − late, as the difference of differences: on schedule it is 0
//! ```
//!
//! Late and the phases are byte-wise columns (see [`super::bytes`]), the others varints.
//!
//! Delta of deltas for times: Pelkonen et al., "Gorilla" (VLDB 2015); run lengths and zig-zag deltas as in Apache
//! Parquet. Latencies are noise and hardly compress: general compressors save less than a tenth of this at many
//! times its cost. Invariants: lossless for every sample; the columns do not hold their number of samples nor
//! their base time: both are in the header around them. Limits: [`SAMPLE_MIN`] and [`SAMPLE_MAX`] bytes a
//! sample, so decoding allocates at most in proportion to the bytes it was given.

use crate::model::{Cause, Flags, Http, Micros, Phase, Phases, Sample, Status, Timestamp};

use super::bytes::{self, Column, NUMBER_MAX};
use super::wire::{Cursor, Damage, put, put_signed};

/// A sample takes at least this many bytes: late, bytes and due are never absent.
pub const SAMPLE_MIN: usize = 3;

/// A sample takes at most this many bytes, its own runs included.
pub const SAMPLE_MAX: usize = (5 + 3) + (5 + 3) + 6 * NUMBER_MAX + 5 + 10;

/// The last runs of both columns, at their largest.
const RUNS_OPEN_MAX: usize = 16;

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
    fn push(&mut self, value: u64) {
        if self.length > 0 && value == self.value {
            self.length += 1;
            return;
        }
        self.close();
        self.value = value;
        self.length = 1;
    }

    fn close(&mut self) {
        if self.length > 0 {
            put(&mut self.encoded, self.value);
            put(&mut self.encoded, self.length);
            self.length = 0;
        }
    }
}

/// Collects samples of one site, in order, and writes their columns.
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
    /// Forgets everything; the first due time will be told as its distance from `base`.
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

    /// Takes in the next sample; at most `SAMPLES_MAX` since the restart.
    pub fn push(&mut self, sample: &Sample) {
        debug_assert!(self.count < SAMPLES_MAX, "the caller splits longer runs");
        self.verdicts.push(verdict(sample));
        self.skips.push(u64::from(sample.skipped));
        self.late.push(sample.late.get());
        for ((column, mean), raw) in self.phases.iter_mut().zip(&mut self.means).zip(sample.phases.to_raw()) {
            if raw <= Micros::MAX.get() {
                column.push(zigzag(raw.wrapping_sub(mean.0)));
                mean.follow(raw);
            }
        }
        put_signed(&mut self.bytes, i64::from(sample.bytes) - i64::from(self.last_bytes));
        self.last_bytes = sample.bytes;
        let due = due(sample);
        let step = due - self.last_due;
        put_signed(&mut self.due, step - self.last_step);
        self.last_due = due;
        self.last_step = step;
        self.count += 1;
    }

    /// Samples taken in since the restart.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Bytes that [`Encoder::finish`] will write, open runs at their largest.
    #[must_use]
    pub fn size(&self) -> usize {
        let runs = self.verdicts.encoded.len() + self.skips.encoded.len() + RUNS_OPEN_MAX;
        let phases: usize = self.phases.iter().map(Column::size).sum();
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

/// Appends the `count` samples of `columns` to `out`; on damage `out` is as before.
pub fn decode(columns: &[u8], count: usize, base: Timestamp, out: &mut Vec<Sample>) -> Result<(), Damage> {
    if count > SAMPLES_MAX || count * SAMPLE_MIN > columns.len() {
        return Err(Damage::Range);
    }
    let start = out.len();
    let mut cursor = Cursor(columns);
    let decoded = decode_columns(&mut cursor, count, base, out, start);
    let decoded = decoded.and(if cursor.left() == 0 { Ok(()) } else { Err(Damage::Range) });
    if decoded.is_err() {
        out.truncate(start);
    }
    decoded
}

fn decode_columns(
    cursor: &mut Cursor<'_>,
    count: usize,
    base: Timestamp,
    out: &mut Vec<Sample>,
    start: usize,
) -> Result<(), Damage> {
    out.reserve(count);
    runs(cursor, count, |value, length| {
        let sample = from_verdict(value).ok_or(Damage::Range)?;
        out.extend(std::iter::repeat_n(sample, length));
        Ok(())
    })?;
    let samples = &mut out[start..];
    let mut done = 0;
    runs(cursor, count, |value, length| {
        let skipped = u32::try_from(value).map_err(|_| Damage::Range)?;
        samples[done..done + length].iter_mut().for_each(|sample| sample.skipped = skipped);
        done += length;
        Ok(())
    })?;
    let mut numbers = Vec::new();
    bytes::take(cursor, count, &mut numbers)?;
    for (sample, &late) in samples.iter_mut().zip(&numbers) {
        sample.late = present(late)?;
    }
    let mut phases: Vec<[u32; 5]> = samples.iter().map(|sample| sample.phases.to_raw()).collect();
    for phase in Phase::ALL {
        take_phase(phase, cursor, &mut phases, &mut numbers)?;
    }
    // A copy of the cursor stays in registers.
    let (mut varints, mut last) = (*cursor, 0);
    for sample in &mut *samples {
        sample.bytes = u32::try_from(varints.take_signed()?.wrapping_add(last)).map_err(|_| Damage::Range)?;
        last = i64::from(sample.bytes);
    }
    for (sample, raws) in samples.iter_mut().zip(phases) {
        sample.phases = Phases::from_raw(raws);
    }
    *cursor = take_times(varints, base, samples)?;
    Ok(())
}

/// Fills in `phase` where it is present.
fn take_phase(
    phase: Phase,
    cursor: &mut Cursor<'_>,
    phases: &mut [[u32; 5]],
    numbers: &mut Vec<u32>,
) -> Result<(), Damage> {
    let index = phase as usize;
    let took_place = |raw: &u32| *raw <= Micros::MAX.get();
    let count = phases.iter().filter(|raws| took_place(&raws[index])).count();
    bytes::take(cursor, count, numbers)?;
    let mut mean = Mean::default();
    let mut largest = 0;
    let raws = phases.iter_mut().map(|raws| &mut raws[index]).filter(|raw| took_place(raw));
    for (raw, &difference) in raws.zip(&*numbers) {
        *raw = mean.0.wrapping_add(unzigzag(difference));
        mean.follow(*raw);
        largest = largest.max(*raw);
    }
    // The mark of absence is not a number.
    present(largest).map(drop)
}

/// Fills in the times, everything else being known.
fn take_times<'a>(mut cursor: Cursor<'a>, base: Timestamp, samples: &mut [Sample]) -> Result<Cursor<'a>, Damage> {
    let (mut due, mut step) = (micros(base), 0i64);
    for sample in samples {
        step = step.wrapping_add(cursor.take_signed()?);
        due = due.wrapping_add(step);
        let spent = i64::from(sample.total().get()) + i64::from(sample.late.get());
        let at = u64::try_from(due.wrapping_add(spent)).map_err(|_| Damage::Range)?;
        if at > Timestamp::MAX.as_micros() {
            return Err(Damage::Range);
        }
        sample.at = Timestamp::from_micros(at);
    }
    Ok(cursor)
}

/// What the next number of a noisy column is expected to be: nearer to it than the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Mean(u32);

impl Mean {
    /// Moves a quarter of the way to `number`, all the way from zero. Wraps the same in both directions.
    const fn follow(&mut self, number: u32) {
        let quarter = (number.wrapping_sub(self.0).cast_signed() >> 2).cast_unsigned();
        self.0 = if self.0 == 0 { number } else { self.0.wrapping_add(quarter) };
    }
}

/// A difference of either sign (in two's complement) such that small magnitudes are small.
const fn zigzag(difference: u32) -> u32 {
    (difference << 1) ^ (difference.cast_signed() >> 31).cast_unsigned()
}

/// What [`zigzag`] was given.
const fn unzigzag(mapped: u32) -> u32 {
    (mapped >> 1) ^ (mapped & 1).wrapping_neg()
}

/// A number of µs that is not the mark of absence.
fn present(raw: u32) -> Result<Micros, Damage> {
    if raw <= Micros::MAX.get() { Ok(Micros::new(raw)) } else { Err(Damage::Range) }
}

/// Calls `each` with the runs of a column that has `count` values.
fn runs(
    cursor: &mut Cursor<'_>,
    count: usize,
    mut each: impl FnMut(u64, usize) -> Result<(), Damage>,
) -> Result<(), Damage> {
    let mut left = count;
    while left > 0 {
        let value = cursor.take()?;
        let length = cursor.take_as()?;
        if length == 0 || length > left {
            return Err(Damage::Range);
        }
        each(value, length)?;
        left -= length;
    }
    Ok(())
}

const fn micros(at: Timestamp) -> i64 {
    at.as_micros().cast_signed()
}

fn due(sample: &Sample) -> i64 {
    micros(sample.at) - i64::from(sample.total().get()) - i64::from(sample.late.get())
}

/// Everything that seldom changes from one sample to the next, most frequent bits lowest.
fn verdict(sample: &Sample) -> u64 {
    let present = sample.phases.to_raw().into_iter().enumerate();
    let present = present.fold(0, |mask, (phase, raw)| mask | u64::from(raw <= Micros::MAX.get()) << phase);
    u64::from(sample.status.map_or(0, Status::get))
        | present << 10
        | u64::from(sample.http as u8) << 15
        | u64::from(sample.flags.bits()) << 17
        | u64::from(sample.cause.code()) << 21
        | u64::from(sample.redirects) << 27
}

/// A sample of this verdict in which every other number is zero.
fn from_verdict(verdict: u64) -> Option<Sample> {
    let [low, ..] = verdict.to_le_bytes().map(u64::from);
    let byte = |shift: u32, mask: u64| u8::try_from(verdict >> shift & mask).expect("the mask has at most eight bits");
    let status = u16::try_from(low | verdict & 0x300).expect("ten bits");
    let present = byte(10, 31);
    Some(Sample {
        at: Timestamp::ZERO,
        phases: Phases::from_raw(std::array::from_fn(|phase| if present >> phase & 1 == 1 { 0 } else { u32::MAX })),
        cause: Cause::from_code(byte(21, 63))?,
        status: match status {
            0 => None,
            code => Some(Status::new(code)?),
        },
        http: Http::from_bits(byte(15, 3)),
        flags: Flags::from_bits(byte(17, 15)),
        bytes: 0,
        redirects: if verdict >> 35 == 0 { byte(27, 255) } else { return None },
        late: Micros::ZERO,
        skipped: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::super::trial::{Noise, day, samples};
    use super::*;
    use proptest::prelude::*;

    fn encode(samples: &[Sample], base: Timestamp) -> Vec<u8> {
        let mut encoder = Encoder::default();
        let mut out = Vec::new();
        encoder.restart(base);
        for sample in samples {
            encoder.push(sample);
        }
        assert_eq!(encoder.count(), samples.len());
        let bound = encoder.size();
        encoder.finish(&mut out);
        assert!(out.len() <= bound && bound <= samples.len() * SAMPLE_MAX + 16, "{} {bound}", out.len());
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
            for sample in &samples {
                encoder.push(sample);
            }
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
