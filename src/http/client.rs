//! The HTTP client: one server, one connection, one request at a time.
//!
//! The connection is kept between requests. A server may close an idle connection at any time, so a request that fails on a
//! kept one is tried once more on a new one, if that cannot do its work twice. The system resolves names.
//!
//! Invariants: redirects are not followed; no error contains a URL, a header or a body. Bounds: [`REQUEST_MAX`] per request,
//! [`BODY_MAX`] of an answer, and the budgets of a probe ([`crate::probe::bounded`]).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request, Uri};
use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use url::{Position, Url};

use crate::model::text::{DETAIL_MAX, clean_line};
use crate::model::{ClientIdentity, SecretUrl};
use crate::probe::bounded::{Channel, TlsClient, Unanswered, paced};

use super::error::{RequestError, SetupError};
use super::reply::Reply;
use super::tunnel::{self, Proxy};

/// Time for one request, connecting included.
pub(crate) const REQUEST_MAX: Duration = Duration::from_secs(30);

/// Time for connecting and the TLS handshake.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Bytes of an answer's body that are read; error messages are shorter.
const BODY_MAX: usize = 64 << 10;

/// How to reach a server and how to verify it.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Accept any certificate.
    pub insecure: bool,
    /// Trusted roots in addition to the platform's, DER.
    pub roots: Arc<Vec<Vec<u8>>>,
    /// The certificate for servers that ask for one.
    pub identity: Option<Arc<ClientIdentity>>,
    /// An HTTP proxy, reached by `http`, that opens a tunnel (CONNECT).
    pub proxy: Option<SecretUrl>,
}

/// A request. Nothing prints it.
#[derive(Clone)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: Uri,
    /// The headers but `Host` and `Content-Length`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Whether sending it twice does what sending it once does.
    pub is_repeatable: bool,
}

impl Outgoing {
    /// A request to `url`, whose userinfo becomes Basic authentication unless there is another one.
    ///
    /// # Errors
    /// [`SetupError::Target`], [`SetupError::Header`].
    pub fn new<'a>(
        method: Method,
        url: &Url,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: impl Into<Bytes>,
    ) -> Result<Self, SetupError> {
        let target = url[Position::BeforePath..Position::AfterQuery].parse().map_err(|_| SetupError::Target)?;
        let mut map = HeaderMap::new();
        map.insert(USER_AGENT, HeaderValue::from_static(concat!("webmon/", env!("CARGO_PKG_VERSION"))));
        map.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(basic) = basic(url) {
            map.insert(AUTHORIZATION, basic);
        }
        for (name, value) in headers {
            let wrong = || SetupError::Header(clean_line(name, DETAIL_MAX));
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong())?;
            map.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?, value);
        }
        map.values_mut().for_each(|value| value.set_sensitive(true));
        Ok(Self { method, target, headers: map, body: body.into(), is_repeatable: false })
    }
}

/// The userinfo of `url` as the value of `Authorization`.
fn basic(url: &Url) -> Option<HeaderValue> {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (user, password) = (plain(url.username()), plain(url.password().unwrap_or_default()));
    let has_user = !user.is_empty() || !password.is_empty();
    let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    has_user.then(|| HeaderValue::from_str(&value).expect("base64 is plain ASCII"))
}

/// See the module.
pub struct Client {
    host: String,
    port: u16,
    host_header: HeaderValue,
    tls: Option<(TlsClient, ServerName<'static>)>,
    proxy: Option<Proxy>,
    connection: Option<Channel>,
}

impl Client {
    /// A client for the server of `url` on these `terms`; does not connect yet.
    ///
    /// # Errors
    /// [`SetupError`]: a retry would not help.
    pub fn new(url: &Url, terms: &Terms) -> Result<Self, SetupError> {
        let written = url.host_str().unwrap_or_default();
        // Only a URL puts an IPv6 address into brackets.
        let host = written.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = if url.scheme() == "https" { Some(secured(&host, terms)?) } else { None };
        let proxy = terms.proxy.as_ref().map(|proxy| Proxy::new(proxy.expose())).transpose()?;
        let host_header = &url[Position::BeforeHost..Position::AfterPort];
        let host_header = HeaderValue::from_str(host_header).expect("a host is plain ASCII");
        let port = url.port_or_known_default().unwrap_or(80);
        Ok(Self { host, port, host_header, tls, proxy, connection: None })
    }

    /// Closes the connection. The next request resolves the name again.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Sends `request`.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn send(&mut self, request: &Outgoing) -> Result<Reply, RequestError> {
        let reply = timeout(REQUEST_MAX, self.send_untimed(request)).await;
        let late = || RequestError::Network(format!("no answer within {} s", REQUEST_MAX.as_secs()));
        let reply = reply.unwrap_or_else(|_| Err(late()));
        if reply.is_err() {
            self.connection = None;
        }
        reply
    }

    async fn send_untimed(&mut self, request: &Outgoing) -> Result<Reply, RequestError> {
        if let Some(mut kept) = self.connection.take()
            && kept.is_ready().await
        {
            match self.ask(kept, request).await {
                Err(unanswered) if request.is_repeatable || unanswered.is_unsent => {}
                answer => return answer.map_err(|unanswered| RequestError::Network(unanswered.reason)),
            }
        }
        let fresh = self.connect().await?;
        self.ask(fresh, request).await.map_err(|unanswered| RequestError::Network(unanswered.reason))
    }

    async fn ask(&mut self, connection: Channel, outgoing: &Outgoing) -> Result<Reply, Unanswered> {
        let mut request = Request::new(Full::new(outgoing.body.clone()));
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = outgoing.target.clone();
        *request.headers_mut() = outgoing.headers.clone();
        request.headers_mut().insert(HOST, self.host_header.clone());
        let answer = connection.ask(request, BODY_MAX).await.map_err(|unanswered| Unanswered {
            reason: clean_line(&unanswered.reason, DETAIL_MAX),
            is_unsent: unanswered.is_unsent,
        })?;
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

    async fn connect(&self) -> Result<Channel, RequestError> {
        let late = || RequestError::Network(format!("cannot connect within {} s", CONNECT_MAX.as_secs()));
        timeout(CONNECT_MAX, self.connect_untimed()).await.unwrap_or_else(|_| Err(late()))
    }

    async fn connect_untimed(&self) -> Result<Channel, RequestError> {
        let tcp = tunnel::connect(&self.host, self.port, self.proxy.as_ref()).await?;
        let (line, allowance) = paced(tcp);
        let channel = match &self.tls {
            None => Channel::begin(line, allowance).await,
            Some((tls, name)) => {
                let shaken = tls.shake(name.clone(), line).await;
                let shaken = shaken.map_err(|fault| {
                    if fault.is_refusal {
                        RequestError::Refused(fault.reason)
                    } else {
                        RequestError::Network(format!("cannot connect: {}", fault.reason))
                    }
                })?;
                Channel::begin(shaken, allowance).await
            }
        };
        channel.map_err(RequestError::Network)
    }
}

/// TLS with `host` on these `terms`.
pub(crate) fn secured(host: &str, terms: &Terms) -> Result<(TlsClient, ServerName<'static>), SetupError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| SetupError::Host { host: host.to_owned() })?;
    let tls = TlsClient::new(&terms.roots, terms.identity.as_deref(), terms.insecure).map_err(SetupError::Tls)?;
    Ok((tls, name))
}
