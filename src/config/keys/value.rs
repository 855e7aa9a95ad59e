//! Parsers of the values of sites.yaml, one per kind of value.
//!
//! An error is the whole message: it quotes the text and says what to write. Callers must not show it for a text from a
//! variable.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::alert::Threshold;
use crate::config::syntax::quote::quotable_key;
use crate::model::time::duration;
use crate::model::{ConnectTo, PageTerms, Pin, text};

use super::suggest;

/// Longest name of a site, bytes.
const NAME_MAX: usize = 200;
/// Longest name or value of a header, bytes.
const HEADER_MAX: usize = 8 << 10;

/// The units of sizes and their bytes.
pub(crate) const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Replaces `value` by what was written, if anything was.
pub(crate) fn set<T>(value: &mut T, written: Option<T>) {
    if let Some(written) = written {
        *value = written;
    }
}

/// A duration within `range`.
pub(crate) fn duration_in(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let duration = duration::parse(text).map_err(|error| error.to_string())?;
    if range.contains(&duration) {
        return Ok(duration);
    }
    let (low, high) = (duration::format(*range.start()), duration::format(*range.end()));
    let fault = if duration < *range.start() { "short" } else { "long" };
    Err(format!("{} is too {fault}; it must be between {low} and {high}", text.trim()))
}

/// A number of bytes such as `1MiB`, within `range`.
pub(crate) fn size_in(text: &str, range: &RangeInclusive<u64>) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = UNITS.iter().find(|(name, _)| *name == unit.trim_start());
    let size = number.parse::<u64>().ok().zip(scale).and_then(|(number, (_, scale))| number.checked_mul(*scale));
    let size =
        size.ok_or_else(|| format!("{text:?} is not a size; write a whole number with a unit: 512KiB, 1MiB, 2GiB"))?;
    if range.contains(&size) {
        return Ok(size);
    }
    let (low, high) = (format_size(*range.start()), format_size(*range.end()));
    Err(format!("{text} is out of range; it must be between {low} and {high}"))
}

pub(crate) fn format_size(bytes: u64) -> String {
    let (unit, scale) = UNITS[..4].iter().find(|(_, scale)| bytes >= *scale).unwrap_or(&UNITS[8]);
    format!("{}{unit}", bytes / scale)
}

/// A whole number within `range`.
pub(crate) fn number_in(text: &str, range: &RangeInclusive<u32>) -> Result<u32, String> {
    text.trim()
        .parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("{text:?} is not a whole number from {} to {}", range.start(), range.end()))
}

/// `true` or `false`.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text.trim() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{other:?} is neither true nor false")),
    }
}

/// The index of `text` in `words`.
pub(crate) fn choice(text: &str, words: &[&str]) -> Result<usize, String> {
    let text = text.trim();
    if let Some(at) = words.iter().position(|word| *word == text) {
        return Ok(at);
    }
    let near = suggest::near(text, words.iter().copied());
    let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    Err(format!("{text:?} is not one of {}{near}", words.join(", ")))
}

/// A percentage with at most four decimals, `0%` to `100%`.
pub(crate) fn percentage(text: &str) -> Result<Threshold, String> {
    let text = text.trim();
    let wrong = || format!("{text:?} is not a percentage such as 80% or 99.5%");
    let number = text.strip_suffix('%').ok_or_else(wrong)?.trim_end();
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_number =
        |digits: &str, most| (1..=most).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(whole, 3) || !is_number(decimals, 4) {
        return Err(wrong());
    }
    let ppm = format!("{whole}{decimals:0<4}").parse().ok().and_then(Threshold::from_ppm);
    ppm.ok_or_else(|| format!("{text} is more than 100%"))
}

/// A percentage as it is written.
pub(crate) fn format_percentage(threshold: Threshold) -> String {
    let (whole, rest) = (threshold.ppm() / 10_000, threshold.ppm() % 10_000);
    if rest == 0 {
        return format!("{whole}%");
    }
    format!("{}%", format!("{whole}.{rest:04}").trim_end_matches('0'))
}

