//! Judges whether a whole answer meets the expectations of its site.
//!
//! The answer has arrived in time, whole or as far as it was needed. Expectations are judged in the order of status, headers,
//! what a step takes, body ([`super::body::matcher`]), slow. Judging a body is webmon's own time and belongs to no phase.

use hyper::header::HeaderMap;

use crate::model::{Cause, Micros, Site, Status, figures};

use super::body::interrupt;
use super::body::matcher::BodyMatch;
use super::body::received::BodyRead;
use super::failure::Failure;
use super::http::{unexpected_header, unexpected_status};
use super::transport::Transport;

#[derive(Debug)]
pub(super) struct WholeResponse<'a> {
    pub(super) status: Status,
    /// The reason phrase.
    pub(super) reason: &'a str,
    pub(super) headers: &'a HeaderMap,
    /// Whether it has what a step takes from it.
    pub(super) taken: Result<(), Failure>,
    pub(super) body: BodyRead,
    /// The response time.
    pub(super) total: Micros,
}

/// How a step found what it takes in its answer.
pub(super) struct Took {
    /// Why not all was there.
    pub(super) failure: Option<Failure>,
    /// Whether the body may be shown: it is an error page, or the secret in it is known.
    pub(super) is_quotable: bool,
}

/// Judges `response` by the expectations of `site`.
pub(super) async fn judge(transport: &Transport, site: &Site, response: WholeResponse<'_>) -> Result<(), Failure> {
    let expect = &site.expect;
    if !expect.status.contains(response.status) {
        return Err(unexpected_status::unexpected(site, response.status, response.reason));
    }
    if let Some(failure) = unexpected_header::unexpected(site, response.headers) {
        return Err(failure);
    }
    response.taken?;
    judge_content(transport, site, response.body, response.total).await
}

/// Judges the `body` of an answer, and how long it took in `total`, by the expectations of `site`.
pub(super) async fn judge_content(
    transport: &Transport,
    site: &Site,
    body: BodyRead,
    total: Micros,
) -> Result<(), Failure> {
    let expect = &site.expect;
    if expect.asks_for_body() && body.decided.is_none() {
        let matching = BodyMatch::new(body, site, &transport.patterns);
        if matching.is_short() {
            interrupt::at_once(matching.verdict())?;
        } else {
            transport.workers.run(&site.name, matching.verdict()).await?;
        }
    }
    match expect.max_response_time {
        Some(limit) if total.as_duration() > limit => {
            let (took, limit) = (figures::duration(total.as_duration()), figures::duration(limit));
            Err(Failure::new(Cause::Slow, format!("answered in {took}, slower than {limit}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use regex::bytes::Regex;

    use crate::model::expect::{HeaderExpectation, HeaderWish};
    use crate::model::{BodyExpectations, Expect, Expected, StatusSet};
    use crate::probe::ProberOptions;

    #[allow(clippy::disallowed_methods, reason = "no test looks at the time")]
    fn clock() -> Instant {
        Instant::now()
    }

    fn site(expect: Expect) -> Site {
        Site { expect, ..Site::new("a", "http://a.test/".parse().unwrap()) }
    }

    fn expected<T>(what: T, shown: &str) -> Expected<T> {
        Expected { what, shown: shown.to_owned() }
    }

    async fn verdict(site: &Site, status: u16, body: &str, millis: u32) -> Result<(), (Cause, String)> {
        let (bytes, is_capped) = (body.len() as u64, body.ends_with('…'));
        let body = BodyRead { bytes, is_capped, kept: body.into(), ..BodyRead::default() };
        let reason = if status == 503 { "Service Unavailable" } else { "" };
        let status = Status::new(status).unwrap();
        let (headers, total) = (&HeaderMap::new(), Micros::new(millis * 1_000));
        let answer = WholeResponse { status, reason, headers, taken: Ok(()), body, total };
        let transport = Transport::new(&ProberOptions::default(), clock, &mut Vec::new()).unwrap();
        judge(&transport, site, answer).await.map_err(|failure| (failure.cause, failure.detail))
    }

    #[tokio::test]
    async fn only_an_expected_status_is_right() {
        let mut site = site(Expect::default());
        assert_eq!(verdict(&site, 204, "", 0).await, Ok(()));
        assert_eq!(verdict(&site, 503, "", 0).await, Err((Cause::Status, "503 Service Unavailable".to_owned())));
        assert_eq!(verdict(&site, 999, "", 0).await, Err((Cause::Status, "999".to_owned())));
        site.expect.status = StatusSet::from_ranges(vec![(503, 503)]);
        assert_eq!(verdict(&site, 503, "", 0).await, Ok(()));
    }

    #[tokio::test]
    async fn headers_are_judged_after_the_status_and_before_the_body() {
        let missing = HeaderExpectation { name: "x-version".to_owned(), wanted: HeaderWish::Present };
        let body = BodyExpectations { contains: vec![expected("ok".to_owned(), "ok")], ..BodyExpectations::default() };
        let site = site(Expect { headers: vec![missing], ..body.into() });
        let causes = [(500, "ok"), (200, "no"), (200, "ok")];
        for ((status, body), cause) in causes.into_iter().zip([Cause::Status, Cause::Header, Cause::Header]) {
            assert_eq!(verdict(&site, status, body, 0).await.unwrap_err().0, cause);
        }
    }

    #[tokio::test]
    async fn expectations_are_judged_in_the_order_of_the_causes() {
        let site = site(Expect {
            body: Arc::new(BodyExpectations {
                contains: vec![expected("ok".to_owned(), "ok")],
                regex: Some(expected(Regex::new("^[a-z]+$").unwrap(), "^***$")),
                ..BodyExpectations::default()
            }),
            max_response_time: Some(Duration::from_millis(100)),
            ..Expect::default()
        });
        for (status, body, millis, outcome) in [
            (200, "lookok", 100, Ok(())),
            (500, "", 500, Err((Cause::Status, "500"))),
            (200, "k", 500, Err((Cause::Body, "the body does not contain \"ok\"; it is 1 byte and begins \"k\""))),
            (
                200,
                "OKok",
                500,
                Err((Cause::Body, "the body does not match \"^***$\"; it is 4 bytes and begins \"OKok\"")),
            ),
            (200, "OK…", 0, Err((Cause::Body, "the body does not contain \"ok\" within 5 bytes; it begins \"OK…\""))),
            (200, "ok", 101, Err((Cause::Slow, "answered in 101 ms, slower than 100 ms"))),
        ] {
            let outcome = outcome.map_err(|(cause, detail): (Cause, &str)| (cause, detail.to_owned()));
            assert_eq!(verdict(&site, status, body, millis).await, outcome, "{status} {body} {millis}");
        }
    }
}
