//! Judges whether a body is as expected.
//!
//! The body is decoded and searched as it came; expectations that its bytes do not meet are searched in its text, by its charset.
//! So bytes that once met an expectation still do, also where a server names the wrong charset. In a body without a charset that
//! is not UTF-8, each wrong byte counts as one character, or `.` would not match it.
//!
//! This is webmon's own time and belongs to no phase. A short search runs on the network thread ([`BodyMatch::is_short`]: at
//! most 64 KiB, and 256 Ki bytes times states of the pattern: 2 ms at worst); others go to [`super::worker`]. A detail quotes the
//! expectation, with `***` for values of variables, and the beginning of the body, with `***` for the secrets of the site.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use regex::bytes::Regex;

use crate::model::lock::lock;
use crate::model::text::clean_line;
use crate::model::{BodyExpectations, Cause, Expected, KnownSecrets, Site, figures};
use crate::probe::failure::Failure;

use super::charset::{Charset, decode};
use super::content_coding::{Coding, End, Unpacked, unpack};
use super::excerpt;
use super::interrupt::pause;
use super::json::{self, Unexpected};
use super::pattern_search::Pattern;
use super::received::BodyRead;
use super::text_search::{TextFound, TextSearch};
use super::worker::JobResult;

/// Longest quote of an expectation in a detail, bytes.
const QUOTED_MAX: usize = 80;
/// Longest quote of a body in a detail, bytes.
const BEGINNING_MAX: usize = 60;
/// A body up to this size is searched for a text, decoded or copied in a fraction of a millisecond.
pub(crate) const SHORT: usize = 64 << 10;
/// Bytes times states that the `regex` crate may search in one go.
const SHORT_MATCH: usize = 256 << 10;
/// One more compiled pattern discards all.
const PATTERNS_MAX: usize = 1_024;

/// Compiled patterns, by their text.
#[derive(Default)]
pub(crate) struct Patterns(Mutex<HashMap<String, Arc<Pattern>>>);

impl Patterns {
    fn compiled(&self, regex: &Regex) -> Option<Arc<Pattern>> {
        lock(&self.0).get(regex.as_str()).cloned()
    }

    /// Whether searching `length` bytes for `regex` takes less time than handing it to another thread.
    pub(crate) fn is_easy(&self, regex: &Regex, length: usize) -> bool {
        self.compiled(regex).is_some_and(|pattern| length * pattern.states() <= SHORT_MATCH)
    }

    /// The pattern of `regex`, compiled if need be.
    pub(crate) fn get(&self, regex: &Regex) -> Result<Arc<Pattern>, Failure> {
        if let Some(pattern) = self.compiled(regex) {
            return Ok(pattern);
        }
        let pattern = Pattern::new(regex.as_str())
            .map_err(|error| Failure::new(Cause::Local, format!("cannot use body_regex: {error}")))?;
        let pattern = Arc::new(pattern);
        let mut all = lock(&self.0);
        if all.len() >= PATTERNS_MAX {
            all.clear();
        }
        all.insert(regex.as_str().to_owned(), Arc::clone(&pattern));
        Ok(pattern)
    }
}

/// A body and what is expected of it.
pub(crate) struct BodyMatch {
    pub(crate) body: BodyRead,
    pub(crate) expected: Arc<BodyExpectations>,
    pub(crate) patterns: Arc<Patterns>,
    /// These are not quoted.
    pub(crate) secrets: KnownSecrets,
    /// It is the answer to a HEAD.
    pub(crate) of_head: bool,
}

/// A body as it is searched.
struct SearchableBody {
    plain: Vec<u8>,
    end: End,
    /// A coding that its header names and it does not have.
    mislabelled: Option<Coding>,
    /// It was not read to its end.
    is_capped: bool,
}

impl BodyMatch {
    pub(crate) fn new(body: BodyRead, site: &Site, patterns: &Arc<Patterns>) -> Self {
        let (expected, secrets, of_head) = (Arc::clone(&site.expect.body), site.secrets.clone(), site.method == "HEAD");
        Self { body, expected, patterns: Arc::clone(patterns), secrets, of_head }
    }

