//! Decoding of columns; [`super::columns`] describes them.
//!
//! Every column is first read into plain numbers, in loops without a dependency on the kind of sample; one pass over
//! the runs of verdicts then assembles the samples, with shared fields decoded once per run. The runs are read twice
//! rather than stored.
//!
//! Invariants: reading never panics, whatever the bytes are.
//! Bounds: four bytes per sample and column are allocated beside the samples, none for up to [`FEW`] samples: most
//! groups of a journal have one.

use crate::model::{Cause, Flags, Http, Micros, Phase, Phases, Sample, Status, Timestamp};

use super::columns::{Mean, SAMPLE_MIN, SAMPLES_MAX};
use super::frame::{Cursor, Damage};
use super::stream_vbyte;

/// Phases of a sample.
const PHASES: usize = Phase::ALL.len();

/// Columns of numbers: late, the phases, bytes.
const COLUMNS: usize = PHASES + 2;

/// Up to this many samples are read without an allocation.
const FEW: usize = 16;

/// The stored value of a phase that did not take place.
const ABSENT: u32 = u32::MAX;

/// Appends the `count` samples of `columns` to `out`; on damage `out` is as before.
pub fn decode(columns: &[u8], count: usize, base: Timestamp, out: &mut Vec<Sample>) -> Result<(), Damage> {
    if count > SAMPLES_MAX || count * SAMPLE_MIN > columns.len() {
        return Err(Damage::Range);
    }
    let start = out.len();
    let (mut few, mut many) = ([0; FEW * COLUMNS], Vec::new());
    let numbers = if count <= FEW {
        &mut few[..count * COLUMNS]
    } else {
        many.resize(count * COLUMNS, 0);
        many.as_mut_slice()
    };
    let decoded = BlockColumns::read(columns, count, numbers).and_then(|columns| columns.assemble(base, out));
    if decoded.is_err() {
        out.truncate(start);
    }
    decoded
}

/// All columns; the times are still encoded.
struct BlockColumns<'a> {
    count: usize,
    /// The runs, whose lengths are known to be sound.
    verdicts: Cursor<'a>,
    skips: Cursor<'a>,
    /// Whether a check was ever skipped.
    any_skipped: bool,
    late: &'a [u32],
    /// The times of each phase, of the samples in which it took place.
    phases: [&'a [u32]; PHASES],
    bytes: &'a [u32],
    /// The encoded times.
    due: Cursor<'a>,
}

impl<'a> BlockColumns<'a> {
    /// Reads the columns at the front of `columns` into `numbers`, which has room for them.
    fn read(columns: &'a [u8], count: usize, numbers: &'a mut [u32]) -> Result<Self, Damage> {
        let mut cursor = Cursor(columns);
        let verdicts = cursor;
        let mut present = [0; PHASES];
        runs(&mut cursor, count, |verdict, length| {
            for (phase, present) in present.iter_mut().enumerate() {
                *present += if took_place(verdict, phase) { length } else { 0 };
            }
            Ok(())
        })?;
        let skips = cursor;
        let mut any_skipped = false;
        runs(&mut cursor, count, |skipped, _| {
            any_skipped |= skipped > 0;
            u32::try_from(skipped).map(drop).map_err(|_| Damage::Range)
        })?;
        let (late, numbers) = numbers.split_at_mut(count);
        // The marker of absence must not occur as a number.
        let mut largest = 0;
        stream_vbyte::take(&mut cursor, late, |late| {
            largest = largest.max(late);
            late
        })?;
        let (bytes, mut numbers) = numbers.split_at_mut(count);
        let mut phases: [&[u32]; PHASES] = [&[]; PHASES];
        for (phase, present) in phases.iter_mut().zip(present) {
            let (column, rest) = numbers.split_at_mut(present);
            let mut mean = Mean::default();
            stream_vbyte::take(&mut cursor, column, |difference| {
                let micros = mean.next(difference);
                largest = largest.max(micros);
                micros
            })?;
            (*phase, numbers) = (column, rest);
        }
        if largest > Micros::MAX.get() {
            return Err(Damage::Range);
        }
        take_differences(&mut cursor, bytes)?;
        Ok(Self { count, verdicts, skips, any_skipped, late, phases, bytes, due: cursor })
    }

    /// Appends the samples to `out`; nothing may be left behind them.
    fn assemble(mut self, base: Timestamp, out: &mut Vec<Sample>) -> Result<(), Damage> {
        let start = out.len();
        out.reserve(self.count);
        let mut times = DueTimes { due: base.as_micros().cast_signed(), step: 0, cursor: self.due };
        let mut verdicts = self.verdicts;
        runs(&mut verdicts, self.count, |verdict, length| self.run(verdict, length, &mut times, out))?;
        if self.any_skipped {
            let mut samples = &mut out[start..];
            runs(&mut self.skips, self.count, |skipped, length| {
                let (run, rest) = std::mem::take(&mut samples).split_at_mut(length);
                let skipped = u32::try_from(skipped).map_err(|_| Damage::Range)?;
                for sample in run {
                    sample.skipped = skipped;
                }
                samples = rest;
                Ok(())
            })?;
        }
        if times.cursor.left() == 0 { Ok(()) } else { Err(Damage::Range) }
    }

