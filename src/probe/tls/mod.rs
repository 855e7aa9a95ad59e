//! The phase *tls*: a TCP connection to one that speaks TLS.
//!
//! hyper-rustls' `HttpsConnector` does the handshake, driven as a plain service over a connector that
//! hands over the connection made before: so the server's name and bracketed addresses are its matter, and what
//! passes between call and answer is the handshake and nothing else.
//!
//! The configuration (protocols, roots, no resumption) is built once and shared; each handshake gets a
//! shallow copy with its own [`Recorder`], so that chains of parallel probes cannot mix. Sessions are never
//! resumed: a resumed handshake is cheaper and shows no certificate.
//!
//! Limit: 256 handshakes in flight over all probes (see [`handshake_slots`]).

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    AlertDescription, ClientConfig, Error as TlsError, InvalidMessage, PeerIncompatible, PeerMisbehaved, RootCertStore,
};
use tokio::net::TcpStream;
use tokio_util::either::Either;
use tower_service::Service;

use crate::model::{Cause, ClientIdentity, HttpOffer, TlsFiles, TlsRules};

use super::ProbeError;
use super::failure::{Failure, broken_connection, chain};
use super::io::paced::Paced;
use super::stopwatch::{Stopwatch, Waiting};
use chain::presented::Presented;
use chain::refusal::refused;
use client_auth::{Asked, Client};
use crypto::{lenient, provider};
use handshake_slots::HandshakeSlots;
use terms::TlsTerms;
use verifier::{Judge, Recorder};

/// A connection without or with TLS; the latter is large, and boxed because connections are moved a dozen times.
pub(super) type Stream = Either<TlsTransport, Box<TokioIo<MaybeHttpsStream<TokioIo<TlsTransport>>>>>;
/// What TLS goes over.
pub(super) type TlsTransport = Paced<TcpStream>;

/// What all handshakes share.
pub(super) struct Tls {
    /// For sites without files of their own.
    plain: Arc<TrustStore>,
    /// For sites with files, by the address of these; they are held, so no other files can be there.
    special: Mutex<HashMap<usize, Special>>,
    extra_roots: Vec<CertificateDer<'static>>,
    turns: HandshakeSlots,
}

type Special = (Arc<TlsFiles>, Arc<TrustStore>);

/// Whom to trust, and what to show.
struct TrustStore {
    /// One for each [`HttpOffer`].
    configs: [ClientConfig; 3],
    /// The same for sites of which nothing is verified.
    lenient: [ClientConfig; 3],
    judge: Arc<Judge>,
}

/// The outcome of one handshake.
pub(super) struct Shaken {
    /// The connection, or why there is none.
    pub(super) stream: Result<Stream, Failure>,
    /// What the server presented, in either case.
    pub(super) presented: Option<Presented>,
    /// Whether it asked for a client certificate.
    pub(super) asked: Asked,
}

impl Tls {
    /// Trusts the platform's roots and `extra_roots` (DER). Without any root every chain is untrusted; the
    /// notice says so.
    pub(super) fn new(extra_roots: &[Vec<u8>], notices: &mut Vec<String>) -> Result<Self, ProbeError> {
        let extra_roots: Vec<_> = extra_roots.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let plain = Arc::new(TrustStore::new(extra_roots.clone(), None, notices)?);
        Ok(Self { plain, special: Mutex::default(), extra_roots, turns: HandshakeSlots::new() })
    }

    /// Reads the files of `rules`, if they were not before.
    pub(super) fn learn(&self, rules: &TlsRules) -> Result<(), ProbeError> {
        self.trust(rules).map(drop)
    }

