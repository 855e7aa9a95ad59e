//! A server's own certificate among the roots: the user who put it there trusts it as it is.
//!
//! webpki takes no certificate of an authority from a server, and an authority's is what `openssl req -x509` makes unless
//! it is told otherwise. So a site whose `ca_file` holds the very certificate of its server would be down, though every
//! other client takes it. Here a leaf that is one of the roots is judged by what is in it: dates, purpose and name. That
//! the signature of the handshake proves that the server has the key, as always. Everything else is the real verifier's matter.

use rustls::client::danger::ServerCertVerified;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error as TlsError};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Leaves that are trusted without an issuer.
#[derive(Debug)]
pub(crate) struct Pinned(pub(crate) Vec<CertificateDer<'static>>);

impl Pinned {
    /// Whether `leaf` is one of them.
    pub(crate) fn holds(&self, leaf: &CertificateDer<'_>) -> bool {
        self.0.iter().any(|root| root == leaf)
    }

    /// What there is to say of `leaf`, asked for by `name` at `now`, if it is one of them.
    pub(crate) fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Option<Result<ServerCertVerified, TlsError>> {
        self.holds(leaf).then(|| by_itself(leaf, name, now))
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
