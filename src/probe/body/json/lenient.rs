//! Makes JSON readable that `serde_json` refuses although the grammar allows it.
//!
//! Both come from servers that cut or compute without a look at the result, and leave the rest of the document as good as it was:
//! half of a surrogate pair as an escape (RFC 8259, section 8.2), and a number beyond the range of a double (section 6). Other
//! readers put U+FFFD and infinity there; JSON has no infinity, so the greatest double stands for it.

/// The greatest double, as it is written.
const GREATEST: &str = "1.7976931348623157e308";
const REPLACEMENT: &str = "\\ufffd";
/// Bytes of an escape by number.
const ESCAPE: usize = 6;

/// `document` without lone surrogates and numbers out of range; none if it has neither.
pub(super) fn readable(document: &str) -> Option<String> {
    let bytes = document.as_bytes();
    let (mut readable, mut copied, mut at, mut is_in_text) = (String::new(), 0, 0, false);
    let mut replace = |from: usize, until: usize, by: &[&str]| {
        readable.push_str(&document[copied..from]);
        readable.extend(by.iter().copied());
        copied = until;
    };
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b'\\' if is_in_text => match escaped(bytes, at) {
                Some(0xd800..=0xdbff) if matches!(escaped(bytes, at + ESCAPE), Some(0xdc00..=0xdfff)) => 2 * ESCAPE,
                Some(0xd800..=0xdfff) => {
                    replace(at, at + ESCAPE, &[REPLACEMENT]);
                    ESCAPE
                }
                Some(_) => ESCAPE,
                // The escaped byte may be a quote or another backslash.
                None => 2,
            },
            b'-' | b'0'..=b'9' if !is_in_text => {
                let is_of_number = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                let length = bytes[at..].iter().take_while(is_of_number).count();
                if is_out_of_range(&document[at..at + length]) {
                    replace(at, at + length, &[if byte == b'-' { "-" } else { "" }, GREATEST]);
                }
                length
            }
            b'"' => {
                is_in_text = !is_in_text;
                1
            }
            _ => 1,
        };
    }
    if copied == 0 {
        return None;
    }
    readable.push_str(&document[copied..]);
    Some(readable)
}

/// The code unit that an escape at `at` stands for, if there is one.
fn escaped(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    u16::from_str_radix(digits?, 16).ok()
}

/// Whether `number` is one of JSON that no double can hold.
fn is_out_of_range(number: &str) -> bool {
    let is_infinite = || number.parse::<f64>().is_ok_and(f64::is_infinite);
    // Rust reads more than JSON has: `01`, `1.`.
    let digits = number.strip_prefix('-').unwrap_or(number).as_bytes();
    let is_plain = match digits {
        [b'0', second, ..] => !second.is_ascii_digit(),
        [first, ..] => first.is_ascii_digit(),
        [] => false,
    };
    let has_fraction =
        number.split_once('.').is_none_or(|(_, rest)| rest.starts_with(|digit: char| digit.is_ascii_digit()));
    is_plain && has_fraction && is_infinite()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn half_a_pair_and_a_number_beyond_doubles_become_readable() {
        for (document, readable_as) in [
            (r#"{"t":"\ud83d"}"#, Some(r#"{"t":"\ufffd"}"#)),
            (r#"["\uDE00x"]"#, Some(r#"["\ufffdx"]"#)),
            (r#"["\ud83d\ude00", "\ude00\ud83d"]"#, Some(r#"["\ud83d\ude00", "\ufffd\ufffd"]"#)),
            (r#"["\ud83d\ud83d\ude00"]"#, Some(r#"["\ufffd\ud83d\ude00"]"#)),
            (r#"["\ud83dü\u00e9"]"#, Some(r#"["\ufffdü\u00e9"]"#)),
            (r#"{"\ud83d":1}"#, Some(r#"{"\ufffd":1}"#)),
            // A backslash, and then letters.
            (r#"["\\ud83d"]"#, None),
            (r#"["\\\ud83d"]"#, Some(r#"["\\\ufffd"]"#)),
            (r#"["\"\ud83d"]"#, Some(r#"["\"\ufffd"]"#)),
            ("[1e999, -1E+400, 2]", Some("[1.7976931348623157e308, -1.7976931348623157e308, 2]")),
            ("[1e308, 1e-999, 0e999]", None),
            (r#"["1e999"]"#, None),
            ("[01e999, 1.e999, 1e999e, -]", None),
            (r#"["\ud83"#, None),
            ("\\ud83d", None),
            ("[\"\\", None),
            ("", None),
        ] {
            assert_eq!(readable(document).as_deref(), readable_as, "{document}");
            if let Some(readable) = readable_as {
                assert!(serde_json::from_str::<Value>(document).is_err(), "{document}");
                assert!(serde_json::from_str::<Value>(readable).is_ok(), "{readable}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_readable_stays_as_it_is(document in r#"([\[\]{}",:1e9.ü -]|\\[u"\\n]|\\ud83d|\\ude00|e999){0,30}"#) {
            let readable = readable(&document);
            if serde_json::from_str::<Value>(&document).is_ok() {
                prop_assert_eq!(readable, None);
            }
        }
    }
}
