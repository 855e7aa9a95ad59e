//! One connection that speaks HTTP, driven in the task of the probe that uses it.
//!
//! `hyper::client::conn` adds nothing and keeps nothing. Its connections are futures that have to be polled beside
//! ours, over HTTP/2 with more futures that it would spawn. All of them are owned by the [`HttpConnection`] and polled only while
//! a probe waits for something over it: so they end with the probe, whichever way that ends, and a kept connection
//! costs nothing between two probes, whatever its server sends.
//!
//! Real servers deserve more patience than hyper has by default: 512 headers are accepted, folded ones, and lines that are
//! no headers are ignored (see [`super::head_repair`]). Limits: over HTTP/2 windows of 256 KiB, no server push.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::probe::io::budget::{Budget, HEAD_MAX};
use crate::probe::io::head_limit::HeadLimit;
use crate::probe::tls::client_auth::Asked;

use super::goaway::Farewell;
use super::head_repair::Mended;

/// Headers of one answer.
pub(crate) const HEADERS_MAX: usize = 512;
/// Bytes that a server may send ahead over HTTP/2, for a stream and in all.
const WINDOW: u32 = 256 * 1024;

type Driver = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;
type BoxedWork = Pin<Box<dyn Future<Output = ()> + Send>>;
type Body = Full<Bytes>;

/// See the module.
pub(crate) struct HttpConnection {
    sender: Sender,
    drive: Drive,
    /// Tells the reader that an answer begins.
    expects_head: Arc<AtomicBool>,
    /// What the server may still send.
    pub(crate) budget: Arc<Budget>,
    /// Whether the server asked for a client certificate in the handshake.
    pub(crate) asked: Asked,
}

enum Sender {
    V1(http1::SendRequest<Body>),
    V2(http2::SendRequest<Body>),
}

/// Why no head came.
pub(crate) struct Unanswered {
    /// hyper's reason.
    pub(crate) error: hyper::Error,
    /// Not a byte of the request was sent.
    pub(crate) unsent: bool,
}

impl HttpConnection {
    /// Begins to speak HTTP over `stream`, which keeps to `budget`, HTTP/2 if `http2`. Ready to send when this returns.
    pub(crate) async fn begin<S>(
        stream: S,
        http2: bool,
        budget: Arc<Budget>,
        asked: Asked,
    ) -> Result<Self, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        budget.give(HEAD_MAX);
        let stream = HeadLimit::new(stream, Arc::clone(&budget));
        let expects_head = Arc::new(AtomicBool::new(false));
        let (sender, drive) = if http2 {
            let spawn = Spawn::default();
            let mut builder = http2::Builder::new(spawn.clone());
            builder.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
            builder.max_header_list_size(u32::try_from(HEAD_MAX).expect("a few hundred thousand"));
            let stream = Farewell::new(stream, Arc::clone(&expects_head));
            let (mut sender, line) = Box::pin(builder.handshake(TokioIo::new(stream))).await?;
            let mut drive = Drive::of(line, Some(spawn));
            if let Err(error) = drive.beside(sender.ready()).await {
                return Err(drive.told(error));
            }
            (Sender::V2(sender), drive)
        } else {
            let mut builder = http1::Builder::new();
            builder.max_headers(HEADERS_MAX).allow_obsolete_multiline_headers_in_responses(true);
            builder.allow_spaces_after_header_name_in_responses(true).ignore_invalid_headers_in_responses(true);
            let stream = Mended::new(stream, Arc::clone(&expects_head));
            let (sender, line) = builder.handshake(TokioIo::new(stream)).await?;
            (Sender::V1(sender), Drive::of(line, None))
        };
        Ok(Self { sender, drive, expects_head, budget, asked })
    }

    /// Whether it speaks HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::V2(_))
    }

    /// Waits until a request can be sent; false when the connection is over.
    pub(crate) async fn is_ready(&mut self) -> bool {
        // A connection that has stood idle knows nothing of its end yet.
        self.drive.look().await;
        match &mut self.sender {
            Sender::V1(sender) => self.drive.beside(sender.ready()).await.is_ok(),
            Sender::V2(sender) => self.drive.beside(sender.ready()).await.is_ok(),
        }
    }

    /// Sends `request` and waits for the final head.
    pub(crate) async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, Unanswered> {
        self.budget.give(HEAD_MAX);
        self.expects_head.store(true, Ordering::Relaxed);
        let answer = match &mut self.sender {
            Sender::V1(sender) => self.drive.beside(sender.try_send_request(request)).await,
            Sender::V2(sender) => self.drive.beside(sender.try_send_request(request)).await,
        };
        answer.map_err(|mut failed| {
            let unsent = failed.take_message().is_some();
            Unanswered { error: self.drive.told(failed.into_error()), unsent }
        })
    }

    /// Awaits `work` and keeps the connection going meanwhile.
    pub(crate) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.drive.beside(work).await
    }
}

/// hyper's side of a connection: everything that has to be polled.
#[derive(Default)]
struct Drive {
    /// The connection itself, until it is over.
    line: Option<Driver>,
    /// What it has spawned. Only HTTP/2 does.
    spawned: Vec<BoxedWork>,
    spawn: Option<Spawn>,
    /// With what the connection ended.
    ended: Option<hyper::Error>,
}

/// Where hyper puts what it would have spawned, until it is picked up.
#[derive(Clone, Default)]
struct Spawn(Arc<Mutex<Vec<BoxedWork>>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawn {
    fn execute(&self, work: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(work));
    }
}

impl Drive {
    /// A connection that spawns what it does besides through `spawn`, if it does.
    fn of(line: impl Future<Output = Result<(), hyper::Error>> + Send + 'static, spawn: Option<Spawn>) -> Self {
        Self { line: Some(Box::pin(line)), spawn, ..Self::default() }
    }

    /// Why the connection ended, for a request that failed by `error`: if the connection ends before it takes the request,
    /// `error` says only that it is over, and the reason stays with the connection.
    fn told(&mut self, error: hyper::Error) -> hyper::Error {
        if !error.is_closed() && !error.is_canceled() {
            return error;
        }
        self.ended.take().unwrap_or(error)
    }

    /// Polls everything once.
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(line) = &mut self.line
            && let Poll::Ready(ended) = line.as_mut().poll(cx)
        {
            (self.line, self.ended) = (None, ended.err());
        }
        let Some(spawn) = &self.spawn else { return };
        self.spawned.retain_mut(|work| work.as_mut().poll(cx).is_pending());
        loop {
            let spawned = std::mem::take(&mut *spawn.0.lock().unwrap_or_else(PoisonError::into_inner));
            if spawned.is_empty() {
                return;
            }
            for mut work in spawned {
                if work.as_mut().poll(cx).is_pending() {
                    self.spawned.push(work);
                }
            }
        }
    }

    /// Takes notice of what has come in.
    async fn look(&mut self) {
        poll_fn(|cx| {
            self.poll(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Awaits `work` and keeps the connection going meanwhile. What `work` asks for (a request, more of a body) is done
    /// at once, and `work` has what comes of it at once. What it asks for then wakes this task once more, as all that
    /// hyper's halves say to each other does.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            self.poll(cx);
            work.as_mut().poll(cx)
        })
        .await
    }
}
