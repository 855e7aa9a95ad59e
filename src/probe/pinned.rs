//! A server's own certificate among the roots: whoever put it there trusts it as it is.
//!
//! webpki takes no certificate of an authority from a server, and an authority's is what `openssl req -x509` makes unless
//! it is told otherwise. So a site whose `ca_file` holds the very certificate of its server would be down, though every
//! other client takes it. Here a leaf that is one of the roots is judged by what is in it: dates, purpose and name. That
//! the server has its key shows the signature of the handshake, as always. Everything else is the real verifier's matter.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error as TlsError, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// A verifier before which some leaves need nobody to vouch for them.
#[derive(Debug)]
pub(super) struct Pinned {
    roots: Vec<CertificateDer<'static>>,
    verifier: Arc<dyn ServerCertVerifier>,
}

impl Pinned {
    /// `roots` are taken as leaves, too; `verifier` decides about all others.
    pub(super) fn new(roots: Vec<CertificateDer<'static>>, verifier: Arc<dyn ServerCertVerifier>) -> Self {
        Self { roots, verifier }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        if self.roots.iter().any(|root| root == leaf) {
            return by_itself(leaf, name, now);
        }
        self.verifier.verify_server_cert(leaf, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// What there is against a trusted `leaf` in itself.
fn by_itself(leaf: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<ServerCertVerified, TlsError> {
    let refused = |error| Err(TlsError::InvalidCertificate(error));
    let Ok((_, parsed)) = X509Certificate::from_der(leaf) else { return refused(CertificateError::BadEncoding) };
    let validity = parsed.validity();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now > validity.not_after.timestamp() {
        return refused(CertificateError::Expired);
    }
    if now < validity.not_before.timestamp() {
        return refused(CertificateError::NotValidYet);
    }
    match parsed.extended_key_usage() {
        Ok(None) => {}
        Ok(Some(purpose)) if purpose.value.any || purpose.value.server_auth => {}
        _ => return refused(CertificateError::InvalidPurpose),
    }
    verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
    Ok(ServerCertVerified::assertion())
}
