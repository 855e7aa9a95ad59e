//! What a body is when its content codings are undone (RFC 9110 §8.4).
//!
//! A server may send gzip or deflate unasked. "deflate" is zlib by the standard and bare deflate on many servers; both are
//! read. A body that does not begin as its header says is taken as it is, since many servers send plain pages under a header
//! of old. Limits: four codings, 16 MiB after each of them; what would be more is not looked at.

use std::io::{self, Read};

use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use hyper::header::{CONTENT_ENCODING, HeaderMap};

use super::pause::pause;
use crate::model::BODY_KEPT_MAX;
use crate::model::text::clean_line;

/// Codings that are undone; nobody packs a body more often in good faith.
const CODINGS_MAX: usize = 4;
/// Bytes that are unpacked between two pauses.
const PIECE: usize = 64 << 10;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// One way to pack a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
}

/// How a body is packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// By these, in the order in which they were applied; often by none.
    Known(Vec<Coding>),
    /// In a way that webmon does not read.
    Unknown(String),
}

/// A body without its packing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unpacked {
    pub(super) bytes: Vec<u8>,
    pub(super) end: End,
}

/// How far unpacking came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// To the end.
    Whole,
    /// The packed bytes end too early.
    Cut,
    /// There is more than is looked at.
    Full,
    /// What follows is not packed as the header says.
    Broken(Coding),
}

impl Default for Packing {
    fn default() -> Self {
        Self::Known(Vec::new())
    }
}

impl Coding {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }
}

impl Packing {
    /// What `headers` say.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut codings = Vec::new();
        for value in headers.get_all(CONTENT_ENCODING) {
            for name in value.as_bytes().split(|&byte| byte == b',') {
                let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase();
                match name.as_str() {
                    "" | "identity" | "none" => {}
                    "gzip" | "x-gzip" => codings.push(Coding::Gzip),
                    "deflate" | "x-deflate" => codings.push(Coding::Deflate),
                    _ => return Self::Unknown(clean_line(&name, 32)),
                }
                if codings.len() > CODINGS_MAX {
                    return Self::Unknown(format!("more than {CODINGS_MAX} codings"));
                }
            }
        }
        Self::Known(codings)
    }

    /// Whether there is nothing to undo.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::Known(codings) if codings.is_empty())
    }
}

/// `bytes` without `codings`, the last of which was applied last.
pub(super) async fn unpack(bytes: Vec<u8>, codings: &[Coding]) -> Unpacked {
    let max = usize::try_from(BODY_KEPT_MAX).unwrap_or(usize::MAX);
    let mut unpacked = Unpacked { bytes, end: End::Whole };
    for &coding in codings.iter().rev() {
        let packed = std::mem::take(&mut unpacked.bytes);
        let (plain, end) = match coding {
            Coding::Gzip => gunzip(&packed, max).await,
            Coding::Deflate => inflate(&packed, max).await,
        };
        match end {
            // Not packed at all, whatever the header says.
            End::Broken(_) | End::Cut if plain.is_empty() && !begins_as(coding, &packed) => unpacked.bytes = packed,
            End::Whole => unpacked.bytes = plain,
            end => {
                unpacked.bytes = plain;
                if unpacked.end == End::Whole || matches!(end, End::Broken(_)) {
                    unpacked.end = end;
                }
            }
        }
    }
    unpacked
}

/// Whether `packed` begins as `coding` does. Bare deflate begins as it likes.
fn begins_as(coding: Coding, packed: &[u8]) -> bool {
    match coding {
        Coding::Gzip => packed.starts_with(GZIP_MAGIC),
        Coding::Deflate => is_zlib(packed),
    }
}

/// RFC 1950 §2.2: the method is deflate, and the two bytes are a multiple of 31.
fn is_zlib(packed: &[u8]) -> bool {
    let [first, second, ..] = packed else { return false };
    first & 0x0f == 8 && first >> 4 <= 7 && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31)
}

/// A gzip file is one member or several, one after the other; what follows that is none does not count.
async fn gunzip(packed: &[u8], max: usize) -> (Vec<u8>, End) {
    let (mut plain, mut rest) = (Vec::new(), packed);
    if packed.is_empty() {
        return (plain, End::Whole);
    }
    loop {
        let mut decoder = GzDecoder::new(rest);
        let end = pour(&mut decoder, &mut plain, max, Coding::Gzip).await;
        rest = decoder.into_inner();
        if end != End::Whole || !rest.starts_with(GZIP_MAGIC) {
            return (plain, end);
        }
        pause().await;
    }
}

async fn inflate(packed: &[u8], max: usize) -> (Vec<u8>, End) {
    let mut plain = Vec::new();
    if packed.is_empty() {
        return (plain, End::Whole);
    }
    if !is_zlib(packed) {
        let end = pour(&mut DeflateDecoder::new(packed), &mut plain, max, Coding::Deflate).await;
        return (plain, end);
    }
    let end = pour(&mut ZlibDecoder::new(packed), &mut plain, max, Coding::Deflate).await;
    if !matches!(end, End::Broken(_)) {
        return (plain, end);
    }
    // Bare deflate may begin like zlib by chance.
    let mut bare = Vec::new();
    match pour(&mut DeflateDecoder::new(packed), &mut bare, max, Coding::Deflate).await {
        End::Broken(_) => (plain, end),
        end => (bare, end),
    }
}

