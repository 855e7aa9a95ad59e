//! The HTTP client: one server, one connection, one request at a time.
//!
//! The connection is kept between requests. A server may close an idle connection at any time, so a request that fails on a
//! kept one is tried once more on a new one, if that cannot do its work twice. The system resolves names.
//!
//! Invariants: redirects are not followed; no error contains a URL, a header or a body. Bounds: [`REQUEST_MAX`] per request,
//! [`BODY_MAX`] of an answer, and the budgets of a probe ([`crate::probe::bounded`]).

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request, Uri};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use url::{Position, Url};

use crate::model::text::{DETAIL_MAX, clean_line};
use crate::probe::bounded::{Channel, Unanswered};

use super::endpoint::{Endpoint, Terms};
use super::error::{RequestError, SetupError};
use super::reply::Reply;

/// Time for one request, connecting included.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// Bytes of an answer's body that are read, unless a caller wants more; error messages are shorter.
const BODY_MAX: usize = 64 << 10;

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
    endpoint: Endpoint,
    host_header: HeaderValue,
    connection: Option<Channel>,
    /// Bytes of an answer's body that are read.
    body_max: usize,
    /// The address of the server that was reached last.
    peer: Option<IpAddr>,
}

impl Client {
    /// A client for the server of `url` on these `terms`; does not connect yet.
    ///
    /// # Errors
    /// [`SetupError`]: a retry would not help.
    pub fn new(url: &Url, terms: &Terms) -> Result<Self, SetupError> {
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
        let endpoint = Endpoint::new(host, port, url.scheme() == "https", terms)?;
        let host_header = &url[Position::BeforeHost..Position::AfterPort];
        let host_header = HeaderValue::from_str(host_header).expect("a host is plain ASCII");
        Ok(Self { endpoint, host_header, connection: None, body_max: BODY_MAX, peer: None })
    }

    /// Reads so many bytes of the body of each answer from now on.
    pub fn reading(&mut self, body_max: usize) -> &mut Self {
        self.body_max = body_max;
        self
    }

    /// The address of the server that was reached last; none before, and through a proxy.
    #[must_use]
    pub const fn peer(&self) -> Option<IpAddr> {
        self.peer
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
        let mut is_unsent = true;
        if let Some(mut kept) = self.connection.take()
            && kept.is_ready().await
        {
            match self.ask(kept, request).await {
                Err(unanswered) if unanswered.is_unsent => {}
                Err(_) if request.is_repeatable => is_unsent = false,
                answer => return answer.map_err(explain),
            }
        }
        // What went out on the kept connection may have arrived, whatever becomes of the next one.
        let unreached =
            |error: RequestError| if is_unsent { error } else { RequestError::Network(error.into_reason()) };
        let (fresh, peer) = connect(&self.endpoint).await.map_err(unreached)?;
        self.peer = peer;
        self.ask(fresh, request).await.map_err(explain).map_err(unreached)
    }

    async fn ask(&mut self, connection: Channel, outgoing: &Outgoing) -> Result<Reply, Unanswered> {
        let mut request = Request::new(Full::new(outgoing.body.clone()));
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = outgoing.target.clone();
        *request.headers_mut() = outgoing.headers.clone();
        request.headers_mut().insert(HOST, self.host_header.clone());
        let answer = connection.ask(request, self.body_max).await.map_err(|unanswered| Unanswered {
            reason: clean_line(&unanswered.reason, DETAIL_MAX),
            is_unsent: unanswered.is_unsent,
        })?;
        self.connection = answer.channel;
        let text = |name| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Reply {
            status: answer.status,
            retry_after: text(RETRY_AFTER),
            location: text(LOCATION),
            content_type: text(CONTENT_TYPE),
            body: answer.body,
            cut: answer.cut,
        })
    }
}

fn explain(unanswered: Unanswered) -> RequestError {
    if unanswered.is_unsent {
        RequestError::Unreached(unanswered.reason)
    } else {
        RequestError::Network(unanswered.reason)
    }
}

/// A connection that speaks HTTP.
async fn connect(endpoint: &Endpoint) -> Result<(Channel, Option<IpAddr>), RequestError> {
    let (line, allowance, peer) = endpoint.connect().await?;
    let channel = if endpoint.is_secure() {
        Channel::begin(endpoint.secure(line).await?, allowance).await
    } else {
        Channel::begin(line, allowance).await
    };
    channel.map(|channel| (channel, peer)).map_err(RequestError::Unreached)
}
