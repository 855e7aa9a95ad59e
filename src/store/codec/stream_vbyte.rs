//! A column of 32-bit numbers in one to four bytes each, with the lengths apart from the numbers.
//!
//! ```text
//! lengths of four numbers per byte, two bits each, lowest first | the numbers, little-endian, without their high zeros
//! ```
//!
//! Because the lengths stand apart, the position of a number does not depend on reading the one before it: twice as
//! fast to read as varints, and smaller for latencies. Source: Lemire, Kurz, Rupp, "Stream `VByte`: Faster
//! Byte-Oriented Integer Compression" (2018), without its vector instructions.
//!
//! Invariants: reading never reads beyond its slice; the column does not hold its number of numbers.

use super::frame::{Cursor, Damage};

/// A number takes at most this many bytes, its share of the lengths rounded up.
pub const NUMBER_MAX: usize = 5;

/// Collects the numbers of one column.
#[derive(Debug, Default)]
pub struct Column {
    numbers: Vec<u32>,
    /// The bytes of those numbers that were counted already, and how many they are.
    sized: (usize, usize),
}

impl Column {
    /// Clears it.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.sized = (0, 0);
    }

    /// Adds the next number.
    #[inline]
    pub fn push(&mut self, number: u32) {
        self.numbers.push(number);
    }

    /// Room for the next `count` numbers, all of which the caller writes.
    #[inline]
    pub fn grow(&mut self, count: usize) -> &mut [u32] {
        let length = self.numbers.len();
        self.numbers.resize(length + count, 0);
        &mut self.numbers[length..]
    }

    /// Bytes that it takes.
    pub fn size(&mut self) -> usize {
        let (bytes, counted) = self.sized;
        // Without a branch on the length, so the comparisons vectorize.
        let more =
            |number: u32| 1 + u32::from(number > 0xff) + u32::from(number > 0xffff) + u32::from(number > 0x00ff_ffff);
        let new: u32 = self.numbers[counted..].iter().map(|&number| more(number)).sum();
        self.sized = (bytes + new as usize, self.numbers.len());
        self.numbers.len().div_ceil(4) + self.sized.0
    }

    /// Appends it to `out`.
    pub fn finish(&self, out: &mut Vec<u8>) {
        let lengths_at = out.len();
        let (fours, rest) = self.numbers.as_chunks::<4>();
        let four = |[a, b, c, d]: &[u32; 4]| length(*a) | length(*b) << 2 | length(*c) << 4 | length(*d) << 6;
        out.extend(fours.iter().map(four));
        if !rest.is_empty() {
            out.push(rest.iter().rev().fold(0, |four, &number| four << 2 | length(number)));
        }
        let numbers_at = out.len();
        // Whole words are written; the next one overwrites the surplus bytes.
        out.resize(numbers_at + 4 * self.numbers.len() + 8, 0);
        let (lengths, room) = out.split_at_mut(numbers_at);
        let mut at = 0;
        let mut write = |pair: u64, length: u32| {
            room[at..at + 8].copy_from_slice(&pair.to_le_bytes());
            at += length as usize;
        };
        for ([first, second, third, fourth], &lengths) in fours.iter().zip(&lengths[lengths_at..]) {
            let [a, b, c, d] = split(lengths);
            write(u64::from(*first) | u64::from(*second) << (8 * (a + 1)), a + b + 2);
            write(u64::from(*third) | u64::from(*fourth) << (8 * (c + 1)), c + d + 2);
        }
        for &number in rest {
            write(u64::from(number), u32::from(length(number)) + 1);
        }
        out.truncate(numbers_at + at);
    }
}

/// One less than the bytes of `number`.
fn length(number: u32) -> u8 {
    let [length, ..] = ((number | 1).ilog2() / 8).to_le_bytes();
    length
}

/// Fills `places` with the next numbers at the front of `cursor`, each as `map` makes it, in order.
#[inline]
pub fn take(cursor: &mut Cursor<'_>, places: &mut [u32], mut map: impl FnMut(u32) -> u32) -> Result<(), Damage> {
    let lengths = cursor.take_bytes(places.len().div_ceil(4))?;
    let mut numbers = cursor.0;
    let (fours, rest) = places.as_chunks_mut::<4>();
    for (&four, places) in lengths.iter().zip(&mut *fours) {
        let lengths = split(four);
        let [first, second, third, fourth] = lengths;
        // Two numbers fit eight bytes; no number depends on the one before it.
        let later = (first + second + 2) as usize;
        if let (Some(pair), Some(later)) = (numbers.first_chunk(), numbers.get(later..).and_then(<[u8]>::first_chunk)) {
            let (pair, later) = (u64::from_le_bytes(*pair), u64::from_le_bytes(*later));
            *places = [
                map(keep(pair, first)),
                map(keep(pair >> (8 * (first + 1)), second)),
                map(keep(later, third)),
                map(keep(later >> (8 * (third + 1)), fourth)),
            ];
            numbers = &numbers[(first + second + third + fourth + 4) as usize..];
        } else {
            take_slowly(&mut numbers, &lengths, places, &mut map)?;
        }
    }
    if let Some(&last) = lengths.get(fours.len()) {
        take_slowly(&mut numbers, &split(last)[..rest.len()], rest, &mut map)?;
    }
    cursor.0 = numbers;
    Ok(())
}

/// The four lengths of a byte, each minus one.
const fn split(four: u8) -> [u32; 4] {
    let four = four as u32;
    [four & 3, four >> 2 & 3, four >> 4 & 3, four >> 6]
}

/// The low `length + 1` bytes.
#[allow(clippy::cast_possible_truncation, reason = "the low bits are what is asked for")]
const fn keep(word: u64, length: u32) -> u32 {
    word as u32 & (u32::MAX >> (24 - 8 * length))
}

/// Reads near the end of the slice, with fewer than sixteen bytes left, and at the end of the column.
fn take_slowly(
    numbers: &mut &[u8],
    lengths: &[u32],
    places: &mut [u32],
    map: &mut impl FnMut(u32) -> u32,
) -> Result<(), Damage> {
    for (&length, place) in lengths.iter().zip(places) {
        let (bytes, left) = numbers.split_at_checked(length as usize + 1).ok_or(Damage::Short)?;
        *place = map(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte)));
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
            let (mut column, mut bytes, mut back) = (Column::default(), Vec::new(), vec![7; numbers.len()]);
            for &number in &numbers {
                column.push(number);
            }
            column.finish(&mut bytes);
            prop_assert_eq!(bytes.len(), column.size());
            prop_assert!(bytes.len() <= numbers.len() * NUMBER_MAX);
            bytes.extend(vec![0xff; behind]);
            let mut cursor = Cursor(&bytes);
            prop_assert_eq!(take(&mut cursor, &mut back, |number| number), Ok(()));
            prop_assert_eq!(back, numbers);
            prop_assert_eq!(cursor.left(), behind);
        }

        #[test]
        fn any_bytes_read_or_are_refused(bytes: Vec<u8>, count in 0usize..300) {
            let mut cursor = Cursor(&bytes);
            let (mut places, mut calls) = (vec![0; count], 0);
            if take(&mut cursor, &mut places, |number| { calls += 1; number }).is_ok() {
                prop_assert_eq!(calls, count);
                prop_assert!(cursor.left() + count + count.div_ceil(4) <= bytes.len());
            }
        }
    }
}