    /// Whether the search takes less time than handing it to another thread.
    pub(crate) fn is_short(&self) -> bool {
        let (length, is_plain) = (self.body.kept.len(), self.body.codings.is_none());
        let is_easy = |regex: &Expected<Regex>| self.patterns.is_easy(&regex.what, length);
        let BodyExpectations { regex, not_regex, json, .. } = &*self.expected;
        let has_no_query = json.iter().all(|expectation| expectation.query.is_none());
        // An empty body needs no search.
        length == 0 || length <= SHORT && is_plain && has_no_query && regex.iter().chain(not_regex).all(is_easy)
    }

    /// Whether the body is as expected.
    pub(crate) async fn verdict(mut self) -> JobResult {
        if let Some(name) = &self.body.codings.unsupported
            && !self.body.kept.is_empty()
        {
            return Err(wrong(format!("the body is compressed with {name}, which webmon does not read")));
        }
        let coded = std::mem::take(&mut self.body.kept);
        let Unpacked { bytes: plain, end, mislabelled } = unpack(coded, &self.body.codings.known).await;
        if let End::Broken(coding) = end {
            let (name, size) = (coding.name(), self.describe_coded());
            return Err(wrong(format!("the body is not valid {name}, as its header says; {size}")));
        }
        let searched = SearchableBody { plain, end, mislabelled, is_capped: self.body.is_capped };
        let mut quests = quests(&self.expected, &self.patterns)?;
        search(&mut quests, &searched.plain).await;
        let mut doubt = String::new();
        if quests.iter().any(|quest| !quest.is_found) {
            doubt = self.search_text(&searched, &mut quests).await + &self.doubt_about_codings(&searched);
        }
        if let Some(wrong_one) = quests.iter().find(|quest| quest.is_found == quest.is_unwanted) {
            let (what, description) = (wrong_one.sentence(), self.describe(&searched));
            // What is there is there, wherever the body ends.
            let within = if wrong_one.is_unwanted { String::new() } else { searched.within(self.body.bytes) + &doubt };
            return Err(wrong(format!("the body {what}{within}{description}")));
        }
        if self.expected.json.is_empty() { Ok(()) } else { self.judge_json(&searched).await }
    }

    /// Whether the body is as expected, read as JSON.
    async fn judge_json(&self, searched: &SearchableBody) -> JobResult {
        let not_json = |why: &str| {
            let (doubt, description) = (self.doubt_about_codings(searched), self.describe(searched));
            wrong(format!("the body is not JSON: {why}{doubt}{description}"))
        };
        if searched.is_cut() {
            let within = searched.within(self.body.bytes);
            return Err(wrong(format!("the body cannot be read as JSON: it does not end{within}")));
        }
        if searched.plain.len() > json::DOCUMENT_MAX {
            let most = json::DOCUMENT_MAX >> 20;
            return Err(wrong(format!("the body cannot be read as JSON: it is longer than {most} MiB")));
        }
        let text = match Charset::of(&searched.plain, self.body.charset.as_deref()) {
            Charset::Of(encoding, mark) => Cow::Owned(decode(&searched.plain[mark..], encoding, false).await.0),
            Charset::AsItIs(mark) => {
                let text = std::str::from_utf8(&searched.plain[mark..]);
                Cow::Borrowed(text.map_err(|_| not_json("it is not valid UTF-8"))?)
            }
            Charset::Unknown(_) => {
                let text = std::str::from_utf8(&searched.plain);
                Cow::Borrowed(text.map_err(|_| not_json("it is not valid UTF-8, and its charset is unknown"))?)
            }
        };
        pause().await;
        json::judge(&text, &self.expected.json, &self.secrets).map_err(|unexpected| match unexpected {
            Unexpected::NotJson(why) => not_json(&why),
            Unexpected::Value(what) => wrong(what),
        })
    }

    /// The remark about codings in the sentence of a failed search.
    fn doubt_about_codings(&self, searched: &SearchableBody) -> String {
        let mislabelled = searched.mislabelled.filter(|_| !searched.plain.is_empty());
        let no = mislabelled.map(|coding| format!("; its header says {}, but it is not", coding.name()));
        let unknown = self.body.codings.unknown.as_ref().map(|name| format!("; webmon does not know its {name:?}"));
        no.unwrap_or_default() + &unknown.unwrap_or_default()
    }

