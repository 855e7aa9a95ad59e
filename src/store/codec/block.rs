//! A block: consecutive samples of one site, sealed. `docs/store-format.md` has the layout.
//!
//! ```text
//! version 2 | count | base | base − low | peak − base | columns | CRC-32C
//! ```
//!
//! *Base* is the first time, *low* the smallest time in the block, *peak* the largest in it and in all earlier blocks
//! of the site. Times grow within a site unless a clock was set back; peaks never fall, so a search by time can bisect
//! the blocks and still be exact. Version 1, which is still read, knows no HTTP/3: its columns mean the same.
//!
//! Invariants: samples are in order of seq, without a gap.
//! Bounds: a block is closed at [`FULL`] bytes, so that with its key it fills one page of 4 KiB.

use std::ops::RangeInclusive;

use crate::model::{Sample, Timestamp};

use super::columns::{Encoder, SAMPLE_MAX};
use super::decoder;
use super::frame::{self, Cursor, Damage, FrameKey, put};

/// The versions that are read; the last one is written.
pub const VERSIONS: RangeInclusive<u8> = 1..=VERSION;

/// The first version with HTTP/3.
const VERSION: u8 = 2;

/// A block of this many bytes takes no more samples.
const FULL: usize = 4_010;

/// Room of a 4 KiB page for one value beside its key, offsets and header.
const PAGE_ROOM: usize = 4_096 - 4 - 4 - 12;

/// Version, count, three times of 52 bits and the checksum, at their largest.
const AROUND: usize = 1 + 3 + 3 * 8 + 4;

const _: () = assert!(FULL + SAMPLE_MAX <= PAGE_ROOM && AROUND < FULL);

/// The header of a block, readable without decoding its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSummary {
    /// Samples in it, at least 1.
    pub count: usize,
    /// The smallest time in it.
    pub low: Timestamp,
    /// The largest time in it and in all blocks before it.
    pub peak: Timestamp,
}

/// Whether a block of this many bytes takes no more samples.
#[must_use]
pub const fn is_full(bytes: usize) -> bool {
    bytes >= FULL
}

/// Encodes the longest beginning of `samples` that fits a block into `out`, which is cleared, and returns its head;
/// `key` is where it belongs, `peak` the one of the block before. `samples` is not empty.
pub fn encode(
    key: FrameKey,
    samples: &[Sample],
    peak: Timestamp,
    encoder: &mut Encoder,
    out: &mut Vec<u8>,
) -> BlockSummary {
    let base = samples[0].at;
    let mut head = BlockSummary { count: 0, low: base, peak };
    encoder.restart(base);
    let mut rest = samples;
    while let Some(room) = FULL.checked_sub(encoder.size() + AROUND).filter(|&room| room > 0 && !rest.is_empty()) {
        // As many as fit whatever their size; then the size is computed again.
        let (sure, later) = rest.split_at(room.div_ceil(SAMPLE_MAX).min(rest.len()));
        encoder.push_all(sure);
        for sample in sure {
            head.low = head.low.min(sample.at);
            head.peak = head.peak.max(sample.at);
        }
        rest = later;
    }
    head.count = encoder.count();
    frame::begin(out, VERSION);
    put(out, head.count as u64);
    put(out, base.as_micros());
    put(out, base.as_micros() - head.low.as_micros());
    put(out, head.peak.as_micros() - base.as_micros());
    encoder.finish(out);
    frame::seal(out, key);
    debug_assert!(out.len() <= PAGE_ROOM, "{} bytes do not fit a page", out.len());
    head
}

/// The head of the block at `key`, its checksum verified.
pub fn head(key: FrameKey, block: &[u8]) -> Result<BlockSummary, Damage> {
    take_head(&mut frame::unseal_any(block, VERSIONS, key)?.1).map(|(head, _)| head)
}

/// Appends the samples of the block at `key` to `out` and returns its head.
///
/// # Errors
/// The bytes are damaged; `out` is unchanged.
pub fn decode(key: FrameKey, block: &[u8], out: &mut Vec<Sample>) -> Result<BlockSummary, Damage> {
    let (_, mut cursor) = frame::unseal_any(block, VERSIONS, key)?;
    let (head, base) = take_head(&mut cursor)?;
    decoder::decode(cursor.0, head.count, base, out)?;
    Ok(head)
}

