//! One request over HTTP/3 and its answer: the head, and the body that follows.
//!
//! h3 does not compare a body with the length that its head declares, so that is done here: a server that ends it early has not
//! sent it, one that sends more does not speak HTTP (RFC 9114 §4.1.2).

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::header::{CONTENT_LENGTH, HeaderMap};
use hyper::{Method, Response, StatusCode};

use crate::probe::failure::Failure;
use crate::probe::http::exchange::{ExchangeError, ForeignBody, ResponseHead};
use crate::probe::http::request::Request;

use super::connection::{Http3, Receiving, bad};
use super::errors::{Stage, broken_exchange, broken_socket, truncated};

/// Sends `request` over `http3` and waits for the head of the final answer.
pub(super) async fn ask(mut http3: Http3, request: &Request) -> Result<ResponseHead, ExchangeError> {
    let (answer, stream) = http3.send(request).await?;
    let body = Http3Body::new(http3, stream, &answer, request.method == Method::HEAD);
    let head = body.and_then(|body| ResponseHead::before(answer, Box::new(body)));
    head.map_err(ExchangeError::without_retry)
}

struct Http3Body {
    http3: Http3,
    stream: Receiving,
    /// Its length, if that is known.
    length: Option<u64>,
}

impl Http3Body {
    /// The body that follows `head` on `stream`; there is none if the request says so.
    fn new(http3: Http3, stream: Receiving, head: &Response<()>, is_bodiless: bool) -> Result<Self, Failure> {
        let has_none = is_bodiless || matches!(head.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let length = if has_none { Some(0) } else { declared(head.headers())? };
        Ok(Self { http3, stream, length })
    }
}

/// The length in the head, if there is one.
fn declared(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.to_str().ok().filter(is_number).and_then(|text| text.parse().ok());
        let number = number.ok_or_else(|| bad("not HTTP/3: its Content-Length is not a number"))?;
        if length.replace(number).is_some_and(|before| before != number) {
            return Err(bad("not HTTP/3: it has several lengths"));
        }
    }
    Ok(length)
}

impl ForeignBody for Http3Body {
    fn has_length(&self) -> bool {
        self.length.is_some()
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>, received: u64) -> Poll<Result<Option<Bytes>, Failure>> {
        let stage = Stage::Body(received);
        let Self { http3, stream, length } = self;
        let next = pin!(poll_fn(|cx| {
            stream.poll_recv_data(cx).map_ok(|data| data.map(|mut data| data.copy_to_bytes(data.remaining())))
        }));
        let next = match http3.poll_with(cx, next) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => Err(broken_socket(&error, stage)),
            Poll::Ready(Ok(Err(error))) => Err(broken_exchange(&error, stage, &http3.meter, http3.cert_request).0),
            Poll::Ready(Ok(Ok(piece))) => Ok(piece),
        };
        Poll::Ready(next.and_then(|piece| match piece {
            None if length.is_some_and(|length| received < length) || http3.meter.is_cut() => Err(truncated(received)),
            None => Ok(None),
            Some(piece) if length.is_some_and(|length| received + piece.len() as u64 > length) => {
                Err(bad("not HTTP/3: the body is longer than its head says"))
            }
            piece => Ok(piece),
        }))
    }

    fn earn(&self, bytes: u64) {
        self.http3.meter.budget().earn(bytes);
    }
}
