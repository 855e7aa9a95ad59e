//! The meaning of a write API's answer for the lines of its request.
//!
//! The servers agree on little but the status: InfluxDB 1 stores the good lines of a body and answers 400 for the bad ones, 2
//! refuses the whole body, 3 names the bad lines. All of them accept a line that they have stored already. A web page, such
//! as a proxy's or a sign-in page, settles nothing, whatever its status.
//!
//! Invariants: a server's text is cleaned and cut to [`DETAIL_MAX`]; credentials never come here. Source: the write API
//! references of the three versions, and the servers of `tests/influx.rs`.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use crate::http::{Reply, retry_after};
use crate::model::Timestamp;
use crate::model::text::{DETAIL_MAX, clean_line};

/// The longest wait that a server can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(10);

/// The wait for an unreadable `Retry-After`.
const RETRY_AFTER_UNREAD: Duration = Duration::from_secs(10);

/// The meaning of an answer for the lines of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportAnswer {
    /// All lines are stored.
    Stored,
    /// Some lines will never be stored.
    Refused(Refusal, String),
    /// The request is too large.
    TooLarge(String),
    /// The server accepts nothing until the user fixes something.
    Blocked(String),
    /// The server asks to retry later.
    Throttled(Duration, String),
    /// The lines may or may not be stored.
    Broken(String),
}

/// Which lines are to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The lines at these indexes within the request, ascending.
    Lines(Vec<usize>),
    /// This many unnamed lines; all others are stored.
    Some(u64),
    /// Any number of lines.
    Unknown,
}

#[derive(Clone, Copy)]
enum StatusMeaning {
    Stored,
    Refused,
    TooLarge,
    Throttled,
    Broken,
    /// With the reason for the user.
    Blocked(&'static str),
}

/// The first row that contains a status is its meaning.
const MEANINGS: [(RangeInclusive<u16>, StatusMeaning); 14] = [
    (200..=299, StatusMeaning::Stored),
    (300..=399, StatusMeaning::Blocked("redirects are not followed: correct the URL")),
    (400..=400, StatusMeaning::Refused),
    (401..=401, StatusMeaning::Blocked("auth: the server does not accept the credentials")),
    (403..=403, StatusMeaning::Blocked("auth: the credentials do not permit writing there")),
    (404..=404, StatusMeaning::Blocked("not found")),
    (408..=408, StatusMeaning::Broken),
    (413..=413, StatusMeaning::TooLarge),
    (422..=422, StatusMeaning::Refused),
    (429..=429, StatusMeaning::Throttled),
    (400..=499, StatusMeaning::Blocked("refused")),
    (503..=503, StatusMeaning::Throttled),
    (511..=511, StatusMeaning::Blocked("the network requires a sign-in")),
    (500..=599, StatusMeaning::Broken),
];

const NO_WRITE_API: &str = "this is not the answer of a write API: check the URL and the proxies on the way";

impl ExportAnswer {
    /// The meaning of `reply` at `now`; `place` is the object of a 404, such as `bucket "webmon"`.
    #[must_use]
    pub fn of(reply: &Reply, place: &str, now: Timestamp) -> Self {
        let status = reply.status;
        let meaning = MEANINGS.iter().find(|(range, _)| range.contains(&status)).map(|(_, meaning)| *meaning);
        let json: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let message = message(&reply.body, json.as_ref());
        let full = if message.is_empty() { format!("status {status}") } else { format!("status {status}: {message}") };
        match meaning.unwrap_or(StatusMeaning::Broken) {
            StatusMeaning::Stored | StatusMeaning::Refused if is_page(reply) => {
                Self::Blocked(format!("{NO_WRITE_API} ({full})"))
            }
            // Some servers answer 200 with an error in the body; after a success they send none.
            StatusMeaning::Stored if has_error(json.as_ref()) => Self::Refused(refusal(&message, json.as_ref()), full),
            StatusMeaning::Stored if reply.cut => Self::Broken(format!("the answer is incomplete ({full})")),
            StatusMeaning::Stored => Self::Stored,
            StatusMeaning::Refused => Self::Refused(refusal(&message, json.as_ref()), full),
            StatusMeaning::TooLarge => Self::TooLarge(full),
            StatusMeaning::Throttled => {
                let wait = reply.retry_after.as_deref().map_or(Duration::ZERO, |text| wait_of(text, now));
                Self::Throttled(wait, full)
            }
            StatusMeaning::Broken => Self::Broken(full),
            StatusMeaning::Blocked(why) if status == 404 => Self::Blocked(format!("{place} {why} ({full})")),
            StatusMeaning::Blocked(why) => Self::Blocked(format!("{why} ({full})")),
        }
    }
}

/// Whether the answer is a web page.
fn is_page(reply: &Reply) -> bool {
    let kind = reply.content_type.as_deref().unwrap_or_default().trim_start().to_ascii_lowercase();
    let body = reply.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&reply.body);
    kind.starts_with("text/html") || kind.starts_with("application/xhtml") || body.trim_ascii_start().starts_with(b"<")
}

