//! The rollup of one site and one hour or day (UTC), as it is stored.
//!
//! ```text
//! version 1 | first seq | seqs | up | down | unknown | skipped | times | tally | sums
//!           | maxima | histograms | outages | holes
//! ```
//!
//! Everything is an integer sum, a maximum or a bucket count, so a rollup is exactly the sum of its samples, and adding
//! rollups equals reading the samples again. Histograms are those of [`crate::store::codec::histogram`];
//! `docs/store-format.md` has the layout.
//!
//! Invariants: rows read back equal; reading never panics, whatever the bytes are.
//! Bounds: counts below 2^40 and sums of µs below 2^52 per row, so no sum over rows can overflow.

use std::ops::Range;
use std::time::Duration;

use crate::model::{Cause, Micros, Status, Timestamp};
use crate::stats::{AnswerCounts, Beat, Gap, Oldest, Outage, Outages, PeriodFigures, PhaseSum};
use crate::store::codec::frame::{self, Cursor, Damage, FrameKey, put, put_signed};
use crate::store::codec::histogram::{Encoded, put_histogram};

const VERSION: u8 = 1;

/// The largest count, and the largest sum of µs, that a row may hold.
const COUNT_MAX: u64 = 1 << 40;
const SUM_MAX: u64 = 1 << 52;

/// Causes times statuses.
const TALLY_MAX: u64 = 64 * 1_000;

/// The span of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Grain {
    /// Its length.
    pub const fn length(self) -> Duration {
        match self {
            Self::Hour => Duration::from_hours(1),
            Self::Day => Duration::from_hours(24),
        }
    }

    const fn micros(self) -> u64 {
        match self {
            Self::Hour => 3_600_000_000,
            Self::Day => 86_400_000_000,
        }
    }

    /// The number of the span that holds `at`, counted from the epoch.
    pub const fn of(self, at: Timestamp) -> u64 {
        at.as_micros() / self.micros()
    }

    /// The first instant of span number `number`.
    pub const fn start(self, number: u64) -> Timestamp {
        Timestamp::from_micros(number.saturating_mul(self.micros()))
    }

    /// The spans that lie wholly in `since..until`.
    pub const fn within(self, since: Timestamp, until: Timestamp) -> std::ops::Range<u64> {
        let first = since.as_micros().div_ceil(self.micros());
        let end = until.as_micros() / self.micros();
        first..if end > first { end } else { first }
    }
}

/// The samples of one site in one hour or day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RollupRow {
    /// The number of the first of them.
    pub first_seq: u64,
    /// The number after the last of them.
    pub next_seq: u64,
    /// Their sum.
    pub stretch: PeriodFigures,
}

impl RollupRow {
    /// Appends the row that follows.
    pub fn append(&mut self, later: &Self) {
        let is_empty = self.next_seq == 0;
        self.stretch.append(&later.stretch);
        self.first_seq = if is_empty { later.first_seq } else { self.first_seq.min(later.first_seq) };
        self.next_seq = self.next_seq.max(later.next_seq);
    }

    /// Samples in it.
    pub const fn samples(&self) -> u64 {
        let counts = &self.stretch.rollup.totals.counts;
        counts.checks() + counts.unknown
    }

    /// Writes it to `out`, which is cleared; `key` is where it belongs.
    pub fn encode(&self, key: FrameKey, out: &mut Vec<u8>) {
        let PeriodFigures { rollup, oldest, newest_due, last_at, outages, holes } = &self.stretch;
        let totals = &rollup.totals;
        frame::begin(out, VERSION);
        put(out, self.first_seq);
        put(out, self.next_seq - self.first_seq);
        for count in [totals.counts.up, totals.counts.down, totals.counts.unknown, totals.counts.skipped] {
            put(out, count);
        }
        let last = last_at.unwrap_or_default().as_micros();
        put(out, last);
        let oldest = oldest.unwrap_or(Oldest { due: Timestamp::ZERO, skipped: 0 });
        put_time(out, last, oldest.due);
        put(out, u64::from(oldest.skipped));
        put_time(out, last, newest_due.unwrap_or_default());
        put(out, totals.tally.iter().count() as u64);
        for (cause, status, count) in totals.tally.iter() {
            put(out, u64::from(cause.code()));
            put(out, status.map_or(0, |status| u64::from(status.get())));
            put(out, count);
        }
        for sum in [&totals.response, &totals.ttfb].into_iter().chain(&totals.phases) {
            put(out, sum.count);
            put(out, sum.micros);
        }
        put(out, u64::from(rollup.response_max));
        put(out, u64::from(rollup.ttfb_max));
        put_histogram(out, &rollup.response);
        put_histogram(out, &rollup.ttfb);
        put_outages(out, last, outages);
        put(out, holes.longest.len() as u64);
        for hole in &holes.longest {
            put_time(out, last, hole.since);
            put_time(out, last, hole.until);
        }
        put(out, holes.more);
        frame::seal(out, key);
    }