    fn trust(&self, rules: &TlsRules) -> Result<Arc<TrustStore>, ProbeError> {
        let Some(files) = &rules.files else { return Ok(Arc::clone(&self.plain)) };
        let mut special = self.special.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Arc::as_ptr(files).addr();
        if let Some((_, trust)) = special.get(&key) {
            return Ok(Arc::clone(trust));
        }
        let roots = files.roots.iter().map(|der| CertificateDer::from(der.clone()));
        let roots = self.extra_roots.iter().cloned().chain(roots).collect();
        let trust = Arc::new(TrustStore::new(roots, files.identity.as_deref(), &mut Vec::new())?);
        // Those of a configuration that is gone are held by nobody else.
        special.retain(|_, (files, _)| Arc::strong_count(files) > 1);
        special.insert(key, (Arc::clone(files), Arc::clone(&trust)));
        Ok(trust)
    }

    /// Shakes hands over `tcp` with the host of `uri` on these `terms`.
    pub(super) async fn handshake(
        &self,
        tcp: TlsTransport,
        uri: Uri,
        terms: TlsTerms<'_>,
        watch: &mut Stopwatch,
        waiting: &mut Option<Waiting>,
    ) -> Shaken {
        let trust = match self.trust(&terms.site.tls) {
            Ok(trust) => trust,
            Err(error) => {
                let stream = Err(Failure::new(Cause::Local, error.to_string()));
                return Shaken { stream, presented: None, asked: Asked::Not };
            }
        };
        watch.stop();
        *waiting = Some(Waiting::Handshake);
        // A probe that a redirect leads from http to https may be the first one that needs them.
        seed::ready(provider).await;
        let turn = self.turns.take(&terms.site.name, watch, waiting).await;
        let recorder = Arc::new(Recorder::new(Arc::clone(&trust.judge), terms.is_insecure()));
        let configs = if terms.is_insecure() { &trust.lenient } else { &trust.configs };
        let mut config = configs[terms.offer as usize].clone();
        if !terms.is_own {
            let nobody = &self.plain.configs[HttpOffer::Auto as usize].client_auth_cert_resolver;
            config.client_auth_cert_resolver = Arc::clone(nobody);
        }
        config.dangerous().set_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>);
        let client = Arc::new(Client::before(Arc::clone(&config.client_auth_cert_resolver), terms.unanswered()));
        config.client_auth_cert_resolver = Arc::clone(&client) as Arc<dyn ResolvesClientCert>;
        let mut connector = HttpsConnector::from((Connected(Some(TokioIo::new(tcp))), Arc::new(config)));
        let outcome = connector.call(uri).await;
        turn.end();
        let (presented, asked) = (recorder.take(), client.asked());
        let stream = outcome.map(|stream| Either::Right(Box::new(TokioIo::new(stream))));
        Shaken { stream: stream.map_err(|error| explain(&*error, presented.as_ref(), asked)), presented, asked }
    }
}

impl TrustStore {
    fn new(
        extra_roots: Vec<CertificateDer<'static>>,
        identity: Option<&ClientIdentity>,
        notices: &mut Vec<String>,
    ) -> Result<Self, ProbeError> {
        let provider = Arc::new(provider());
        let algorithms = provider.signature_verification_algorithms;
        let verifier = verifier(extra_roots.clone(), &provider, notices)?;
        let configs = configs(provider, &verifier, identity)?;
        let lenient = self::configs(Arc::new(lenient()), &verifier, identity)?;
        Ok(Self { configs, lenient, judge: Arc::new(Judge::new(verifier, extra_roots, algorithms)) })
    }
}

/// Configurations in the order of [`HttpOffer`].
fn configs(
    provider: Arc<CryptoProvider>,
    verifier: &Arc<dyn ServerCertVerifier>,
    identity: Option<&ClientIdentity>,
) -> Result<[ClientConfig; 3], ProbeError> {
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ProbeError::Tls(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(verifier));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = identity.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
            let key = PrivateKeyDer::try_from(identity.key.clone())
                .map_err(|_| ProbeError::Identity("the key is in no known form".to_owned()))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| ProbeError::Identity(error.to_string()))?
        }
    };
    config.resumption = Resumption::disabled();
    let offering = |protocols: &[&[u8]]| {
        let mut config = config.clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config
    };
    Ok([offering(&[b"h2", b"http/1.1"]), offering(&[b"http/1.1"]), offering(&[b"h2"])])
}