/// Reads `decoder` to its end, or until there are `max` bytes.
async fn pour(decoder: &mut impl Read, plain: &mut Vec<u8>, max: usize, coding: Coding) -> End {
    loop {
        let before = plain.len();
        let room = PIECE.min((max - before).saturating_add(1));
        plain.resize(before + room, 0);
        let read = decoder.read(&mut plain[before..]);
        plain.truncate(before + read.as_ref().map_or(0, |&read| read));
        match read {
            Ok(0) => return End::Whole,
            Ok(_) if plain.len() > max => {
                plain.truncate(max);
                return End::Full;
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return End::Cut,
            Err(_) => return End::Broken(coding),
        }
        pause().await;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;
    use crate::probe::pause::at_once;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn bare(plain: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(bytes: &[u8], codings: &[Coding]) -> (Vec<u8>, End) {
        let Unpacked { bytes, end } = at_once(unpack(bytes.to_vec(), codings));
        (bytes, end)
    }

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (CONTENT_ENCODING, value.parse().unwrap())).collect()
    }

    #[test]
    fn the_header_names_what_is_to_be_undone() {
        use Coding::{Deflate, Gzip};
        for (values, codings) in [
            (&[][..], &[][..]),
            (&["identity"], &[]),
            (&["GZIP"], &[Gzip]),
            (&["x-gzip"], &[Gzip]),
            (&["deflate, gzip"], &[Deflate, Gzip]),
            (&["deflate", " gzip "], &[Deflate, Gzip]),
        ] {
            assert_eq!(Packing::of(&headers(values)), Packing::Known(codings.to_vec()), "{values:?}");
        }
        for (values, name) in
            [(&["br"][..], "br"), (&["gzip, zstd"], "zstd"), (&["gzip", "gzip,gzip,gzip,gzip"], "more than 4 codings")]
        {
            assert_eq!(Packing::of(&headers(values)), Packing::Unknown(name.to_owned()), "{values:?}");
        }
    }

    #[test]
    fn every_usual_way_to_pack_is_undone() {
        use Coding::{Deflate, Gzip};
        let plain = b"the answer is ok, and again: the answer is ok";
        let twice = [gzip(&plain[..7]), gzip(&plain[7..])].concat();
        let trailed = [&gzip(plain)[..], b"\0\0 rubbish"].concat();
        for (packed, codings) in [
            (gzip(plain), &[Gzip][..]),
            (zlib(plain), &[Deflate]),
            (bare(plain), &[Deflate]),
            (gzip(&bare(plain)), &[Deflate, Gzip]),
            (gzip(&gzip(plain)), &[Gzip, Gzip]),
            (twice, &[Gzip]),
            (trailed, &[Gzip]),
            (plain.to_vec(), &[]),
            // Plain, whatever the header says.
            (plain.to_vec(), &[Gzip]),
            (plain.to_vec(), &[Deflate]),
        ] {
            assert_eq!(unpacked(&packed, codings), (plain.to_vec(), End::Whole), "{codings:?} {packed:?}");
        }
        assert_eq!(unpacked(b"", &[Gzip, Deflate]), (Vec::new(), End::Whole));
    }

    #[test]
    fn what_ends_early_or_is_broken_is_unpacked_as_far_as_it_goes() {
        let plain: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        for (packed, coding) in
            [(gzip(&plain), Coding::Gzip), (zlib(&plain), Coding::Deflate), (bare(&plain), Coding::Deflate)]
        {
            let (some, end) = unpacked(&packed[..packed.len() / 2], &[coding]);
            assert_eq!(end, End::Cut, "{coding:?}");
            assert!(some.len() > 1_000 && plain.starts_with(&some), "{coding:?}: {}", some.len());
        }
        let mut wrong = gzip(&plain);
        let last = wrong.len() - 6;
        wrong[last] ^= 1;
        assert_eq!(unpacked(&wrong, &[Coding::Gzip]).1, End::Broken(Coding::Gzip), "a wrong checksum");
        assert_eq!(unpacked(b"\x1f\x8b\x08\0\0\0\0\0\0\0\xff\xff\xff", &[Coding::Gzip]).1, End::Broken(Coding::Gzip));
    }

    #[test]
    fn a_bomb_is_unpacked_up_to_the_bound() {
        let plain = vec![0; (16 << 20) + 1];
        for (packed, codings) in [
            (gzip(&plain), &[Coding::Gzip][..]),
            (gzip(&gzip(&plain)), &[Coding::Gzip, Coding::Gzip]),
            (bare(&plain), &[Coding::Deflate]),
        ] {
            let (some, end) = unpacked(&packed, codings);
            assert_eq!((some.len(), end), (16 << 20, End::Full));
        }
        let (all, end) = unpacked(&gzip(&plain[1..]), &[Coding::Gzip]);
        assert_eq!((all.len(), end), (16 << 20, End::Whole), "exactly as much as is looked at");
    }
}
