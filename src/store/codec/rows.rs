//! A few consecutive samples of one site as rows of bytes: the encoding of a journal entry's groups.
//!
//! ```text
//! the first sample, ten halves of words | a width for each half, 0 to 4 bytes, four bits each | rows of the others
//! ```
//!
//! A journal is read once, soon, and few samples of a site come together, so columns (see [`super::columns`]) would
//! save nothing and cost as much as the rest of a commit. Samples are written as they lie in the ring, in halves of
//! words, without those high bytes in which none of them differs from the first: rows are half as long, and all rows of
//! a group have one length. Numbers are little-endian.
//!
//! Until HTTP/3 came, the bit of word 4 that is now the high bit of `http` was the highest of `skipped` ([`Layout`]).
//!
//! Invariants: lossless, also for words that are no sample; reading never panics and refuses such words.
//! Bounds: at least [`AHEAD`] and one byte per sample, at most [`Packed::BYTES`] per sample.

use crate::model::{Packed, Sample};

use super::frame::Damage;

/// Bytes before the rows.
pub const AHEAD: usize = Packed::BYTES + HALVES / 2;

/// Bytes that must follow the rows in the input, so that a number of any width can be read as four bytes.
pub const BEHIND: usize = 4;

/// Halves of words in a sample.
const HALVES: usize = 2 * Sample::WORDS;

/// How the words of a sample are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As [`Sample::to_words`] has them.
    Present,
    /// `skipped` has 25 bits, and the highest is where the high bit of `http` is now.
    BeforeHttp3,
}

impl Layout {
    /// The sample of these halves; none if they are no sample.
    fn sample(self, mut halves: [u32; HALVES]) -> Option<Sample> {
        const MOVED: u32 = 1 << 24;
        let skipped = match self {
            Self::Present => 0,
            Self::BeforeHttp3 => halves[8] & MOVED,
        };
        halves[8] ^= skipped;
        let mut sample = Packed::from_halves(halves).sample()?;
        sample.skipped |= skipped;
        Some(sample)
    }
}

/// How many bytes of each half are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths([u8; HALVES]);

impl Widths {
    /// The smallest widths for `samples`.
    pub fn of(samples: &[Packed]) -> Self {
        let mut differing = [0; HALVES];
        if let Some((first, others)) = samples.split_first() {
            let first = first.halves();
            for other in others {
                for ((differing, half), first) in differing.iter_mut().zip(other.halves()).zip(first) {
                    *differing |= half ^ first;
                }
            }
        }
        // A row has at least one byte, so few bytes never decode to many samples.
        differing[0] |= 1;
        Self(differing.map(|bits: u32| if bits == 0 { 0 } else { low_byte(bits.ilog2() / 8 + 1) }))
    }

    /// Bytes of one row.
    pub fn row(&self) -> usize {
        self.0.iter().map(|&width| usize::from(width)).sum()
    }

    /// Bytes of `count` samples, at least one.
    pub fn bytes(&self, count: usize) -> Option<usize> {
        self.row().checked_mul(count.checked_sub(1)?)?.checked_add(AHEAD)
    }

    /// Reads them from the front of a group.
    pub fn read(group: &[u8]) -> Result<Self, Damage> {
        let nibbles: &[u8; HALVES / 2] =
            group.get(Packed::BYTES..).and_then(<[u8]>::first_chunk).ok_or(Damage::Short)?;
        let widths = Self(std::array::from_fn(|half| nibbles[half / 2] >> (half % 2 * 4) & 15));
        if widths.0[0] == 0 || widths.0.iter().any(|&width| width > 4) { Err(Damage::Range) } else { Ok(widths) }
    }

    /// Where each half is in a row.
    fn places(&self) -> [usize; HALVES] {
        let mut place = 0;
        self.0.map(|width| {
            place += usize::from(width);
            place - usize::from(width)
        })
    }

    /// The bits of each half that are written.
    fn masks(&self) -> [u32; HALVES] {
        self.0.map(|width| u32::MAX.checked_shr(32 - 8 * u32::from(width)).unwrap_or(0))
    }
}

/// Appends `samples`, which is not empty, in these widths.
pub fn put(samples: &[Packed], widths: Widths, out: &mut Vec<u8>) {
    let Some((first, others)) = samples.split_first() else { return };
    out.extend(first.halves().iter().flat_map(|half| half.to_le_bytes()));
    out.extend(widths.0.as_chunks().0.iter().map(|[low, high]| low | high << 4));
    let (length, row, places) = (out.len(), widths.row(), widths.places());
    // Four bytes are written per half; the next half overwrites the surplus.
    out.resize(length + row * others.len() + BEHIND, 0);
    let mut rest = &mut out[length..];
    for sample in others {
        let halves = sample.halves();
        let room = &mut rest[..row + BEHIND];
        for (place, half) in places.into_iter().zip(halves) {
            room[place..place + 4].copy_from_slice(&half.to_le_bytes());
        }
        rest = &mut rest[row..];
    }
    out.truncate(out.len() - BEHIND);
}

