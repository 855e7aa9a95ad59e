//! The phases *processing* and *transfer*: one request and its answer over an open connection.
//!
//! Processing lasts from handing over the request to the parsed final head, transfer from there to the end of the body. Bodies
//! are counted, and kept only as far as an expectation or the evidence of a failure needs them.
//!
//! Bounds: 256 KiB and 512 headers before the body, `max_body` bytes of body, and 256 KiB plus a quarter of the body for sizes
//! of chunks and frames of HTTP/2. A body in very many tiny chunks is cut like one that is too long; over HTTP/2, where a server
//! may send what belongs to no body at all, that is a failure.

use std::borrow::Cow;
#[cfg(feature = "http3")]
use std::future::poll_fn;
use std::sync::Arc;
#[cfg(feature = "http3")]
use std::task::{Context, Poll};

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
    body: Body,
    /// Of an answer after which the server speaks another protocol.
    switched: Option<OnUpgrade>,
}

/// The body of an answer, and what it comes over.
enum Body {
    Hyper(Incoming, HttpConnection),
    #[cfg(feature = "http3")]
    Foreign(Box<dyn ForeignBody>),
}

/// A body that comes over a connection which hyper does not know.
#[cfg(feature = "http3")]
pub(crate) trait ForeignBody: Send {
    /// Whether its length is known.
    fn has_length(&self) -> bool;

    /// The next piece, after `received` bytes; none at the end.
    fn poll_piece(&mut self, cx: &mut Context<'_>, received: u64) -> Poll<Result<Option<Bytes>, Failure>>;

    /// Lets as much as goes with `bytes` of it arrive.
    fn earn(&self, bytes: u64);
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
            let failure = explain_head(&error, budget.is_spent(), connection.cert_request);
            // A kept connection that ends without a word was too old: its end and the request crossed. Browsers and curl then
            // repeat a request of any method, or a POST would fail whenever the server's patience is shorter than the interval.
            let has_ended = matches!(failure.cause, Cause::Closed | Cause::Reset);
            let retry = Retry::said_by(&error).unwrap_or(match budget.is_untouched() {
                _ if is_unsent => Retry::Unseen,
                true if may_repeat => Retry::Unseen,
                true if has_ended => Retry::Stale,
                _ => Retry::No,
            });
            Err(ExchangeError { failure, retry })
        }
    }
}

fn read_head(connection: HttpConnection, answer: hyper::Response<Incoming>) -> Result<ResponseHead, Failure> {
    connection.budget.give(HEAD_MAX);
    let (head, body) = answer.into_parts();
    ResponseHead::new(hyper::Response::from_parts(head, ()), Body::Hyper(body, connection))
}

impl Body {
    /// The next piece, after `received` bytes of it; none at the end.
    async fn piece(&mut self, received: u64) -> Result<Option<Bytes>, BodyError> {
        match self {
            Self::Hyper(body, connection) => hyper_piece(body, connection, received).await,
            #[cfg(feature = "http3")]
            Self::Foreign(body) => {
                consume_budget().await;
                poll_fn(|cx| body.poll_piece(cx, received)).await.map_err(BodyError::Failed)
            }
        }
    }

    /// Lets as much as goes with `bytes` of it arrive.
    fn earn(&self, bytes: u64) {
        match self {
            Self::Hyper(_, connection) => connection.budget.earn(bytes),
            #[cfg(feature = "http3")]
            Self::Foreign(body) => body.earn(bytes),
        }
    }

    /// The connection, if it can serve another request.
    #[cfg_attr(
        not(feature = "http3"),
        expect(clippy::unnecessary_wraps, reason = "with HTTP/3 there is a body without one")
    )]
    fn into_connection(self) -> Option<HttpConnection> {
        match self {
            Self::Hyper(_, connection) => Some(connection),
            #[cfg(feature = "http3")]
            Self::Foreign(_) => None,
        }
    }
}

/// Why a body is not whole.
enum BodyError {
    /// The server sends too much around it.
    Capped,
    Failed(Failure),
}

async fn hyper_piece(
    body: &mut Incoming,
    connection: &mut HttpConnection,
    received: u64,
) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = connection.run_with(body.frame()).await {
        // A piece of one byte costs as much as one of thousands: a turn is 128 of them at most.
        consume_budget().await;
        let HttpConnection { budget, cert_request, .. } = &*connection;
        let frame = match frame {
            Err(_) if budget.is_spent() && !connection.is_http2() => return Err(BodyError::Capped),
            Err(error) => {
                let failure = explain_body(&error, received, budget.is_spent(), *cert_request);
                return Err(BodyError::Failed(failure));
            }
            Ok(frame) => frame,
        };
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

impl ResponseHead {
    /// The head of `answer`, whose `body` follows.
    #[cfg(feature = "http3")]
    pub(crate) fn before(answer: hyper::Response<()>, body: Box<dyn ForeignBody>) -> Result<Self, Failure> {
        Self::new(answer, Body::Foreign(body))
    }

    fn new(answer: hyper::Response<()>, body: Body) -> Result<Self, Failure> {
        let bad = |detail: String| Failure::new(Cause::BadResponse, detail);
        let (mut head, ()) = answer.into_parts();
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
            Version::HTTP_3 => Http::V3,
            _ => Http::V11,
        };
        let switched = head.extensions.remove::<OnUpgrade>();
        Ok(Self { status, http, headers: head.headers, reason, body, switched })
    }

    /// The connection on which the server now speaks another protocol, if it does, and the bytes that it may send: at first as
    /// many as a head may have.
    pub(crate) async fn switch(self) -> Option<(TokioIo<Upgraded>, Arc<Budget>)> {
        let switched = self.switched?;
        let mut connection = self.body.into_connection()?;
        let stream = connection.run_with(switched).await.ok()?;
        Some((TokioIo::new(stream), connection.budget))
    }

    /// Whether the length of the body is known.
    pub(crate) fn has_length(&self) -> bool {
        match &self.body {
            Body::Hyper(body, _) => body.size_hint().exact().is_some(),
            #[cfg(feature = "http3")]
            Body::Foreign(body) => body.has_length(),
        }
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
        loop {
            let data = match self.body.piece(read.bytes).await {
                Ok(Some(data)) => data,
                Ok(None) => break,
                Err(BodyError::Capped) => {
                    read.is_capped = true;
                    return Ok(None);
                }
                Err(BodyError::Failed(failure)) => return Err(failure),
            };
            let room = usize::try_from(max_body - read.bytes).unwrap_or(usize::MAX);
            let wanted = room.min(keep.saturating_sub(read.kept.len()));
            read.kept.extend_from_slice(&data[..data.len().min(wanted)]);
            if data.len() > room {
                (read.bytes, read.is_capped) = (max_body, true);
                return Ok(None);
            }
            read.bytes += data.len() as u64;
            self.body.earn(data.len() as u64);
            if let Some(live) = &mut live {
                read.decided = live.received(&read.kept);
                if read.decided.is_some() {
                    return Ok(None);
                }
            }
        }
        Ok(self.body.into_connection())
    }
}
