//! Undoes the content codings of a body (RFC 9110 §8.4).
//!
//! A server may send gzip or deflate unasked, as a coding of the content or of the transfer. "deflate" is zlib by the standard and
//! bare deflate on many servers; both are read. A body that does not begin as its header says passes as it is, and so does a text
//! that cannot be unpacked: many servers send plain pages under an old header. Names that are no coding (`utf-8`, `aws-chunked`)
//! undo nothing. Bounds: four codings, 16 MiB after each.

use std::io::{self, Read};

use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use hyper::header::{CONTENT_ENCODING, HeaderMap, TRANSFER_ENCODING};

use crate::model::BODY_KEPT_MAX;
use crate::model::text::clean_line;

use super::interrupt::pause;

/// No honest server applies more.
const CODINGS_MAX: usize = 4;
/// Bytes between two pauses.
const PIECE: usize = 64 << 10;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
/// Compressions that webmon does not undo.
const UNSUPPORTED: [&str; 13] =
    ["br", "zstd", "compress", "x-compress", "dcb", "dcz", "bzip2", "x-bzip2", "xz", "lzma", "lz4", "snappy", "sdch"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
}

/// The codings of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContentCodings {
    /// In the order in which the server applied them.
    pub(crate) known: Vec<Coding>,
    /// A compression that webmon does not undo.
    pub(crate) unsupported: Option<String>,
    /// Another name in a header, which is no compression as far as webmon knows.
    pub(crate) unknown: Option<String>,
}

/// A body without its codings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unpacked {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
    /// A coding that the header names and the body does not have.
    pub(crate) mislabelled: Option<Coding>,
}

/// How far unpacking came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    /// The coded bytes end too early.
    Cut,
    /// There is more than the bound.
    Full,
    /// The rest is not coded as the header says.
    Broken(Coding),
}

impl Coding {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }
}

impl ContentCodings {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut codings = Self::default();
        // The content is coded first, and decoded last.
        for header in [CONTENT_ENCODING, TRANSFER_ENCODING] {
            let title = if header == CONTENT_ENCODING { "Content-Encoding" } else { "Transfer-Encoding" };
            for value in headers.get_all(header) {
                for coding in value.as_bytes().split(|&byte| byte == b',') {
                    codings.add(title, coding);
                }
            }
        }
        codings
    }

    fn add(&mut self, header: &str, coding: &[u8]) {
        let name = coding.split(|&byte| byte == b';').next().unwrap_or_default();
        let name = String::from_utf8_lossy(name.trim_ascii()).trim_matches('"').to_ascii_lowercase();
        match name.as_str() {
            "" | "identity" | "none" | "chunked" => {}
            "gzip" | "x-gzip" => self.known.push(Coding::Gzip),
            "deflate" | "x-deflate" => self.known.push(Coding::Deflate),
            name if UNSUPPORTED.contains(&name) => {
                self.unsupported.get_or_insert_with(|| name.to_owned());
            }
            name => {
                self.unknown.get_or_insert_with(|| format!("{header}: {}", clean_line(name, 32)));
            }
        }
        if self.known.len() > CODINGS_MAX {
            self.known.clear();
            self.unsupported = Some(format!("more than {CODINGS_MAX} codings"));
        }
    }

    /// Whether the body is not coded.
    pub(crate) fn is_none(&self) -> bool {
        self.known.is_empty() && self.unsupported.is_none()
    }
}

/// Undoes `codings`, the last one first.
pub(crate) async fn unpack(bytes: Vec<u8>, codings: &[Coding]) -> Unpacked {
    unpack_up_to(bytes, codings, usize::try_from(BODY_KEPT_MAX).unwrap_or(usize::MAX)).await
}

