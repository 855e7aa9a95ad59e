//! Finds the charset of a body, and decodes it to UTF-8.
//!
//! A byte order mark decides, then the Content-Type, then the body's own declaration (`<meta charset>`, an XML declaration);
//! without any the body stays as it is. Labels are those of the WHATWG encoding standard. Bounds: declarations count within the
//! first 1,024 bytes, as in browsers; the text is at most three times the body.

use encoding_rs::{CoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use hyper::header::{CONTENT_TYPE, HeaderMap};

use crate::model::text::clean_line;

use super::interrupt::pause;

const DECLARED_WITHIN: usize = 1_024;
const LABEL_MAX: usize = 40;
/// Bytes between two pauses.
const PIECE: usize = 64 << 10;

/// How to read a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Charset<'a> {
    /// As it is, after a mark of so many bytes.
    AsItIs(usize),
    /// By this encoding, after a mark of so many bytes.
    Of(&'static Encoding, usize),
    /// By an encoding that webmon does not know.
    Unknown(&'a str),
}

/// The media type in the Content-Type of `headers`, in lower case and without parameters.
pub(crate) fn kind(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(CONTENT_TYPE)?.as_bytes()).to_ascii_lowercase();
    let kind = value.split(';').next().unwrap_or_default();
    Some(clean_line(kind, LABEL_MAX)).filter(|kind| !kind.is_empty())
}

/// The charset in the Content-Type of `headers`.
pub(crate) fn declared(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(CONTENT_TYPE)?.as_bytes()).into_owned();
    let parameters = value.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut labels = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    labels
        .next()
        .map(|(_, label)| clean_line(label.trim().trim_matches(['"', '\'']), LABEL_MAX))
        .filter(|label| !label.is_empty())
}

impl<'a> Charset<'a> {
    /// How to read `body`, whose header says `label`.
    pub(crate) fn of(body: &[u8], label: Option<&'a str>) -> Self {
        match body {
            [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Self::Unknown("UTF-32"),
            [0xef, 0xbb, 0xbf, ..] => return Self::AsItIs(3),
            [0xff, 0xfe, ..] => return Self::Of(UTF_16LE, 2),
            [0xfe, 0xff, ..] => return Self::Of(UTF_16BE, 2),
            _ => {}
        }
        if let Some(label) = label {
            let Some(encoding) = known(label.as_bytes()) else { return Self::Unknown(label) };
            // The label leaves the byte order open; nearly every text begins with an ASCII character.
            let is_open = encoding == UTF_16LE && !label.to_ascii_lowercase().ends_with("le");
            return match body {
                [0, second, ..] if is_open && *second != 0 => Self::Of(UTF_16BE, 0),
                _ => Self::by(encoding),
            };
        }
        match declared_inside(&body[..body.len().min(DECLARED_WITHIN)]) {
            // Then the declaration itself could not be read as ASCII.
            Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => Self::AsItIs(0),
            Some(encoding) => Self::by(encoding),
            None => Self::AsItIs(0),
        }
    }

    fn by(encoding: &'static Encoding) -> Self {
        if encoding == UTF_8 { Self::AsItIs(0) } else { Self::Of(encoding, 0) }
    }
}

/// The encoding of `label`, if webmon knows it.
fn known(label: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_label_no_replacement(label)
}

/// The encoding that `head` declares: `charset` in a `<meta>`, or `encoding` in an XML declaration.
fn declared_inside(head: &[u8]) -> Option<&'static Encoding> {
    let head = head.to_ascii_lowercase();
    if let Some(declaration) = head.strip_prefix(b"<?xml") {
        let end = declaration.iter().position(|&byte| byte == b'>').unwrap_or(declaration.len());
        return value_of(&declaration[..end], b"encoding").and_then(known);
    }
    let mut rest = head.as_slice();
    while let Some(at) = memchr::memmem::find(rest, b"<meta") {
        rest = &rest[at + 5..];
        let end = rest.iter().position(|&byte| byte == b'>').unwrap_or(rest.len());
        if let Some(encoding) = value_of(&rest[..end], b"charset").and_then(known) {
            return Some(encoding);
        }
    }
    None
}

/// The value after `name` and `=` in `text`, without quotes.
fn value_of<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let after = &text[memchr::memmem::find(text, name)? + name.len()..];
    let value = after.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"\"';/>?".contains(byte);
    let end = value.iter().position(is_end).unwrap_or(value.len());
    Some(&value[..end]).filter(|value| !value.is_empty())
}

