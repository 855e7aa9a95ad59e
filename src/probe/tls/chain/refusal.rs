//! Explains a refused certificate in sentences.

use std::sync::Arc;

use rustls::{CertificateError, Error as TlsError, OtherError};

use crate::model::{Certificate, CertificateFault, Timestamp, figures};
use crate::probe::failure::Failure;

use super::presented::{CertificateNames, PresentedChain};

pub(crate) const NOT_FOR_SERVERS: &str = "it is not a server certificate: its extended key usage lacks serverAuth";

/// A refusal that rustls has no word for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct InWords(String);

/// A refusal of a certificate that is explained by `words`.
pub(crate) fn in_words(words: String) -> TlsError {
    TlsError::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(InWords(words)))))
}

/// The failure of a refused chain: the worst fault is the cause, the sentence has all of them.
pub(crate) fn refused(certificate: &Certificate, presented: &PresentedChain, refusal: &TlsError) -> Failure {
    let worst = certificate.faults.first().copied().unwrap_or(CertificateFault::Invalid);
    let sentences: Vec<String> =
        certificate.faults.iter().map(|&fault| words(fault, certificate, presented, refusal)).collect();
    Failure::new(worst.cause(), format!("TLS: {}", sentences.join("; ")))
}

fn words(fault: CertificateFault, certificate: &Certificate, presented: &PresentedChain, refusal: &TlsError) -> String {
    let &PresentedChain { leaf, chain, at: now, .. } = presented;
    match fault {
        CertificateFault::Expired if now <= leaf.until => match &presented.root {
            Some((root, validity)) if now > validity.until => {
                format!("the root {root} expired {} ago", past(now, validity.until))
            }
            _ => format!("an intermediate certificate expired {} ago", past(now, chain.until)),
        },
        CertificateFault::Expired => format!("the certificate expired {} ago", past(now, leaf.until)),
        CertificateFault::NotYetValid if now >= leaf.from => match &presented.root {
            Some((root, validity)) if now < validity.from => {
                format!("the root {root} becomes valid in {}", span(validity.from, now))
            }
            _ => format!("an intermediate certificate becomes valid in {}", span(chain.from, now)),
        },
        CertificateFault::NotYetValid => format!("the certificate becomes valid in {}", span(leaf.from, now)),
        CertificateFault::WrongHost => wrong_host(presented),
        CertificateFault::SelfSigned => "the certificate is self-signed".to_owned(),
        CertificateFault::MissingIntermediate => {
            format!("the server does not send the intermediate certificate {}", certificate.issuer)
        }
        CertificateFault::Untrusted => {
            format!("no trusted root vouches for the certificate, issued by {}", certificate.issuer)
        }
        CertificateFault::Invalid => format!("the certificate is refused: {}", objection(refusal)),
    }
}

/// The hosts that the certificate is for, and the one that was requested.
fn wrong_host(presented: &PresentedChain) -> String {
    let PresentedChain { host, common_name, names: CertificateNames { first, count }, .. } = presented;
    match (first, common_name) {
        (None, Some(name)) => format!(
            "the certificate has no subject alternative name for {host}, and its common name {name} does not count"
        ),
        (None, None) => format!("the certificate names no host, so it is not for {host}"),
        (Some(one), _) if *count == 1 => format!("the certificate is for {one}, not for {host}"),
        (Some(one), _) => {
            format!("the certificate is for {one} and {} more, not for {host}", figures::count(*count as u64 - 1))
        }
    }
}

/// The verifier's reason to refuse a certificate.
fn objection(refusal: &TlsError) -> String {
    let TlsError::InvalidCertificate(error) = refusal else { return refusal.to_string() };
    match error {
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
            "it is signed with an algorithm that is no longer trusted, such as SHA-1"
        }
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "its issuer's key has a type or size that is not trusted, such as 1024-bit RSA"
        }
        CertificateError::BadEncoding => "it cannot be parsed as an X.509 certificate",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => NOT_FOR_SERVERS,
        CertificateError::Other(why) => {
            return why.0.downcast_ref().map_or_else(|| why.0.to_string(), webpki_objection);
        }
        CertificateError::Revoked => "its issuer has revoked it",
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => "its revocation status cannot be determined",
        CertificateError::UnhandledCriticalExtension => "it has an unknown critical extension",
        CertificateError::InvalidOcspResponse => "the server staples a malformed OCSP response",
        CertificateError::ApplicationVerificationFailure => "this system's verifier refuses it",
        other => return plain(&format!("{other:?}")),
    }
    .to_owned()
}

