//! The HTTP client of an export: one connection, one request at a time.
//!
//! The connection is kept between requests. A server may close an idle connection at any time, so a request that fails on a
//! kept one is retried once on a new one. The system resolves names, the platform's roots are trusted, proxies are not used.
//!
//! Invariants: redirects are not followed, so only the configured server gets the token; no error contains a header. Bounds:
//! [`REQUEST_MAX`] per request, [`BODY_MAX`] of an answer, and the budgets of a probe ([`crate::probe::bounded`]).

use std::error::Error;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request, Uri};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Position, Url};

use crate::model::text::{DETAIL_MAX, clean_line};
use crate::model::{ExportTarget, Secret};
use crate::probe::bounded::{Channel, paced};

use super::answer::Reply;

/// Time for one request, connecting included.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// Time for connecting and the TLS handshake.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Bytes of an answer's body that are read; error messages are shorter.
const BODY_MAX: usize = 64 << 10;

/// Why no request can be made to a target.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The credentials are not valid in a header.
    #[error("the export's token or password contains a character that no HTTP header can have")]
    Credentials,
    /// The host cannot be verified by a certificate.
    #[error("no certificate can name the host of the export's URL: {host}")]
    Host {
        /// As written in the URL.
        host: String,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS for the export: {0}")]
    Tls(String),
}

/// See the module.
pub struct Client {
    host: String,
    port: u16,
    path_and_query: Uri,
    headers: HeaderMap,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    connection: Option<Channel>,
}

impl Client {
    /// A client for `target`; does not connect yet.
    ///
    /// # Errors
    /// [`ExportError`]: a retry would not help.
    pub fn new(target: &ExportTarget) -> Result<Self, ExportError> {
        let url = target.write_url();
        let written = url.host_str().unwrap_or_default();
        // Only a URL puts an IPv6 address into brackets.
        let host = written.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = if url.scheme() == "https" {
            let name = ServerName::try_from(host.clone());
            Some((connector()?, name.map_err(|_| ExportError::Host { host: written.to_owned() })?))
        } else {
            None
        };
        let path_and_query = &url[Position::BeforePath..Position::AfterQuery];
        let path_and_query = path_and_query.parse().expect("a URL's path and query are a request's target");
        let (port, headers) = (url.port_or_known_default().unwrap_or(80), headers(target, &url)?);
        Ok(Self { host, port, path_and_query, headers, tls, connection: None })
    }

    /// Sends these credentials from now on. If they changed, returns true and disconnects.
    ///
    /// # Errors
    /// [`ExportError::Credentials`]; the old ones stay.
    pub fn authorize(&mut self, authorization: Option<&Secret>) -> Result<bool, ExportError> {
        let before = self.headers.get(AUTHORIZATION).cloned();
        authorize(&mut self.headers, authorization)?;
        let has_changed = self.headers.get(AUTHORIZATION) != before.as_ref();
        if has_changed {
            self.connection = None;
        }
        Ok(has_changed)
    }

    /// Closes the connection. The next request resolves the name again.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Sends `lines`, which [`compress`] made.
    ///
    /// # Errors
    /// Why there is no answer, in one clean line. The lines may or may not be stored.
    pub async fn post(&mut self, lines: Vec<u8>) -> Result<Reply, String> {
        let reply = timeout(REQUEST_MAX, self.post_untimed(Bytes::from(lines))).await;
        let reply = reply.unwrap_or_else(|_| Err(format!("no answer within {} s", REQUEST_MAX.as_secs())));
        if reply.is_err() {
            self.connection = None;
        }
        reply
    }

    async fn post_untimed(&mut self, lines: Bytes) -> Result<Reply, String> {
        if let Some(mut kept) = self.connection.take()
            && kept.is_ready().await
            && let Ok(reply) = self.ask(kept, lines.clone()).await
        {
            return Ok(reply);
        }
        let fresh = self.connect().await?;
        self.ask(fresh, lines).await
    }

    async fn ask(&mut self, connection: Channel, lines: Bytes) -> Result<Reply, String> {
        let mut request = Request::new(Full::new(lines));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path_and_query.clone();
        *request.headers_mut() = self.headers.clone();
        let answer = connection.ask(request, BODY_MAX).await.map_err(|error| clean_line(&error, DETAIL_MAX))?;
        self.connection = answer.channel;
        let text = |name| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Reply {
            status: answer.status,
            retry_after: text(RETRY_AFTER),
            content_type: text(CONTENT_TYPE),
            body: answer.body,
            cut: answer.cut,
        })
    }

    async fn connect(&self) -> Result<Channel, String> {
        let within = CONNECT_MAX.as_secs();
        let connected = timeout(CONNECT_MAX, self.connect_untimed()).await;
        connected.unwrap_or_else(|_| Err(format!("cannot connect within {within} s")))
    }

    async fn connect_untimed(&self) -> Result<Channel, String> {
        let failed = |error: io::Error| format!("cannot connect: {}", sentence(&error));
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(failed)?;
        // Otherwise the last packet of a body can wait for a delayed ACK.
        drop(tcp.set_nodelay(true));
        let (line, allowance) = paced(tcp);
        match &self.tls {
            None => Channel::begin(line, allowance).await,
            Some((connector, name)) => {
                let shaken = connector.connect(name.clone(), line).await.map_err(failed)?;
                Channel::begin(shaken, allowance).await
            }
        }
    }
}

/// `lines` as gzip, at a cheap level; the lines are so repetitive that they shrink to a tenth.
#[must_use]
pub fn compress(lines: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(lines.len() / 8), Compression::fast());
    gzip.write_all(lines).and_then(|()| gzip.finish()).expect("writing to a Vec cannot fail")
}

fn headers(target: &ExportTarget, url: &Url) -> Result<HeaderMap, ExportError> {
    let mut headers = HeaderMap::new();
    let host = &url[Position::BeforeHost..Position::AfterPort];
    headers.insert(HOST, HeaderValue::from_str(host).expect("a host is plain ASCII"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("webmon/", env!("CARGO_PKG_VERSION"))));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    authorize(&mut headers, target.authorization.as_ref())?;
    Ok(headers)
}

/// Replaces the credentials. On an error the old ones stay.
fn authorize(headers: &mut HeaderMap, authorization: Option<&Secret>) -> Result<(), ExportError> {
    let value = authorization.map(|secret| HeaderValue::from_bytes(secret.expose().as_bytes())).transpose();
    let value = value.map_err(|_| ExportError::Credentials)?;
    headers.remove(AUTHORIZATION);
    if let Some(mut value) = value {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(())
}

fn connector() -> Result<TlsConnector, ExportError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| ExportError::Tls(error.to_string()))?;
    Ok(TlsConnector::from(Arc::new(config.with_no_client_auth())))
}

/// The innermost reason of `error`, in one clean line.
fn sentence(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    loop {
        let wrapped = innermost.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = wrapped.map(|error| error as &(dyn Error + 'static)).or_else(|| innermost.source());
        match inner {
            Some(inner) => innermost = inner,
            None => return clean_line(&innermost.to_string(), DETAIL_MAX),
        }
    }
}
