//! The wire: one connection to a server, one request at a time.
//!
//! A connection is kept between requests; when a kept one turns out to be closed, the request is made once more over a
//! fresh one, for a server may close what is idle at any time. The server has the budgets of one that is probed
//! ([`crate::probe::bounded`]). Invariants: redirects are not followed, so a token goes
//! only to the server that it is meant for; a request ends within [`REQUEST_MAX`]; of an answer at most [`BODY_MAX`] is
//! read; no error holds a header. Names are resolved by the system, proxies are not used. Roots are those of the
//! platform.

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
use hyper::{Method, Request};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::model::text::{DETAIL_MAX, clean_line};
use crate::model::{ExportTarget, Secret};
use crate::probe::bounded::{Channel, paced};

use super::answer::Reply;

/// The longest that one request may take, connecting included.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// The longest that connecting and the TLS handshake may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Bytes of an answer's body that are read; errors are shorter.
const BODY_MAX: usize = 64 << 10;

/// Why a sink cannot be spoken to at all.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The credentials cannot be sent.
    #[error("the export's token or password holds a character that no HTTP header can have")]
    Credentials,
    /// The host's name cannot be in a certificate.
    #[error("the export's URL has a host that no certificate can name: {host}")]
    Host {
        /// The host.
        host: String,
    },
    /// TLS cannot be set up.
    #[error("TLS of the export cannot be set up: {0}")]
    Tls(String),
}

/// See the module.
pub struct Client {
    host: String,
    port: u16,
    target: String,
    headers: HeaderMap,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    connection: Option<Channel>,
}

impl Client {
    /// A client of `sink`; nothing is connected yet.
    ///
    /// # Errors
    /// [`ExportError`]: nothing that waiting could change.
    pub fn new(sink: &ExportTarget) -> Result<Self, ExportError> {
        let url = sink.write_url();
        let host = url.host_str().unwrap_or_default().to_owned();
        let target = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        let tls = if url.scheme() == "https" { Some((connector()?, server_name(&url)?)) } else { None };
        let port = url.port_or_known_default().unwrap_or(80);
        // A literal of IPv6 stands in brackets in a URL and in none before a lookup.
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host: bare, port, target, headers: headers(sink, &url)?, tls, connection: None })
    }

    /// Goes on with these credentials; with others than before over a fresh connection. Returns whether they are others.
    ///
    /// # Errors
    /// [`ExportError::Credentials`]; the old ones stay.
    pub fn authorize(&mut self, authorization: Option<&Secret>) -> Result<bool, ExportError> {
        let before = self.headers.get(AUTHORIZATION).cloned();
        authorize(&mut self.headers, authorization)?;
        let is_other = self.headers.get(AUTHORIZATION) != before.as_ref();
        if is_other {
            self.connection = None;
        }
        Ok(is_other)
    }

    /// Closes the connection: the next request goes over a fresh one, maybe to another server of that name.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Sends `lines`, which [`compress`] made.
    ///
    /// # Errors
    /// Why there is no answer, in one clean line. The lines may be stored or not.
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
        *request.uri_mut() = self.target.parse().expect("a URL's path and query are a target");
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
        // Without it the last packet of a body can wait for the other side's delayed ACK.
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

/// `lines` as gzip, at a level that costs little: repetitive as they are, they come to a tenth.
#[must_use]
pub fn compress(lines: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(lines.len() / 8), Compression::fast());
    gzip.write_all(lines).and_then(|()| gzip.finish()).expect("a Vec takes everything")
}

fn headers(sink: &ExportTarget, url: &Url) -> Result<HeaderMap, ExportError> {
    let mut headers = HeaderMap::new();
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    headers.insert(HOST, HeaderValue::from_str(host).expect("a host is plain ASCII"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("webmon/", env!("CARGO_PKG_VERSION"))));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    authorize(&mut headers, sink.authorization.as_ref())?;
    Ok(headers)
}

/// Puts credentials in the place of those that are there, which stay on an error.
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
    let failed = |error: rustls::Error| ExportError::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&provider)).map_err(failed)?;
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(failed)?;
    let config = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn server_name(url: &Url) -> Result<ServerName<'static>, ExportError> {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    ServerName::try_from(bare).map_err(|_| ExportError::Host { host: host.to_owned() })
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