const _: () = assert!(HttpOffer::Auto as usize == 0 && HttpOffer::V11 as usize == 1 && HttpOffer::V2 as usize == 2);

/// The verifier of the platform; without usable roots of the platform, one that trusts `extra_roots` alone.
fn verifier(
    extra_roots: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
    notices: &mut Vec<String>,
) -> Result<Arc<dyn ServerCertVerifier>, ProbeError> {
    let failed = |error: TlsError| ProbeError::Roots(error.to_string());
    let mut own = RootCertStore::empty();
    for root in &extra_roots {
        own.add(root.clone()).map_err(failed)?;
    }
    match rustls_platform_verifier::Verifier::new_with_extra_roots(extra_roots, Arc::clone(provider)) {
        Ok(verifier) => Ok(Arc::new(verifier)),
        Err(error) => {
            notices.push(format!(
                "no trusted root certificates on this machine, so https sites will be down as tls_untrusted: {error}; \
                 install the ca-certificates package"
            ));
            if own.is_empty() {
                return Ok(Arc::new(TrustsNobody(Arc::clone(provider))));
            }
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(own), Arc::clone(provider)).build();
            verifier
                .map(|verifier| verifier as Arc<dyn ServerCertVerifier>)
                .map_err(|error| ProbeError::Roots(error.to_string()))
        }
    }
}

/// The connection made before, as the service that `HttpsConnector` asks for one.
struct Connected(Option<TokioIo<TlsTransport>>);

