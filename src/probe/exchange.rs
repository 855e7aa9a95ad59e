//! The phases *processing* and *transfer*: one request, one answer, over a connection that stands.
//!
//! `hyper::client::conn` speaks HTTP/1.1; it adds nothing and keeps nothing. Its connection is a future that has to
//! be polled beside ours. It is polled in the same task and owned by the [`Answer`], so it ends with the probe,
//! whichever way that ends: there is no task that could be left behind.
//!
//! Processing lasts from the request handed over to the head parsed, transfer from there to the end of the body.
//! Bodies are counted, not kept. Real servers deserve more patience than hyper has by default: 512 headers and
//! folded ones are accepted. Limits: 256 KiB before the final head is complete, `max_body` bytes of body.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::ext::ReasonPhrase;
use hyper::header::HeaderMap;
use hyper::{Response, Version};
use hyper_util::rt::TokioIo;

use super::failure::{Failure, broken_connection, chain, io_error};
use super::head_limit::{HeadLimit, HeadTooLarge};
use super::request::Request;
use super::tls::{Stream, alert_words};
use crate::model::{Cause, Http, Status};

/// Headers of one answer.
const HEADERS_MAX: usize = 512;

type Line = http1::Connection<TokioIo<HeadLimit<TokioIo<Stream>>>, Full<Bytes>>;

/// An answer of which the head has come.
pub(super) struct Answer {
    /// Its status.
    pub(super) status: Status,
    /// The protocol it came in.
    pub(super) http: Http,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// The words after the status: the server's own if they are unusual.
    pub(super) reason: String,
    body: Incoming,
    connection: Connection,
}

/// How much of a body came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BodyRead {
    /// Bytes, at most `max_body`.
    pub(super) bytes: u64,
    /// There was more than `max_body`.
    pub(super) capped: bool,
}

/// Sends `request` over `stream` and waits for the head of the final answer.
pub(super) async fn send(stream: Stream, request: &Request) -> Result<Answer, Failure> {
    let request = request.to_http1()?;
    let head_came = Arc::new(AtomicBool::new(false));
    let stream = TokioIo::new(HeadLimit::new(TokioIo::new(stream), Arc::clone(&head_came)));
    let handshake = http1::Builder::new()
        .max_headers(HEADERS_MAX)
        .allow_obsolete_multiline_headers_in_responses(true)
        .handshake(stream)
        .await;
    let (mut sender, line) = handshake.map_err(|error| explain_head(&error))?;
    let mut connection = Connection { line: Some(Box::pin(line)) };
    let answer = connection.beside(sender.send_request(request)).await;
    head_came.store(true, Ordering::Relaxed);
    let (head, body) = answer.map_err(|error| explain_head(&error)).map(Response::into_parts)?;
    let status = Status::new(head.status.as_u16())
        .ok_or_else(|| Failure::new(Cause::BadResponse, format!("not HTTP: status {}", head.status.as_u16())))?;
    let own_words = head.extensions.get::<ReasonPhrase>().filter(|reason| !reason.as_bytes().is_empty());
    let reason = match own_words {
        Some(reason) => String::from_utf8_lossy(reason.as_bytes()).into_owned(),
        None => head.status.canonical_reason().unwrap_or_default().to_owned(),
    };
    let http = if head.version == Version::HTTP_10 { Http::V10 } else { Http::V11 };
    Ok(Answer { status, http, headers: head.headers, reason, body, connection })
}

impl Answer {
    /// Reads the body up to `max_body` bytes. `read` tells how much came also when this fails or is dropped half
    /// way.
    pub(super) async fn read_body(mut self, max_body: u64, read: &mut BodyRead) -> Result<(), Failure> {
        while let Some(frame) = self.connection.beside(self.body.frame()).await {
            let frame = frame.map_err(|error| explain_body(&error, read.bytes))?;
            let arrived = frame.data_ref().map_or(0, Bytes::len) as u64;
            read.bytes = read.bytes.saturating_add(arrived);
            if read.bytes > max_body {
                *read = BodyRead { bytes: max_body, capped: true };
                break;
            }
        }
        Ok(())
    }
}

/// hyper's side of the connection.
struct Connection {
    line: Option<Pin<Box<Line>>>,
}

impl Connection {
    /// Awaits `work` and keeps the connection going meanwhile. What ends the connection reaches `work` too.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Some(line) = &mut self.line
                && line.as_mut().poll(cx).is_ready()
            {
                self.line = None;
            }
            match work.as_mut().poll(cx) {
                // Asking for more of the body makes the connection read on, which it is told only now.
                Poll::Pending if self.line.is_some() => {
                    if let Some(line) = &mut self.line
                        && line.as_mut().poll(cx).is_ready()
                    {
                        self.line = None;
                        return work.as_mut().poll(cx);
                    }
                    Poll::Pending
                }
                outcome => outcome,
            }
        })
        .await
    }
}

/// Why no head came.
fn explain_head(error: &hyper::Error) -> Failure {
    if let Some(limit) = find::<HeadTooLarge>(error) {
        return Failure::new(Cause::BadResponse, limit.to_string());
    }
    if let Some(failure) = tls_failure(error) {
        return failure;
    }
    if let Some(failure) = broken_connection(error, "before the answer") {
        return failure;
    }
    if error.is_parse() {
        return Failure::new(Cause::BadResponse, format!("not HTTP: {}", sentence(error)));
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return Failure::new(Cause::Closed, "connection closed before the answer");
    }
    Failure::new(Cause::BadResponse, sentence(error))
}

/// Why a body did not come whole, after `bytes` of it.
fn explain_body(error: &hyper::Error, bytes: u64) -> Failure {
    if let Some(failure) = tls_failure(error) {
        return failure;
    }
    let ended = io_error(error).is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof);
    if ended || error.is_incomplete_message() || error.is_closed() {
        return Failure::new(Cause::Truncated, format!("the body ended early, after {bytes} bytes"));
    }
    broken_connection(error, "during the body")
        .unwrap_or_else(|| Failure::new(Cause::BadResponse, format!("not HTTP: {}", sentence(error))))
}

/// An alert that came after the handshake: with TLS 1.3 a missing client certificate shows only then.
fn tls_failure(error: &hyper::Error) -> Option<Failure> {
    find::<rustls::Error>(error).map(|error| {
        let detail = match error {
            rustls::Error::AlertReceived(alert) => alert_words(*alert),
            other => other.to_string(),
        };
        Failure::new(Cause::TlsError, format!("TLS: {detail}"))
    })
}

fn find<E: Error + 'static>(error: &hyper::Error) -> Option<&E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// The error and what is behind it, in one line.
fn sentence(error: &hyper::Error) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
