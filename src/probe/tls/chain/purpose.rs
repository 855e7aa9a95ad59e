//! Explains a refusal because of an extended key usage.
//!
//! The platform's verifier replaces that refusal by a private type that says "certificate had invalid extensions". The usages
//! are therefore read from the certificates: the leaf's first, then those above it, which webpki checks as well.

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error as TlsError};
use x509_parser::extensions::ExtendedKeyUsage;

use super::refusal::{NOT_FOR_SERVERS, in_words};
use super::x509::{common_name, parse};

/// `refusal` of a chain; one because of a purpose names the certificate and its usages.
pub(crate) fn named(refusal: TlsError, leaf: &CertificateDer<'_>, above: &[CertificateDer<'_>]) -> TlsError {
    let TlsError::InvalidCertificate(error) = &refusal else { return refusal };
    let is_purpose = match error {
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => true,
        // The type is private to the platform's verifier, so only its name tells.
        CertificateError::Other(why) => format!("{:?}", why.0) == "EkuError",
        _ => false,
    };
    if !is_purpose {
        return refusal;
    }
    in_words(if let Some((_, usages)) = other_purpose(leaf) {
        format!("it is not a server certificate: its extended key usage ({usages}) lacks serverAuth")
    } else if let Some((name, usages)) = above.iter().find_map(other_purpose) {
        format!(
            "the intermediate {name} cannot issue server certificates: its extended key usage ({usages}) lacks serverAuth"
        )
    } else {
        NOT_FOR_SERVERS.to_owned()
    })
}

/// The name and the usages of `der`, if they do not include servers.
fn other_purpose(der: &CertificateDer<'_>) -> Option<(String, String)> {
    let parsed = parse(der)?;
    let usage = parsed.extended_key_usage().ok()??.value;
    (!usage.server_auth).then(|| (common_name(parsed.subject()), usages(usage)))
}

/// The names of `usage` in RFC 5280.
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
