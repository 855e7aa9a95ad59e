//! The meaning of a service's answer: sent, to be sent again, or refused.
//!
//! Invariants: a reason is one clean line without a secret of the outlet. Bounds: [`REASON_MAX`] bytes, waits of [`WAIT_MAX`].
//! Sources: RFC 9110; the rate limits of Discord and Telegram (`retry_after`) and Matrix (`retry_after_ms`).

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use crate::http::{Reply, reason_phrase, retry_after};
use crate::model::text::clean_line;
use crate::model::{KnownSecrets, Timestamp};

/// The longest wait that a service can ask for.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// The longest reason, bytes.
const REASON_MAX: usize = 300;

/// The outcome of a message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The service's answer: `200 OK`.
    pub status: String,
    /// The address that took it; none through a proxy.
    pub peer: Option<IpAddr>,
}

/// What to do about a message that was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Send it again, soon.
    Transient,
    /// The service refuses it, and will until the user changes something.
    Broken,
    /// The service is gone for ever (410).
    Gone,
}

/// Why a message was not sent, as far as is known: a service may have acted before the answer was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendFailure {
    /// What to do about it.
    pub kind: FailureKind,
    /// Whether the service certainly has not seen it.
    pub is_unsent: bool,
    /// Send nothing to this outlet before.
    pub retry_after: Option<Duration>,
    /// One clean line without a secret: `503 Service Unavailable: no_service`.
    pub reason: String,
}

impl SendFailure {
    /// A failure without a wait, whose reason may hold `secrets`.
    pub(super) fn new(kind: FailureKind, reason: &str, secrets: &KnownSecrets) -> Self {
        Self { kind, is_unsent: false, retry_after: None, reason: masked(reason, secrets) }
    }

    /// It, about a message of which the service has seen nothing.
    pub(super) fn unsent(self) -> Self {
        Self { is_unsent: true, ..self }
    }
}

/// What `reply` means at `now`.
pub(super) fn judge(reply: &Reply, secrets: &KnownSecrets, now: Timestamp) -> Result<Delivered, SendFailure> {
    let status = words(reply.status);
    let kind = match reply.status {
        200..=299 => return Ok(Delivered { status, peer: None }),
        300..=399 => {
            let reason = format!("{status}: redirects are not followed, correct the URL");
            return Err(SendFailure::new(FailureKind::Broken, &reason, secrets));
        }
        410 => FailureKind::Gone,
        408 | 425 | 429 => FailureKind::Transient,
        400..=499 => FailureKind::Broken,
        _ => FailureKind::Transient,
    };
    let json: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let message = message(reply, json.as_ref());
    let reason = if message.is_empty() { status } else { format!("{status}: {message}") };
    let asked = reply.retry_after.as_deref().and_then(|text| retry_after(text, now));
    let wait = asked.max(json.as_ref().and_then(wait_in)).map(|wait| wait.min(WAIT_MAX));
    let retry_after = wait.filter(|_| kind == FailureKind::Transient);
    Err(SendFailure { retry_after, ..SendFailure::new(kind, &reason, secrets) })
}

/// `503 Service Unavailable`.
fn words(status: u16) -> String {
    reason_phrase(status).map_or_else(|| status.to_string(), |phrase| format!("{status} {phrase}"))
}

/// The wait that a body asks for.
fn wait_in(json: &Value) -> Option<Duration> {
    let seconds = ["/retry_after", "/parameters/retry_after"].iter().find_map(|path| json.pointer(path)?.as_f64());
    let millis = json.pointer("/retry_after_ms").and_then(Value::as_f64);
    let seconds = seconds.or(millis.map(|millis| millis / 1e3)).filter(|seconds| *seconds >= 0.0)?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(WAIT_MAX))
}

/// The service's own words; none from a web page.
fn message(reply: &Reply, json: Option<&Value>) -> String {
    const PLACES: [&str; 9] = [
        "/error/message",
        "/errors/0/message",
        "/errors/0",
        "/errorDescription",
        "/error",
        "/description",
        "/message",
        "/detail",
        "/title",
    ];
    let text = |path: &&str| json?.pointer(path)?.as_str().filter(|text| !text.is_empty());
    match (PLACES.iter().find_map(text), json) {
        (Some(text), _) => text.to_owned(),
        // A body of other JSON is longer than it is helpful.
        (None, Some(Value::Object(_) | Value::Array(_))) => String::new(),
        _ if is_page(reply) => String::new(),
        _ => String::from_utf8_lossy(&reply.body).into_owned(),
    }
}

