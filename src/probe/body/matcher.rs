//! Whether a body is as expected.
//!
//! Its packing is undone, then it is searched as it came; what is not found so is looked for in its text, as its charset
//! says. So bytes that met an expectation before their charset was looked at still do, also where a server names the
//! wrong one. Where a body is no UTF-8 (an old page, a cut character) and nothing says what it is, what does not belong
//! stands for one character each time, or `.` would not match it.
//!
//! This is our own time and belongs to no phase. What is short is done at once on the network thread ([`BodyCheck::is_short`]: at
//! most 64 KiB, and 256 Ki of bytes times states of the pattern, which is 2 ms at worst and some µs as a rule); the rest
//! goes [`super::worker`]. A detail quotes what was expected, with `***` for what came out of a variable, and how the body begins,
//! with `***` for what the site knows as a secret: a page of an error, or of a login, is recognised by its first words.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use regex::bytes::Regex;

use crate::model::text::clean_line;
use crate::model::{Cause, Expected, KnownSecrets, Site, figures};
use crate::probe::failure::Failure;

use super::charset::{Charset, decode};
use super::content_coding::{Coding, End, Unpacked, unpack};
use super::excerpt;
use super::interrupt::pause;
use super::pattern_search::Pattern;
use super::received::BodyRead;
use super::text_search::{Sighting, Sought};
use super::worker::JobResult;

/// Longest expectation that a detail quotes, bytes.
const QUOTED_MAX: usize = 80;
/// Longest beginning of a body that a detail quotes, bytes.
const BEGINNING_MAX: usize = 60;
/// A body of this size is searched for a text, decoded or copied in a fraction of a millisecond.
const SHORT: usize = 64 << 10;
/// Bytes times states that the `regex` crate may be given in one go.
const SHORT_MATCH: usize = 256 << 10;
/// Patterns that are kept ready. A configuration with more has them made anew.
const PATTERNS_MAX: usize = 1_024;

/// Patterns as they can be searched for step by step, by their text.
#[derive(Default)]
pub(crate) struct Patterns(Mutex<HashMap<String, Arc<Pattern>>>);

impl Patterns {
    /// The pattern of `regex`, if it has been made before.
    fn known(&self, regex: &Regex) -> Option<Arc<Pattern>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(regex.as_str()).cloned()
    }

    /// The pattern of `regex`.
    pub(crate) fn of(&self, regex: &Regex) -> Result<Arc<Pattern>, Failure> {
        if let Some(known) = self.known(regex) {
            return Ok(known);
        }
        let made = Pattern::new(regex.as_str());
        let made = made.map_err(|error| Failure::new(Cause::Local, format!("cannot use body_regex: {error}")))?;
        let made = Arc::new(made);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= PATTERNS_MAX {
            all.clear();
        }
        all.insert(regex.as_str().to_owned(), Arc::clone(&made));
        Ok(made)
    }
}

/// A body that is to be looked at, with all it takes.
pub(crate) struct BodyCheck {
    pub(crate) body: BodyRead,
    pub(crate) contains: Option<Expected<String>>,
    pub(crate) regex: Option<Expected<Regex>>,
    pub(crate) patterns: Arc<Patterns>,
    /// What may not be quoted.
    pub(crate) secrets: KnownSecrets,
    /// Whether it is the answer to a HEAD.
    pub(crate) of_head: bool,
}

/// A body as it is searched.
struct SearchableBody {
    plain: Vec<u8>,
    end: End,
    /// It was not packed so, whatever its header says.
    mislabelled: Option<Coding>,
    /// It was not read to its end.
    capped: bool,
}

impl BodyCheck {
    /// What `site` expects of `body`.
    pub(crate) fn new(body: BodyRead, site: &Site, patterns: &Arc<Patterns>) -> Self {
        let (contains, regex) = (site.expect.body_contains.clone(), site.expect.body_regex.clone());
        let (secrets, of_head) = (site.secrets.clone(), site.method == "HEAD");
        Self { body, contains, regex, patterns: Arc::clone(patterns), secrets, of_head }
    }