/// Whether the JSON reports an error.
fn has_error(json: Option<&Value>) -> bool {
    let error = json.and_then(|json| json.get("error"));
    error.is_some_and(|error| !matches!(error, Value::Null | Value::Bool(false)) && error.as_str() != Some(""))
}

/// The server's message, in one clean line.
fn message(body: &[u8], json: Option<&Value>) -> String {
    let text = |key: &str| json?.get(key)?.as_str().filter(|text| !text.is_empty());
    let line = |text: &str| clean_line(text, DETAIL_MAX);
    match text("error").or_else(|| text("message")).or_else(|| text("code")) {
        None => line(&String::from_utf8_lossy(body)),
        Some(message) => {
            // InfluxDB 3 explains each line.
            let first = json.and_then(|json| json.pointer("/data/0/error_message")).and_then(Value::as_str);
            first.map_or_else(|| line(message), |first| line(&format!("{message}: {first}")))
        }
    }
}

/// The lines that `message`, or the list beside it, blames.
fn refusal(message: &str, json: Option<&Value>) -> Refusal {
    let faults = json.and_then(|json| json.get("data")).and_then(Value::as_array);
    let numbers = faults.into_iter().flatten().filter_map(|fault| fault.get("line_number")?.as_u64());
    let mut lines: Vec<usize> = numbers.filter_map(|number| usize::try_from(number.checked_sub(1)?).ok()).collect();
    lines.sort_unstable();
    lines.dedup();
    if !lines.is_empty() {
        return Refusal::Lines(lines);
    }
    // InfluxDB 1 and 2: `partial write: points beyond retention policy dropped=3`. They count lines that they cannot parse
    // as 0, so 0 means nothing.
    let dropped = message.rsplit_once("dropped=").filter(|_| message.contains("partial write"));
    let dropped = dropped.and_then(|(_, count)| count.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    dropped.filter(|&count| count > 0).map_or(Refusal::Unknown, Refusal::Some)
}

/// The wait of a `Retry-After`, bounded.
fn wait_of(text: &str, now: Timestamp) -> Duration {
    retry_after(text, now).unwrap_or(RETRY_AFTER_UNREAD).min(RETRY_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(784_111_777);

    fn of(status: u16, retry_after: Option<&str>, body: &str) -> ExportAnswer {
        let retry_after = retry_after.map(str::to_owned);
        let reply = Reply { status, retry_after, body: body.into(), ..Reply::default() };
        ExportAnswer::of(&reply, "bucket \"webmon\"", NOW)
    }

    #[test]
    fn every_status_has_a_meaning() {
        use ExportAnswer::{Blocked, Broken, Refused, Stored, TooLarge};
        let text = |text: &str| text.to_owned();
        for (status, body, answer) in [
            (204, "", Stored),
            (200, "ok", Stored),
            (302, "", Blocked(text("redirects are not followed: correct the URL (status 302)"))),
            (400, "nonsense", Refused(Refusal::Unknown, text("status 400: nonsense"))),
            (
                401,
                r#"{"code":"unauthorized","message":"unauthorized access"}"#,
                Blocked(text("auth: the server does not accept the credentials (status 401: unauthorized access)")),
            ),
            (403, "", Blocked(text("auth: the credentials do not permit writing there (status 403)"))),
            (
                404,
                r#"{"error":"database not found: \"nope\""}"#,
                Blocked(text("bucket \"webmon\" not found (status 404: database not found: \"nope\")")),
            ),
            (405, "", Blocked(text("refused (status 405)"))),
            (408, "", Broken(text("status 408"))),
            (413, "\u{1b}[2J", TooLarge(text("status 413: \u{fffd}[2J"))),
            (500, "", Broken(text("status 500"))),
            (511, "<html>", Blocked(text("the network requires a sign-in (status 511: <html>)"))),
            (502, "<html>", Broken(text("status 502: <html>"))),
            (100, "", Broken(text("status 100"))),
            (999, "", Broken(text("status 999"))),
        ] {
            assert_eq!(of(status, None, body), answer, "{status}");
        }
    }

    /// A page of a proxy or of a network's sign-in is no verdict about lines.
    #[test]
    fn a_web_page_settles_nothing() {
        let page = "<!DOCTYPE html><html><body>400 Bad Request</body></html>";
        for (status, content_type, body, is_blocked) in [
            (400, Some("text/html"), page, true),
            (400, None, page, true),
            (400, Some("Text/HTML; charset=utf-8"), "", true),
            (422, None, "\u{feff}\n <html>", true),
            (200, Some("text/html"), "sign in", true),
            (200, None, page, true),
            (204, Some("text/html"), "", true),
            (200, Some("text/plain"), "ok", false),
            (400, Some("application/json"), r#"{"error":"unable to parse '<html>'"}"#, false),
            // It is the size that counts, be it a proxy's limit or the server's.
            (413, Some("text/html"), page, false),
            (503, Some("text/html"), page, false),
        ] {
            let content_type = content_type.map(str::to_owned);
            let reply = Reply { status, content_type, body: body.into(), ..Reply::default() };
            let answer = ExportAnswer::of(&reply, "", NOW);
            assert_eq!(matches!(answer, ExportAnswer::Blocked(_)), is_blocked, "{status} {body}: {answer:?}");
        }
    }

    #[test]
    fn a_success_with_an_error_in_its_body_is_a_refusal() {
        let partial = r#"{"error":"partial write: points beyond retention policy dropped=2"}"#;
        assert!(matches!(of(200, None, partial), ExportAnswer::Refused(Refusal::Some(2), _)));
        assert!(matches!(of(202, None, r#"{"error":{"code":7}}"#), ExportAnswer::Refused(Refusal::Unknown, _)));
        for fine in ["", "ok", "{}", r#"{"error":null}"#, r#"{"error":""}"#, r#"{"error":false}"#, "[]"] {
            assert_eq!(of(200, None, fine), ExportAnswer::Stored, "{fine}");
        }
        let cut = Reply { status: 200, body: b"{\"err".to_vec(), cut: true, ..Reply::default() };
        assert!(matches!(ExportAnswer::of(&cut, "", NOW), ExportAnswer::Broken(_)));
    }

    #[test]
    fn refused_lines_are_read_from_each_dialect() {
        for (body, refusal) in [
            (
                r#"{"error":"partial write of line protocol occurred","data":[
                    {"original_line":"x","line_number":3,"error_message":"no fields"},
                    {"original_line":"y","line_number":1,"error_message":"no fields"},
                    {"original_line":"y","line_number":1,"error_message":"twice"}]}"#,
                Refusal::Lines(vec![0, 2]),
            ),
            (r#"{"error":"partial write: points beyond retention policy dropped=12"}"#, Refusal::Some(12)),
            (r#"{"error":"partial write: unable to parse 'x y' dropped=0"}"#, Refusal::Unknown),
            (r#"{"error":"unable to parse 'dropped=7'"}"#, Refusal::Unknown),
            (r#"{"error":"e","data":[{"line_number":0},{"line_number":-1},{"line_number":"1"}]}"#, Refusal::Unknown),
            (r#"{"error":"e","data":"none"}"#, Refusal::Unknown),
            ("", Refusal::Unknown),
        ] {
            assert!(matches!(of(400, None, body), ExportAnswer::Refused(found, _) if found == refusal), "{body}");
            assert!(matches!(of(422, None, body), ExportAnswer::Refused(found, _) if found == refusal), "{body}");
        }
        let named = of(400, None, r#"{"error":"partial","data":[{"line_number":1,"error_message":"no fields"}]}"#);
        assert_eq!(named, ExportAnswer::Refused(Refusal::Lines(vec![0]), "status 400: partial: no fields".to_owned()));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        for (header, seconds) in [
            (None, 0),
            (Some("7"), 7),
            (Some(" 120 "), 120),
            (Some("86400"), 600),
            (Some("Sun, 06 Nov 1994 08:49:57 GMT"), 20),
            (Some("Sun, 06 Nov 1994 08:00:00 GMT"), 0),
            (Some("soon"), 10),
            (Some("-3"), 10),
        ] {
            for status in [429, 503] {
                let wait = Duration::from_secs(seconds);
                assert_eq!(
                    of(status, header, ""),
                    ExportAnswer::Throttled(wait, format!("status {status}")),
                    "{header:?}"
                );
            }
        }
    }
}