    /// Reads back the one at `key`.
    pub fn decode(key: FrameKey, frame: &[u8]) -> Result<Self, Damage> {
        let mut roll = Self::default();
        let numbers = append(&mut roll.stretch, key, frame)?;
        (roll.first_seq, roll.next_seq) = (numbers.start, numbers.end);
        Ok(roll)
    }
}

/// Appends the row at `key` to `stretch`, which ends before it; on damage `stretch` is unchanged. Returns the numbers
/// of the samples. The counts go straight into the histograms of `stretch`: adding two histograms visits all of their
/// counters.
pub fn append(stretch: &mut PeriodFigures, key: FrameKey, frame: &[u8]) -> Result<Range<u64>, Damage> {
    let mut row = RollupRow::default();
    let mut cursor = take_front(key, frame, &mut row)?;
    let PeriodFigures { rollup, oldest, newest_due, last_at, outages, holes } = &mut row.stretch;
    let last = cursor.take()?;
    *last_at = Some(Timestamp::from_micros(last));
    *oldest = Some(Oldest { due: take_time(&mut cursor, last)?, skipped: cursor.take_as()? });
    *newest_due = Some(take_time(&mut cursor, last)?);
    rollup.totals.tally = take_tally(&mut cursor)?;
    let totals = &mut rollup.totals;
    for sum in [&mut totals.response, &mut totals.ttfb].into_iter().chain(&mut totals.phases) {
        *sum = PhaseSum { count: below(cursor.take()?, COUNT_MAX)?, micros: below(cursor.take()?, SUM_MAX)? };
    }
    rollup.response_max = take_micros(&mut cursor)?;
    rollup.ttfb_max = take_micros(&mut cursor)?;
    let (response, ttfb) = (Encoded::take(&mut cursor)?, Encoded::take(&mut cursor)?);
    *outages = take_outages(&mut cursor, last)?;
    for _ in 0..below(cursor.take()?, crate::stats::Holes::KEPT as u64 + 1)? {
        let (since, until) = (take_time(&mut cursor, last)?, take_time(&mut cursor, last)?);
        holes.longest.push(Gap { since, until });
    }
    holes.more = below(cursor.take()?, COUNT_MAX)?;
    if cursor.left() > 0 {
        return Err(Damage::Range);
    }
    stretch.append(&row.stretch);
    response.add_to(&mut stretch.rollup.response);
    ttfb.add_to(&mut stretch.rollup.ttfb);
    Ok(row.first_seq..row.next_seq)
}

/// The outcomes of the checks of the row at `key`, without reading the rest of it.
pub fn beat(key: FrameKey, frame: &[u8]) -> Result<Beat, Damage> {
    let mut roll = RollupRow::default();
    take_front(key, frame, &mut roll)?;
    let counts = roll.stretch.rollup.totals.counts;
    let saturated = |count| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Beat { up: saturated(counts.up), down: saturated(counts.down) })
}

/// Reads the numbers and counts at the front of a row into `roll`; returns the rest.
fn take_front<'a>(key: FrameKey, frame: &'a [u8], roll: &mut RollupRow) -> Result<Cursor<'a>, Damage> {
    let mut cursor = frame::unseal(frame, VERSION, key)?;
    roll.first_seq = cursor.take()?;
    roll.next_seq = roll.first_seq.checked_add(cursor.take()?).ok_or(Damage::Range)?;
    let counts = &mut roll.stretch.rollup.totals.counts;
    for count in [&mut counts.up, &mut counts.down, &mut counts.unknown, &mut counts.skipped] {
        *count = below(cursor.take()?, COUNT_MAX)?;
    }
    Ok(cursor)
}

fn take_tally(cursor: &mut Cursor<'_>) -> Result<AnswerCounts, Damage> {
    let mut tally = AnswerCounts::default();
    for _ in 0..below(cursor.take()?, TALLY_MAX)? {
        let cause = Cause::from_code(cursor.take_as()?).ok_or(Damage::Range)?;
        let status = match cursor.take_as()? {
            0 => None,
            code => Some(Status::new(code).ok_or(Damage::Range)?),
        };
        tally.add(cause, status, below(cursor.take()?, COUNT_MAX)?);
    }
    Ok(tally)
}

pub fn put_outages(out: &mut Vec<u8>, last: u64, outages: &Outages) {
    let Outages { first, lead, open, longest, after_hole } = outages;
    let bits = [
        first.is_some(),
        first.is_some_and(|(_, up)| up),
        lead.is_some(),
        open.is_some(),
        longest.is_some(),
        *after_hole,
    ];
    put(out, bits.iter().rev().fold(0, |sum, &bit| sum << 1 | u64::from(bit)));
    if let Some((at, _)) = first {
        put_time(out, last, *at);
    }
    for outage in [lead, open, longest].into_iter().flatten() {
        put_time(out, last, outage.since);
        put_time(out, last, outage.until);
    }
}

