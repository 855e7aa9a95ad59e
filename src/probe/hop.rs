//! One hop of a probe: a connection, kept or fresh, a request over it, the head of the answer.
//!
//! A kept connection that turns out to be stale before a byte of an answer came, and an HTTP/2 server that says it has
//! not looked at the request (GOAWAY, `REFUSED_STREAM`), are asked once more over a fresh connection, silently; so is one
//! that chose HTTP/2 in the handshake and then requires HTTP/1.1, in that version if the site leaves it open. What was
//! spent on a stale connection is our own doing and belongs to no phase; what a server refused is its doing and counts.
//! A request that may have been seen is repeated only if doing it twice is like doing it once; over a kept connection a
//! 408 is the server's word that it was not.
//!
//! What only some probes do is boxed, so that the state of a probe stays small: it is moved when the probe is started.

use std::sync::Arc;

use hyper::Uri;
use hyper_rustls::MaybeHttpsStream;
use tokio_util::either::Either;
use url::{Position, Url};

use crate::model::{Cause, Flags, HttpOffer, Phase};

use super::failure::Failure;
use super::http::connection::HttpConnection;
use super::http::exchange::{ExchangeError, ResponseHead, send};
use super::http::pool::{Peer, PooledConnection, Purpose, ShownCertificate};
use super::http::request::Request;
use super::io::paced::Paced;
use super::run::ProbeRun;
use super::tcp::connect::{connect, offline};
use super::tcp::zone::scope;
use super::tls::chain::presented::Presented;
use super::tls::client_auth::Asked;
use super::tls::terms::TlsTerms;
use super::tls::{Stream, TlsTransport};

