//! The phases *processing* and *transfer*: one request and its answer over an open connection.
//!
//! Processing lasts from handing over the request to the parsed final head, transfer from there to the end of the body. Bodies
//! are counted, and kept only as far as an expectation or the evidence of a failure needs them.
//!
//! Bounds: 256 KiB and 512 headers before the body, `max_body` bytes of body, and 256 KiB plus a quarter of the body for sizes
//! of chunks and frames of HTTP/2. A body in very many tiny chunks is cut like one that is too long; over HTTP/2, where a server
//! may send what belongs to no body at all, that is a failure.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Version;
use hyper::body::{Body as _, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::header::HeaderMap;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::task::coop::consume_budget;

use crate::model::{Cause, Http, Status};
use crate::probe::body::received::BodyRead;
use crate::probe::body::stream::Live;
use crate::probe::failure::Failure;
use crate::probe::io::budget::{Budget, HEAD_MAX};
use crate::probe::tls::client_auth::ClientCertRequest;

use super::connection::{HEADERS_MAX, HttpConnection, SendError};
use super::errors::{Retry, explain_body, explain_head};
use super::request::Request;

/// An answer whose head has arrived.
pub(crate) struct ResponseHead {
    pub(crate) status: Status,
    pub(crate) http: Http,
    pub(crate) headers: HeaderMap,
    /// The reason phrase: the server's own if it is unusual.
    pub(crate) reason: Cow<'static, str>,
    body: Incoming,
    connection: HttpConnection,
    /// Of an answer after which the server speaks another protocol.
    switched: Option<OnUpgrade>,
}

/// Why there is no answer.
pub(crate) struct ExchangeError {
    pub(crate) failure: Failure,
    pub(crate) retry: Retry,
}

impl ExchangeError {
    pub(crate) fn without_retry(failure: Failure) -> Self {
        Self { failure, retry: Retry::No }
    }

    /// The connection broke by `error` before a request was sent.
    pub(crate) fn before_request(error: &hyper::Error, request: ClientCertRequest) -> Self {
        Self { failure: explain_head(error, false, request), retry: Retry::said_by(error).unwrap_or(Retry::Unseen) }
    }

    /// The final failure; `required_http1` if the server did so and was asked again over HTTP/1.1.
    pub(crate) fn explain(self, required_http1: bool) -> Failure {
        let note = if required_http1 {
            ", after it required HTTP/1.1"
        } else if self.retry == Retry::RequiresHttp1 {
            "; `http: auto` allows it"
        } else {
            return self.failure;
        };
        Failure::new(self.failure.cause, self.failure.detail + note)
    }
}

/// Sends `request` over `connection` and waits for the head of the final answer.
pub(crate) fn send(
    connection: HttpConnection,
    request: &Request,
) -> impl Future<Output = Result<ResponseHead, ExchangeError>> + use<> {
    let message = request.message(connection.is_http2());
    send_message(connection, message, request.may_be_repeated())
}

/// The same for any `message`; `may_repeat` if sending it twice does what sending it once does.
pub(crate) async fn send_message(
    mut connection: HttpConnection,
    message: Result<hyper::Request<Full<Bytes>>, Failure>,
    may_repeat: bool,
) -> Result<ResponseHead, ExchangeError> {
    match connection.send(message.map_err(ExchangeError::without_retry)?).await {
        Ok(answer) => read_head(connection, answer).map_err(ExchangeError::without_retry),
        Err(SendError { error, is_unsent }) => {
            let budget = &connection.budget;
            let is_unseen = is_unsent || may_repeat && budget.is_untouched();
            let retry = Retry::said_by(&error).unwrap_or(if is_unseen { Retry::Unseen } else { Retry::No });
            Err(ExchangeError { failure: explain_head(&error, budget.is_spent(), connection.cert_request), retry })
        }
    }
}

fn read_head(connection: HttpConnection, answer: hyper::Response<Incoming>) -> Result<ResponseHead, Failure> {
    connection.budget.give(HEAD_MAX);
    let bad = |detail: String| Failure::new(Cause::BadResponse, detail);
    let (mut head, body) = answer.into_parts();
    if head.headers.len() > HEADERS_MAX {
        return Err(bad(format!("{} headers are too many", head.headers.len())));
    }
    let status = head.status.as_u16();
    let status = Status::new(status).ok_or_else(|| bad(format!("not HTTP: status {status}")))?;
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
    let switched = head.extensions.remove::<OnUpgrade>();
    Ok(ResponseHead { status, http, headers: head.headers, reason, body, connection, switched })
}

impl ResponseHead {
    /// The connection on which the server now speaks another protocol, if it does, and the bytes that it may send: at first as
    /// many as a head may have.
    pub(crate) async fn switch(mut self) -> Option<(TokioIo<Upgraded>, Arc<Budget>)> {
        let stream = self.connection.run_with(self.switched?).await.ok()?;
        Some((TokioIo::new(stream), self.connection.budget))
    }

    /// Whether the length of the body is known.
    pub(crate) fn has_length(&self) -> bool {
        self.body.size_hint().exact().is_some()
    }

    /// Reads the body up to `max_body` bytes, and keeps the first `keep`; a body without end until `live` has seen enough. `read`
    /// is right also if this fails or is dropped half way. Returns the connection if it can serve another request.
    pub(crate) async fn read_body(
        mut self,
        max_body: u64,
        keep: usize,
        read: &mut BodyRead,
        mut live: Option<&mut Live>,
    ) -> Result<Option<HttpConnection>, Failure> {
        while let Some(frame) = self.connection.run_with(self.body.frame()).await {
            // A piece of one byte costs as much as one of thousands: a turn is 128 of them at most.
            consume_budget().await;
            let HttpConnection { budget, cert_request, .. } = &self.connection;
            let frame = match frame {
                Err(_) if budget.is_spent() && !self.connection.is_http2() => {
                    read.is_capped = true;
                    return Ok(None);
                }
                frame => frame.map_err(|error| explain_body(&error, read.bytes, budget.is_spent(), *cert_request))?,
            };
            let Some(data) = frame.data_ref() else { continue };
            let room = usize::try_from(max_body - read.bytes).unwrap_or(usize::MAX);
            let wanted = room.min(keep.saturating_sub(read.kept.len()));
            read.kept.extend_from_slice(&data[..data.len().min(wanted)]);
            if data.len() > room {
                (read.bytes, read.is_capped) = (max_body, true);
                return Ok(None);
            }
            read.bytes += data.len() as u64;
            budget.earn(data.len() as u64);
            if let Some(live) = &mut live {
                read.decided = live.received(&read.kept);
                if read.decided.is_some() {
                    return Ok(None);
                }
            }
        }
        Ok(Some(self.connection))
    }
}