/// Status codes: `200`, `200-299`, or several of these with commas.
pub(crate) fn status_ranges(text: &str) -> Result<Vec<(u16, u16)>, String> {
    text.split(',').map(status_range).collect()
}

fn status_range(text: &str) -> Result<(u16, u16), String> {
    let text = text.trim();
    let code = |code: &str| {
        let code = code.trim();
        let digits = code.len() == 3 && code.bytes().all(|digit| digit.is_ascii_digit());
        code.parse::<u16>().ok().filter(|code| digits && *code >= 100).ok_or_else(|| {
            format!("{code:?} is not a status code from 100 to 999; examples: 200, 200-299, \"200,301-308\"")
        })
    };
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (code(low)?, code(high)?);
    if low > high { Err(format!("the range {text} starts above its end")) } else { Ok((low, high)) }
}

/// Where to connect.
pub(crate) fn connect_to(text: &str) -> Result<ConnectTo, String> {
    ConnectTo::parse(text).ok_or_else(|| {
        format!("{text:?} is not a place to connect to; write an address or a name, and maybe a port: 203.0.113.7:8443")
    })
}

/// The pin of a public key.
pub(crate) fn pin(text: &str) -> Result<Pin, String> {
    let text = text.trim();
    Pin::parse(text).ok_or_else(|| {
        // This is how curl writes it.
        let pasted = text.strip_prefix("sha256//").and_then(|hash| Pin::parse(&format!("sha256/{hash}")));
        match pasted {
            Some(pin) => format!("a pin has one slash; write {pin}"),
            None => {
                format!("{text:?} is not a pin; write sha256/ and the SHA-256 of a public key, 44 characters of Base64")
            }
        }
    })
}

/// A request's method.
pub(crate) fn method(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    if !is_token(text) || text.len() > 32 {
        return Err(format!("{text:?} is not a method such as GET, HEAD or POST"));
    }
    if upper == "CONNECT" {
        return Err("CONNECT opens a tunnel and fetches no page; use a method such as GET".to_owned());
    }
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"];
    if text != upper && known.contains(&upper.as_str()) {
        return Err(format!("methods are written in capitals: {upper}"));
    }
    Ok(text.to_owned())
}

/// A header's name.
pub(crate) fn header_name(text: &str) -> Result<String, String> {
    if !is_token(text) || text.len() > HEADER_MAX {
        // The text may be a whole header with its value.
        let quoted = quotable_key(text);
        return Err(format!("{quoted:?} is not a header name; use letters, digits and dashes"));
    }
    let framing = ["content-length", "transfer-encoding", "connection"];
    if framing.contains(&text.to_ascii_lowercase().as_str()) {
        return Err(format!("webmon sets the header {text} itself"));
    }
    Ok(text.to_owned())
}

/// A header's value. The message does not quote it.
pub(crate) fn header_value(text: &str) -> Result<&str, String> {
    if text.len() > HEADER_MAX {
        return Err("this header's value is longer than 8 KiB".to_owned());
    }
    if text.bytes().any(|byte| (byte < 32 && byte != b'\t') || byte == 127) {
        return Err("this header's value contains a control character or a line break".to_owned());
    }
    Ok(text)
}

/// `text` as the name of a site.
///
/// # Errors
/// Why a site cannot have this name.
pub fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("a name cannot be empty".to_owned());
    }
    if text.len() > NAME_MAX {
        return Err(format!("a name of {} bytes is too long; the limit is {NAME_MAX}", text.len()));
    }
    match text.chars().find(|&c| text::is_harmful(c)) {
        Some(c) => Err(format!("the name contains U+{:04X}, a control character", u32::from(c))),
        None => Ok(text.to_owned()),
    }
}

