//! Fields that several kinds of frames share: ascending site numbers, numbers of samples, times, texts of people.
//!
//! Invariants: a text that was taken is clean, whatever sent it (see [`crate::model::text`]), and within its bound.

use crate::model::text::clean;
use crate::model::{SiteId, Timestamp};
use crate::store::NUMBER_MAX;
use crate::store::codec::frame::{Cursor, Damage, put, put_signed, put_text};

/// Site numbers, each above the one before.
#[derive(Debug, Default)]
pub struct Ascending {
    /// The least number that may follow.
    next: u64,
}

impl Ascending {
    /// Appends `site`, one byte if it follows the one before it.
    pub fn put(&mut self, out: &mut Vec<u8>, SiteId(site): SiteId) {
        debug_assert!(u64::from(site) >= self.next, "sites are sorted and named once");
        put(out, u64::from(site).saturating_sub(self.next));
        self.next = u64::from(site) + 1;
    }

    /// Takes the next site.
    pub fn take(&mut self, cursor: &mut Cursor<'_>) -> Result<SiteId, Damage> {
        let site = self.next.checked_add(cursor.take()?).and_then(|site| u32::try_from(site).ok());
        let site = site.ok_or(Damage::Range)?;
        self.next = u64::from(site) + 1;
        Ok(SiteId(site))
    }
}

/// Takes how many entries follow: at most `most`, and no more than there can be, of `entry` bytes at least.
pub fn take_count(cursor: &mut Cursor<'_>, most: usize, entry: usize) -> Result<usize, Damage> {
    let count: usize = cursor.take_as()?;
    if count > most {
        Err(Damage::Range)
    } else if count.saturating_mul(entry) > cursor.left() {
        Err(Damage::Short)
    } else {
        Ok(count)
    }
}

/// Takes the number of a sample or a frame.
pub fn take_number(cursor: &mut Cursor<'_>) -> Result<u64, Damage> {
    in_range(cursor.take()?)
}

/// `number`, if it may be one of a sample.
pub fn in_range(number: u64) -> Result<u64, Damage> {
    if number > NUMBER_MAX { Err(Damage::Range) } else { Ok(number) }
}

/// Appends `number` as its distance from `last`, which becomes it.
pub fn put_step(out: &mut Vec<u8>, last: &mut u64, number: u64) {
    put_signed(out, number.wrapping_sub(*last).cast_signed());
    *last = number;
}

/// Takes a number of [`put_step`].
pub fn take_step(cursor: &mut Cursor<'_>, last: &mut u64) -> Result<u64, Damage> {
    *last = in_range(last.wrapping_add_signed(cursor.take_signed()?))?;
    Ok(*last)
}

/// Takes a time.
pub fn take_time(cursor: &mut Cursor<'_>) -> Result<Timestamp, Damage> {
    let micros = cursor.take()?;
    if micros > Timestamp::MAX.as_micros() { Err(Damage::Range) } else { Ok(Timestamp::from_micros(micros)) }
}

/// Appends at most `most` bytes of `text`.
pub fn put_cut(out: &mut Vec<u8>, text: &str, most: usize) {
    put_text(out, &text[..text.floor_char_boundary(most)]);
}

/// Takes a text of at most `most` bytes, cleaned.
pub fn take_clean(cursor: &mut Cursor<'_>, most: usize) -> Result<String, Damage> {
    let text = cursor.take_text()?;
    if text.len() > most { Err(Damage::Range) } else { Ok(clean(text)) }
}