    /// Whether it is done sooner than it would be handed to another thread.
    pub(crate) fn is_short(&self) -> bool {
        let (length, is_plain) = (self.body.kept.len(), self.body.packing.is_none());
        let is_easy = |regex: &Expected<Regex>| {
            self.patterns.known(&regex.what).is_some_and(|pattern| length * pattern.states() <= SHORT_MATCH)
        };
        // There is nothing in an empty body.
        length == 0 || length <= SHORT && is_plain && self.regex.as_ref().is_none_or(is_easy)
    }

    /// The judgement.
    pub(crate) async fn verdict(mut self) -> JobResult {
        if let Some(name) = &self.body.packing.not_read
            && !self.body.kept.is_empty()
        {
            return Err(wrong(format!("compressed with {name}, which webmon does not read")));
        }
        let packed = std::mem::take(&mut self.body.kept);
        let Unpacked { bytes: plain, end, mislabelled } = unpack(packed, &self.body.packing.codings).await;
        if let End::Broken(coding) = end {
            let (name, came) = (coding.name(), self.what_came_packed());
            return Err(wrong(format!("the body is no whole {name}, as its header says; {came}")));
        }
        let shape = SearchableBody { plain, end, mislabelled, capped: self.body.capped };
        let regex = match &self.regex {
            Some(regex) => Some((self.patterns.of(&regex.what)?, regex)),
            None => None,
        };
        let mut contains = self.contains.as_ref();
        let mut matches = regex.as_ref();
        self.search(&shape.plain, &mut contains, &mut matches).await;
        if contains.is_none() && matches.is_none() {
            return Ok(());
        }
        let doubt = self.search_text(&shape, &mut contains, &mut matches).await + &self.doubt_of_packing(&shape);
        let (what, shown) = match (contains, matches) {
            (Some(part), _) => ("contain", &part.shown),
            (None, Some((_, regex))) => ("match", &regex.shown),
            (None, None) => return Ok(()),
        };
        let (within, came) = (shape.within(self.body.bytes), self.what_came(&shape));
        Err(wrong(format!("the body does not {what} {}{within}{doubt}{came}", quoted(shown))))
    }

    /// What is to be said of its packing, should it not be as expected.
    fn doubt_of_packing(&self, shape: &SearchableBody) -> String {
        let mislabelled = shape.mislabelled.filter(|_| !shape.plain.is_empty());
        let no = mislabelled.map(|coding| format!("; its header says {}, but it is not packed so", coding.name()));
        let unknown = self.body.packing.unknown.as_ref().map(|name| format!("; webmon does not know its {name:?}"));
        no.unwrap_or_default() + &unknown.unwrap_or_default()
    }

    /// How large a body is that cannot be unpacked, and of what type.
    fn what_came_packed(&self) -> String {
        let (bytes, kind) = (self.body.bytes, self.body.kind.as_deref());
        let of_kind = kind.map_or_else(String::new, |kind| format!(" of {kind}"));
        format!("{} byte{}{of_kind} came", figures::count(bytes), if bytes == 1 { "" } else { "s" })
    }

    /// How large the body is, of what type, and how it begins.
    fn what_came(&self, shape: &SearchableBody) -> String {
        if shape.plain.is_empty() {
            return if self.of_head { "; the answer to a HEAD has none" } else { "; it is empty" }.to_owned();
        }
        let mut is = Vec::new();
        if !shape.is_cut() {
            let length = shape.plain.len() as u64;
            let is_plain = self.body.packing.is_none() || shape.mislabelled.is_some();
            let packed = if is_plain { "" } else { " unpacked" };
            is.push(format!("{} byte{}{packed}", figures::count(length), if length == 1 { "" } else { "s" }));
        }
        is.extend(self.body.kind.clone());
        let begins = excerpt::of_plain(&shape.plain, self.body.charset.as_deref(), &self.secrets, 4 * BEGINNING_MAX)
            .map(|text| format!("begins \"{}\"", clean_line(&text, BEGINNING_MAX)));
        let is = Some(is.join(" of ")).filter(|is| !is.is_empty()).map(|is| format!("is {is}"));
        match (is, begins) {
            (None, None) => String::new(),
            (Some(one), None) | (None, Some(one)) => format!("; it {one}"),
            (Some(is), Some(begins)) => format!("; it {is} and {begins}"),
        }
    }