fn take_head(cursor: &mut Cursor<'_>) -> Result<(BlockSummary, Timestamp), Damage> {
    let count = cursor.take_as()?;
    let base = cursor.take()?;
    let low = base.checked_sub(cursor.take()?).ok_or(Damage::Range)?;
    let peak = base.checked_add(cursor.take()?).ok_or(Damage::Range)?;
    if count == 0 || peak > Timestamp::MAX.as_micros() {
        return Err(Damage::Range);
    }
    let [base, low, peak] = [base, low, peak].map(Timestamp::from_micros);
    Ok((BlockSummary { count, low, peak }, base))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Http;
    use crate::store::codec::frame::CHECKSUM;
    use crate::store::codec::sealed;
    use crate::store::tests::samples::{Noise, day, samples};
    use proptest::prelude::*;

    const KEY: FrameKey = (7, 1_000_000);

    /// All blocks of `samples`, as sealing makes them.
    fn blocks(samples: &[Sample]) -> Vec<(BlockSummary, Vec<u8>)> {
        let (mut encoder, mut rest, mut peak, mut made) = (Encoder::default(), samples, Timestamp::ZERO, Vec::new());
        while !rest.is_empty() {
            let mut block = Vec::new();
            let head = encode(KEY, rest, peak, &mut encoder, &mut block);
            rest = &rest[head.count..];
            peak = head.peak;
            made.push((head, block));
        }
        made
    }

    proptest! {
        /// Before HTTP/3 the encoder wrote the same columns.
        #[test]
        fn blocks_of_version_1_are_still_read(mut samples in prop::collection::vec(samples(), 1..40)) {
            samples.iter_mut().filter(|sample| sample.http == Http::V3).for_each(|sample| sample.http = Http::V2);
            let mut back = Vec::new();
            for (head, block) in blocks(&samples) {
                let before = sealed(1, &block[1..block.len() - CHECKSUM], KEY);
                prop_assert_eq!(decode(KEY, &before, &mut back), Ok(head));
            }
            prop_assert_eq!(back, samples);
        }

        #[test]
        fn any_samples_read_back_from_blocks_that_fit_a_page(samples in prop::collection::vec(samples(), 1..400)) {
            let mut back = Vec::new();
            let mut peak = Timestamp::ZERO;
            for (made, block) in blocks(&samples) {
                prop_assert!(block.len() <= PAGE_ROOM);
                let start = back.len();
                let read = decode(KEY, &block, &mut back).unwrap();
                prop_assert_eq!(read, made);
                prop_assert_eq!(head(KEY, &block).unwrap(), made);
                peak = back[start..].iter().map(|sample| sample.at).fold(peak, Timestamp::max);
                prop_assert_eq!(made.peak, peak);
                prop_assert_eq!(Some(made.low), back[start..].iter().map(|sample| sample.at).min());
            }
            prop_assert_eq!(back, samples);
        }

        #[test]
        fn any_bytes_are_refused(bytes: Vec<u8>) {
            prop_assert!(decode(KEY, &bytes, &mut Vec::new()).is_err());
        }

        /// Also with a checksum that fits: only the bounds of each number are left to hold.
        #[test]
        fn any_sealed_bytes_decode_or_are_refused(bytes: Vec<u8>, version in VERSIONS) {
            let mut frame = Vec::new();
            frame::begin(&mut frame, version);
            frame.extend_from_slice(&bytes);
            frame::seal(&mut frame, KEY);
            let mut out = Vec::new();
            prop_assert!(decode(KEY, &frame, &mut out).is_ok() || out.is_empty());
            prop_assert!(out.capacity() <= bytes.len());
        }
    }

    /// Written by the last build that wrote version 1.
    #[test]
    fn a_block_in_the_file_of_an_earlier_build_is_read() {
        let stored = "0103f899ede3e69898030082dac409c8f985c00101c8f987c00101c8f983c001010001ffffff0f018080800801152c012c01\
                      2c01010807000001f05500000180bb000002e02801000001b0040204b0ea010000df9009e0eacd09003d99062c";
        let hex = |index: usize| u8::from_str_radix(&stored[index..index + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..stored.len()).step_by(2).map(hex).collect();
        let (mut samples, key) = (Vec::new(), (7, 1_000_000));
        assert_eq!(decode(key, &bytes, &mut samples).map(|head| head.count), Ok(3));
        let read: Vec<_> = samples.iter().map(|sample| (sample.http, sample.redirects, sample.skipped)).collect();
        assert_eq!(read, [(Http::V11, 3, 0), (Http::V2, 3, (1 << 25) - 1), (Http::V10, 3, 1 << 24)]);
        let mut now = Vec::new();
        encode(key, &samples, Timestamp::ZERO, &mut Encoder::default(), &mut now);
        assert_eq!(sealed(1, &now[1..now.len() - CHECKSUM], key), bytes, "only the version is another one");
    }

    #[test]
    fn mutations_of_a_block_are_all_found() {
        let (_, block) = blocks(&day(250)).remove(0);
        let mut noise = Noise(3);
        for _ in 0..5_000 {
            let mut hostile = block.clone();
            let index = usize::try_from(noise.below(block.len() as u64)).unwrap();
            hostile[index] ^= 1 << noise.below(8);
            assert!(decode(KEY, &hostile, &mut Vec::new()).is_err() && head(KEY, &hostile).is_err());
        }
    }

    #[test]
    fn full_blocks_fill_their_page() {
        let made = blocks(&day(2_000));
        for (head, block) in &made[..made.len() - 1] {
            assert!(is_full(block.len() + 40), "{} bytes, {head:?}", block.len());
        }
    }
}