    /// The size and type of a body that cannot be decoded.
    fn describe_coded(&self) -> String {
        let (bytes, kind) = (self.body.bytes, self.body.kind.as_deref());
        let of_kind = kind.map_or_else(String::new, |kind| format!(" of {kind}"));
        format!("{} byte{}{of_kind} received", figures::count(bytes), if bytes == 1 { "" } else { "s" })
    }

    /// The size, type and beginning of the body.
    fn describe(&self, searched: &SearchableBody) -> String {
        if searched.plain.is_empty() {
            return if self.of_head { "; the answer to a HEAD has none" } else { "; it is empty" }.to_owned();
        }
        let mut is = Vec::new();
        if !searched.is_cut() {
            let length = searched.plain.len() as u64;
            let is_plain = self.body.codings.is_none() || searched.mislabelled.is_some();
            let decoded = if is_plain { "" } else { " decompressed" };
            is.push(format!("{} byte{}{decoded}", figures::count(length), if length == 1 { "" } else { "s" }));
        }
        is.extend(self.body.kind.clone());
        let begins = excerpt::of_plain(&searched.plain, self.body.charset.as_deref(), &self.secrets, 4 * BEGINNING_MAX)
            .map(|text| format!("begins \"{}\"", clean_line(&text, BEGINNING_MAX)));
        let is = Some(is.join(" of ")).filter(|is| !is.is_empty()).map(|is| format!("is {is}"));
        match (is, begins) {
            (None, None) => String::new(),
            (Some(one), None) | (None, Some(one)) => format!("; it {one}"),
            (Some(is), Some(begins)) => format!("; it {is} and {begins}"),
        }
    }

    /// Searches the text of the body where it differs from its bytes. Returns what makes a failed search doubtful.
    async fn search_text(&self, searched: &SearchableBody, quests: &mut [Quest<'_>]) -> String {
        let label = self.body.charset.as_deref();
        match Charset::of(&searched.plain, label) {
            Charset::Unknown(label) => format!("; webmon does not know its charset {label:?}"),
            Charset::Of(encoding, mark) => {
                let (text, has_wrong) = decode(&searched.plain[mark..], encoding, searched.is_cut()).await;
                search(quests, text.as_bytes()).await;
                if has_wrong { format!("; it is not valid {}", encoding.name()) } else { String::new() }
            }
            Charset::AsItIs(mark) => {
                let rest = &searched.plain[mark..];
                let is_text = match std::str::from_utf8(rest) {
                    Ok(_) => true,
                    Err(error) => error.error_len().is_none() && searched.is_cut(),
                };
                if is_text {
                    if mark > 0 {
                        search(quests, rest).await;
                    }
                    return String::new();
                }
                pause().await;
                let text = String::from_utf8_lossy(rest);
                pause().await;
                search(quests, text.as_bytes()).await;
                if mark > 0 || label.is_some() { "; it is not valid UTF-8".to_owned() } else { String::new() }
            }
        }
    }
}

/// What is searched for, whether to find it or to find that it is not there.
struct Quest<'a> {
    sought: Sought<'a>,
    shown: &'a str,
    is_unwanted: bool,
    is_found: bool,
}

enum Sought<'a> {
    Text(&'a str),
    Match(Arc<Pattern>, &'a Regex),
}

/// The quests for `expected`, in the order in which they are judged.
fn quests<'a>(expected: &'a BodyExpectations, patterns: &Patterns) -> Result<Vec<Quest<'a>>, Failure> {
    let BodyExpectations { contains, not_contains, regex, not_regex, .. } = expected;
    let text = |is_unwanted| {
        move |text: &'a Expected<String>| Quest {
            sought: Sought::Text(&text.what),
            shown: &text.shown,
            is_unwanted,
            is_found: false,
        }
    };
    let mut quests: Vec<Quest<'_>> = contains.iter().map(text(false)).collect();
    quests.extend(not_contains.iter().map(text(true)));
    for (regex, is_unwanted) in [(regex, false), (not_regex, true)] {
        if let Some(Expected { what, shown }) = regex {
            let sought = Sought::Match(patterns.get(what)?, what);
            quests.push(Quest { sought, shown, is_unwanted, is_found: false });
        }
    }
    Ok(quests)
}

