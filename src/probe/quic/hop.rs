//! One hop of a probe over HTTP/3: a fresh connection, a request over it, the head of the answer.
//!
//! Addresses take turns as over TCP, with a whole handshake in place of a connection: a closed port, or an address without a route,
//! is not the end, while a server that answers decides, whatever it says. There is no other way if UDP does not get through.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use url::Url;

use crate::model::{Cause, HttpOffer, Phase, TlsVersion, figures};
use crate::probe::failure::Failure;
use crate::probe::http::exchange::{ExchangeError, ResponseHead};
use crate::probe::http::request::Request;
use crate::probe::run::ProbeRun;
use crate::probe::tcp::connect::reach;
use crate::probe::tls::chain::presented::PresentedChain;
use crate::probe::tls::client_auth::ClientCertRequest;
use crate::probe::tls::errors::refused_chain;
use crate::probe::tls::record::HandshakeRecord;
use crate::probe::tls::terms::TlsTerms;

use super::connection::Http3;
use super::errors::{Stage, broken_connection};
use super::exchange::ask;
use super::line::{Line, Unopened};

/// A handshake that ended with an answer of the server.
struct Shaken {
    line: Result<(Line, quinn::Connection), Failure>,
    presented: Option<PresentedChain>,
    request: ClientCertRequest,
}

impl ProbeRun<'_> {
    /// Asks over a fresh connection.
    pub(in crate::probe) async fn ask_over_quic(&mut self, request: &Request) -> Result<ResponseHead, ExchangeError> {
        let terms = TlsTerms::new(self.site, &request.url, HttpOffer::V3);
        let http3 = self.dial_quic(&request.url, terms).await.map_err(ExchangeError::without_retry)?;
        self.watch.enter(Phase::Processing);
        ask(http3, request).await
    }

    /// The failure of a handshake in which nothing has come from the server.
    pub(in crate::probe) fn unheard(&self, phase: Phase) -> Option<Failure> {
        let is_unheard = self.reached.as_ref().is_some_and(|heard| !heard.load(Ordering::Relaxed));
        let after = figures::duration(self.site.timeout);
        (phase == Phase::Tls && is_unheard)
            .then(|| Failure::new(Cause::ConnectTimeout, format!("no answer over QUIC (UDP) within {after}")))
    }

    /// Connects for requests to `url`.
    async fn dial_quic(&mut self, url: &Url, terms: TlsTerms<'_>) -> Result<Http3, Failure> {
        self.seen.tls = None;
        let (host, port, is_own, scope) = self.place(url, terms.is_own)?;
        let addresses = self.resolve(&host, is_own).await?;
        let heard = Arc::new(AtomicBool::new(false));
        self.reached = Some(Arc::clone(&heard));
        let named = url.host_str().unwrap_or_default();
        let name = terms.server_name().unwrap_or(named).trim_matches(['[', ']']);
        let (slot, configure) = self.transport.tls.begin_quic(terms, &mut self.watch).await?;
        let clock = self.transport.clock;
        let begin = |server: SocketAddr| {
            let ((config, record), heard) = (configure(), Arc::clone(&heard));
            async move { shaken(Line::open(server, name, config, heard, clock).await, &record) }
        };
        let place = (&*addresses, port, scope);
        let reached = Box::pin(reach(place, &mut self.seen.address, self.transport.has_route, begin)).await;
        slot.end();
        let Shaken { line, presented, request } = reached.map_err(|failure| match failure.cause {
            Cause::ConnectRefused => Failure::new(failure.cause, format!("{}: the UDP port is closed", failure.detail)),
            _ => failure,
        })?;
        let unpinned = terms.pinned(presented.as_ref());
        if let Some(PresentedChain { certificate: Some(certificate), at, .. }) = presented {
            self.keep_certificate(certificate, at);
        }
        let (line, connection) = line.map_err(|failure| terms.explain(failure))?;
        self.seen.tls = Some(TlsVersion::V13);
        match unpinned {
            Some(failure) => Err(failure),
            // Setting up HTTP/3 is part of opening a connection.
            None => Http3::begin(line, connection, request).await,
        }
    }
}

/// What a handshake came to that is known by `record`; an error if nothing answered.
fn shaken(opened: Result<(Line, quinn::Connection), Unopened>, record: &HandshakeRecord) -> io::Result<Shaken> {
    let (presented, request) = record.read();
    let line =
        match opened {
            Ok(opened) => Ok(opened),
            Err(Unopened::Unreached(error)) => return Err(error),
            Err(Unopened::Refused(error)) => Err(refused_chain(presented.as_ref())
                .unwrap_or_else(|| broken_connection(&error, Stage::Handshake, request))),
            Err(Unopened::Name) => {
                Err(Failure::new(Cause::Local, "cannot verify a certificate: the host is no name for TLS"))
            }
            Err(Unopened::Config(error)) => Err(Failure::new(Cause::Local, format!("cannot set up QUIC: {error}"))),
        };
    Ok(Shaken { line, presented, request })
}
