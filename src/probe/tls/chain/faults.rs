//! Finds every fault of a refused chain, worst first; rustls names only one.
//!
//! Dates and names are read from the certificates. Trust is the verifier's verdict, asked once more for a moment at which the
//! chain was valid if the first one was about dates.

use std::time::Duration;

use rustls::client::danger::ServerCertVerified;
use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error as TlsError};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;

use crate::model::{CertificateFault, Timestamp};

use super::path::likely_validity;
use super::x509::Validity;

/// A chain that the verifier refused.
pub(crate) struct RefusedChain<'a> {
    pub(crate) leaf: &'a X509Certificate<'a>,
    pub(crate) above: &'a [X509Certificate<'a>],
    pub(crate) is_wrong_host: bool,
    pub(crate) refusal: &'a TlsError,
}

impl RefusedChain<'_> {
    /// All faults at `now`, worst first; `verify` gives the verdict of other moments.
    pub(crate) fn faults(
        &self,
        now: Timestamp,
        verify: &dyn Fn(UnixTime) -> Result<ServerCertVerified, TlsError>,
    ) -> Vec<CertificateFault> {
        use CertificateFault::{Expired, Invalid, MissingIntermediate, NotYetValid, SelfSigned, Untrusted, WrongHost};
        let Self { leaf, refusal, .. } = *self;
        let own = Validity::of(leaf);
        let dated = [(now > own.until, Expired), (now < own.from, NotYetValid), (self.is_wrong_host, WrongHost)];
        let mut faults: Vec<_> = dated.into_iter().filter_map(|(is_so, fault)| is_so.then_some(fault)).collect();
        let reason = single_fault(refusal);
        let untrusted = if !own.contains(now) || matches!(reason, Expired | NotYetValid) {
            // At that moment every certificate is valid, or at least the leaf. There may be none: tests make expired
            // certificates that end before they begin.
            let all = likely_validity(leaf, &self.above.iter().collect::<Vec<_>>());
            let (from, until) =
                if all.from <= all.until { (all.from, all.until) } else { (own.from, own.until.max(own.from)) };
            let valid = Duration::from_micros(now.clamp(from, until).as_micros());
            let is_never_valid = own.from > own.until && leaf.subject() == leaf.issuer();
            verify(UnixTime::since_unix_epoch(valid)).is_err_and(|error| is_about_trust(&error, leaf) || is_never_valid)
        } else {
            is_about_trust(refusal, leaf)
        };
        // A pinned certificate is not refused for being self-signed.
        let is_purpose = matches!(refusal, TlsError::InvalidCertificate(CertificateError::InvalidPurpose));
        let is_self_signed = leaf.subject() == leaf.issuer() && (untrusted || faults.is_empty() && !is_purpose);
        if is_self_signed {
            faults.push(SelfSigned);
        } else if untrusted {
            faults.push(if self.lacks_intermediate() { MissingIntermediate } else { Untrusted });
        }
        // If nothing so far explains the verdict, it is about a certificate above the leaf, or an odd one.
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

    /// Whether the server did not present the issuer of a leaf that says where to get it. A leaf that a private root signed
    /// directly does not say so, and is merely untrusted.
    fn lacks_intermediate(&self) -> bool {
        let is_presented = self.above.iter().any(|certificate| certificate.subject() == self.leaf.issuer());
        let names_its_issuer = self.leaf.extensions().iter().any(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityInfoAccess(access) => {
                access.accessdescs.iter().any(|one| one.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS)
            }
            _ => false,
        });
        !is_presented && names_its_issuer
    }
}

/// The fault that `refusal` names.
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

/// A bad signature means another authority of the same name. A self-signed authority (the default of `openssl req -x509`) is
/// refused as a CA certificate before its trust is verified.
fn is_about_trust(error: &TlsError, leaf: &X509Certificate<'_>) -> bool {
    let TlsError::InvalidCertificate(error) = error else { return false };
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => true,
        CertificateError::Other(_) => leaf.subject() == leaf.issuer(),
        _ => false,
    }
}
