//! The counts of a histogram as bytes.
//!
//! Idea: as `HdrHistogram`'s V2 format has them: each counter in turn as a zig-zag varint, a run of empty ones as minus its
//! length; so a bucket beside another takes a byte. They are not deflated: that costs more than all the rest of storing an
//! hour of checks. In front is how many values were larger than the largest bucket, behind is a zero, which no counter is.
//! Invariants: what was written reads back equal; reading never panics, whatever the bytes are. Limits: those of
//! [`Histogram::refill`].

use crate::stats::Histogram;

use super::frame::{Cursor, Damage, put, put_signed};

/// Appends `histogram` to `out`.
pub fn put_histogram(out: &mut Vec<u8>, histogram: &Histogram) {
    put(out, histogram.saturated());
    let mut next = 0;
    // Not in a loop of our own: so the iterator's loops are nested as it has them.
    histogram.counters().for_each(|(index, count)| {
        if index > next {
            put_signed(out, -signed((index - next) as u64));
        }
        put_signed(out, signed(count));
        next = index + 1;
    });
    put_signed(out, 0);
}

/// Makes `histogram` the next one at the front of `cursor`. On damage it holds anything.
pub fn take_histogram(cursor: &mut Cursor<'_>, histogram: &mut Histogram) -> Result<(), Damage> {
    let saturated = cursor.take()?;
    let (mut index, mut damage) = (0usize, None);
    let counters = std::iter::from_fn(|| {
        loop {
            match cursor.take_signed() {
                Ok(0) => return None,
                Ok(count @ 1..) => {
                    index += 1;
                    return Some((index - 1, count.unsigned_abs()));
                }
                Ok(empty) => {
                    index = index.saturating_add(usize::try_from(empty.unsigned_abs()).unwrap_or(usize::MAX));
                    if index >= Histogram::COUNTERS {
                        damage = Some(Damage::Range);
                        return None;
                    }
                }
                Err(error) => {
                    damage = Some(error);
                    return None;
                }
            }
        }
    });
    let is_one = histogram.refill(counters, saturated);
    damage.map_or(if is_one { Ok(()) } else { Err(Damage::Range) }, Err)
}

/// A count or a distance of counters: far below the end of the range.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