fn is_page(reply: &Reply) -> bool {
    let kind = reply.content_type.as_deref().unwrap_or_default().trim_start().to_ascii_lowercase();
    kind.starts_with("text/html") || reply.body.trim_ascii_start().starts_with(b"<")
}

/// `reason` in one clean line, with `***` for each secret.
pub(super) fn masked(reason: &str, secrets: &KnownSecrets) -> String {
    // First whole, since a secret that was cut is found only at the end.
    let line = clean_line(reason, usize::MAX);
    secrets.hidden_in(&clean_line(&secrets.hidden_in(&line), REASON_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(784_111_777);

    fn of(status: u16, retry_after: Option<&str>, body: &str) -> Result<Delivered, SendFailure> {
        let reply =
            Reply { status, retry_after: retry_after.map(str::to_owned), body: body.into(), ..Reply::default() };
        judge(&reply, &KnownSecrets::new(["T0/B0/hunter2secret"]), NOW)
    }

    #[test]
    fn each_status_has_its_meaning_and_its_words() {
        use FailureKind::{Broken, Gone, Transient};
        for (status, body, kind, reason) in [
            (302, "", Broken, "302 Found: redirects are not followed, correct the URL"),
            (
                400,
                r#"{"message":"Cannot send an empty message","code":50006}"#,
                Broken,
                "400 Bad Request: Cannot send an empty message",
            ),
            (401, r#"{"errcode":"M_UNKNOWN_TOKEN"}"#, Broken, "401 Unauthorized"),
            (404, "no_service", Broken, "404 Not Found: no_service"),
            (404, "<html><body>nginx</body></html>", Broken, "404 Not Found"),
            (408, "", Transient, "408 Request Timeout"),
            (410, "channel_is_archived", Gone, "410 Gone: channel_is_archived"),
            (425, "", Transient, "425 Too Early"),
            (
                429,
                r#"{"ok":false,"description":"Too Many Requests: retry after 5"}"#,
                Transient,
                "429 Too Many Requests: Too Many Requests: retry after 5",
            ),
            (500, r#"{"errors":["rate limited"]}"#, Transient, "500 Internal Server Error: rate limited"),
            (503, "a\r\n\u{1b}[2J T0/B0/hunter2secret", Transient, "503 Service Unavailable: a \u{fffd}[2J ***"),
            (599, "", Transient, "599"),
            (100, "", Transient, "100 Continue"),
        ] {
            let failure = of(status, None, body).unwrap_err();
            assert_eq!((failure.kind, failure.reason.as_str()), (kind, reason));
            assert_eq!(failure.retry_after, None);
        }
        for (status, words) in [(200, "200 OK"), (202, "202 Accepted"), (204, "204 No Content"), (299, "299")] {
            assert_eq!(of(status, Some("9"), "garbage").unwrap().status, words);
        }
    }

    #[test]
    fn a_wait_is_read_from_header_and_body_and_bounded() {
        for (status, header, body, millis) in [
            (429, Some("7"), "", Some(7_000)),
            (503, Some("Sun, 06 Nov 1994 08:49:57 GMT"), "", Some(20_000)),
            (429, Some("soon"), "", None),
            (429, Some("86400"), "", Some(3_600_000)),
            (429, None, r#"{"retry_after":2.5}"#, Some(2_500)),
            (429, Some("1"), r#"{"retry_after":2.5}"#, Some(2_500)),
            (429, None, r#"{"parameters":{"retry_after":5}}"#, Some(5_000)),
            (429, None, r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1500}"#, Some(1_500)),
            (429, None, r#"{"retry_after":-1}"#, None),
            (429, None, r#"{"retry_after":1e300}"#, Some(3_600_000)),
            (429, None, r#"{"retry_after":"x"}"#, None),
            (400, Some("7"), "", None),
            (410, Some("7"), "", None),
        ] {
            let wait = of(status, header, body).unwrap_err().retry_after;
            assert_eq!(wait, millis.map(Duration::from_millis), "{status} {header:?} {body}");
        }
    }

    #[test]
    fn a_reason_is_bounded_and_a_secret_at_the_cut_is_hidden() {
        let failure = of(400, None, &format!("{}T0/B0/hunter2secret", "x".repeat(REASON_MAX - 30))).unwrap_err();
        assert!(failure.reason.len() <= REASON_MAX && !failure.reason.contains("T0/B0"), "{}", failure.reason);
    }
}
