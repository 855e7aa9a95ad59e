//! Accepts a server's own certificate among the trusted roots.
//!
//! webpki refuses a CA certificate from a server, and that is what `openssl req -x509` makes by default. A site whose `ca_file`
//! holds the very certificate of its server would be down, although every other client accepts it. Such a leaf is judged by its
//! own dates, purpose and names; the handshake proves possession of the key as always.

use rustls::client::danger::ServerCertVerified;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error as TlsError};

use crate::model::Timestamp;

use super::x509::{Validity, parse};

/// Leaves that are trusted without an issuer.
#[derive(Debug)]
pub(crate) struct Pinned(pub(crate) Vec<CertificateDer<'static>>);

impl Pinned {
    /// Whether `leaf` is one of them.
    pub(crate) fn contains(&self, leaf: &CertificateDer<'_>) -> bool {
        self.0.contains(leaf)
    }

    /// The verdict on `leaf`, requested by `name` at `now`, if it is one of them.
    pub(crate) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Option<Result<ServerCertVerified, TlsError>> {
        self.contains(leaf).then(|| verify_alone(leaf, name, now))
    }
}

fn verify_alone(
    leaf: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, TlsError> {
    let refused = |error| Err(TlsError::InvalidCertificate(error));
    let Some(parsed) = parse(leaf) else { return refused(CertificateError::BadEncoding) };
    let (validity, now) = (Validity::of(&parsed), Timestamp::from_secs(now.as_secs()));
    if now > validity.until {
        return refused(CertificateError::Expired);
    }
    if now < validity.from {
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
