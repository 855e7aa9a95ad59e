//! A column of 32-bit numbers in one to four bytes each, with the lengths apart from the numbers.
//!
//! ```text
//! lengths of four numbers a byte, two bits each, lowest first | the numbers, little-endian, without their high zeros
//! ```
//!
//! Because the lengths stand apart, where a number begins does not wait for the number before it to be read: twice as fast
//! to read as varints, and smaller for latencies. Source: Lemire, Kurz, Rupp, "Stream `VByte`: Faster Byte-Oriented
//! Integer Compression" (2018), without its vector instructions. Invariants: reading never reads beyond its
//! slice; the column does not hold how many numbers it has.

use super::wire::{Cursor, Damage};

/// A number takes at most this many bytes, its share of the lengths rounded up.
pub const NUMBER_MAX: usize = 5;

/// Collects the numbers of one column.
#[derive(Debug, Default)]
pub struct Column {
    lengths: Vec<u8>,
    numbers: Vec<u8>,
    count: usize,
}

impl Column {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.lengths.clear();
        self.numbers.clear();
        self.count = 0;
    }

    /// Takes in the next number.
    #[inline]
    pub fn push(&mut self, number: u32) {
        let length = (number | 1).ilog2() / 8;
        self.numbers.extend_from_slice(&number.to_le_bytes());
        self.numbers.truncate(self.numbers.len() - 3 + length as usize);
        let lengths = u8::try_from(length << (2 * (self.count % 4))).expect("two bits shifted by at most six");
        match self.lengths.last_mut() {
            Some(last) if !self.count.is_multiple_of(4) => *last |= lengths,
            _ => self.lengths.push(lengths),
        }
        self.count += 1;
    }

    /// Bytes that it takes.
    pub const fn size(&self) -> usize {
        self.lengths.len() + self.numbers.len()
    }

    /// Appends it to `out`.
    pub fn finish(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.lengths);
        out.extend_from_slice(&self.numbers);
    }
}

/// Replaces what is in `out` by the next `count` numbers at the front of `cursor`.
pub fn take(cursor: &mut Cursor<'_>, count: usize, out: &mut Vec<u32>) -> Result<(), Damage> {
    out.clear();
    let lengths = cursor.take_bytes(count.div_ceil(4))?;
    // Every number has a byte, so this bounds what is allocated by what was given.
    if count > cursor.left() {
        return Err(Damage::Short);
    }
    out.reserve(count);
    let (whole, rest) = lengths.split_at(count / 4);
    let mut numbers = cursor.0;
    for &four in whole {
        let four = u32::from(four);
        let lengths = [four & 3, four >> 2 & 3, four >> 4 & 3, four >> 6];
        if let Some(chunk) = numbers.first_chunk::<16>() {
            let mut word = u128::from_le_bytes(*chunk);
            out.extend_from_slice(&lengths.map(|length| {
                let number = low(word) & (u32::MAX >> (24 - 8 * length));
                word >>= 8 * (length + 1);
                number
            }));
            numbers = &numbers[lengths.iter().sum::<u32>() as usize + 4..];
        } else {
            take_slowly(&mut numbers, &lengths, out)?;
        }
    }
    if let Some(&last) = rest.first() {
        let lengths = [last & 3, last >> 2 & 3, last >> 4 & 3].map(u32::from);
        take_slowly(&mut numbers, &lengths[..count % 4], out)?;
    }
    cursor.0 = numbers;
    Ok(())
}

#[allow(clippy::cast_possible_truncation, reason = "the low bits are what is asked for")]
const fn low(word: u128) -> u32 {
    word as u32
}

/// Near the end of the slice, where sixteen bytes are not to be had, and at the end of the column.
fn take_slowly(numbers: &mut &[u8], lengths: &[u32], out: &mut Vec<u32>) -> Result<(), Damage> {
    for &length in lengths {
        let (bytes, left) = numbers.split_at_checked(length as usize + 1).ok_or(Damage::Short)?;
        out.push(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte)));
        *numbers = left;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_read_back_wherever_the_column_ends(
            numbers in prop::collection::vec((any::<u32>(), 0u32..32).prop_map(|(n, shift)| n >> shift), 0..50),
            behind in 0usize..40,
        ) {
            let (mut column, mut bytes, mut back) = (Column::default(), Vec::new(), Vec::new());
            for &number in &numbers {
                column.push(number);
            }
            column.finish(&mut bytes);
            prop_assert_eq!(bytes.len(), column.size());
            prop_assert!(bytes.len() <= numbers.len() * NUMBER_MAX);
            bytes.extend(vec![0xff; behind]);
            let mut cursor = Cursor(&bytes);
            prop_assert_eq!(take(&mut cursor, numbers.len(), &mut back), Ok(()));
            prop_assert_eq!(back, numbers);
            prop_assert_eq!(cursor.left(), behind);
        }

        #[test]
        fn any_bytes_read_or_are_refused(bytes: Vec<u8>, count in 0usize..300) {
            let mut out = Vec::new();
            if take(&mut Cursor(&bytes), count, &mut out).is_ok() {
                prop_assert_eq!(out.len(), count);
            }
            prop_assert!(out.capacity() <= bytes.len() + 4);
        }
    }
}