/// `body` in UTF-8, and whether it has bytes that `encoding` does not. The last character of a `cut` body may be incomplete.
pub(crate) async fn decode(body: &[u8], encoding: &'static Encoding, cut: bool) -> (String, bool) {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let (mut text, mut rest, mut wrong) = (String::new(), body, false);
    loop {
        let piece = &rest[..rest.len().min(PIECE)];
        let last = piece.len() == rest.len() && !cut;
        text.reserve(decoder.max_utf8_buffer_length(piece.len()).unwrap_or(3 * PIECE));
        let (result, read, replaced) = decoder.decode_to_string(piece, &mut text, last);
        wrong |= replaced;
        rest = &rest[read..];
        if rest.is_empty() && result == CoderResult::InputEmpty {
            return (text, wrong);
        }
        pause().await;
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::{GBK, ISO_2022_JP, SHIFT_JIS, WINDOWS_1252};

    use super::*;
    use crate::probe::body::interrupt::at_once;

    #[test]
    fn the_header_names_a_charset_in_many_ways() {
        for (value, label) in [
            ("text/html", None),
            ("text/html; charset=utf-8", Some("utf-8")),
            ("text/html;Charset=\"ISO-8859-1\"", Some("ISO-8859-1")),
            ("text/html; q=1; charset = gbk ; x=y", Some("gbk")),
            ("text/html; charset=", None),
        ] {
            let headers = [(CONTENT_TYPE, value.parse().unwrap())].into_iter().collect();
            assert_eq!(declared(&headers).as_deref(), label, "{value}");
        }
    }

    #[test]
    fn marks_come_before_headers_and_those_before_what_a_page_says() {
        use Charset::{AsItIs, Of, Unknown};
        let xml = b"<?xml version='1.0' encoding='Shift_JIS'?><a/>";
        let meta = b"<html><META name=x><meta http-equiv='Content-Type' content='text/html; charset=gb2312'>";
        for (body, label, charset) in [
            (&b"ok"[..], None, AsItIs(0)),
            (b"ok", Some("UTF-8"), AsItIs(0)),
            (b"\xef\xbb\xbf{", Some("iso-8859-1"), AsItIs(3)),
            (b"\xff\xfeo\0", Some("utf-8"), Of(UTF_16LE, 2)),
            (b"\xfe\xff\0o", None, Of(UTF_16BE, 2)),
            (b"o\0k\0", Some("utf-16"), Of(UTF_16LE, 0)),
            (b"\0o\0k", Some("UTF-16"), Of(UTF_16BE, 0)),
            (b"\0o\0k", Some("UTF-16LE"), Of(UTF_16LE, 0)),
            (b"\xff\xfe\0\0", None, Unknown("UTF-32")),
            (b"x", Some("Latin-1"), Unknown("Latin-1")),
            (b"x", Some("latin1"), Of(WINDOWS_1252, 0)),
            (xml, None, Of(SHIFT_JIS, 0)),
            (xml, Some("gbk"), Of(GBK, 0)),
            (meta, None, Of(GBK, 0)),
            (b"<meta charset=utf-16>", None, AsItIs(0)),
            (b"<meta charset='iso-2022-jp'>", None, Of(ISO_2022_JP, 0)),
            (b"<meta charset=", None, AsItIs(0)),
        ] {
            assert_eq!(Charset::of(body, label), charset, "{:?} {label:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn text_is_decoded_across_pieces_and_says_what_does_not_belong() {
        let long: String = "日本語".repeat(PIECE);
        for (encoding, text) in [(WINDOWS_1252, "Café"), (GBK, "你好"), (SHIFT_JIS, long.as_str())] {
            let (bytes, ..) = encoding.encode(text);
            assert_eq!(at_once(decode(&bytes, encoding, false)), (text.to_owned(), false), "{}", encoding.name());
        }
        let half = &SHIFT_JIS.encode("日本").0[..3];
        assert_eq!(at_once(decode(half, SHIFT_JIS, true)), ("日".to_owned(), false));
        assert!(at_once(decode(half, SHIFT_JIS, false)).1);
        assert_eq!(at_once(decode(b"", GBK, false)), (String::new(), false));
    }
}
