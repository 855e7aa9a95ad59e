//! One hop of a probe: a pooled or fresh connection, a request over it, the head of the answer.
//!
//! A request is silently sent once more over a fresh connection if a pooled one turns out to be stale before an answer began, if
//! an HTTP/2 server says that it has not processed it (GOAWAY, `REFUSED_STREAM`), and, over HTTP/1.1 if the site allows it, if
//! the server requires that version. Time on a stale connection belongs to no phase; what a server refused counts. A pooled
//! connection that is closed or reset without a byte of an answer is stale for requests of any method; after any other end a
//! request that the server may have processed is repeated only if it is idempotent. A 408 over a pooled connection says that it
//! was not.
//!
//! Cost: rare paths are boxed, so that the state of a probe stays small; starting a probe moves it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::Uri;
use hyper_rustls::MaybeHttpsStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ProtocolVersion};
use tokio::net::TcpStream;
use tokio_util::either::Either;
use url::{Host, Position, Url};

use crate::model::{Cause, Flags, HttpOffer, Phase, Proxy, ProxyKind, TlsVersion};

use super::failure::Failure;
use super::http::connection::HttpConnection;
use super::http::errors::Retry;
use super::http::exchange::{ExchangeError, ResponseHead, send};
use super::http::pool::{Peer, PooledConnection, Purpose, ShownCertificate};
use super::http::request::Request;
use super::io::budget::Budget;
use super::io::paced::Paced;
use super::proxy::{self, Line, unreached};
use super::run::ProbeRun;
use super::tcp::connect::connect;
use super::tcp::zone::scope;
use super::tls::chain::presented::PresentedChain;
use super::tls::client_auth::ClientCertRequest;
use super::tls::terms::TlsTerms;
use super::tls::{Tcp, TlsStream};
use super::transport::Transport;

/// A connection that is ready for HTTP, or whatever is spoken.
pub(super) struct Dialed {
    /// TLS streams are large, and connections are moved a dozen times.
    pub(super) stream: Either<Tcp, Box<TlsStream>>,
    pub(super) budget: Arc<Budget>,
    certificate: Option<ShownCertificate>,
    pub(super) cert_request: ClientCertRequest,
    http2: bool,
}

impl<'a> ProbeRun<'a> {
    /// Sends `request` and waits for the head of its answer.
    pub(super) async fn ask(&mut self, request: &Request) -> Result<ResponseHead, Failure> {
        let before = self.watch.phases();
        if self.site.keep_alive
            && let Some(pooled) = self.transport.pool.take(self.site, &Purpose::new(self.site, &request.url))
        {
            match Box::pin(self.ask_pooled(pooled, request)).await {
                // Some servers say so to an idle connection, which crosses with the request.
                Some(Ok(response)) if response.status.get() == 408 && request.may_be_repeated() => {
                    self.watch.go_back(before);
                }
                Some(Ok(response)) => return Ok(self.received(response, true)),
                Some(Err(ExchangeError { failure, retry: Retry::No })) => return Err(failure),
                Some(Err(_)) | None => self.watch.go_back(before),
            }
        }
        let response = self.ask_with_retries(request).await;
        response.map(|response| self.received(response, false))
    }

    /// Asks over fresh connections: another one for each reason why that may help, at most once for each.
    async fn ask_with_retries(&mut self, request: &Request) -> Result<ResponseHead, Failure> {
        let (site, http1_only) = (self.site, &self.transport.http1_only);
        let mut offer = http1_only.offer(site, &request.url, (self.transport.clock)());
        let (mut is_remembered, mut was_refused, mut is_required) = (offer != site.http, false, false);
        loop {
            let none = match self.ask_fresh(request, offer).await {
                Ok(response) => {
                    if is_required {
                        http1_only.insert(&request.url, (self.transport.clock)());
                    }
                    return Ok(response);
                }
                Err(none) => none,
            };
            if none.retry == Retry::Refused && !was_refused {
                was_refused = true;
            } else if none.retry == Retry::RequiresHttp1 && offer == HttpOffer::Auto {
                (offer, is_required) = (HttpOffer::V11, true);
            } else if is_remembered && none.failure.cause == Cause::TlsError {
                // It may support only HTTP/2 by now.
                http1_only.remove(&request.url);
                (offer, is_remembered) = (site.http, false);
            } else {
                return Err(none.explain(is_required));
            }
        }
    }

    pub(super) fn received(&mut self, response: ResponseHead, is_reused: bool) -> ResponseHead {
        self.seen.status = Some(response.status);
        self.seen.http = response.http;
        self.seen.flags = self.seen.flags.without(Flags::REUSED);
        if is_reused {
            self.seen.flags = self.seen.flags.with(Flags::REUSED);
        }
        response
    }