/// `text` as a note for the readers of a page.
///
/// # Errors
/// Why it is none.
pub fn note(text: &str) -> Result<String, String> {
    let (text, most) = (text.trim(), PageTerms::NOTE_MAX);
    if text.is_empty() {
        return Err("a note cannot be empty; example: run by others".to_owned());
    }
    if text.len() > most {
        return Err(format!("a note of {} bytes is too long; the limit is {most}", text.len()));
    }
    match text.chars().find(|&c| text::is_harmful(c) && !c.is_whitespace()) {
        Some(c) => Err(format!("the note contains U+{:04X}, a control character", u32::from(c))),
        None => Ok(text.split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

/// A `token` of RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentages_are_exact() {
        for (text, ppm) in
            [("80%", 800_000), ("99.95%", 999_500), ("0%", 0), ("100%", 1_000_000), ("33.3333 %", 333_333)]
        {
            let read = percentage(text).unwrap();
            assert_eq!(read.ppm(), ppm, "{text}");
            assert_eq!(format_percentage(read), text.replace(' ', ""));
        }
        for text in ["80", "0.8", "-1%", "1e1%", "100.0001%", "101%", "12.34567%", "%", ".5%", "5.%", ""] {
            assert!(percentage(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_a_unit_and_keep_their_bounds() {
        for (text, size) in [("1MiB", 1 << 20), ("512 KiB", 512 << 10), ("10MB", 10_000_000), ("7B", 7)] {
            assert_eq!(size_in(text, &(1..=1 << 30)), Ok(size), "{text}");
        }
        for text in ["1", "MiB", "1.5GiB", "-1B", "1mib", "99999999999TiB", "", "0B", "2GiB"] {
            assert!(size_in(text, &(1..=1 << 30)).is_err(), "{text}");
        }
        assert_eq!(size_in("0B", &(1..=1 << 30)).unwrap_err(), "0B is out of range; it must be between 1B and 1GiB");
    }

    #[test]
    fn statuses_are_codes_and_ranges() {
        assert_eq!(status_ranges("200, 204,301-308"), Ok(vec![(200, 200), (204, 204), (301, 308)]));
        for text in ["", "99", "1000", "2xx", "200-", "300-200", "200,,201", "+200", "-200"] {
            assert!(status_ranges(text).is_err(), "{text}");
        }
    }

    #[test]
    fn methods_and_headers_cannot_break_a_request() {
        assert!(["GET", "POST", "PROPFIND"].iter().all(|text| method(text).is_ok()));
        assert!(["", "get", "GE T", "GET\r\nX: y", "CONNECT", "GÉT"].iter().all(|text| method(text).is_err()));
        assert!(["Accept", "x-api_key"].iter().all(|text| header_name(text).is_ok()));
        assert!(["", "A B", "A:", "Ä", "Content-Length"].iter().all(|text| header_name(text).is_err()));
        assert!(["", "a b\tc", "ü"].iter().all(|text| header_value(text).is_ok()));
        assert!(["a\nb", "a\0", "\u{7f}"].iter().all(|text| header_value(text).is_err()));
    }

    #[test]
    fn names_are_clean() {
        assert_eq!(name(" my site ü "), Ok("my site ü".to_owned()));
        for text in ["", "  ", "a\u{1b}[2J", "a\u{202e}b", "a\nb"] {
            assert!(name(text).is_err(), "{text:?}");
        }
        assert!(name(&"x".repeat(200)).is_ok());
        assert!(name(&"x".repeat(201)).is_err());
    }

    #[test]
    fn notes_are_one_line() {
        assert_eq!(note(" run by\n  <others> ü "), Ok("run by <others> ü".to_owned()));
        for text in ["", " \n", "a\u{1b}[2J", "a\u{202e}b"] {
            assert!(note(text).is_err(), "{text:?}");
        }
        assert!(note(&"x".repeat(400)).is_ok() && note(&"x".repeat(401)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_a_value_panic(text in ".*") {
            drop(percentage(&text));
            drop(size_in(&text, &(0..=u64::MAX)));
            drop(status_ranges(&text));
            drop(method(&text));
            drop(header_name(&text));
            drop(name(&text));
        }
    }
}