    /// Takes away what is in `text`.
    async fn search<'a>(
        &self,
        text: &[u8],
        contains: &mut Option<&'a Expected<String>>,
        matches: &mut Option<&'a (Arc<Pattern>, &'a Expected<Regex>)>,
    ) {
        if let Some(part) = contains
            && holds(text, part.what.as_bytes()).await
        {
            *contains = None;
        }
        let Some((pattern, regex)) = *matches else { return };
        let found = if text.len() * pattern.states() <= SHORT_MATCH {
            regex.what.is_match(text)
        } else {
            pattern.is_in(text).await
        };
        if found {
            *matches = None;
        }
    }

    /// The same in the text of the body, where that is something else. What is to be said of that, should it not be there.
    async fn search_text<'a>(
        &self,
        shape: &SearchableBody,
        contains: &mut Option<&'a Expected<String>>,
        matches: &mut Option<&'a (Arc<Pattern>, &'a Expected<Regex>)>,
    ) -> String {
        let label = self.body.charset.as_deref();
        match Charset::of(&shape.plain, label) {
            Charset::Unknown(label) => format!("; webmon does not read its charset {label:?}"),
            Charset::Of(encoding, mark) => {
                let (text, wrong) = decode(&shape.plain[mark..], encoding, shape.is_cut()).await;
                self.search(text.as_bytes(), contains, matches).await;
                if wrong { format!("; it is not valid {}", encoding.name()) } else { String::new() }
            }
            Charset::AsItIs(mark) => {
                let rest = &shape.plain[mark..];
                let is_text = match std::str::from_utf8(rest) {
                    Ok(_) => true,
                    Err(error) => error.error_len().is_none() && shape.is_cut(),
                };
                if is_text {
                    if mark > 0 {
                        self.search(rest, contains, matches).await;
                    }
                    return String::new();
                }
                pause().await;
                let text = String::from_utf8_lossy(rest);
                pause().await;
                self.search(text.as_bytes(), contains, matches).await;
                if mark > 0 || label.is_some() { "; it is not valid UTF-8".to_owned() } else { String::new() }
            }
        }
    }
}

impl SearchableBody {
    /// Whether its last character may be half.
    fn is_cut(&self) -> bool {
        self.capped || self.end != End::Whole
    }

    /// How much of the body was looked at, if not all; `bytes` came.
    fn within(&self, bytes: u64) -> String {
        let unpacked = figures::count(self.plain.len() as u64);
        match self.end {
            End::Full => format!(" within {unpacked} bytes after decompression"),
            _ if self.capped => format!(" within {} bytes", figures::count(bytes)),
            End::Cut => format!(" within {unpacked} bytes, where its compression breaks off"),
            End::Whole | End::Broken(_) => String::new(),
        }
    }
}

/// Whether `part` is in `text`. It is linear, but not for free.
async fn holds(text: &[u8], part: &[u8]) -> bool {
    let mut sought = Sought::new(part);
    loop {
        match sought.step(text) {
            Sighting::EndsAt(_) => return true,
            Sighting::Missing => return false,
            Sighting::GoesOn => pause().await,
        }
    }
}

fn wrong(detail: String) -> Failure {
    Failure::new(Cause::Body, detail)
}

