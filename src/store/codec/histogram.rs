//! The counts of a histogram as bytes.
//!
//! The counter array of `HdrHistogram`'s V2 format: each count as a zig-zag varint, a run of empty counters as minus
//! its length, so a bucket next to another takes one byte. It is not deflated, which would cost more than everything
//! else of storing an hour of checks. In front stands a reserved number, at the end a zero, which no count is.
//! `docs/store-format.md` has the layout.
//!
//! Invariants: what was written reads back equal; reading never panics, whatever the bytes are.

use crate::stats::Histogram;
use crate::stats::histogram::{HIGHEST, highest_of, index_of};

use super::frame::{Cursor, Damage, put, put_signed};

/// Version 0.1.0 wrote the number of values above the largest bucket here; no reader needs it.
const RESERVED: u64 = 0;

/// Appends `histogram` to `out`.
pub fn put_histogram(out: &mut Vec<u8>, histogram: &Histogram) {
    put(out, RESERVED);
    let mut next = 0;
    for (value, count) in histogram.buckets() {
        let index = index_of(value);
        if let Some(empty) = i64::try_from(index - next).ok().filter(|&empty| empty > 0) {
            put_signed(out, -empty);
        }
        put_signed(out, count.into());
        next = index + 1;
    }
    put_signed(out, 0);
}

/// The bytes of a histogram, known to be sound.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a>(&'a [u8]);

impl<'a> Encoded<'a> {
    /// Takes the next histogram from the front of `cursor`.
    pub fn take(cursor: &mut Cursor<'a>) -> Result<Self, Damage> {
        let bytes = cursor.0;
        each_bucket(cursor, |_, _| ())?;
        Ok(Self(&bytes[..bytes.len() - cursor.left()]))
    }

    /// Adds its counts to `histogram`.
    pub fn add_to(self, histogram: &mut Histogram) {
        let sound = each_bucket(&mut Cursor(self.0), |value, count| histogram.record_n(value, count));
        debug_assert_eq!(sound, Ok(()), "`take` read the same bytes");
    }
}

/// Calls `each` with the upper end and the count of every bucket of the histogram at the front of `cursor`.
fn each_bucket(cursor: &mut Cursor<'_>, mut each: impl FnMut(u32, u32)) -> Result<(), Damage> {
    cursor.take()?;
    let mut index = 0_usize;
    loop {
        match cursor.take_signed()? {
            0 => return Ok(()),
            count @ 1.. => {
                if index > index_of(HIGHEST) {
                    return Err(Damage::Range);
                }
                each(highest_of(index), u32::try_from(count).map_err(|_| Damage::Range)?);
                index += 1;
            }
            empty => index = index.saturating_add(usize::try_from(empty.unsigned_abs()).unwrap_or(usize::MAX)),
        }
    }
}
