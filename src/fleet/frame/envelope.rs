//! The bytes around a payload: `"wm" | version | kind | flags | payload | CRC-32C of all before, little-endian`.
//!
//! Invariants: one flipped bit anywhere is found; a payload never unpacks to more than [`PLAIN_MAX`] bytes, whatever the sender
//! claims. Cost of packing: see `benches/fleet.rs`.

use std::borrow::Cow;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::store::codec::frame::{CHECKSUM, Cursor, put};

use super::fault::FrameFault;

/// The bytes that every frame begins with.
const MAGIC: [u8; 2] = *b"wm";

/// The version that is written, and the only one that is read.
pub const VERSION: u8 = 1;

/// The flag of a payload that is packed: its length, then a raw DEFLATE stream (RFC 1951).
const PACKED: u8 = 1;

/// Most bytes of a frame.
pub const FRAME_MAX: usize = 512 << 10;

/// Bytes around a payload.
const AROUND: usize = MAGIC.len() + 3 + CHECKSUM;

/// Most bytes of a payload before it is packed.
pub const PLAIN_MAX: usize = FRAME_MAX - AROUND;

/// No stream of DEFLATE unpacks to more bytes than this for each of its own.
const GROWTH_MAX: usize = 1_032;

/// Whether a payload is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Packing {
    /// As it is.
    #[default]
    Plain,
    /// By DEFLATE at its fastest, unless that makes it larger.
    Deflate,
}

/// Writes a frame of `kind` to `out`, which is cleared. A payload of more than [`PLAIN_MAX`] bytes makes a frame that nobody
/// accepts.
pub fn seal(kind: u8, plain: &[u8], packing: Packing, out: &mut Vec<u8>) {
    debug_assert!(plain.len() <= PLAIN_MAX, "the filler of a frame cuts it");
    out.clear();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, kind, 0]);
    let packed = if packing == Packing::Deflate { packed(plain) } else { None };
    match packed {
        Some(packed) => {
            out[4] = PACKED;
            out.extend_from_slice(&packed);
        }
        None => out.extend_from_slice(plain),
    }
    let checksum = crc32c::crc32c(out);
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// The packed form of `plain`, if it is shorter.
fn packed(plain: &[u8]) -> Option<Vec<u8>> {
    let mut packed = Vec::with_capacity(plain.len());
    put(&mut packed, plain.len() as u64);
    let done = Compress::new(Compression::fast(), false).compress_vec(plain, &mut packed, FlushCompress::Finish);
    (done.ok()? == Status::StreamEnd && packed.len() < plain.len()).then_some(packed)
}

