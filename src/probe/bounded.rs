//! Sends HTTP/1.1 requests under the limits of a probe, for other rooms that speak HTTP.
//!
//! A server that receives exports is no more trusted than a watched one: endless provisional heads, chunks of one byte and bodies
//! without end cost the same CPU and memory. Its connections are read like those of probes (`paced`, `head_limit`) and polled
//! only while the caller waits for an answer. The caller connects, shakes hands over what [`paced`] returns, and bounds the time.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::received::BodyRead;
use super::http::connection::HttpConnection;
use super::http::errors::Retry;
use super::http::errors::explain_head;
use super::http::exchange::send_message;
use super::io::budget::Budget;
use super::io::paced::Paced;
use super::tls::client_auth::ClientCertRequest;

#[cfg(feature = "nats")]
pub(crate) use super::failure::io_error;
pub use super::tls::client::TlsClient;
pub use super::tls::record::{HandshakeRecord, TlsFault};

/// The bytes that the server may still send over one connection.
pub struct Allowance(Arc<Budget>);

/// Limits what `stream`, below any TLS, reads.
pub fn paced<S>(stream: S) -> (impl AsyncRead + AsyncWrite + Send + Unpin + 'static, Allowance)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let paced = Paced::new(stream);
    let budget = Arc::clone(paced.budget());
    (paced, Allowance(budget))
}

/// A connection that speaks HTTP/1.1.
pub struct Channel(HttpConnection);

/// The answer to a request.
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// The body is longer than was read, or should have been.
    pub cut: bool,
    /// The connection, if it can serve another request.
    pub channel: Option<Channel>,
}

/// Why there is no answer.
pub struct Unanswered {
    /// One line.
    pub reason: String,
    /// The server has not seen the request.
    pub is_unsent: bool,
}

impl Channel {
    /// Speaks over `stream`, which [`paced`] limited by `allowance`, or TLS over that.
    ///
    /// # Errors
    /// Why the connection cannot be used.
    pub async fn begin<S>(stream: S, allowance: Allowance) -> Result<Self, String>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let request = ClientCertRequest::None;
        let connection = HttpConnection::begin(stream, false, allowance.0, request).await;
        connection.map(Self).map_err(|error| explain_head(&error, false, request).detail)
    }

    /// Whether a request can be sent; false when the connection is over.
    pub async fn is_ready(&mut self) -> bool {
        self.0.is_ready().await
    }

    /// Sends `request` and reads at most `body_max` bytes of the answer's body.
    ///
    /// # Errors
    /// Why no whole head came.
    pub async fn ask(self, request: Request<Full<Bytes>>, body_max: usize) -> Result<Answered, Unanswered> {
        let response = send_message(self.0, Ok(request), false).await;
        let response = response
            .map_err(|none| Unanswered { reason: none.failure.detail, is_unsent: none.retry == Retry::Unseen })?;
        let (status, headers) = (response.status.get(), response.headers.clone());
        let mut read = BodyRead::default();
        let connection = response.read_body(body_max as u64, usize::MAX, &mut read, None).await.ok().flatten();
        Ok(Answered { status, headers, body: read.kept, cut: connection.is_none(), channel: connection.map(Self) })
    }
}
