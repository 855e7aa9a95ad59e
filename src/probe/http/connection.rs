//! One connection that speaks HTTP, driven in the task of the probe that uses it.
//!
//! hyper's connections are futures that must be polled, over HTTP/2 together with futures that it would spawn. The
//! [`HttpConnection`] owns all of them and polls them only while a probe waits for it: they end with the probe, however that
//! ends, and a pooled connection costs nothing between two probes, whatever its server sends.
//!
//! Answers are read more patiently than by default: 512 headers, folded ones, unreadable ones ignored, and heads repaired
//! ([`super::repair`]). Bounds: over HTTP/2 windows of 256 KiB, no server push.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::model::lock::lock;
use crate::probe::io::budget::{Budget, HEAD_MAX};
use crate::probe::io::head_limit::HeadLimit;
use crate::probe::tls::client_auth::ClientCertRequest;

use super::repair::goaway::GoAwayRepaired;
use super::repair::lines::RepairedLines;

/// Headers of one answer.
pub(crate) const HEADERS_MAX: usize = 512;
/// Bytes that a server may send ahead over HTTP/2, per stream and in all.
const WINDOW: u32 = 256 * 1024;

type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Body = Full<Bytes>;

pub(crate) struct HttpConnection {
    sender: Sender,
    driver: Driver,
    /// Tells the reader that an answer begins.
    expects_head: Arc<AtomicBool>,
    /// The bytes that the server may still send.
    pub(crate) budget: Arc<Budget>,
    pub(crate) cert_request: ClientCertRequest,
}

enum Sender {
    V1(http1::SendRequest<Body>),
    V2(http2::SendRequest<Body>),
}

/// Why no head came.
pub(crate) struct SendError {
    pub(crate) error: hyper::Error,
    /// Not a byte of the request was sent.
    pub(crate) is_unsent: bool,
}

impl HttpConnection {
    /// Begins to speak HTTP over `stream`, which keeps to `budget`, HTTP/2 if `http2`. Ready to send when this returns.
    pub(crate) async fn begin<S>(
        stream: S,
        http2: bool,
        budget: Arc<Budget>,
        cert_request: ClientCertRequest,
    ) -> Result<Self, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        budget.give(HEAD_MAX);
        let stream = HeadLimit::new(stream, Arc::clone(&budget));
        let expects_head = Arc::new(AtomicBool::new(false));
        let (sender, driver) = if http2 {
            let spawned = Spawned::default();
            let mut builder = http2::Builder::new(spawned.clone());
            builder.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
            builder.max_header_list_size(u32::try_from(HEAD_MAX).expect("a few hundred thousand"));
            let stream = GoAwayRepaired::new(stream, Arc::clone(&expects_head));
            let (mut sender, connection) = Box::pin(builder.handshake(TokioIo::new(stream))).await?;
            let mut driver = Driver::new(connection, Some(spawned));
            if let Err(error) = driver.run_with(sender.ready()).await {
                return Err(driver.reason(error));
            }
            (Sender::V2(sender), driver)
        } else {
            let mut builder = http1::Builder::new();
            builder.max_headers(HEADERS_MAX).allow_obsolete_multiline_headers_in_responses(true);
            builder.allow_spaces_after_header_name_in_responses(true).ignore_invalid_headers_in_responses(true);
            let stream = RepairedLines::new(stream, Arc::clone(&expects_head));
            let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
            (Sender::V1(sender), Driver::new(connection.with_upgrades(), None))
        };
        Ok(Self { sender, driver, expects_head, budget, cert_request })
    }

    pub(crate) fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::V2(_))
    }

    /// Waits until a request can be sent; false when the connection is over.
    pub(crate) async fn is_ready(&mut self) -> bool {
        // Nothing polled an idle connection, so it may not know its end yet.
        self.driver.poll_once().await;
        match &mut self.sender {
            Sender::V1(sender) => self.driver.run_with(sender.ready()).await.is_ok(),
            Sender::V2(sender) => self.driver.run_with(sender.ready()).await.is_ok(),
        }
    }

    /// Sends `request` and waits for the final head.
    pub(crate) async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, SendError> {
        self.budget.give(HEAD_MAX);
        self.expects_head.store(true, Ordering::Relaxed);
        let answer = match &mut self.sender {
            Sender::V1(sender) => self.driver.run_with(sender.try_send_request(request)).await,
            Sender::V2(sender) => self.driver.run_with(sender.try_send_request(request)).await,
        };
        answer.map_err(|mut failed| {
            let is_unsent = failed.take_message().is_some();
            SendError { error: self.driver.reason(failed.into_error()), is_unsent }
        })
    }

    /// Awaits `work` while the connection is driven.
    pub(crate) async fn run_with<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.driver.run_with(work).await
    }
}

/// Polls hyper's side of a connection.
struct Driver {
    /// None when the connection is over.
    connection: Option<Task<Result<(), hyper::Error>>>,
    tasks: Vec<Task<()>>,
    /// Only HTTP/2 spawns.
    spawned: Option<Spawned>,
    /// The error that ended the connection.
    error: Option<hyper::Error>,
}

/// Tasks that hyper spawned and the driver has not taken yet.
#[derive(Clone, Default)]
struct Spawned(Arc<Mutex<Vec<Task<()>>>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawned {
    fn execute(&self, task: F) {
        lock(&self.0).push(Box::pin(task));
    }
}

impl Driver {
    fn new(
        connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static,
        spawned: Option<Spawned>,
    ) -> Self {
        Self { connection: Some(Box::pin(connection)), tasks: Vec::new(), spawned, error: None }
    }

    /// The reason for a request that failed by `error`. If the connection ends before it takes the request, `error` says only
    /// that it is over, and the reason stays with the connection.
    fn reason(&mut self, error: hyper::Error) -> hyper::Error {
        if !error.is_closed() && !error.is_canceled() {
            return error;
        }
        self.error.take().unwrap_or(error)
    }

    /// Polls everything once.
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && let Poll::Ready(ended) = connection.as_mut().poll(cx)
        {
            (self.connection, self.error) = (None, ended.err());
        }
        let Some(spawned) = &self.spawned else { return };
        self.tasks.retain_mut(|task| task.as_mut().poll(cx).is_pending());
        loop {
            let spawned = std::mem::take(&mut *lock(&spawned.0));
            if spawned.is_empty() {
                return;
            }
            self.tasks
                .extend(spawned.into_iter().filter_map(|mut task| task.as_mut().poll(cx).is_pending().then_some(task)));
        }
    }

    async fn poll_once(&mut self) {
        poll_fn(|cx| {
            self.poll(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Awaits `work` while the connection is driven. What `work` asks for (a request, more of a body) is done at once, and
    /// `work` gets the result at once.
    async fn run_with<T>(&mut self, work: impl Future<Output = T>) -> T {
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
