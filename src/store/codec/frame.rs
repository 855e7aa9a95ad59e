//! The bytes of every stored value: variable-length integers, and the frame around a record.
//!
//! Integers are LEB128 (seven bits per byte, lowest first), signed ones zig-zag mapped first; both as in Protocol
//! Buffers. A frame is `version | payload | CRC-32C of all before it and of its key`, because the database does not
//! verify its pages on ordinary reads and a flipped bit must not become a figure.
//!
//! Invariants: reading never panics and never reads beyond its slice; failures are a [`Damage`].
//! Bounds: a varint has at most ten bytes.

use std::fmt;
use std::ops::RangeInclusive;

/// Bytes that the checksum at the end of a frame takes.
pub const CHECKSUM: usize = 4;

/// How stored bytes are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// They end too early.
    Short,
    /// The checksum is that of other bytes.
    Checksum,
    /// A version that this program does not read.
    Version(u8),
    /// A number that its field cannot have.
    Range,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("it ends too early"),
            Self::Checksum => f.write_str("its checksum does not match"),
            Self::Version(version) => write!(f, "its format {version} is unknown"),
            Self::Range => f.write_str("it holds an impossible number"),
        }
    }
}

/// Appends `value`, one to ten bytes.
#[inline]
pub fn put(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        out.push(low_byte(value));
    } else if value < 1 << 56 {
        // Without a branch on the length, which is unpredictable: all groups are spread at once, then truncated.
        let length = value.ilog2() as usize / 7 + 1;
        let more = CONTINUED >> (8 * (9 - length));
        out.extend_from_slice(&(spread(value) | more).to_le_bytes());
        out.truncate(out.len() - 8 + length);
    } else {
        put_long(out, value);
    }
}

fn put_long(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

/// The bit of each byte that says that another one follows.
const CONTINUED: u64 = 0x8080_8080_8080_8080;

/// The 56 low bits of `value`, seven to a byte.
const fn spread(value: u64) -> u64 {
    let halves = (value & 0x0fff_ffff) | (value & 0x00ff_ffff_f000_0000) << 4;
    let quarters = (halves & 0x0000_3fff_0000_3fff) | (halves & 0x0fff_c000_0fff_c000) << 2;
    (quarters & 0x007f_007f_007f_007f) | (quarters & 0x3f80_3f80_3f80_3f80) << 1
}

/// The low seven bits of each byte, joined: the inverse of [`spread`].
const fn join(bytes: u64) -> u64 {
    let quarters = (bytes & 0x007f_007f_007f_007f) | (bytes & 0x7f00_7f00_7f00_7f00) >> 1;
    let halves = (quarters & 0x0000_3fff_0000_3fff) | (quarters & 0x3fff_0000_3fff_0000) >> 2;
    (halves & 0x0fff_ffff) | (halves & 0x0fff_ffff_0000_0000) >> 4
}

/// Appends `value` so that small magnitudes of either sign are short.
#[inline]
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Appends the length of `text` and its bytes.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Starts a frame of `version` in `out`, which is cleared.
pub fn begin(out: &mut Vec<u8>, version: u8) {
    out.clear();
    out.push(version);
}

/// The key of a frame in its table: site and seq, or zeros where the frame holds them itself.
pub type FrameKey = (u32, u64);

/// The key of frames that hold everything themselves.
pub const ANYWHERE: FrameKey = (0, 0);

/// Ends the frame that fills `out` and belongs at `key`.
pub fn seal(out: &mut Vec<u8>, key: FrameKey) {
    let checksum = checksum(out, key);
    out.extend_from_slice(&checksum.to_le_bytes());
}

fn checksum(sealed: &[u8], (site, seq): FrameKey) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(sealed), &site.to_le_bytes()), &seq.to_le_bytes())
}

/// The payload of a frame of `version` sealed for `key`.
pub fn unseal(frame: &[u8], version: u8, key: FrameKey) -> Result<Cursor<'_>, Damage> {
    unseal_any(frame, version..=version, key).map(|(_, payload)| payload)
}