/// Searches `text` for what is not found yet.
async fn search(quests: &mut [Quest<'_>], text: &[u8]) {
    for quest in quests.iter_mut().filter(|quest| !quest.is_found) {
        quest.is_found = match &quest.sought {
            Sought::Text(part) => holds(text, part.as_bytes()).await,
            Sought::Match(pattern, regex) if text.len() * pattern.states() <= SHORT_MATCH => regex.is_match(text),
            Sought::Match(pattern, _) => pattern.is_in(text).await,
        };
    }
}

impl Quest<'_> {
    /// What is wrong if this is not as expected: `does not contain "ok"`, `contains "error", which it must not`.
    fn sentence(&self) -> String {
        let what = quoted(self.shown);
        match (&self.sought, self.is_unwanted) {
            (Sought::Text(_), false) => format!("does not contain {what}"),
            (Sought::Text(_), true) => format!("contains {what}, which it must not"),
            (Sought::Match(..), false) => format!("does not match {what}"),
            (Sought::Match(..), true) => format!("matches {what}, which it must not"),
        }
    }
}

impl SearchableBody {
    /// Whether its last character may be incomplete.
    fn is_cut(&self) -> bool {
        self.is_capped || self.end != End::Whole
    }

    /// How much of the body was searched, if not all; `bytes` arrived.
    fn within(&self, bytes: u64) -> String {
        let unpacked = figures::count(self.plain.len() as u64);
        match self.end {
            End::Full => format!(" within {unpacked} bytes after decompression"),
            _ if self.is_capped => format!(" within {} bytes", figures::count(bytes)),
            End::Cut => format!(" within {unpacked} bytes, where its compressed data ends early"),
            End::Whole | End::Broken(_) => String::new(),
        }
    }
}

/// Whether `text` contains `part`; pauses while it searches.
async fn holds(text: &[u8], part: &[u8]) -> bool {
    let mut search = TextSearch::new(part);
    loop {
        match search.step(text) {
            TextFound::EndsAt(_) => return true,
            TextFound::Missing => return false,
            TextFound::More => pause().await,
        }
    }
}

fn wrong(detail: String) -> Failure {
    Failure::new(Cause::Body, detail)
}