/// Appends the `count` samples of a group to `out`; behind it are [`BEHIND`] other bytes. On damage `out` is unchanged.
pub fn take(group: &[u8], count: usize, layout: Layout, out: &mut Vec<Sample>) -> Result<(), Damage> {
    let widths = Widths::read(group)?;
    if widths.bytes(count).and_then(|bytes| bytes.checked_add(BEHIND)) != Some(group.len()) {
        return Err(Damage::Range);
    }
    let first = group.as_chunks::<4>().0.iter().map(|half| u32::from_le_bytes(*half));
    let mut halves = [0; HALVES];
    halves.iter_mut().zip(first).for_each(|(half, first)| *half = first);
    let (row, places, masks) = (widths.row(), widths.places(), widths.masks());
    let first = layout.sample(halves).ok_or(Damage::Range)?;
    for (half, mask) in halves.iter_mut().zip(masks) {
        *half &= !mask;
    }
    let start = out.len();
    out.reserve(count);
    out.push(first);
    let mut rows = &group[AHEAD..];
    for _ in 1..count {
        let bytes = &rows[..row + BEHIND];
        let number = |place: usize| bytes[place..].first_chunk().map_or(0, |number| u32::from_le_bytes(*number));
        let row_halves = std::array::from_fn(|half| halves[half] | number(places[half]) & masks[half]);
        let Some(sample) = layout.sample(row_halves) else {
            out.truncate(start);
            return Err(Damage::Range);
        };
        out.push(sample);
        rows = &rows[row..];
    }
    Ok(())
}

fn low_byte(number: u32) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::samples::{Noise, day, samples};
    use proptest::prelude::*;

    fn group(samples: &[Sample]) -> Vec<u8> {
        let packed: Vec<Packed> = samples.iter().map(Sample::packed).collect();
        let widths = Widths::of(&packed);
        let mut bytes = vec![7; 3];
        put(&packed, widths, &mut bytes);
        assert_eq!(bytes[..3], [7; 3]);
        bytes.drain(..3);
        assert_eq!(Some(bytes.len()), widths.bytes(samples.len()));
        assert_eq!(Widths::read(&bytes), Ok(widths));
        bytes.extend([0xff; BEHIND]);
        bytes
    }

    proptest! {
        #[test]
        fn any_samples_read_back(samples in prop::collection::vec(samples(), 1..40)) {
            let mut back = vec![samples[0]];
            prop_assert_eq!(take(&group(&samples), samples.len(), Layout::Present, &mut back), Ok(()));
            let kept: Vec<Sample> = samples.iter().map(|sample| sample.saturated()).collect();
            prop_assert_eq!(&back[1..], kept);
        }

        #[test]
        fn any_bytes_are_samples_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0usize..100, widths: [bool; 5], present: bool) {
            let mut bytes = bytes;
            // Widths that may be: or else nearly all is refused for them.
            if let Some(nibbles) = bytes.get_mut(Packed::BYTES..AHEAD) {
                nibbles.iter_mut().zip(widths).for_each(|(nibble, wide)| *nibble = if wide { 0x41 } else { 0x10 });
                nibbles[0] |= 1;
            }
            let layout = if present { Layout::Present } else { Layout::BeforeHttp3 };
            for count in [count, bytes.len().saturating_sub(AHEAD + BEHIND) / 13 + 1] {
                let mut out = Vec::new();
                if take(&bytes, count, layout, &mut out).is_err() {
                    prop_assert!(out.is_empty());
                }
                prop_assert!(out.len() <= bytes.len() && out.capacity() <= bytes.len().max(4));
            }
        }
    }

    #[test]
    fn mutations_of_real_rows_never_panic() {
        let sound = group(&day(60));
        let mut noise = Noise(11);
        let mut refused = 0;
        for _ in 0..20_000 {
            let mut hostile = sound.clone();
            for _ in 0..=noise.below(4) {
                let index = usize::try_from(noise.below(hostile.len() as u64)).unwrap();
                hostile[index] = hostile[index].wrapping_add(u8::try_from(noise.below(255) + 1).unwrap());
            }
            hostile.truncate(hostile.len() - usize::try_from(noise.below(2)).unwrap());
            let mut out = Vec::new();
            let is_refused = take(&hostile, 60, Layout::Present, &mut out).is_err();
            assert_eq!(out.len(), if is_refused { 0 } else { 60 });
            refused += u32::from(is_refused);
        }
        assert!(refused > 9_000, "{refused}");
    }

    #[test]
    fn ten_checks_in_a_row_take_two_thirds_of_their_words() {
        let samples = day(1_000);
        let bytes: usize = samples.chunks(10).map(|ten| group(ten).len() - BEHIND).sum();
        assert!((22_000..27_000).contains(&bytes), "{bytes} bytes for a thousand samples");
    }
}