impl Service<Uri> for Connected {
    type Response = TokioIo<TlsTransport>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<TlsTransport>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

/// Why a handshake failed.
fn explain(error: &(dyn std::error::Error + 'static), presented: Option<&Presented>, asked: Asked) -> Failure {
    if let Some(presented @ Presented { certificate: Some(certificate), refusal: Some(refusal), .. }) = presented
        && !presented.is_overruled
    {
        return refused(certificate, presented, refusal);
    }
    let tls = chain(error).find_map(|error| error.downcast_ref::<TlsError>());
    let Some(tls) = tls else {
        return broken_connection(error, "during the TLS handshake")
            .unwrap_or_else(|| Failure::new(Cause::TlsError, format!("TLS: {error}")));
    };
    let detail = match tls {
        TlsError::InvalidMessage(
            InvalidMessage::CertificatePayloadTooLarge
            | InvalidMessage::HandshakePayloadTooLarge
            | InvalidMessage::MessageTooLarge,
        ) => "the server's certificate chain is too long; at most 64 KiB of it are read".to_owned(),
        TlsError::InvalidMessage(_) => "the server does not speak TLS on this port".to_owned(),
        TlsError::AlertReceived(alert) => alert_words(*alert, asked),
        TlsError::PeerIncompatible(why @ PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            format!("the server speaks neither TLS 1.2 nor 1.3 ({why:?})")
        }
        TlsError::PeerIncompatible(why) => format!("no protocol or cipher in common ({why:?})"),
        TlsError::PeerMisbehaved(why @ PeerMisbehaved::SignedKxWithWrongAlgorithm) => {
            format!("the server signs in a way that webmon does not know under TLS 1.2 ({why:?})")
        }
        other => other.to_string(),
    };
    Failure::new(Cause::TlsError, format!("TLS: {detail}"))
}

/// An alert in words, from a server that `asked` for a client certificate or did not.
pub(super) fn alert_words(alert: AlertDescription, asked: Asked) -> String {
    if may_refuse_client(alert) {
        match asked {
            Asked::InVain => {
                return format!("the server asks for a client certificate, and the site has none ({alert:?})");
            }
            Asked::Withheld => {
                let whose = "`client_cert` is for the site's own origin";
                return format!("the server asks for a client certificate; {whose} ({alert:?})");
            }
            Asked::Answered => return format!("the server refused the client certificate ({alert:?})"),
            Asked::Not => {}
        }
    }
    let why = match alert {
        AlertDescription::HandshakeFailure => "no protocol or cipher in common",
        AlertDescription::ProtocolVersion => "it does not speak TLS 1.2 or 1.3",
        AlertDescription::NoApplicationProtocol => "it does not speak the version of HTTP that was asked for",
        AlertDescription::UnrecognisedName => "it does not know this host name",
        AlertDescription::CertificateRequired | AlertDescription::BadCertificate => "it asks for a client certificate",
        AlertDescription::InternalError => "it has an internal error",
        AlertDescription::UnknownCA => "it does not trust the client certificate",
        _ => return format!("the server refused the handshake ({alert:?})"),
    };
    format!("the server refused the handshake: {why} ({alert:?})")
}

/// Whether a server that asked for a client certificate may mean that by `alert`; the others have a matter of their own.
fn may_refuse_client(alert: AlertDescription) -> bool {
    !matches!(
        alert,
        AlertDescription::CloseNotify
            | AlertDescription::UserCanceled
            | AlertDescription::UnexpectedMessage
            | AlertDescription::BadRecordMac
            | AlertDescription::RecordOverflow
            | AlertDescription::ProtocolVersion
            | AlertDescription::InternalError
            | AlertDescription::UnrecognisedName
            | AlertDescription::NoApplicationProtocol
    )
}

/// The verifier of a machine without roots: every chain has an unknown issuer.
#[derive(Debug)]
struct TrustsNobody(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustsNobody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, TlsError> {
        Err(TlsError::InvalidCertificate(rustls::CertificateError::UnknownIssuer))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, TlsError> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, TlsError> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::chain::presented::CertificateNames;
    use super::*;
    use crate::model::{Certificate, CertificateFault, Timestamp};

    #[test]
    fn spans_are_told_in_their_largest_unit() {
        for (seconds, text) in
            [(0, "0 seconds"), (1, "1 second"), (3_599, "59 minutes"), (90_000, "1 day"), (259_300, "3 days")]
        {
            assert_eq!(super::chain::refusal::span(Timestamp::from_secs(seconds), Timestamp::ZERO), text);
        }
    }

    #[test]
    fn a_machine_without_roots_refuses_every_chain() {
        let judge = TrustsNobody(Arc::new(provider()));
        assert!(!judge.supported_verify_schemes().is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_told_in_words() {
        let never = (Timestamp::ZERO, Timestamp::ZERO);
        let certificate = Certificate {
            subject: "a".to_owned(),
            issuer: "b".to_owned(),
            not_before: Timestamp::ZERO,
            not_after: Timestamp::ZERO,
            faults: vec![CertificateFault::Invalid],
        };
        let sha1 = CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: vec![6, 9],
            supported_algorithms: Vec::new(),
        };
        for (error, words) in [
            (sha1, "no longer trusted, such as SHA-1"),
            (CertificateError::BadEncoding, "refused: it is no X.509 certificate that can be read"),
        ] {
            let refusal = TlsError::InvalidCertificate(error);
            let presented = Presented {
                certificate: Some(Arc::new(certificate.clone())),
                host: "a.test".to_owned(),
                names: CertificateNames::default(),
                common_name: None,
                leaf: never,
                chain: never,
                root: None,
                at: Timestamp::ZERO,
                refusal: Some(refusal.clone()),
                is_overruled: false,
            };
            let failure = explain(&refusal, Some(&presented), Asked::Not);
            assert_eq!(failure.cause, Cause::TlsError);
            assert!(failure.detail.contains(words), "{}", failure.detail);
        }
    }
}
pub(crate) mod chain;
pub(crate) mod client_auth;
pub(crate) mod crypto;
pub(crate) mod handshake_slots;
pub(crate) mod seed;
pub(crate) mod terms;
pub(crate) mod verifier;
