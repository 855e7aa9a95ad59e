//! What a chain is for: a refusal because of an extended key usage, in words.
//!
//! The platform's verifier puts a type of its own in place of that refusal, which says "certificate had invalid extensions"
//! and cannot be named from outside. So the usages are read from the certificates: the leaf's, then those above it, because
//! webpki holds an intermediate to its extended key usage as well.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error as TlsError, OtherError};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ExtendedKeyUsage;
use x509_parser::prelude::FromDer;

use super::x509::common_name;

/// A certificate that is not for servers, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongPurpose(String);

/// `refusal` of a chain; if it is about a purpose, one that says whose.
pub(crate) fn named(refusal: TlsError, leaf: &CertificateDer<'_>, above: &[CertificateDer<'_>]) -> TlsError {
    let TlsError::InvalidCertificate(error) = &refusal else { return refusal };
    let is_purpose = match error {
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => true,
        // The type is private to the platform's verifier; its name is all there is.
        CertificateError::Other(why) => format!("{:?}", why.0) == "EkuError",
        _ => false,
    };
    if !is_purpose {
        return refusal;
    }
    let words = lacking(leaf)
        .map(|(_, usages)| format!("it is not for servers: its extended key usage ({usages}) lacks serverAuth"));
    let words = words.or_else(|| {
        let (name, usages) = above.iter().find_map(lacking)?;
        let lacks = format!("its extended key usage ({usages}) lacks serverAuth");
        Some(format!("the intermediate {name} may not vouch for servers: {lacks}"))
    });
    let words = words.unwrap_or_else(|| "it is not for servers: an extended key usage lacks serverAuth".to_owned());
    TlsError::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(WrongPurpose(words)))))
}

/// What `der` is called and for, if that is something else than servers.
fn lacking(der: &CertificateDer<'_>) -> Option<(String, String)> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let usage = parsed.extended_key_usage().ok()??.value;
    (!usage.server_auth).then(|| (common_name(parsed.subject()), usages(usage)))
}

/// The names that RFC 5280 gives to what `usage` allows.
fn usages(usage: &ExtendedKeyUsage<'_>) -> String {
    let known = [
        (usage.any, "anyExtendedKeyUsage"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
        (!usage.other.is_empty(), "others"),
    ];
    let names: Vec<&str> = known.into_iter().filter_map(|(has, name)| has.then_some(name)).collect();
    names.join(", ")
}