/// The version, one of `versions`, and the payload of a frame sealed for `key`.
pub fn unseal_any(frame: &[u8], versions: RangeInclusive<u8>, key: FrameKey) -> Result<(u8, Cursor<'_>), Damage> {
    let (sealed, checksum) = frame.split_last_chunk::<CHECKSUM>().ok_or(Damage::Short)?;
    if self::checksum(sealed, key) != u32::from_le_bytes(*checksum) {
        return Err(Damage::Checksum);
    }
    match sealed.split_first() {
        Some((found, payload)) if versions.contains(found) => Ok((*found, Cursor(payload))),
        Some((&found, _)) => Err(Damage::Version(found)),
        None => Err(Damage::Short),
    }
}

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    /// Bytes that are left.
    pub const fn left(&self) -> usize {
        self.0.len()
    }

    /// The next unsigned integer.
    #[inline]
    pub fn take(&mut self) -> Result<u64, Damage> {
        if let Some((&only, rest)) = self.0.split_first()
            && only < 0x80
        {
            self.0 = rest;
            return Ok(u64::from(only));
        }
        let Some(chunk) = self.0.first_chunk::<8>() else { return self.take_long() };
        let word = u64::from_le_bytes(*chunk);
        let last = !word & CONTINUED;
        if last == 0 {
            return self.take_long();
        }
        let bits = last.trailing_zeros() + 1;
        self.0 = &self.0[bits as usize / 8..];
        Ok(join(word & (u64::MAX >> (64 - bits))))
    }

    fn take_long(&mut self) -> Result<u64, Damage> {
        let mut value = 0;
        for (index, &byte) in self.0.iter().enumerate().take(10) {
            if index == 9 && byte > 1 {
                return Err(Damage::Range);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.0 = &self.0[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.left() < 10 { Damage::Short } else { Damage::Range })
    }

    /// The next unsigned integer, if it fits a `T`.
    pub fn take_as<T: TryFrom<u64>>(&mut self) -> Result<T, Damage> {
        T::try_from(self.take()?).map_err(|_| Damage::Range)
    }

    /// The next signed integer.
    #[inline]
    pub fn take_signed(&mut self) -> Result<i64, Damage> {
        let mapped = self.take()?;
        Ok((mapped >> 1).cast_signed() ^ -(mapped & 1).cast_signed())
    }

    /// The next `length` bytes.
    pub fn take_bytes(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Damage::Short)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// The next `N` bytes.
    pub fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Damage::Short)?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// The next text.
    pub fn take_text(&mut self) -> Result<&'a str, Damage> {
        let length = self.take_as()?;
        std::str::from_utf8(self.take_bytes(length)?).map_err(|_| Damage::Range)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the low byte is what is asked for")]
const fn low_byte(value: u64) -> u8 {
    value as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_and_texts_read_back(unsigned: u64, shift in 0u32..64, signed: i64, text in ".{0,40}") {
            let mut out = Vec::new();
            put(&mut out, unsigned >> shift);
            put_signed(&mut out, signed >> shift);
            put_text(&mut out, &text);
            let mut cursor = Cursor(&out);
            prop_assert_eq!(cursor.take(), Ok(unsigned >> shift));
            prop_assert_eq!(cursor.take_signed(), Ok(signed >> shift));
            prop_assert_eq!(cursor.take_text(), Ok(text.as_str()));
            prop_assert_eq!(cursor.left(), 0);
        }

        #[test]
        fn any_single_flipped_bit_breaks_the_frame(payload: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
            let mut frame = Vec::new();
            begin(&mut frame, 1);
            frame.extend_from_slice(&payload);
            seal(&mut frame, ANYWHERE);
            prop_assert_eq!(unseal(&frame, 1, ANYWHERE).map(|cursor| cursor.0), Ok(payload.as_slice()));
            let index = at.index(frame.len());
            frame[index] ^= 1 << bit;
            prop_assert!(unseal(&frame, 1, ANYWHERE).is_err());
        }

        #[test]
        fn a_frame_counts_only_at_its_own_key(site: u32, seq: u64, bit in 0u8..96) {
            let mut frame = Vec::new();
            begin(&mut frame, 1);
            seal(&mut frame, (site, seq));
            prop_assert!(unseal(&frame, 1, (site, seq)).is_ok());
            let elsewhere = if bit < 32 { (site ^ 1 << bit, seq) } else { (site, seq ^ 1 << (bit - 32)) };
            prop_assert_eq!(unseal(&frame, 1, elsewhere).unwrap_err(), Damage::Checksum);
        }
    }

    #[test]
    fn integers_that_do_not_end_or_do_not_fit_are_refused() {
        assert_eq!(Cursor(&[]).take(), Err(Damage::Short));
        assert_eq!(Cursor(&[0x80, 0x80]).take(), Err(Damage::Short));
        assert_eq!(Cursor(&[0xff; 10]).take(), Err(Damage::Range));
        assert_eq!(Cursor(&[0x80; 11]).take(), Err(Damage::Range));
        assert_eq!(Cursor(&[0x80, 0x02]).take_as::<u8>(), Err(Damage::Range));
        assert_eq!(Cursor(&[5, b'a']).take_text(), Err(Damage::Short));
        assert_eq!(Cursor(&[1, 0xff]).take_text(), Err(Damage::Range));
    }

    #[test]
    fn a_frame_of_another_version_says_so() {
        let mut frame = Vec::new();
        begin(&mut frame, 7);
        seal(&mut frame, ANYWHERE);
        assert_eq!(unseal(&frame, 1, ANYWHERE).unwrap_err(), Damage::Version(7));
        assert_eq!(unseal(&[], 1, ANYWHERE).unwrap_err(), Damage::Short);
    }
}