/// Undoes `codings` with at most `max` bytes after each.
pub(crate) async fn unpack_up_to(bytes: Vec<u8>, codings: &[Coding], max: usize) -> Unpacked {
    let mut unpacked = Unpacked { bytes, end: End::Whole, mislabelled: None };
    for &coding in codings.iter().rev() {
        let packed = std::mem::take(&mut unpacked.bytes);
        let (plain, end) = match coding {
            Coding::Gzip => gunzip(&packed, max).await,
            Coding::Deflate => inflate(&packed, max).await,
        };
        match end {
            // Not coded at all, whatever the header says.
            End::Broken(_) | End::Cut if is_text(&packed) || plain.is_empty() && !begins_as(coding, &packed) => {
                (unpacked.bytes, unpacked.mislabelled) = (packed, Some(coding));
            }
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

/// Whether `packed` begins like `coding`. Bare deflate may begin with anything.
fn begins_as(coding: Coding, packed: &[u8]) -> bool {
    match coding {
        Coding::Gzip => packed.starts_with(GZIP_MAGIC),
        Coding::Deflate => is_zlib(packed),
    }
}

/// Whether `bytes` are text in a charset that extends ASCII. Coded bytes contain control bytes, unless they are few.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| !byte.is_ascii_control() || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c))
}

/// RFC 1950 §2.2: the method is deflate, and the two bytes are a multiple of 31.
fn is_zlib(packed: &[u8]) -> bool {
    let [first, second, ..] = packed else { return false };
    first & 0x0f == 8 && first >> 4 <= 7 && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31)
}

/// A gzip file has one or more members; trailing bytes do not count.
async fn gunzip(packed: &[u8], max: usize) -> (Vec<u8>, End) {
    let (mut plain, mut rest) = (Vec::new(), packed);
    if packed.is_empty() {
        return (plain, End::Whole);
    }
    loop {
        let mut decoder = GzDecoder::new(rest);
        let end = read_all(&mut decoder, &mut plain, max, Coding::Gzip).await;
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
        let mut decoder = DeflateDecoder::new(packed);
        let end = read_all(&mut decoder, &mut plain, max, Coding::Deflate).await;
        // A text may begin like a short deflate stream.
        let is_by_chance = end == End::Whole && decoder.total_in() < packed.len() as u64 && is_text(packed);
        return (plain, if is_by_chance { End::Broken(Coding::Deflate) } else { end });
    }
    let end = read_all(&mut ZlibDecoder::new(packed), &mut plain, max, Coding::Deflate).await;
    if !matches!(end, End::Broken(_)) {
        return (plain, end);
    }
    // Bare deflate may begin like zlib by chance.
    let mut bare = Vec::new();
    match read_all(&mut DeflateDecoder::new(packed), &mut bare, max, Coding::Deflate).await {
        End::Broken(_) => (plain, end),
        end => (bare, end),
    }
}

/// Reads `decoder` to its end or to `max` bytes.
async fn read_all(decoder: &mut impl Read, plain: &mut Vec<u8>, max: usize, coding: Coding) -> End {
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
    use crate::probe::body::interrupt::at_once;

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
        let Unpacked { bytes, end, .. } = at_once(unpack(bytes.to_vec(), codings));
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
            (&["identity, gzip", "none"], &[Gzip]),
            (&["\"gzip\"; q=1"], &[Gzip]),
        ] {
            let expected = ContentCodings { known: codings.to_vec(), ..ContentCodings::default() };
            assert_eq!(ContentCodings::of(&headers(values)), expected, "{values:?}");
        }
        for (values, name) in
            [(&["br"][..], "br"), (&["gzip, zstd"], "zstd"), (&["gzip", "gzip,gzip,gzip,gzip"], "more than 4 codings")]
        {
            assert_eq!(ContentCodings::of(&headers(values)).unsupported.as_deref(), Some(name), "{values:?}");
        }
        for (value, codings) in [("utf-8", &[][..]), ("aws-chunked,gzip", &[Gzip]), ("gzip, aws-chunked", &[Gzip])] {
            let ContentCodings { known, unsupported, unknown } = ContentCodings::of(&headers(&[value]));
            assert_eq!((known.as_slice(), unsupported), (codings, None), "{value}");
            let name = if value == "utf-8" { value } else { "aws-chunked" };
            assert_eq!(unknown, Some(format!("Content-Encoding: {name}")));
        }
    }

    #[test]
    fn a_coding_of_the_transfer_is_undone_before_those_of_the_content() {
        use Coding::{Deflate, Gzip};
        for (content, transfer, codings, unknown) in [
            ("", "chunked", &[][..], None),
            ("", "gzip, chunked", &[Gzip], None),
            ("gzip", "Deflate , Chunked", &[Gzip, Deflate], None),
            ("", "x, chunked", &[], Some("Transfer-Encoding: x")),
        ] {
            let headers =
                [(TRANSFER_ENCODING, transfer.parse().unwrap()), (CONTENT_ENCODING, content.parse().unwrap())];
            let found = ContentCodings::of(&headers.into_iter().collect());
            assert_eq!((found.known.as_slice(), found.unknown.as_deref()), (codings, unknown), "{transfer}");
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

    /// curl and browsers refuse a text under "deflate", Chrome shows one under "gzip"; both can be judged, even if the first
    /// letters look coded.
    #[test]
    fn a_text_is_taken_as_it_is_whatever_it_begins_with() {
        let texts = [
            "{\"a\":1,\"needle\":2}",
            "[\"needle\"]",
            "# needle\n",
            "UP needle",
            "OK needle",
            "<p>needle</p>",
            "x^ needle",
        ];
        let mut all: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        for first in ' '..='~' {
            all.extend((' '..='~').map(|second| format!("{first}{second} caf\u{e9} needle\r\n")));
        }
        for text in all {
            for coding in [Coding::Gzip, Coding::Deflate] {
                let Unpacked { bytes, end, mislabelled } = at_once(unpack(text.clone().into_bytes(), &[coding]));
                assert_eq!(
                    (bytes.as_slice(), end, mislabelled),
                    (text.as_bytes(), End::Whole, Some(coding)),
                    "{text:?}"
                );
            }
        }
        let real = unpacked(&bare(b"a"), &[Coding::Deflate]);
        assert_eq!(real, (b"a".to_vec(), End::Whole));
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