impl ProbeRun<'_> {
    /// Everything up to the head of the answer to `request`.
    pub(super) async fn ask(&mut self, request: &Request) -> Result<ResponseHead, Failure> {
        let before = self.watch.phases();
        if self.site.keep_alive
            && let Some(kept) = self.prober.pool.take(self.site, &Purpose::new(self.site, &request.url))
        {
            match Box::pin(self.ask_again(kept, request)).await {
                // What some servers say to a connection that stood idle for too long crosses with the request.
                Some(Ok(answer)) if answer.status.get() == 408 && request.may_be_repeated() => {
                    self.watch.go_back(before);
                }
                Some(Ok(answer)) => return Ok(self.answered(answer, true)),
                Some(Err(broken)) if !broken.unseen => return Err(broken.failure),
                Some(Err(_)) | None => self.watch.go_back(before),
            }
        }
        let answer = self.ask_patiently(request).await;
        answer.map(|answer| self.answered(answer, false))
    }

    /// Over a fresh connection, and over another where the server says why that may help: at most once for each reason.
    async fn ask_patiently(&mut self, request: &Request) -> Result<ResponseHead, Failure> {
        let (site, http1_only) = (self.site, &self.prober.http1_only);
        let mut offer = http1_only.offer(site, &request.url, (self.prober.clock)());
        let (mut is_remembered, mut was_refused, mut is_required) = (offer != site.http, false, false);
        loop {
            let broken = match self.ask_afresh(request, offer).await {
                Ok(answer) => {
                    if is_required {
                        http1_only.learn(&request.url, (self.prober.clock)());
                    }
                    return Ok(answer);
                }
                Err(broken) => broken,
            };
            if broken.refused && !was_refused {
                was_refused = true;
            } else if broken.requires_http1 && offer == HttpOffer::Auto {
                (offer, is_required) = (HttpOffer::V11, true);
            } else if is_remembered && broken.failure.cause == Cause::TlsError {
                // It may speak nothing but HTTP/2 by now.
                http1_only.forget(&request.url);
                (offer, is_remembered) = (site.http, false);
            } else {
                return Err(broken.told(is_required));
            }
        }
    }

    fn answered(&mut self, answer: ResponseHead, reused: bool) -> ResponseHead {
        self.seen.status = Some(answer.status);
        self.seen.http = answer.http;
        self.seen.flags = self.seen.flags.without(Flags::REUSED);
        if reused {
            self.seen.flags = self.seen.flags.with(Flags::REUSED);
        }
        answer
    }

    /// Over the connection of the last probe; none when that is over.
    async fn ask_again(
        &mut self,
        kept: PooledConnection,
        request: &Request,
    ) -> Option<Result<ResponseHead, ExchangeError>> {
        let PooledConnection { mut link, peer, .. } = kept;
        self.seen.address = peer.address;
        self.watch.enter(Phase::Processing);
        if !link.is_ready().await {
            return None;
        }
        let answer = send(link, request).await;
        if answer.is_ok() {
            if let Some((certificate, shown_at, since)) = &peer.certificate {
                let age = (self.prober.clock)().saturating_duration_since(*since);
                self.keep_certificate(Arc::clone(certificate), shown_at.after(age));
            }
            self.peer = Some(peer);
        }
        Some(answer)
    }

    /// Over a fresh connection.
    async fn ask_afresh(&mut self, request: &Request, offer: HttpOffer) -> Result<ResponseHead, ExchangeError> {
        let terms = TlsTerms::new(self.site, &request.url, offer);
        let (stream, shown, asked) = self.dial(&request.url, terms).await.map_err(ExchangeError::for_good)?;
        let http2 = speaks_http2(&stream, offer).map_err(ExchangeError::for_good)?;
        self.peer = Some(Peer { address: self.seen.address, certificate: shown });
        // What it takes to set up HTTP/2 is part of having a connection.
        let budget = Arc::clone(line(&stream).budget());
        let link = HttpConnection::begin(stream, http2, budget, asked).await;
        let link = link.map_err(|error| ExchangeError::unasked(&error, asked))?;
        self.watch.enter(Phase::Processing);
        send(link, request).await
    }

    /// A connection to the host of `url`, with TLS if that is https, and what its server showed and asked for.
    async fn dial(
        &mut self,
        url: &Url,
        terms: TlsTerms<'_>,
    ) -> Result<(Stream, Option<ShownCertificate>, Asked), Failure> {
        let has_route = self.prober.has_route;
        let host = url.host().expect("a site and a followed redirect have a host");
        let port = url.port_or_known_default().expect("http and https have a port");
        let resolve = &self.prober.resolve;
        // A site's own name is asked for again and again, that of a redirect may be another each time.
        let is_own = self.site.url.expose().host().as_ref() == Some(&host);
        let addresses = resolve.addresses(&host, self.site.family, is_own, &mut self.watch, &mut self.waiting).await;
        let addresses = addresses.map_err(|failure| offline(&[], has_route).unwrap_or(failure))?;
        let scope = scope(self.site, url)?;
        self.watch.enter(Phase::Connect);
        let tcp = Paced::new(connect(&addresses, port, scope, &mut self.seen.address, has_route).await?);
        if url.scheme() != "https" {
            return Ok((Either::Left(tcp), None, Asked::Not));
        }
        let uri = Uri::try_from(&url[..Position::BeforePath])
            .map_err(|_| Failure::new(Cause::Local, "cannot send the request: HTTP forbids this host name"))?;
        let shaken = self.prober.tls.handshake(tcp, uri, terms, &mut self.watch, &mut self.waiting);
        let shaken = Box::pin(shaken).await;
        let mut shown = None;
        if let Some(Presented { certificate: Some(certificate), at, .. }) = shaken.presented {
            shown = Some((Arc::clone(&certificate), at, (self.prober.clock)()));
            self.keep_certificate(certificate, at);
        }
        Ok((shaken.stream.map_err(|failure| terms.explain(failure))?, shown, shaken.asked))
    }
}

/// The connection below TLS.
fn line(stream: &Stream) -> &TlsTransport {
    match stream {
        Either::Left(line) => line,
        Either::Right(stream) => match stream.inner() {
            MaybeHttpsStream::Http(line) => line.inner(),
            MaybeHttpsStream::Https(tls) => tls.inner().get_ref().0.inner().inner(),
        },
    }
}

/// Whether HTTP/2 is to be spoken over `stream`: as the handshake chose, without TLS as `offer` says.
fn speaks_http2(stream: &Stream, offer: HttpOffer) -> Result<bool, Failure> {
    let Either::Right(stream) = stream else { return Ok(offer == HttpOffer::V2) };
    let MaybeHttpsStream::Https(tls) = stream.inner() else { return Ok(offer == HttpOffer::V2) };
    let chosen = tls.inner().get_ref().1.alpn_protocol() == Some(b"h2");
    if offer == HttpOffer::V2 && !chosen {
        return Err(Failure::new(Cause::TlsError, "TLS: the server does not offer HTTP/2"));
    }
    Ok(chosen)
}
