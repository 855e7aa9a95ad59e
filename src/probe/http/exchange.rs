//! The phases *processing* and *transfer*: one request, one answer, over a connection that stands.
//!
//! Processing lasts from the request handed over to the final head parsed, transfer from there to the end of the body:
//! the same for HTTP/1.1 and HTTP/2 (where the first bytes from a server are its settings and say nothing). Bodies are
//! counted, and kept only when somebody expects something of them. Limits: 256 KiB and 512 headers before the body,
//! `max_body` bytes of body, and 256 KiB and a quarter of the body for what packs it (sizes of chunks, frames of HTTP/2). A
//! body in very many tiny chunks is read no further, as one that is too long; over HTTP/2, where a server may send what
//! belongs to no body at all, that is a fault.

use std::borrow::Cow;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::header::HeaderMap;
use hyper::{Response, Version};
use tokio::task::coop::consume_budget;

use crate::model::{Cause, Http, Status};
use crate::probe::body::received::BodyRead;
use crate::probe::body::stream::Live;
use crate::probe::failure::Failure;
use crate::probe::io::budget::HEAD_MAX;
use crate::probe::tls::client_auth::Asked;

use super::connection::{HEADERS_MAX, HttpConnection, Unanswered};
use super::errors::{explain_body, explain_head, is_refusal, requires_http1};
use super::request::Request;

/// An answer of which the head has come.
pub(crate) struct ResponseHead {
    /// Its status.
    pub(crate) status: Status,
    /// The protocol it came in.
    pub(crate) http: Http,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// The words after the status: the server's own if they are unusual.
    pub(crate) reason: Cow<'static, str>,
    body: Incoming,
    link: HttpConnection,
}

/// Why there is no answer, and whether asking once more over a fresh connection could give one.
pub(crate) struct ExchangeError {
    /// What to say if it is not asked again.
    pub(crate) failure: Failure,
    /// The server has not looked at the request, as far as can be known from here.
    pub(crate) unseen: bool,
    /// It said so itself: GOAWAY or `REFUSED_STREAM`.
    pub(crate) refused: bool,
    /// It said that it takes the request over HTTP/1.1 only.
    pub(crate) requires_http1: bool,
}

impl ExchangeError {
    /// Broken for good.
    pub(crate) fn for_good(failure: Failure) -> Self {
        Self { failure, unseen: false, refused: false, requires_http1: false }
    }

    /// Broken by `error` before anything was asked.
    pub(crate) fn unasked(error: &hyper::Error, asked: Asked) -> Self {
        let (refused, requires_http1) = (is_refusal(error), requires_http1(error));
        Self { failure: explain_head(error, false, asked), unseen: true, refused, requires_http1 }
    }

    /// What to say of it; `required_http1` when the server did so and was asked again in it.
    pub(crate) fn told(self, required_http1: bool) -> Failure {
        let note = if required_http1 {
            ", after it required HTTP/1.1"
        } else if self.requires_http1 {
            "; `http: auto` allows it"
        } else {
            return self.failure;
        };
        Failure::new(self.failure.cause, self.failure.detail + note)
    }
}

/// Sends `request` over `link` and waits for the head of the final answer.
pub(crate) async fn send(mut link: HttpConnection, request: &Request) -> Result<ResponseHead, ExchangeError> {
    let http2 = link.is_http2();
    let message = if http2 { request.to_http2() } else { request.to_http1() }.map_err(ExchangeError::for_good)?;
    match link.send(message).await {
        Ok(answer) => read_head(link, answer).map_err(ExchangeError::for_good),
        Err(Unanswered { error, unsent }) => {
            let untouched = link.budget.is_untouched();
            let over_budget = link.budget.is_spent();
            let refused = http2 && is_refusal(&error);
            let requires_http1 = http2 && requires_http1(&error);
            let unseen = unsent || refused || requires_http1 || (untouched && request.may_be_repeated());
            let failure = explain_head(&error, over_budget, link.asked);
            Err(ExchangeError { failure, unseen, refused, requires_http1 })
        }
    }
}

/// Sends `message`, which is no probe's, over `link` and waits for the head of the final answer.
pub(crate) async fn ask(
    mut link: HttpConnection,
    message: hyper::Request<Full<Bytes>>,
) -> Result<ResponseHead, Failure> {
    match link.send(message).await {
        Ok(answer) => read_head(link, answer),
        Err(Unanswered { error, .. }) => Err(explain_head(&error, link.budget.is_spent(), link.asked)),
    }
}

fn read_head(link: HttpConnection, answer: Response<Incoming>) -> Result<ResponseHead, Failure> {
    link.budget.give(HEAD_MAX);
    let bad = |detail: String| Failure::new(Cause::BadResponse, detail);
    let (head, body) = answer.into_parts();
    if head.headers.len() > HEADERS_MAX {
        return Err(bad(format!("{} headers are too many", head.headers.len())));
    }
    let status =
        Status::new(head.status.as_u16()).ok_or_else(|| bad(format!("not HTTP: status {}", head.status.as_u16())))?;
    let own_words = head.extensions.get::<ReasonPhrase>().filter(|reason| !reason.as_bytes().is_empty());
    let reason = match own_words {
        Some(reason) => Cow::Owned(String::from_utf8_lossy(reason.as_bytes()).into_owned()),
        None => Cow::Borrowed(head.status.canonical_reason().unwrap_or_default()),
    };
    let http = match head.version {
        Version::HTTP_10 => Http::V10,
        Version::HTTP_2 => Http::V2,
        _ => Http::V11,
    };
    Ok(ResponseHead { status, http, headers: head.headers, reason, body, link })
}

impl ResponseHead {
    /// Whether it is known how long the body is.
    pub(crate) fn has_length(&self) -> bool {
        self.body.size_hint().exact().is_some()
    }

    /// Reads the body up to `max_body` bytes, and keeps it if `keep`. `read` tells how much came also when this fails
    /// or is dropped half way; of a body that may not end, until `live` has seen enough. The connection comes back when it can serve another request.
    pub(crate) async fn read_body(
        mut self,
        max_body: u64,
        keep: bool,
        read: &mut BodyRead,
        mut live: Option<&mut Live>,
    ) -> Result<Option<HttpConnection>, Failure> {
        while let Some(frame) = self.link.beside(self.body.frame()).await {
            // A piece may be one byte, and costs as much as one of thousands: a turn is 128 of them at most.
            consume_budget().await;
            let frame = match frame {
                Err(_) if self.link.budget.is_spent() && !self.link.is_http2() => {
                    read.capped = true;
                    return Ok(None);
                }
                frame => frame
                    .map_err(|error| explain_body(&error, read.bytes, self.link.budget.is_spent(), self.link.asked))?,
            };
            let Some(data) = frame.data_ref() else { continue };
            let room = usize::try_from(max_body - read.bytes).unwrap_or(usize::MAX);
            if keep {
                read.kept.extend_from_slice(&data[..data.len().min(room)]);
            }
            if data.len() > room {
                (read.bytes, read.capped) = (max_body, true);
                return Ok(None);
            }
            read.bytes += data.len() as u64;
            self.link.budget.earn(data.len() as u64);
            if let Some(live) = &mut live {
                read.decided = live.came(&read.kept);
                if read.decided.is_some() {
                    return Ok(None);
                }
            }
        }
        Ok(Some(self.link))
    }
}