    /// Appends the next `length` samples, which share a verdict.
    fn run(
        &mut self,
        verdict: u64,
        length: usize,
        so_far: &mut DueTimes<'a>,
        out: &mut Vec<Sample>,
    ) -> Result<(), Damage> {
        // A copy stays in registers.
        let mut times = *so_far;
        let common = from_verdict(verdict).ok_or(Damage::Range)?;
        let (late, bytes) = (split(&mut self.late, length), split(&mut self.bytes, length));
        let present: [bool; PHASES] = std::array::from_fn(|phase| took_place(verdict, phase));
        let mut columns: [&[u32]; PHASES] = [&[]; PHASES];
        for ((column, phase), _) in
            columns.iter_mut().zip(&mut self.phases).zip(present).filter(|(_, present)| *present)
        {
            *column = split(phase, length);
        }
        // In place: building a sample elsewhere and copying it takes as long as all the rest.
        let start = out.len();
        out.extend(std::iter::repeat_n(common, length));
        let samples = out[start..].iter_mut().zip(late).zip(bytes).enumerate();
        if let [true, true, true, true, true] = present {
            // Nearly every sample over TLS: without a test per phase.
            let [resolve, connect, tls, processing, transfer] = columns.map(|column| &column[..length]);
            for (index, ((sample, &late), &bytes)) in samples {
                let raws = [resolve[index], connect[index], tls[index], processing[index], transfer[index]];
                let spent = raws.iter().map(|&micros| u64::from(micros)).sum();
                (sample.late, sample.bytes, sample.phases) = (Micros::new(late), bytes, Phases::from_raw(raws));
                sample.at = times.next(spent, late)?;
            }
            *so_far = times;
            return Ok(());
        }
        for (index, ((sample, &late), &bytes)) in samples {
            let raws = columns.map(|column| column.get(index).copied().unwrap_or(ABSENT));
            let spent = raws.iter().filter(|&&micros| micros != ABSENT).map(|&micros| u64::from(micros)).sum();
            (sample.late, sample.bytes, sample.phases) = (Micros::new(late), bytes, Phases::from_raw(raws));
            sample.at = times.next(spent, late)?;
        }
        *so_far = times;
        Ok(())
    }
}

/// Splits the first `length` numbers off.
fn split<'a>(numbers: &mut &'a [u32], length: usize) -> &'a [u32] {
    let (first, rest) = numbers.split_at(length);
    *numbers = rest;
    first
}

/// When checks were due, one after the other.
#[derive(Clone, Copy)]
struct DueTimes<'a> {
    due: i64,
    step: i64,
    cursor: Cursor<'a>,
}

impl DueTimes<'_> {
    /// When the outcome of the next check was known, of which the phases took `spent`.
    #[inline]
    fn next(&mut self, spent: u64, late: u32) -> Result<Timestamp, Damage> {
        self.step = self.step.wrapping_add(self.cursor.take_signed()?);
        self.due = self.due.wrapping_add(self.step);
        let spent = spent.min(u64::from(Micros::MAX.get())) + u64::from(late);
        // A negative number is far above the maximum.
        let at = self.due.wrapping_add_unsigned(spent).cast_unsigned();
        if at > Timestamp::MAX.as_micros() { Err(Damage::Range) } else { Ok(Timestamp::from_micros(at)) }
    }
}

/// Fills `numbers` with those of a column of differences.
fn take_differences(cursor: &mut Cursor<'_>, mut numbers: &mut [u32]) -> Result<(), Damage> {
    // A copy of the cursor stays in registers.
    let (mut varints, mut last) = (*cursor, 0);
    while !numbers.is_empty() {
        // Pages seldom change: eight equal sizes are eight zeros.
        if numbers.len() >= 8 && varints.0.first_chunk() == Some(&[0; 8]) {
            let (same, rest) = std::mem::take(&mut numbers).split_at_mut(8);
            same.fill(last);
            (numbers, varints.0) = (rest, &varints.0[8..]);
            continue;
        }
        let (number, rest) = std::mem::take(&mut numbers).split_first_mut().expect("it is not empty");
        last = u32::try_from(varints.take_signed()?.wrapping_add(i64::from(last))).map_err(|_| Damage::Range)?;
        (*number, numbers) = (last, rest);
    }
    *cursor = varints;
    Ok(())
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

/// Whether the phase of this number took place in samples of this verdict.
const fn took_place(verdict: u64, phase: usize) -> bool {
    verdict >> (10 + phase) & 1 == 1
}

/// A sample of this verdict in which every number is zero and every phase absent.
fn from_verdict(verdict: u64) -> Option<Sample> {
    if verdict >> 36 > 0 {
        return None;
    }
    let [low, ..] = verdict.to_le_bytes().map(u64::from);
    let byte = |shift: u32, mask: u64| u8::try_from(verdict >> shift & mask).expect("the mask has at most eight bits");
    let status = u16::try_from(low | verdict & 0x300).expect("ten bits");
    Some(Sample {
        at: Timestamp::ZERO,
        phases: Phases::NONE,
        cause: Cause::from_code(byte(21, 63))?,
        status: match status {
            0 => None,
            code => Some(Status::new(code)?),
        },
        http: Http::from_code(byte(15, 3) | byte(35, 1) << 2)?,
        flags: Flags::from_bits(byte(17, 15)),
        bytes: 0,
        redirects: byte(27, 255),
        late: Micros::ZERO,
        skipped: 0,
    })
}