fn quoted(text: &str) -> String {
    if text.len() <= QUOTED_MAX {
        return format!("{text:?}");
    }
    format!("{:?}…", &text[..text.floor_char_boundary(QUOTED_MAX)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::body::content_coding::Packing;
    use crate::probe::body::interrupt::at_once;

    fn expected<T>(what: T, shown: &str) -> Expected<T> {
        Expected { what, shown: shown.to_owned() }
    }

    fn body(kept: &[u8]) -> BodyRead {
        BodyRead { bytes: kept.len() as u64, kept: kept.to_vec(), ..BodyRead::default() }
    }

    fn look(contains: Option<&str>, regex: Option<&str>, body: BodyRead) -> BodyCheck {
        let contains = contains.map(|part| expected(part.to_owned(), part));
        let regex = regex.map(|pattern| expected(Regex::new(pattern).unwrap(), pattern));
        let (patterns, secrets) = (Arc::default(), KnownSecrets::new(["hunter2"]));
        BodyCheck { body, contains, regex, patterns, secrets, of_head: false }
    }

    fn detail(look: BodyCheck) -> String {
        at_once(look.verdict()).err().map_or_else(String::new, |failure| {
            assert_eq!(failure.cause, Cause::Body);
            failure.detail
        })
    }

    #[test]
    fn bytes_that_are_no_text_are_searched_as_well() {
        for (pattern, kept, found) in [
            (r"(?-u)\xff", &b"\0\xff"[..], true),
            ("<title>Caf.</title>", b"<title>Caf\xe9</title>", true),
            ("<title>.+ ok</title>", b"<title>\xfc\xff ok</title>", true),
            (r"<title>\w+</title>", b"<title>Caf\xe9</title>", false),
            ("^b.d$", b"b\xffad", false),
        ] {
            assert_eq!(detail(look(None, Some(pattern), body(kept))).is_empty(), found, "{pattern}");
        }
    }

    #[test]
    fn text_is_found_in_the_charset_that_is_declared() {
        let gbk = b"<meta charset=gbk>\xc4\xe3\xba\xc3";
        for (charset, kept, part, pattern) in [
            (Some("ISO-8859-1"), &b"Caf\xe9"[..], "Café", r"^\w+$"),
            (Some("gbk"), b"\xc4\xe3\xba\xc3", "你好", "^你.$"),
            (Some("Shift_JIS"), b"\x93\xfa\x96\x7b", "日本", "^日本$"),
            (None, gbk, "你好", "你好$"),
            (None, b"\xff\xfe{\0o\0k\0", "{ok", r"^\{ok$"),
            (None, b"\xfe\xff\0{\0o\0k", "{ok", r"^\{ok$"),
            (Some("utf-16"), b"{\0o\0k\0", "{ok", r"^\{ok$"),
            (None, b"\xef\xbb\xbf{ok", "{ok", r"^\{ok$"),
            (Some("utf-8"), b"\xef\xbb\xbf{ok", "\u{feff}{", r"^\x{feff}\{"),
            // A server that names the wrong one, or one that nobody knows.
            (Some("iso-8859-1"), "Café".as_bytes(), "Café", "^Café$"),
            (Some("x-unknown"), "Café".as_bytes(), "Café", "^Café$"),
            (None, "日本".as_bytes(), "日本", "^日本$"),
        ] {
            let body = || BodyRead { charset: charset.map(str::to_owned), ..body(kept) };
            assert_eq!(detail(look(Some(part), Some(pattern), body())), "", "{part:?} as {charset:?}");
            assert_ne!(detail(look(Some("not there"), None, body())), "", "{part:?} as {charset:?}");
        }
    }

    #[test]
    fn what_could_not_be_read_is_said() {
        let packed = |packing, kept: &[u8]| BodyRead { packing, ..body(kept) };
        let charset = |label: &str, kept: &[u8]| BodyRead { charset: Some(label.to_owned()), ..body(kept) };
        let unknown = || Packing { unknown: Some("Content-Encoding: aws-chunked".to_owned()), ..Packing::default() };
        let gzip = || Packing { codings: vec![Coding::Gzip], ..Packing::default() };
        for (read, said) in [
            (body(b"no"), "the body does not contain \"ok\"; it is 2 bytes and begins \"no\""),
            (body(b""), "the body does not contain \"ok\"; it is empty"),
            (
                BodyRead { capped: true, ..body(b"no") },
                "the body does not contain \"ok\" within 2 bytes; it begins \"no\"",
            ),
            (
                packed(Packing { not_read: Some("br".to_owned()), ..Packing::default() }, b"ok"),
                "compressed with br, which webmon does not read",
            ),
            (
                packed(Packing { not_read: Some("br".to_owned()), ..Packing::default() }, b""),
                "the body does not contain \"ok\"; it is empty",
            ),
            (
                packed(gzip(), b"\x1f\x8b\x08\0\0\0\0\0\0\0\xff\xff\xff"),
                "the body is no whole gzip, as its header says; 13 bytes came",
            ),
            (
                packed(gzip(), b"\x1f\x8b\x08\0"),
                "the body does not contain \"ok\" within 0 bytes, where its compression breaks off; it is empty",
            ),
            (
                packed(gzip(), b"no"),
                "the body does not contain \"ok\"; its header says gzip, but it is not packed so; it is 2 bytes and begins \"no\"",
            ),
            (
                packed(unknown(), b"no"),
                "the body does not contain \"ok\"; webmon does not know its \"Content-Encoding: aws-chunked\"; \
                 it is 2 bytes and begins \"no\"",
            ),
            (packed(unknown(), b"it is ok"), ""),
            (
                charset("x-odd", b"no"),
                "the body does not contain \"ok\"; webmon does not read its charset \"x-odd\"; it is 2 bytes and begins \"no\"",
            ),
            (
                charset("shift_jis", b"\x93"),
                "the body does not contain \"ok\"; it is not valid Shift_JIS; it is 1 byte",
            ),
            (
                charset("utf-8", b"\xff"),
                "the body does not contain \"ok\"; it is not valid UTF-8; it is 1 byte and begins \"\u{fffd}\"",
            ),
            (body(b"\xff"), "the body does not contain \"ok\"; it is 1 byte and begins \"\u{fffd}\""),
            (body(b"\0\x01"), "the body does not contain \"ok\"; it is 2 bytes"),
            (
                BodyRead { kind: Some("text/html".to_owned()), ..body(b"<h1>hunter2\r\n\x1b[2J</h1>") },
                "the body does not contain \"ok\"; it is 22 bytes of text/html and begins \"<h1>*** \u{fffd}[2J</h1>\"",
            ),
        ] {
            assert_eq!(detail(look(Some("ok"), None, read)), said);
        }
    }

    #[test]
    fn only_what_is_short_for_sure_stays_on_the_network_thread() {
        let is_short = |look: &BodyCheck| look.is_short();
        assert!(is_short(&look(Some("ok"), None, body(b"ok"))));
        assert!(!is_short(&look(Some("ok"), None, body(&vec![0; SHORT + 1]))));
        assert!(!is_short(&look(
            Some("ok"),
            None,
            BodyRead { packing: Packing { codings: vec![Coding::Gzip], ..Packing::default() }, ..body(b"ok") }
        )));
        let first = look(None, Some("ok.{0,160}done"), body(b"ok"));
        assert!(!is_short(&first), "a pattern of which nothing is known");
        let patterns = Arc::clone(&first.patterns);
        assert_ne!(detail(first), "");
        for (length, short) in [(10, true), (64 << 10, false)] {
            let next = BodyCheck {
                patterns: Arc::clone(&patterns),
                ..look(None, Some("ok.{0,160}done"), body(&vec![b'o'; length]))
            };
            assert_eq!(is_short(&next), short, "{length} bytes");
        }
    }

    #[test]
    fn a_long_expectation_is_cut_between_characters() {
        assert_eq!(quoted(&"ü".repeat(41)), format!("{:?}…", "ü".repeat(40)));
    }
}
