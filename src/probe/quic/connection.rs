//! HTTP/3 over one QUIC connection, for one request.
//!
//! h3's connection reads the server's settings and GOAWAY; it is polled beside everything else, like the tasks of QUIC. Provisional
//! heads are skipped. The body of the request goes on while the answer comes: a server may answer before it has read all.
//!
//! Bounds: 256 KiB before the final head, 512 headers; after it the same for everything but the body, which gives itself and a
//! quarter back.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h3::client::{Connection, RequestStream, SendRequest};
use h3::error::StreamError;
use hyper::Response;

use crate::model::Cause;
use crate::probe::failure::Failure;
use crate::probe::http::errors::Retry;
use crate::probe::http::exchange::ExchangeError;
use crate::probe::http::request::Request;
use crate::probe::io::budget::HEAD_MAX;
use crate::probe::tls::client_auth::ClientCertRequest;

use super::errors::{Stage, broken_exchange, broken_http3, broken_socket};
use super::line::Line;
use super::metered::{Meter, Metered, MeteredConnection};

/// The answer's side of a request.
pub(super) type Receiving = RequestStream<Metered<h3_quinn::RecvStream>, Bytes>;
/// Sends the body of a request; what becomes of it, the answer tells.
type Sending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection that speaks HTTP/3.
pub(super) struct Http3 {
    sender: SendRequest<MeteredConnection<h3_quinn::OpenStreams>, Bytes>,
    driver: Option<Connection<MeteredConnection<h3_quinn::Connection>, Bytes>>,
    sending: Option<Sending>,
    pub(super) meter: Arc<Meter>,
    pub(super) cert_request: ClientCertRequest,
    line: Line,
}

impl Http3 {
    /// Begins to speak HTTP/3 over `connection`, which `line` carries.
    pub(super) async fn begin(
        mut line: Line,
        connection: quinn::Connection,
        cert_request: ClientCertRequest,
    ) -> Result<Self, Failure> {
        let meter = Arc::new(Meter::new(Arc::clone(line.socket.budget())));
        let connection =
            MeteredConnection { connection: h3_quinn::Connection::new(connection), meter: Arc::clone(&meter) };
        let mut builder = h3::client::builder();
        builder.max_field_section_size(HEAD_MAX).send_grease(false);
        let begun = Box::pin(line.run_with(builder.build(connection))).await;
        let begun = begun.map_err(|error| broken_socket(&error, Stage::Handshake))?;
        let (driver, sender) = begun.map_err(|error| broken_http3(&error, Stage::Head, &meter, cert_request))?;
        Ok(Self { sender, driver: Some(driver), sending: None, meter, cert_request, line })
    }

    /// Sends `request` and waits for the head of the final answer.
    pub(super) async fn send(&mut self, request: &Request) -> Result<(Response<()>, Receiving), ExchangeError> {
        let (message, body) = request.message_for_http3().map_err(ExchangeError::without_retry)?;
        self.meter.budget().give(HEAD_MAX);
        let mut sender = self.sender.clone();
        let begun = self.run_with(async move { sender.send_request(message).await }).await;
        if let Ok(Err(StreamError::HeaderTooBig { actual_size, max_size })) = &begun {
            let detail = format!("the head of the request has {actual_size} bytes, and the server takes {max_size}");
            return Err(ExchangeError::without_retry(bad(detail)));
        }
        let stream = self.judged(begun)?;
        let (mut to_server, mut from_server) = stream.split();
        self.sending = Some(Box::pin(async move {
            if !body.is_empty() && to_server.send_data(body).await.is_err() {
                return;
            }
            drop(to_server.finish().await);
        }));
        let answer = self
            .run_with(async move {
                loop {
                    let head = from_server.recv_response().await?;
                    if !head.status().is_informational() {
                        return Ok((head, from_server));
                    }
                }
            })
            .await;
        self.meter.budget().give(HEAD_MAX);
        self.judged(answer)
    }

    /// What was waited for, or why no head came.
    fn judged<T>(&self, outcome: io::Result<Result<T, StreamError>>) -> Result<T, ExchangeError> {
        let (failure, retry) = match outcome {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => broken_exchange(&error, Stage::Head, &self.meter, self.cert_request),
            Err(error) => (broken_socket(&error, Stage::Head), Retry::No),
        };
        Err(ExchangeError { failure, retry })
    }

    /// Polls `work`, and everything that it waits for.
    pub(super) fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        if self.driver.as_mut().is_some_and(|driver| driver.poll_close(cx).is_ready()) {
            // The work learns of the reason, too.
            self.driver = None;
        }
        if self.sending.as_mut().is_some_and(|sending| sending.as_mut().poll(cx).is_ready()) {
            self.sending = None;
        }
        self.line.poll_with(cx, work)
    }

    async fn run_with<T>(&mut self, work: impl Future<Output = T>) -> io::Result<T> {
        let mut work = pin!(work);
        poll_fn(|cx| self.poll_with(cx, work.as_mut())).await
    }
}

impl Drop for Http3 {
    fn drop(&mut self) {
        // Before h3 drops its handles, which closes the connection without a code.
        self.line.close();
    }
}

/// The failure of a message that is against the rules.
pub(super) fn bad(detail: impl AsRef<str>) -> Failure {
    Failure::new(Cause::BadResponse, detail)
}
