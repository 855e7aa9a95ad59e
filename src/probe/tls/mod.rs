//! The phase *tls*: a TCP connection becomes one that speaks TLS.
//!
//! hyper-rustls' `HttpsConnector` does the handshake, as a plain service over a connector that hands out the existing
//! connection: it derives the server's name, and nothing but the handshake happens between call and answer. Each handshake has
//! a configuration with its own verifier, so chains of parallel probes cannot mix. Sessions are never resumed: a resumed
//! handshake is cheaper and shows no certificate.
//!
//! Bounds: 256 handshakes in flight over all probes ([`handshake_slots`]).

pub(crate) mod chain;
pub(crate) mod client;
pub(crate) mod client_auth;
pub(crate) mod crypto;
pub(crate) mod errors;
pub(crate) mod handshake_slots;
pub(crate) mod record;
pub(crate) mod seed;
pub(crate) mod terms;
mod trust;
pub(crate) mod verifier;

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::model::{Cause, Phase, Site, TlsFiles, TlsRules};

use super::failure::Failure;
use super::io::paced::Paced;
use super::options::ProbeError;
use super::proxy::{Line, SecuredLine};
use super::stopwatch::{Stopwatch, Waiting};
use crate::model::lock::lock;
use chain::presented::PresentedChain;
use client_auth::{ClientCertRequest, ClientCertResolver};
use crypto::provider;
use errors::explain;
#[cfg(feature = "http3")]
use handshake_slots::HandshakeSlot;
use handshake_slots::HandshakeSlots;
use record::HandshakeRecord;
use terms::TlsTerms;
use trust::TrustStore;
use verifier::RecordingVerifier;

/// A connection as TLS and HTTP read it.
pub(super) type Tcp = Paced<Line>;
/// A connection that speaks TLS.
pub(super) type TlsStream = TokioIo<MaybeHttpsStream<TokioIo<Tcp>>>;

type FileTrust = (Arc<TlsFiles>, Arc<TrustStore>);

/// The state that all handshakes share.
pub(super) struct Tls {
    /// For sites without files of their own.
    plain: Arc<TrustStore>,
    /// For sites with files, by the address of these; the files are held, so the address stays theirs.
    by_files: Mutex<HashMap<usize, FileTrust>>,
    extra_roots: Vec<CertificateDer<'static>>,
    slots: HandshakeSlots,
}

/// The outcome of a handshake.
pub(super) struct Handshake {
    pub(super) stream: Result<TlsStream, Failure>,
    pub(super) presented: Option<PresentedChain>,
    pub(super) request: ClientCertRequest,
}

impl Tls {
    /// Trusts the platform's roots and `extra_roots` (DER). Without any root every chain is untrusted, and a notice says so.
    pub(super) fn new(extra_roots: &[Vec<u8>], notices: &mut Vec<String>) -> Result<Self, ProbeError> {
        let extra_roots: Vec<_> = extra_roots.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let plain = Arc::new(TrustStore::new(extra_roots.clone(), None, notices)?);
        Ok(Self { plain, by_files: Mutex::default(), extra_roots, slots: HandshakeSlots::new() })
    }

    /// Reads the files of `rules`, unless it has read them before.
    pub(super) fn prepare(&self, rules: &TlsRules) -> Result<(), ProbeError> {
        self.trust(rules).map(drop)
    }

    fn trust(&self, rules: &TlsRules) -> Result<Arc<TrustStore>, ProbeError> {
        let Some(files) = &rules.files else { return Ok(Arc::clone(&self.plain)) };
        let mut by_files = lock(&self.by_files);
        let key = Arc::as_ptr(files).addr();
        if let Some((_, trust)) = by_files.get(&key) {
            return Ok(Arc::clone(trust));
        }
        let roots = files.roots.iter().map(|der| CertificateDer::from(der.clone()));
        let roots = self.extra_roots.iter().cloned().chain(roots).collect();
        let trust = Arc::new(TrustStore::new(roots, files.identity.as_deref(), &mut Vec::new())?);
        // A former configuration holds its files no longer.
        by_files.retain(|_, (files, _)| Arc::strong_count(files) > 1);
        by_files.insert(key, (Arc::clone(files), Arc::clone(&trust)));
        Ok(trust)
    }