/// The kind and the payload of the frame `bytes`.
///
/// # Errors
/// It is none of this version, or damaged, or too large.
pub fn open(bytes: &[u8]) -> Result<(u8, Cow<'_, [u8]>), FrameFault> {
    let Some((magic, rest)) = bytes.split_first_chunk() else { return Err(FrameFault::Truncated) };
    if *magic != MAGIC {
        return Err(FrameFault::Foreign);
    }
    let Some((&[version, kind, flags], _)) = rest.split_first_chunk() else { return Err(FrameFault::Truncated) };
    if version != VERSION {
        return Err(FrameFault::Version(version));
    }
    if bytes.len() > FRAME_MAX {
        return Err(FrameFault::TooLarge);
    }
    if bytes.len() < AROUND {
        return Err(FrameFault::Truncated);
    }
    let (sealed, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(FrameFault::Truncated)?;
    if crc32c::crc32c(sealed) != u32::from_le_bytes(*checksum) {
        return Err(FrameFault::Checksum);
    }
    let payload = &sealed[AROUND - CHECKSUM..];
    match flags {
        0 => Ok((kind, Cow::Borrowed(payload))),
        PACKED => Ok((kind, Cow::Owned(unpacked(payload)?))),
        _ => Err(FrameFault::Range),
    }
}

fn unpacked(payload: &[u8]) -> Result<Vec<u8>, FrameFault> {
    let mut cursor = Cursor(payload);
    let length: usize = cursor.take_as()?;
    if length > PLAIN_MAX {
        return Err(FrameFault::TooLarge);
    }
    if length > cursor.left().saturating_mul(GROWTH_MAX) {
        return Err(FrameFault::Truncated);
    }
    let (mut plain, mut stream) = (Vec::with_capacity(length), Decompress::new(false));
    // It writes no further than the capacity.
    let done = stream.decompress_vec(cursor.0, &mut plain, FlushDecompress::Finish).map_err(|_| FrameFault::Range)?;
    let is_whole = done == Status::StreamEnd && stream.total_in() == cursor.left() as u64;
    if is_whole && plain.len() == length { Ok(plain) } else { Err(FrameFault::Range) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealed(kind: u8, plain: &[u8], packing: Packing) -> Vec<u8> {
        let mut out = vec![7; 3];
        seal(kind, plain, packing, &mut out);
        out
    }

    /// A frame of this payload whatever it is, so that what lies behind the checksum is tested.
    fn forged(flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = [&MAGIC[..], &[VERSION, 1, flags], payload].concat();
        frame.extend(crc32c::crc32c(&frame).to_le_bytes());
        frame
    }

    proptest! {
        #[test]
        fn any_payload_reads_back_plain_or_packed(kind: u8, plain: Vec<u8>, times in 1usize..9) {
            let plain = plain.repeat(times);
            for packing in [Packing::Plain, Packing::Deflate] {
                let frame = sealed(kind, &plain, packing);
                prop_assert!(frame.len() <= plain.len() + AROUND);
                prop_assert_eq!(open(&frame), Ok((kind, Cow::Borrowed(&plain[..]))));
            }
        }

        #[test]
        fn any_stream_unpacks_or_is_refused(bytes: Vec<u8>, length in 0u64..9_000) {
            let mut payload = Vec::new();
            put(&mut payload, length);
            payload.extend(bytes);
            if let Ok((_, plain)) = open(&forged(PACKED, &payload)) {
                prop_assert_eq!(plain.len() as u64, length);
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_refused() {
        for packing in [Packing::Plain, Packing::Deflate] {
            let frame = sealed(1, &[b"payload payload payload payload payload".as_slice(); 3].concat(), packing);
            for bit in 0..8 * frame.len() {
                let mut hostile = frame.clone();
                hostile[bit / 8] ^= 1 << (bit % 8);
                assert!(open(&hostile).is_err(), "bit {bit} of {packing:?}");
            }
            for length in 0..frame.len() {
                assert!(open(&frame[..length]).is_err(), "{length} bytes of {packing:?}");
            }
        }
    }

    /// The memory that it takes is what the length says, and that is checked first.
    #[test]
    fn a_bomb_is_refused_before_it_goes_off() {
        let mut stream = Vec::with_capacity(1 << 16);
        let zeros = vec![0; 32 << 20];
        let done = Compress::new(Compression::best(), false).compress_vec(&zeros, &mut stream, FlushCompress::Finish);
        assert_eq!(done.unwrap(), Status::StreamEnd);
        assert!(stream.len() < 40_000);
        for (length, fault) in
            [(zeros.len() as u64, FrameFault::TooLarge), (PLAIN_MAX as u64, FrameFault::Range), (3, FrameFault::Range)]
        {
            let mut payload = Vec::new();
            put(&mut payload, length);
            payload.extend_from_slice(&stream);
            assert_eq!(open(&forged(PACKED, &payload)), Err(fault), "{length}");
        }
    }

    #[test]
    fn each_fault_is_named() {
        let frame = sealed(3, b"x", Packing::Plain);
        let with = |index: usize, byte: u8| {
            let mut other = frame.clone();
            other[index] = byte;
            other
        };
        assert_eq!(open(b"hello"), Err(FrameFault::Foreign));
        assert_eq!(open(b"w"), Err(FrameFault::Truncated));
        assert_eq!(open(&with(2, 2)), Err(FrameFault::Version(2)));
        assert_eq!(open(&with(5, b'y')), Err(FrameFault::Checksum));
        assert_eq!(open(&forged(2, b"x")), Err(FrameFault::Range), "a flag that is not known");
        assert_eq!(open(&forged(0, &vec![0; FRAME_MAX])), Err(FrameFault::TooLarge));
        assert_eq!(open(&forged(0, &vec![0; PLAIN_MAX])).unwrap().1.len(), PLAIN_MAX);
    }
}