    /// Asks over the connection of the last probe; none if that is over.
    async fn ask_pooled(
        &mut self,
        pooled: PooledConnection,
        request: &Request,
    ) -> Option<Result<ResponseHead, ExchangeError>> {
        let PooledConnection { mut connection, peer, .. } = pooled;
        (self.seen.address, self.seen.tls) = (peer.address, peer.tls);
        self.seen.is_proxied = self.site.proxy_for(&request.url).is_some();
        self.watch.enter(Phase::Processing);
        if !connection.is_ready().await {
            return None;
        }
        let response = send(connection, request).await;
        if response.is_ok() {
            if let Some(shown) = &peer.certificate {
                let age = (self.transport.clock)().saturating_duration_since(shown.since);
                self.keep_certificate(Arc::clone(&shown.certificate), shown.at.after(age));
            }
            self.peer = Some(peer);
        }
        Some(response)
    }

    /// Asks over a fresh connection with this `offer`.
    pub(super) async fn ask_fresh(
        &mut self,
        request: &Request,
        offer: HttpOffer,
    ) -> Result<ResponseHead, ExchangeError> {
        if offer == HttpOffer::V3 {
            #[cfg(feature = "http3")]
            return Box::pin(self.ask_over_quic(request)).await;
            #[cfg(not(feature = "http3"))]
            return Err(ExchangeError::without_retry(Failure::new(Cause::Local, "this webmon has no HTTP/3")));
        }
        let terms = TlsTerms::new(self.site, &request.url, offer);
        let dialed = self.dial(&request.url, terms).await.map_err(ExchangeError::without_retry);
        let Dialed { stream, budget, certificate, cert_request, http2 } = dialed?;
        self.peer = Some(Peer { address: self.seen.address, tls: self.seen.tls, certificate });
        // Setting up HTTP/2 is part of opening a connection.
        let connection = HttpConnection::begin(stream, http2, budget, cert_request).await;
        let connection = connection.map_err(|error| ExchangeError::before_request(&error, cert_request))?;
        self.watch.enter(Phase::Processing);
        send(connection, request).await
    }

    /// Connects to the host of `url`, or where the site says so for its own origin; through a proxy if it has one.
    async fn connect(&mut self, url: &Url, is_own_origin: bool) -> Result<Line, Failure> {
        let (host, port, is_own, scope) = self.place(url, is_own_origin)?;
        self.seen.is_proxied = false;
        if let Some(proxy) = self.site.proxy_for(url) {
            self.seen.is_proxied = true;
            return Box::pin(self.connect_through(proxy, (&host, port))).await;
        }
        self.reach((&host, port), is_own, scope).await.map(Either::Left)
    }

