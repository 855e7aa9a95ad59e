//! Whether a whole answer is the right one.
//!
//! Called only for an answer that arrived whole and in time. Expectations are judged in the order of the causes:
//! status, body, slow. A pattern is matched in time linear in the body; this is our own time and belongs to no phase.
//! A detail never quotes what came, only what was expected, with `***` for what came out of a variable.

use memchr::memmem;
use regex::bytes::Regex;

use super::exchange::BodyRead;
use super::failure::Failure;
use super::unexpected::unexpected;
use crate::model::{Cause, Micros, Site, Status, figures};

/// Longest expectation that a detail quotes, bytes.
const QUOTED_MAX: usize = 80;

/// An answer as it is to be judged.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    pub(super) status: Status,
    /// What the server called its status.
    pub(super) reason: &'a str,
    pub(super) body: &'a BodyRead,
    /// The response time.
    pub(super) total: Micros,
}

/// Holds `answer` against the expectations of `site`.
pub(super) fn judge(site: &Site, answer: &Whole<'_>) -> Result<(), Failure> {
    let expect = &site.expect;
    if !expect.status.contains(answer.status) {
        return Err(unexpected(site, answer.status, answer.reason));
    }
    let BodyRead { kept, capped, bytes } = answer.body;
    let wrong = |what: &str, shown: &str| {
        let part = if *capped { format!(" within {} bytes", figures::count(*bytes)) } else { String::new() };
        Failure::new(Cause::Body, format!("the body does not {what} {}{part}", quoted(shown)))
    };
    if let Some(part) = &expect.body_contains
        && memmem::find(kept, part.what.as_bytes()).is_none()
    {
        return Err(wrong("contain", &part.shown));
    }
    if let Some(pattern) = &expect.body_regex
        && !matches(&pattern.what, kept)
    {
        return Err(wrong("match", &pattern.shown));
    }
    match expect.max_response_time {
        Some(limit) if answer.total.as_duration() > limit => {
            let (took, limit) = (figures::duration(answer.total.as_duration()), figures::duration(limit));
            Err(Failure::new(Cause::Slow, format!("answered in {took}, slower than {limit}")))
        }
        _ => Ok(()),
    }
}

/// Whether `pattern` is in `body`. Where that is no UTF-8 (an old page, a cut character), what does not belong stands for
/// one character each time, or `.` would not match it.
fn matches(pattern: &Regex, body: &[u8]) -> bool {
    pattern.is_match(body)
        || std::str::from_utf8(body).is_err() && pattern.is_match(String::from_utf8_lossy(body).as_bytes())
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
    use crate::model::{Expect, Expected, StatusSet};
    use std::time::Duration;

    fn site(expect: Expect) -> Site {
        Site { expect, ..Site::new("a", "http://a.test/".parse().unwrap()) }
    }

    fn expected<T>(what: T, shown: &str) -> Expected<T> {
        Expected { what, shown: shown.to_owned() }
    }

    fn verdict(site: &Site, status: u16, body: &str, millis: u32) -> Result<(), (Cause, String)> {
        let body = BodyRead { bytes: body.len() as u64, capped: body.ends_with('…'), kept: body.into() };
        let reason = if status == 503 { "Service Unavailable" } else { "" };
        let status = Status::new(status).unwrap();
        let answer = Whole { status, reason, body: &body, total: Micros::new(millis * 1_000) };
        judge(site, &answer).map_err(|failure| (failure.cause, failure.detail))
    }

    #[test]
    fn only_an_expected_status_is_right() {
        let mut site = site(Expect::default());
        assert_eq!(verdict(&site, 204, "", 0), Ok(()));
        assert_eq!(verdict(&site, 503, "", 0), Err((Cause::Status, "503 Service Unavailable".to_owned())));
        assert_eq!(verdict(&site, 999, "", 0), Err((Cause::Status, "999".to_owned())));
        site.expect.status = StatusSet::from_ranges(vec![(503, 503)]);
        assert_eq!(verdict(&site, 503, "", 0), Ok(()));
    }

    #[test]
    fn expectations_are_judged_in_the_order_of_the_causes() {
        let site = site(Expect {
            body_contains: Some(expected("ok".to_owned(), "ok")),
            body_regex: Some(expected(Regex::new("^[a-z]+$").unwrap(), "^***$")),
            max_response_time: Some(Duration::from_millis(100)),
            ..Expect::default()
        });
        for (status, body, millis, outcome) in [
            (200, "lookok", 100, Ok(())),
            (500, "", 500, Err((Cause::Status, "500"))),
            (200, "k", 500, Err((Cause::Body, "the body does not contain \"ok\""))),
            (200, "OKok", 500, Err((Cause::Body, "the body does not match \"^***$\""))),
            (200, "OK…", 0, Err((Cause::Body, "the body does not contain \"ok\" within 5 bytes"))),
            (200, "ok", 101, Err((Cause::Slow, "answered in 101 ms, slower than 100 ms"))),
        ] {
            let outcome = outcome.map_err(|(cause, detail): (Cause, &str)| (cause, detail.to_owned()));
            assert_eq!(verdict(&site, status, body, millis), outcome, "{status} {body} {millis}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_searched_as_well() {
        for (pattern, body, found) in [
            (r"(?-u)\xff", &b"\0\xff"[..], true),
            ("<title>Caf.</title>", b"<title>Caf\xe9</title>", true),
            ("<title>.+ ok</title>", b"<title>\xfc\xff ok</title>", true),
            (r"<title>\w+</title>", b"<title>Caf\xe9</title>", false),
            ("^b.d$", b"b\xffad", false),
        ] {
            let pattern = expected(Regex::new(pattern).unwrap(), pattern);
            let site = site(Expect { body_regex: Some(pattern), ..Expect::default() });
            let body = BodyRead { bytes: body.len() as u64, capped: false, kept: body.to_vec() };
            let status = Status::new(200).unwrap();
            let verdict = judge(&site, &Whole { status, reason: "", body: &body, total: Micros::ZERO });
            assert_eq!(verdict.is_ok(), found, "{verdict:?}");
        }
    }

    #[test]
    fn a_long_expectation_is_cut_between_characters() {
        assert_eq!(quoted(&"ü".repeat(41)), format!("{:?}…", "ü".repeat(40)));
    }
}