pub fn take_outages(cursor: &mut Cursor<'_>, last: u64) -> Result<Outages, Damage> {
    let bits = below(cursor.take()?, 1 << 6)?;
    let is_set = |bit: u32| bits >> bit & 1 == 1;
    let mut outages = Outages { after_hole: is_set(5), ..Outages::default() };
    if is_set(0) {
        outages.first = Some((take_time(cursor, last)?, is_set(1)));
    }
    for (bit, outage) in [(2, &mut outages.lead), (3, &mut outages.open), (4, &mut outages.longest)] {
        if is_set(bit) {
            *outage = Some(Outage { since: take_time(cursor, last)?, until: take_time(cursor, last)? });
        }
    }
    Ok(outages)
}

/// A time near `last`, which is in the same row.
fn put_time(out: &mut Vec<u8>, last: u64, time: Timestamp) {
    put_signed(out, signed(time.as_micros()) - signed(last));
}

fn take_time(cursor: &mut Cursor<'_>, last: u64) -> Result<Timestamp, Damage> {
    let micros = last.checked_add_signed(cursor.take_signed()?).ok_or(Damage::Range)?;
    if micros > Timestamp::MAX.as_micros() { Err(Damage::Range) } else { Ok(Timestamp::from_micros(micros)) }
}

fn take_micros(cursor: &mut Cursor<'_>) -> Result<u32, Damage> {
    cursor.take_as().and_then(|micros| if micros > Micros::MAX.get() { Err(Damage::Range) } else { Ok(micros) })
}

/// A time or a count: far below the end of the range.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn below(value: u64, bound: u64) -> Result<u64, Damage> {
    if value < bound { Ok(value) } else { Err(Damage::Range) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sample;
    use crate::store::tests::samples::{Noise, day, samples};
    use proptest::prelude::*;

    const KEY: FrameKey = (7, 498_682);

    fn roll_of(samples: &[Sample]) -> RollupRow {
        let mut stretch = PeriodFigures::default();
        for sample in samples {
            stretch.admit(sample, Some(Timestamp::from_secs(5)));
        }
        RollupRow { first_seq: 70, next_seq: 70 + samples.len() as u64, stretch }
    }

    proptest! {
        #[test]
        fn rollups_of_any_samples_read_back(samples in prop::collection::vec(samples(), 1..200)) {
            let roll = roll_of(&samples);
            let mut out = Vec::new();
            roll.encode(KEY, &mut out);
            prop_assert_eq!(beat(KEY, &out).unwrap().down, u32::try_from(roll.stretch.rollup.totals.counts.down).unwrap());
            prop_assert_eq!(RollupRow::decode(KEY, &out), Ok(roll));
            prop_assert_eq!(RollupRow::decode((7, 1), &out), Err(Damage::Checksum));
        }

        /// Also with a checksum that fits: only the bounds of each number are left to hold.
        #[test]
        fn any_sealed_bytes_read_or_are_refused(bytes: Vec<u8>, cut in 0usize..400, at in 0usize..400, value: u8) {
            let mut noisy = Vec::new();
            roll_of(&day(200)).encode(KEY, &mut noisy);
            let mut payload = noisy[1..noisy.len() - frame::CHECKSUM].to_vec();
            let index = at % payload.len();
            payload[index] = value;
            payload.truncate(payload.len().saturating_sub(cut % 7));
            for payload in [bytes, payload] {
                let mut frame = Vec::new();
                frame::begin(&mut frame, VERSION);
                frame.extend_from_slice(&payload);
                frame::seal(&mut frame, KEY);
                if let Ok(roll) = RollupRow::decode(KEY, &frame) {
                    // What was read adds up without overflow.
                    let mut sum = RollupRow::default();
                    (0..3).for_each(|_| sum.append(&roll));
                }
            }
        }
    }

    #[test]
    fn mutations_of_a_row_are_all_found() {
        let mut out = Vec::new();
        roll_of(&day(360)).encode(KEY, &mut out);
        let mut noise = Noise(5);
        for _ in 0..5_000 {
            let mut hostile = out.clone();
            let index = usize::try_from(noise.below(out.len() as u64)).unwrap();
            hostile[index] ^= 1 << noise.below(8);
            assert!(RollupRow::decode(KEY, &hostile).is_err() && beat(KEY, &hostile).is_err());
        }
    }

    #[test]
    fn an_hour_takes_few_bytes() {
        let mut out = Vec::new();
        roll_of(&day(360)).encode(KEY, &mut out);
        // About a tenth of the samples that it sums up.
        assert!((200..500).contains(&out.len()), "{} bytes", out.len());
    }

    #[test]
    fn spans_within_a_period_are_whole() {
        let hour = |number| Grain::Hour.start(number);
        for (since, until, whole) in [
            (hour(3), hour(5), 3..5),
            (hour(3).after(Duration::from_micros(1)), hour(5), 4..5),
            (hour(3), hour(5).before(Duration::from_micros(1)), 3..4),
            (hour(3).after(Duration::from_mins(5)), hour(3).after(Duration::from_mins(9)), 4..4),
        ] {
            assert_eq!(Grain::Hour.within(since, until), whole);
        }
        assert_eq!(Grain::Day.of(hour(47)), 1);
        assert_eq!(Grain::Day.length(), Duration::from_hours(24));
    }
}
