//! One HTTP/1.1 request after another under the budgets of a probe, for the rooms that speak HTTP for other ends.
//!
//! A server that webmon reports to is no more to be trusted than one that it watches: endless provisional heads, chunks of
//! one byte and bodies without end cost the same CPU and memory. So its connections are read like those of
//! probes (`paced`, `head_limit`) and polled only while somebody waits for an answer. The caller
//! connects, shakes hands over what [`paced`] returns, and bounds the time.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::received::BodyRead;
use super::http::connection::HttpConnection;
use super::http::errors::explain_head;
use super::http::exchange;
use super::io::budget::Budget;
use super::io::paced::Paced;
use super::tls::client_auth::Asked;

/// What the server may still send over one connection.
pub struct Allowance(Arc<Budget>);

/// Bounds `stream`, below TLS if there is any.
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

/// What came back.
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// There is more of the body than was read, or should have been.
    pub cut: bool,
    /// The connection, if it can serve another request.
    pub channel: Option<Channel>,
}

impl Channel {
    /// Speaks over `stream`, which [`paced`] bounded by `allowance`, or TLS over that.
    ///
    /// # Errors
    /// Why the connection cannot be used.
    pub async fn begin<S>(stream: S, allowance: Allowance) -> Result<Self, String>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let link = HttpConnection::begin(stream, false, allowance.0, Asked::Not).await;
        link.map(Self).map_err(|error| explain_head(&error, false, Asked::Not).detail)
    }

    /// Whether a request can be sent; false when the connection is over.
    pub async fn is_ready(&mut self) -> bool {
        self.0.is_ready().await
    }

    /// Sends `request` and reads at most `body_max` bytes of the answer's body.
    ///
    /// # Errors
    /// Why no whole head came.
    pub async fn ask(self, request: Request<Full<Bytes>>, body_max: usize) -> Result<Answered, String> {
        let answer = exchange::ask(self.0, request).await.map_err(|failure| failure.detail)?;
        let (status, headers) = (answer.status.get(), answer.headers.clone());
        let mut read = BodyRead::default();
        let link = answer.read_body(body_max as u64, true, &mut read, None).await.ok().flatten();
        Ok(Answered { status, headers, body: read.kept, cut: link.is_none(), channel: link.map(Self) })
    }
}