    /// Where to connect for `url`: host and port, whether the host is the site's own, and the zone of its address.
    pub(super) fn place<'u>(
        &self,
        url: &'u Url,
        is_own_origin: bool,
    ) -> Result<(Host<&'u str>, u16, bool, u32), Failure>
    where
        'a: 'u,
    {
        let named = url.host().expect("a site and a followed redirect have a host");
        let elsewhere = self.site.connect_to.as_ref().filter(|_| is_own_origin);
        let (host, port, is_own, scope) = if let Some(elsewhere) = elsewhere {
            (borrowed(&elsewhere.host), elsewhere.port_for(self.site.home(), url), true, 0)
        } else {
            // A site's own name is resolved again and again, that of a redirect may change each time.
            let is_own = self.site.url.expose().host().as_ref() == Some(&named);
            (named, url.port_or_known_default(), is_own, scope(self.site, url)?)
        };
        Ok((host, port.expect("http and https have a port"), is_own, scope))
    }

    /// Connects to `target` through `proxy`. Until the proxy is reached, a failure is not the site's.
    async fn connect_through(&mut self, proxy: &'a Proxy, target: (&Host<&str>, u16)) -> Result<Line, Failure> {
        self.unreached = Some(proxy);
        let mut line = self.reach_proxy(proxy).await.map_err(|failure| unreached(proxy, &failure))?;
        self.unreached = None;
        let opened = proxy::open(proxy, &mut line, target).await;
        self.unreached = opened.as_ref().is_err_and(|failure| failure.cause == Cause::Local).then_some(proxy);
        opened.map(|()| line)
    }

    async fn reach_proxy(&mut self, proxy: &Proxy) -> Result<Line, Failure> {
        let tcp = self.reach((&borrowed(&proxy.host), proxy.port), true, 0).await?;
        if proxy.kind != ProxyKind::Https {
            return Ok(Either::Left(tcp));
        }
        let name = proxy.host.to_string();
        let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
            .map_err(|_| Failure::new(Cause::Local, "no certificate can name its host"))?;
        let secured = self.transport.tls.secure_proxy(tcp, name, self.site, &mut self.watch).await?;
        Ok(Either::Right(Box::new(secured)))
    }

    /// Judges the records of the site's host, if any are expected.
    pub(super) async fn expect_records(&mut self) -> Result<(), Failure> {
        if self.site.records.is_empty() {
            return Ok(());
        }
        let judged = Box::pin(self.transport.resolver.expect(self.site, &mut self.watch)).await;
        let Transport { resolver, has_route, .. } = self.transport;
        self.addresses = judged.map_err(|failure| resolver.explain_offline(failure, *has_route))?;
        Ok(())
    }

    /// A TCP connection to `port` of `host`; `is_own` as for the resolver.
    async fn reach(
        &mut self,
        (host, port): (&Host<&str>, u16),
        is_own: bool,
        scope: u32,
    ) -> Result<TcpStream, Failure> {
        let addresses = self.resolve(host, is_own).await?;
        self.watch.enter(Phase::Connect);
        connect(&addresses, port, scope, &mut self.seen.address, self.transport.has_route).await
    }

    /// The addresses of `host`; `is_own` as for the resolver.
    pub(super) async fn resolve(&mut self, host: &Host<&str>, is_own: bool) -> Result<Arc<[IpAddr]>, Failure> {
        let is_judged = is_own && self.site.url.expose().host().as_ref() == Some(host);
        if let Some(addresses) = self.addresses.as_ref().filter(|_| is_judged) {
            return Ok(Arc::clone(addresses));
        }
        let Transport { resolver, has_route, .. } = self.transport;
        let addresses = resolver.addresses(host, self.site.family, is_own, &mut self.watch).await;
        addresses.map_err(|failure| resolver.explain_offline(failure, *has_route))
    }

    /// Connects for requests to `url`, with TLS if that is https.
    pub(super) async fn dial(&mut self, url: &Url, terms: TlsTerms<'_>) -> Result<Dialed, Failure> {
        self.seen.tls = None;
        let tcp = Paced::new(self.connect(url, terms.is_own).await?);
        let budget = Arc::clone(tcp.budget());
        if url.scheme() != "https" {
            let http2 = terms.offer == HttpOffer::V2;
            let (stream, cert_request) = (Either::Left(tcp), ClientCertRequest::None);
            return Ok(Dialed { stream, budget, certificate: None, cert_request, http2 });
        }
        verifiable(terms.server_name().or(url.host_str()).unwrap_or_default())?;
        let origin = match terms.server_name() {
            Some(name) => Cow::Owned(format!("https://{name}")),
            None => Cow::Borrowed(&url[..Position::BeforePath]),
        };
        let uri = Uri::try_from(&*origin)
            .map_err(|_| Failure::new(Cause::Local, "cannot send the request: HTTP forbids this host name"))?;
        let handshake = Box::pin(self.transport.tls.handshake(tcp, uri, terms, &mut self.watch)).await;
        let mut shown = None;
        if let Some(PresentedChain { certificate: Some(certificate), at, .. }) = handshake.presented {
            self.keep_certificate(Arc::clone(&certificate), at);
            shown = Some(ShownCertificate { certificate, at, since: (self.transport.clock)() });
        }
        let stream = handshake.stream.map_err(|failure| terms.explain(failure))?;
        self.seen.tls = session(&stream).and_then(version);
        let http2 = session(&stream).is_some_and(|session| session.alpn_protocol() == Some(b"h2"));
        if terms.offer == HttpOffer::V2 && !http2 {
            return Err(Failure::new(Cause::TlsError, "TLS: the server does not offer HTTP/2"));
        }
        let (stream, cert_request) = (Either::Right(Box::new(stream)), handshake.request);
        Ok(Dialed { stream, budget, certificate: shown, cert_request, http2 })
    }
}

/// Whether `host` can be verified: the DNS has names that the TLS library takes for none, which is not their site's fault.
fn verifiable(host: &str) -> Result<(), Failure> {
    let name = host.trim_matches(['[', ']']).trim_end_matches('.');
    let refused = |_| {
        let why = "is no name for TLS, as where a part of it begins or ends with a hyphen; set `tls.server_name` to another one";
        Failure::new(Cause::Local, format!("cannot verify a certificate: {name} {why}"))
    };
    ServerName::try_from(name).map(drop).map_err(refused)
}

fn borrowed(host: &Host<String>) -> Host<&str> {
    match host {
        Host::Domain(name) => Host::Domain(name),
        Host::Ipv4(ip) => Host::Ipv4(*ip),
        Host::Ipv6(ip) => Host::Ipv6(*ip),
    }
}

/// What both ends agreed on.
fn session(stream: &TlsStream) -> Option<&ClientConnection> {
    match stream.inner() {
        MaybeHttpsStream::Https(tls) => Some(tls.inner().get_ref().1),
        MaybeHttpsStream::Http(_) => None,
    }
}

fn version(session: &ClientConnection) -> Option<TlsVersion> {
    match session.protocol_version()? {
        ProtocolVersion::TLSv1_2 => Some(TlsVersion::V12),
        ProtocolVersion::TLSv1_3 => Some(TlsVersion::V13),
        // No other one is offered.
        _ => None,
    }
}
