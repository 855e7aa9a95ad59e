//! What is wrong with a chain that the verifier refused: every fault, worst first, of which rustls names one.
//!
//! Dates and names are read from the certificates; whether the chain is trusted is asked of the real verifier, a second
//! time at a moment when the chain was valid if its first answer was about dates.

use std::time::Duration;

use rustls::client::danger::ServerCertVerified;
use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error as TlsError};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;

use crate::model::{CertificateFault, Timestamp};

use super::path::likely;
use super::x509::dates;

/// Everything that is wrong with a refused chain, worst first.
pub(crate) fn faults(
    leaf: &X509Certificate<'_>,
    above: &[X509Certificate<'_>],
    wrong_host: bool,
    now: Timestamp,
    refusal: &TlsError,
    ask: &dyn Fn(UnixTime) -> Result<ServerCertVerified, TlsError>,
) -> Vec<CertificateFault> {
    use CertificateFault::{Expired, Invalid, MissingIntermediate, NotYetValid, SelfSigned, Untrusted, WrongHost};
    let (begin, end) = dates(leaf, &[]);
    let mut faults = Vec::new();
    if now > end {
        faults.push(Expired);
    }
    if now < begin {
        faults.push(NotYetValid);
    }
    if wrong_host {
        faults.push(WrongHost);
    }
    let reason = single_fault(refusal);
    let untrusted = if now > end || now < begin || matches!(reason, Expired | NotYetValid) {
        // The same question for a moment at which every certificate is valid, or at least the leaf. There may be
        // none: tests make expired certificates that end before they begin.
        let (from, until) = dates(leaf, &likely(leaf, above));
        let (from, until) = if from <= until { (from, until) } else { (begin, end.max(begin)) };
        let valid = now.clamp(from, until);
        let valid = Duration::from_micros(valid.as_micros());
        let unaskable = begin > end && leaf.subject() == leaf.issuer();
        ask(UnixTime::since_unix_epoch(valid)).is_err_and(|error| is_about_trust(&error, leaf) || unaskable)
    } else {
        is_about_trust(refusal, leaf)
    };
    // A certificate that is trusted by itself (`pinned`) is not refused for being self-signed.
    let is_purpose = matches!(refusal, TlsError::InvalidCertificate(CertificateError::InvalidPurpose));
    let is_self_signed = leaf.subject() == leaf.issuer() && (untrusted || faults.is_empty() && !is_purpose);
    if is_self_signed {
        faults.push(SelfSigned);
    } else if untrusted {
        faults.push(if lacks_intermediate(leaf, above) { MissingIntermediate } else { Untrusted });
    }
    // What was found so far does not explain the verdict: then it is about a certificate above the leaf, or an odd one.
    let is_explained = match reason {
        Untrusted => true,
        Invalid => is_self_signed || untrusted,
        reason => faults.contains(&reason),
    };
    if faults.is_empty() || !is_explained {
        faults.push(reason);
    }
    faults.sort_unstable();
    faults
}

/// The fault of a refusal that dates, names and trust of the leaf do not explain.
pub(crate) fn single_fault(refusal: &TlsError) -> CertificateFault {
    let TlsError::InvalidCertificate(error) = refusal else { return CertificateFault::Invalid };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertificateFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => CertificateFault::NotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateFault::WrongHost
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => CertificateFault::Untrusted,
        _ => CertificateFault::Invalid,
    }
}

/// A bad signature is one that no trusted key made: another authority of the same name. And a self-signed
/// authority (what `openssl req -x509` makes) is refused for being an authority before its trust is looked at.
fn is_about_trust(error: &TlsError, leaf: &X509Certificate<'_>) -> bool {
    let TlsError::InvalidCertificate(error) = error else { return false };
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => true,
        CertificateError::Other(_) => leaf.subject() == leaf.issuer(),
        _ => false,
    }
}

/// Whether the certificate that signed the leaf was not presented though the leaf says where to get it. A leaf
/// that a private root signed directly does not say so, and is merely untrusted.
fn lacks_intermediate(leaf: &X509Certificate<'_>, above: &[X509Certificate<'_>]) -> bool {
    let presented = above.iter().any(|certificate| certificate.subject() == leaf.issuer());
    let names_its_issuer = leaf.extensions().iter().any(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => {
            access.accessdescs.iter().any(|one| one.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS)
        }
        _ => false,
    });
    !presented && names_its_issuer
}