/// The quote of an expectation.
pub(crate) fn quoted(text: &str) -> String {
    if text.len() <= QUOTED_MAX {
        return format!("{text:?}");
    }
    format!("{:?}…", &text[..text.floor_char_boundary(QUOTED_MAX)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::expect::{JsonExpectation, JsonWish};
    use crate::probe::body::content_coding::ContentCodings;
    use crate::probe::body::interrupt::at_once;

    fn expected<T>(what: T, shown: &str) -> Expected<T> {
        Expected { what, shown: shown.to_owned() }
    }

    fn body(kept: &[u8]) -> BodyRead {
        BodyRead { bytes: kept.len() as u64, kept: kept.to_vec(), ..BodyRead::default() }
    }

    fn matching(contains: Option<&str>, regex: Option<&str>, body: BodyRead) -> BodyMatch {
        let contains = contains.map(|part| expected(part.to_owned(), part)).into_iter().collect();
        let regex = regex.map(|pattern| expected(Regex::new(pattern).unwrap(), pattern));
        let expected = Arc::new(BodyExpectations { contains, regex, ..BodyExpectations::default() });
        let (patterns, secrets) = (Arc::default(), KnownSecrets::new(["hunter2"]));
        BodyMatch { body, expected, patterns, secrets, of_head: false }
    }

    fn detail(matching: BodyMatch) -> String {
        at_once(matching.verdict()).err().map_or_else(String::new, |failure| {
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
            assert_eq!(detail(matching(None, Some(pattern), body(kept))).is_empty(), found, "{pattern}");
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
            // A server that names the wrong charset, or an unknown one.
            (Some("iso-8859-1"), "Café".as_bytes(), "Café", "^Café$"),
            (Some("x-unknown"), "Café".as_bytes(), "Café", "^Café$"),
            (None, "日本".as_bytes(), "日本", "^日本$"),
        ] {
            let body = || BodyRead { charset: charset.map(str::to_owned), ..body(kept) };
            assert_eq!(detail(matching(Some(part), Some(pattern), body())), "", "{part:?} as {charset:?}");
            assert_ne!(detail(matching(Some("not there"), None, body())), "", "{part:?} as {charset:?}");
        }
    }

    #[test]
    fn what_could_not_be_read_is_said() {
        let packed = |codings, kept: &[u8]| BodyRead { codings, ..body(kept) };
        let charset = |label: &str, kept: &[u8]| BodyRead { charset: Some(label.to_owned()), ..body(kept) };
        let unknown = || ContentCodings {
            unknown: Some("Content-Encoding: aws-chunked".to_owned()),
            ..ContentCodings::default()
        };
        let gzip = || ContentCodings { known: vec![Coding::Gzip], ..ContentCodings::default() };
        for (read, said) in [
            (body(b"no"), "the body does not contain \"ok\"; it is 2 bytes and begins \"no\""),
            (body(b""), "the body does not contain \"ok\"; it is empty"),
            (
                BodyRead { is_capped: true, ..body(b"no") },
                "the body does not contain \"ok\" within 2 bytes; it begins \"no\"",
            ),
            (
                packed(ContentCodings { unsupported: Some("br".to_owned()), ..ContentCodings::default() }, b"ok"),
                "the body is compressed with br, which webmon does not read",
            ),
            (
                packed(ContentCodings { unsupported: Some("br".to_owned()), ..ContentCodings::default() }, b""),
                "the body does not contain \"ok\"; it is empty",
            ),
            (
                packed(gzip(), b"\x1f\x8b\x08\0\0\0\0\0\0\0\xff\xff\xff"),
                "the body is not valid gzip, as its header says; 13 bytes received",
            ),
            (
                packed(gzip(), b"\x1f\x8b\x08\0"),
                "the body does not contain \"ok\" within 0 bytes, where its compressed data ends early; it is empty",
            ),
            (
                packed(gzip(), b"no"),
                "the body does not contain \"ok\"; its header says gzip, but it is not; it is 2 bytes and begins \"no\"",
            ),
            (
                packed(unknown(), b"no"),
                "the body does not contain \"ok\"; webmon does not know its \"Content-Encoding: aws-chunked\"; \
                 it is 2 bytes and begins \"no\"",
            ),
            (packed(unknown(), b"it is ok"), ""),
            (
                charset("x-odd", b"no"),
                "the body does not contain \"ok\"; webmon does not know its charset \"x-odd\"; it is 2 bytes and begins \"no\"",
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
            assert_eq!(detail(matching(Some("ok"), None, read)), said);
        }
    }

    #[test]
    fn only_what_is_short_for_sure_stays_on_the_network_thread() {
        let is_short = |matching: &BodyMatch| matching.is_short();
        assert!(is_short(&matching(Some("ok"), None, body(b"ok"))));
        assert!(!is_short(&matching(Some("ok"), None, body(&vec![0; SHORT + 1]))));
        assert!(!is_short(&matching(
            Some("ok"),
            None,
            BodyRead {
                codings: ContentCodings { known: vec![Coding::Gzip], ..ContentCodings::default() },
                ..body(b"ok")
            }
        )));
        let first = matching(None, Some("ok.{0,160}done"), body(b"ok"));
        assert!(!is_short(&first), "a pattern of which nothing is known");
        let patterns = Arc::clone(&first.patterns);
        assert_ne!(detail(first), "");
        for (length, short) in [(10, true), (64 << 10, false)] {
            let next = BodyMatch {
                patterns: Arc::clone(&patterns),
                ..matching(None, Some("ok.{0,160}done"), body(&vec![b'o'; length]))
            };
            assert_eq!(is_short(&next), short, "{length} bytes");
        }
    }

    #[test]
    fn several_texts_are_expected_and_others_must_not_be_there() {
        let text = |part: &str| expected(part.to_owned(), part);
        let pattern = |pattern: &str| Some(expected(Regex::new(pattern).unwrap(), pattern));
        let said = |expected: BodyExpectations, kept: &[u8]| {
            detail(BodyMatch { expected: Arc::new(expected), ..matching(None, None, body(kept)) })
        };
        let all = || BodyExpectations {
            contains: vec![text("ok"), text("ready")],
            not_contains: vec![text("Fatal"), text("Café zu")],
            regex: pattern("^[^$]"),
            not_regex: pattern("(?i)exception"),
            ..BodyExpectations::default()
        };
        for (kept, sentence) in [
            (&b"ready ok"[..], ""),
            (b"ok", "the body does not contain \"ready\"; it is 2 bytes and begins \"ok\""),
            (
                b"ok ready Fatal",
                "the body contains \"Fatal\", which it must not; it is 14 bytes and begins \"ok ready Fatal\"",
            ),
            (
                "ok ready Café zu".as_bytes(),
                "the body contains \"Café zu\", which it must not; it is 17 bytes and begins \"ok ready Café zu\"",
            ),
            (b"$ok ready", "the body does not match \"^[^$]\"; it is 9 bytes and begins \"$ok ready\""),
            (
                b"ok ready EXCEPTION",
                "the body matches \"(?i)exception\", which it must not; it is 18 bytes and begins \"ok ready EXCEPTION\"",
            ),
        ] {
            assert_eq!(said(all(), kept), sentence);
        }
        // Not in its bytes, but in its text.
        let latin = BodyExpectations { not_contains: vec![text("Café")], ..BodyExpectations::default() };
        let read = BodyRead { charset: Some("latin1".to_owned()), ..body(b"Caf\xe9") };
        let of_text = BodyMatch { expected: Arc::new(latin), ..matching(None, None, read) };
        assert!(detail(of_text).starts_with("the body contains \"Café\", which it must not"));
    }

    #[test]
    fn json_is_read_in_its_charset_and_whole() {
        let ok = Expected { what: serde_json::json!("ök"), shown: "\"ök\"".to_owned() };
        let json = JsonExpectation { path: "/a".to_owned(), query: None, wanted: JsonWish::OneOf(vec![ok]) };
        let expected = Arc::new(BodyExpectations { json: vec![json], ..BodyExpectations::default() });
        let said = |read: BodyRead| detail(BodyMatch { expected: Arc::clone(&expected), ..matching(None, None, read) });
        let in_charset = |charset: &str, kept: &[u8]| BodyRead { charset: Some(charset.to_owned()), ..body(kept) };
        let whole = "{\"a\":\"ök\"}";
        for (read, sentence) in [
            (body(whole.as_bytes()), ""),
            (body(format!("\u{feff}{whole}").as_bytes()), ""),
            (in_charset("latin1", b"{\"a\":\"\xf6k\"}"), ""),
            (in_charset("utf-16", b"{\0\"\0a\0\"\0:\0\"\0\xf6\0k\0\"\0}\0"), ""),
            (
                body(b"{\"a\":\"\xf6k\"}"),
                "the body is not JSON: it is not valid UTF-8; it is 10 bytes and begins \"{\"a\":\"\u{fffd}k\"}\"",
            ),
            (body(b"{\"a\":1}"), "/a is 1, expected \"ök\""),
            (
                body(b"<h1>"),
                "the body is not JSON: expected value at line 1 column 1; it is 4 bytes and begins \"<h1>\"",
            ),
            (body(b""), "the body is not JSON: EOF while parsing a value at line 1 column 0; it is empty"),
            (
                BodyRead { is_capped: true, ..body(whole.as_bytes()) },
                "the body cannot be read as JSON: it does not end within 11 bytes",
            ),
            (body(&vec![b' '; json::DOCUMENT_MAX + 1]), "the body cannot be read as JSON: it is longer than 4 MiB"),
        ] {
            assert_eq!(said(read), sentence);
        }
    }

    #[test]
    fn a_long_expectation_is_cut_between_characters() {
        assert_eq!(quoted(&"ü".repeat(41)), format!("{:?}…", "ü".repeat(40)));
    }
}
