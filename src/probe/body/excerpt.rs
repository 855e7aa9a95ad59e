//! The beginning of a body as text that can be shown: decoded and clean, with `***` for known secrets.
//!
//! A body that cannot be read as text (an unsupported coding, zero bytes) has none. Cost: only the first 4 KiB are read, coded and
//! decoded, so this runs on the network thread.

use crate::model::KnownSecrets;
use crate::model::text::clean;

use super::charset::{Charset, decode};
use super::content_coding::unpack_up_to;
use super::interrupt::at_once;
use super::received::BodyRead;

/// Bytes of a body that are read.
const READ_MAX: usize = 4 << 10;

/// Bytes of a body that [`of_body`] needs: one more than it reads tells that there is more.
pub(crate) const BEGINNING: usize = READ_MAX + 1;

/// A copy of `body` with as much of it as [`of_body`] needs.
pub(crate) fn beginning(body: &BodyRead) -> BodyRead {
    let kept = body.kept[..body.kept.len().min(BEGINNING)].to_vec();
    BodyRead { kept, codings: body.codings.clone(), charset: body.charset.clone(), ..BodyRead::default() }
}

/// The beginning of `body`, at most `max` bytes.
pub(crate) fn of_body(body: &BodyRead, secrets: &KnownSecrets, max: usize) -> Option<String> {
    let head = &body.kept[..body.kept.len().min(READ_MAX)];
    let charset = body.charset.as_deref();
    if body.codings.unsupported.is_some() {
        return None;
    }
    if body.codings.is_none() {
        return of_plain(&body.kept, charset, secrets, max);
    }
    let plain = at_once(unpack_up_to(head.to_vec(), &body.codings.known, READ_MAX + 1)).bytes;
    of_plain(&plain, charset, secrets, max)
}

/// The beginning of `plain`, whose header names `charset`, at most `max` bytes: clean lines, separated by line feeds.
pub(crate) fn of_plain(plain: &[u8], charset: Option<&str>, secrets: &KnownSecrets, max: usize) -> Option<String> {
    let head = &plain[..plain.len().min(READ_MAX)];
    let mut text = match Charset::of(head, charset) {
        Charset::Of(encoding, mark) => at_once(decode(&head[mark..], encoding, true)).0,
        Charset::AsItIs(mark) => lossy(&head[mark..]),
        Charset::Unknown(_) => lossy(head),
    };
    if text.contains('\0') || text.trim().is_empty() {
        return None;
    }
    if head.len() < plain.len() {
        text.push('…');
    }
    // A secret may cross the bound or contain a line feed, so it is hidden before either matters.
    let lines: Vec<String> = secrets.hidden_in(&text).lines().map(|line| clean(&line.replace('\t', " "))).collect();
    let mut text = lines.join("\n");
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
    Some(text)
}

/// `text` with replacement characters; an incomplete character at its end is dropped.
fn lossy(text: &[u8]) -> String {
    let whole = match std::str::from_utf8(text) {
        Err(error) if error.error_len().is_none() => &text[..error.valid_up_to()],
        _ => text,
    };
    String::from_utf8_lossy(whole).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::is_harmful;
    use crate::probe::body::content_coding::{Coding, ContentCodings};

    fn of(plain: &[u8], charset: Option<&str>, max: usize) -> Option<String> {
        of_plain(plain, charset, &KnownSecrets::new(["hunter2-long"]), max)
    }

    #[test]
    fn it_is_text_of_a_bounded_length_with_nothing_that_a_terminal_obeys() {
        assert_eq!(of(b"<h1>\x1b[2J\r\n\tok", None, 512).as_deref(), Some("<h1>\u{fffd}[2J\n ok"));
        assert_eq!(of(b"Caf\xe9", Some("latin1"), 512).as_deref(), Some("Café"));
        assert_eq!(of(b"\xff\xfeo\0k\0", None, 512).as_deref(), Some("ok"));
        assert_eq!(of(b"Caf\xe9!", None, 512).as_deref(), Some("Caf\u{fffd}!"));
        assert_eq!(of(&"日".as_bytes()[..2], None, 512), None, "half a character");
        for nothing in [&b""[..], b" \r\n", b"\x89PNG\0\0"] {
            assert_eq!(of(nothing, None, 512), None);
        }
        let long = of("日本".repeat(9_000).as_bytes(), None, 512).unwrap();
        assert!(long.len() <= 512 && long.ends_with('…'), "{long}");
        let hostile: String = (0..0x3000).filter_map(char::from_u32).skip(1).collect();
        assert!(!of(hostile.as_bytes(), None, 9_999).unwrap().chars().any(|c| c != '\n' && is_harmful(c)));
    }

    #[test]
    fn no_part_of_a_known_secret_is_left_at_the_cut() {
        for before in [0, 500, 505, READ_MAX - 8, READ_MAX - 20] {
            let body = format!("{}hunter2-long and more{}", "x".repeat(before), "y".repeat(9_000));
            for max in [20, 512, READ_MAX] {
                let shown = of(body.as_bytes(), None, max).unwrap();
                assert!(!shown.contains("hunter"), "{before} {max}");
            }
        }
    }

    #[test]
    fn a_small_body_that_unpacks_to_a_large_one_is_unpacked_no_further_than_it_is_shown() {
        use std::io::Write as _;
        let packed = |plain: &[u8]| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            gzip.write_all(plain).unwrap();
            gzip.finish().unwrap()
        };
        let kept = packed(&packed(&vec![b'x'; 16 << 20]));
        let codings = ContentCodings { known: vec![Coding::Gzip; 2], ..ContentCodings::default() };
        let unpacked = at_once(unpack_up_to(kept.clone(), &codings.known, READ_MAX + 1)).bytes;
        assert_eq!(unpacked.len(), READ_MAX + 1);
        let body = beginning(&BodyRead { kept, codings, ..BodyRead::default() });
        let shown = of_body(&body, &KnownSecrets::default(), READ_MAX * 2).unwrap();
        assert_eq!(shown, format!("{}…", "x".repeat(READ_MAX)));
    }

    #[test]
    fn the_beginning_shows_what_the_whole_body_shows() {
        for length in [10, READ_MAX, READ_MAX + 1, 3 * READ_MAX] {
            let body = BodyRead { kept: vec![b'x'; length], ..BodyRead::default() };
            let shown = |body| of_body(body, &KnownSecrets::default(), 2 * READ_MAX);
            let head = beginning(&body);
            assert!(head.kept.len() <= READ_MAX + 1);
            assert_eq!(shown(&head), shown(&body), "{length}");
        }
    }

    #[test]
    fn what_is_packed_is_unpacked_if_it_can_be() {
        use std::io::Write as _;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"<h1>closed</h1>").unwrap();
        let kept = gzip.finish().unwrap();
        let body = |codings| BodyRead { kept: kept.clone(), codings, ..BodyRead::default() };
        let shown = |codings| of_body(&body(codings), &KnownSecrets::default(), 60);
        assert_eq!(
            shown(ContentCodings { known: vec![Coding::Gzip], ..ContentCodings::default() }).as_deref(),
            Some("<h1>closed</h1>")
        );
        assert_eq!(shown(ContentCodings { unsupported: Some("br".to_owned()), ..ContentCodings::default() }), None);
    }
}