/// The name of an error that has no words here, taken apart: `NotYetKnown { … }` is "not yet known".
fn plain(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars().take_while(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// The objections that rustls has no word for.
fn webpki_objection(error: &webpki::Error) -> String {
    match error {
        webpki::Error::CaUsedAsEndEntity => "it is a CA certificate (CA:TRUE), which a server must not present",
        webpki::Error::EndEntityUsedAsCa => "its issuer's certificate is not a CA certificate (CA:FALSE)",
        webpki::Error::UnsupportedCertVersion => "it has X.509 version 1 or 2; version 3 is required",
        webpki::Error::UnsupportedCriticalExtension => "it has an unknown critical extension",
        webpki::Error::NameConstraintViolation => "the name constraints of an issuer do not allow its name",
        webpki::Error::PathLenConstraintViolated => "its chain is longer than an issuer allows",
        webpki::Error::MaximumPathDepthExceeded => "its chain has too many intermediates",
        webpki::Error::InvalidCertValidity => "its validity ends before it begins",
        webpki::Error::EmptyEkuExtension | webpki::Error::RequiredEkuNotFoundContext(_) => NOT_FOR_SERVERS,
        webpki::Error::MalformedExtensions | webpki::Error::ExtensionValueInvalid => {
            "one of its extensions is malformed"
        }
        webpki::Error::CertDistrusted => "a key of its chain is known to be compromised",
        webpki::Error::SignatureAlgorithmMismatch => "it names two different signature algorithms",
        webpki::Error::InvalidSerialNumber => "its serial number is malformed",
        webpki::Error::MalformedDnsIdentifier | webpki::Error::UnsupportedNameType => "one of its names is malformed",
        webpki::Error::MalformedNameConstraint | webpki::Error::InvalidNetworkMaskConstraint => {
            "the name constraints of an issuer are malformed"
        }
        webpki::Error::MaximumNameConstraintComparisonsExceeded
        | webpki::Error::MaximumPathBuildCallsExceeded
        | webpki::Error::MaximumSignatureChecksExceeded => "its chain has too many possible paths to try them all",
        other => return plain(&format!("{other:?}")),
    }
    .to_owned()
}

/// How long ago `end` was: a day that has begun counts, so that the figure is that of `days_left`.
fn past(now: Timestamp, end: Timestamp) -> String {
    let days = now.since(end).as_secs().div_ceil(86_400);
    if days > 1 { format!("{days} days") } else { span(now, end) }
}

/// The time from `earlier` to `later` in its largest unit: "3 days", "1 hour".
fn span(later: Timestamp, earlier: Timestamp) -> String {
    let seconds = later.since(earlier).as_secs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It contains no type name.
    fn is_plain(words: &str) -> bool {
        let words = words.replace("serverAuth", "").replace("CA:", "");
        let joined = |pair: &[u8]| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase();
        !words.is_empty() && !words.as_bytes().windows(2).any(joined) && !words.contains('{')
    }

    #[test]
    fn every_fault_has_plain_words() {
        use webpki::Error as Wrapped;
        for wrapped in [
            Wrapped::CertDistrusted,
            Wrapped::EmptyEkuExtension,
            Wrapped::EndEntityUsedAsCa,
            Wrapped::ExtensionValueInvalid,
            Wrapped::InvalidCertValidity,
            Wrapped::InvalidNetworkMaskConstraint,
            Wrapped::InvalidSerialNumber,
            Wrapped::MalformedDnsIdentifier,
            Wrapped::MalformedExtensions,
            Wrapped::MalformedNameConstraint,
            Wrapped::MaximumNameConstraintComparisonsExceeded,
            Wrapped::MaximumPathBuildCallsExceeded,
            Wrapped::MaximumPathDepthExceeded,
            Wrapped::MaximumSignatureChecksExceeded,
            Wrapped::NameConstraintViolation,
            Wrapped::PathLenConstraintViolated,
            Wrapped::SignatureAlgorithmMismatch,
            Wrapped::UnsupportedCriticalExtension,
            Wrapped::UnsupportedNameType,
            // About revocation lists, which webmon does not read.
            Wrapped::UnsupportedDeltaCrl,
        ] {
            let error = CertificateError::Other(OtherError(Arc::new(wrapped)));
            let words = objection(&TlsError::InvalidCertificate(error));
            assert!(is_plain(&words), "{words}");
        }
        for error in [
            CertificateError::Revoked,
            CertificateError::UnknownRevocationStatus,
            CertificateError::ExpiredRevocationList,
            CertificateError::UnhandledCriticalExtension,
            CertificateError::InvalidOcspResponse,
            CertificateError::InvalidPurpose,
            CertificateError::ApplicationVerificationFailure,
        ] {
            let words = objection(&TlsError::InvalidCertificate(error));
            assert!(is_plain(&words), "{words}");
        }
        assert_eq!(plain("NotYetKnown { why: 1 }"), "not yet known");
    }

    #[test]
    fn a_span_has_its_largest_unit() {
        for (seconds, text) in
            [(0, "0 seconds"), (1, "1 second"), (3_599, "59 minutes"), (90_000, "1 day"), (259_300, "3 days")]
        {
            assert_eq!(span(Timestamp::from_secs(seconds), Timestamp::ZERO), text);
        }
    }

    #[test]
    fn the_days_since_an_end_are_those_of_the_figure() {
        let end = Timestamp::from_secs(1_000_000);
        let certificate = Certificate {
            subject: String::new(),
            issuer: String::new(),
            not_before: Timestamp::ZERO,
            not_after: end,
            faults: Vec::new(),
        };
        let day = 86_400;
        for (since, words) in [
            (5, "5 seconds"),
            (day - 1, "23 hours"),
            (day, "1 day"),
            (day + 1, "2 days"),
            (2 * day, "2 days"),
            (2_157 * day + day / 3, "2158 days"),
        ] {
            let now = Timestamp::from_secs(1_000_000 + since);
            assert_eq!(past(now, end), words);
            if since >= day {
                assert_eq!(words.split(' ').next().unwrap().parse(), Ok(-certificate.days_left(now)), "{since}");
            }
        }
    }
}