    /// Shakes hands over `tcp` with the proxy `name`, which is always verified, in the phase *connect*. `ca_file` of `site`
    /// counts; its client certificate is not for proxies.
    pub(super) async fn secure_proxy(
        &self,
        tcp: TcpStream,
        name: ServerName<'static>,
        site: &Site,
        watch: &mut Stopwatch,
    ) -> Result<SecuredLine, Failure> {
        let trust = self.trust(&site.tls).map_err(|error| Failure::new(Cause::Local, error.to_string()))?;
        watch.wait_for(Waiting::Handshake);
        seed::ready(provider).await;
        let slot = self.slots.acquire(&site.name, Phase::Connect, watch).await;
        let certificates = Arc::clone(&self.plain.config.client_auth_cert_resolver);
        let secured = client::shake(&trust, certificates, false, name, tcp).await;
        slot.end();
        secured
    }

    /// Shakes hands over `tcp` with the host of `uri`, or the name that the site has for it, on these `terms`.
    pub(super) async fn handshake(&self, tcp: Tcp, uri: Uri, terms: TlsTerms<'_>, watch: &mut Stopwatch) -> Handshake {
        let trust = match self.trust(&terms.site.tls) {
            Ok(trust) => trust,
            Err(error) => {
                let stream = Err(Failure::new(Cause::Local, error.to_string()));
                return Handshake { stream, presented: None, request: ClientCertRequest::None };
            }
        };
        watch.wait_for(Waiting::Handshake);
        // A redirect from http to https may be the first to need random numbers.
        seed::ready(provider).await;
        let slot = self.slots.acquire(&terms.site.name, Phase::Tls, watch).await;
        let (config, record) = self.configure(&trust, terms);
        let mut connector = HttpsConnector::from((Connected(Some(TokioIo::new(tcp))), Arc::new(config)));
        let outcome = connector.call(uri).await;
        slot.end();
        let (presented, request) = record.read();
        let stream = outcome.map(TokioIo::new).map_err(|error| explain(&*error, presented.as_ref(), request));
        let stream = stream.and_then(|stream| terms.pinned(presented.as_ref()).map_or(Ok(stream), Err));
        Handshake { stream, presented, request }
    }

    /// The configuration for one handshake with what `trust` holds, and what will be known of it.
    fn configure(&self, trust: &TrustStore, terms: TlsTerms<'_>) -> (ClientConfig, HandshakeRecord) {
        let verifier = RecordingVerifier::new(Arc::clone(&trust.chains), terms.is_insecure());
        let verifier = Arc::new(verifier.reading_keys(!terms.pins().is_empty()));
        let mut config = if terms.is_insecure() { &trust.lenient } else { &trust.config }.clone();
        config.alpn_protocols = terms.alpn_protocols();
        let certificates = if terms.is_own { &trust.config } else { &self.plain.config };
        let certificates = Arc::clone(&certificates.client_auth_cert_resolver);
        let client = Arc::new(ClientCertResolver::new(certificates, terms.unanswered()));
        let record = HandshakeRecord::of(&mut config, verifier, client);
        (config, record)
    }

    /// Waits for a slot for a handshake of QUIC on these `terms`. What is returned makes a configuration for each server that is
    /// tried, as often as it is called.
    #[cfg(feature = "http3")]
    pub(super) async fn begin_quic<'a>(
        &'a self,
        terms: TlsTerms<'a>,
        watch: &mut Stopwatch,
    ) -> Result<(HandshakeSlot<'a>, impl Fn() -> (ClientConfig, HandshakeRecord) + use<'a>), Failure> {
        let trust = self.trust(&terms.site.tls).map_err(|error| Failure::new(Cause::Local, error.to_string()))?;
        watch.wait_for(Waiting::Handshake);
        seed::ready(provider).await;
        let slot = self.slots.acquire(&terms.site.name, Phase::Tls, watch).await;
        Ok((slot, move || self.configure(&trust, terms)))
    }
}

/// The existing connection, as the service that `HttpsConnector` asks for one.
struct Connected(Option<TokioIo<Tcp>>);

impl Service<Uri> for Connected {
    type Response = TokioIo<Tcp>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<Tcp>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}
