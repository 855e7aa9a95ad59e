//! A refused certificate in sentences: what was wanted and what came.

use rustls::{CertificateError, Error as TlsError};

use crate::model::{Certificate, CertificateFault, Timestamp, figures};
use crate::probe::failure::Failure;

use super::presented::{CertificateNames, Presented};

/// The failure of a refused chain: the worst fault is the cause, all of them are in the sentence.
pub(crate) fn refused(certificate: &Certificate, presented: &Presented, refusal: &TlsError) -> Failure {
    let worst = certificate.faults.first().copied().unwrap_or(CertificateFault::Invalid);
    let sentences: Vec<String> =
        certificate.faults.iter().map(|&fault| words(fault, certificate, presented, refusal)).collect();
    Failure::new(worst.cause(), format!("TLS: {}", sentences.join("; ")))
}

fn words(fault: CertificateFault, certificate: &Certificate, presented: &Presented, refusal: &TlsError) -> String {
    let &Presented { leaf: (begin, end), chain: (chain_begin, chain_end), at: now, .. } = presented;
    match fault {
        CertificateFault::Expired if now <= end => match &presented.root {
            Some((root, (_, end))) if now > *end => format!("the root {root} expired {} ago", past(now, *end)),
            _ => format!("an intermediate certificate expired {} ago", past(now, chain_end)),
        },
        CertificateFault::Expired => format!("certificate expired {} ago", past(now, end)),
        CertificateFault::NotYetValid if now >= begin => match &presented.root {
            Some((root, (begin, _))) if now < *begin => {
                format!("the root {root} is not valid for {} yet", span(*begin, now))
            }
            _ => format!("an intermediate certificate is not valid for {} yet", span(chain_begin, now)),
        },
        CertificateFault::NotYetValid => format!("certificate not valid for {} yet", span(begin, now)),
        CertificateFault::WrongHost => wrong_host(presented),
        CertificateFault::SelfSigned => "certificate is self-signed".to_owned(),
        CertificateFault::MissingIntermediate => {
            format!("the server does not send the intermediate certificate {}", certificate.issuer)
        }
        CertificateFault::Untrusted => {
            format!("no trusted root vouches for the certificate, issued by {}", certificate.issuer)
        }
        CertificateFault::Invalid => format!("certificate refused: {}", odd(refusal)),
    }
}

/// For whom the certificate is, and who was asked.
fn wrong_host(presented: &Presented) -> String {
    let Presented { host, common_name, names: CertificateNames { first, count }, .. } = presented;
    match (first, common_name) {
        (None, Some(name)) => format!(
            "certificate names no host for {host} (no subject alternative name); the common name {name} does not count"
        ),
        (None, None) => format!("certificate names no host, and {host} was asked"),
        (Some(one), _) if *count == 1 => format!("certificate is for {one}, not for {host}"),
        (Some(one), _) => {
            format!("certificate is for {one} and {} more, not for {host}", figures::count(*count as u64 - 1))
        }
    }
}

/// What is odd about a certificate.
fn odd(refusal: &TlsError) -> String {
    let TlsError::InvalidCertificate(error) = refusal else { return refusal.to_string() };
    match error {
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
            "it is signed in a way that is no longer trusted, such as SHA-1".to_owned()
        }
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "its issuer's key is of a kind or size that is not trusted, such as RSA of 1024 bits".to_owned()
        }
        CertificateError::BadEncoding => "it is no X.509 certificate that can be read".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not for servers: its extended key usage lacks serverAuth".to_owned()
        }
        CertificateError::Other(why) => match why.0.downcast_ref::<webpki::Error>() {
            Some(error) => of_webpki(error),
            None => why.0.to_string(),
        },
        CertificateError::Revoked => "its issuer has revoked it".to_owned(),
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => {
            "whether its issuer has revoked it could not be found out".to_owned()
        }
        CertificateError::UnhandledCriticalExtension => "it has a critical extension that is not known".to_owned(),
        CertificateError::InvalidOcspResponse => "the server sends a malformed OCSP response along".to_owned(),
        CertificateError::ApplicationVerificationFailure => "the verifier of this system refuses it".to_owned(),
        other => plain(&format!("{other:?}")),
    }
}

/// The name of a fault that has no words here, taken apart: `NotYetKnown { … }` is "not yet known".
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

/// The faults that rustls has no word for.
fn of_webpki(error: &webpki::Error) -> String {
    match error {
        webpki::Error::CaUsedAsEndEntity => "it is an authority's own certificate (CA:TRUE), which no server may show",
        webpki::Error::EndEntityUsedAsCa => "it was signed by a certificate that is no authority's (CA:FALSE)",
        webpki::Error::UnsupportedCertVersion => "it is of X.509 version 1 or 2, and version 3 is wanted",
        webpki::Error::UnsupportedCriticalExtension => "it has a critical extension that is not known",
        webpki::Error::NameConstraintViolation => "its name is not among those that its issuer may sign for",
        webpki::Error::PathLenConstraintViolated => "more intermediates stand above it than their issuer allows",
        webpki::Error::MaximumPathDepthExceeded => "too many intermediates stand above it",
        webpki::Error::InvalidCertValidity => "it ends before it begins",
        webpki::Error::EmptyEkuExtension | webpki::Error::RequiredEkuNotFoundContext(_) => {
            "it is not for servers: its extended key usage lacks serverAuth"
        }
        webpki::Error::MalformedExtensions | webpki::Error::ExtensionValueInvalid => {
            "one of its extensions is malformed"
        }
        webpki::Error::CertDistrusted => "a key of its chain is known to be compromised",
        webpki::Error::SignatureAlgorithmMismatch => "it names two different signature algorithms",
        webpki::Error::InvalidSerialNumber => "its serial number is malformed",
        webpki::Error::MalformedDnsIdentifier | webpki::Error::UnsupportedNameType => "one of its names is malformed",
        webpki::Error::MalformedNameConstraint | webpki::Error::InvalidNetworkMaskConstraint => {
            "an issuer's list of names that it may sign for is malformed"
        }
        webpki::Error::MaximumNameConstraintComparisonsExceeded
        | webpki::Error::MaximumPathBuildCallsExceeded
        | webpki::Error::MaximumSignatureChecksExceeded => "there are too many ways through its chain to try them all",
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
pub(crate) fn span(later: Timestamp, earlier: Timestamp) -> String {
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
    use std::sync::Arc;

    use rustls::OtherError;

    use super::*;

    /// No name of a type in it, and no more than one sentence.
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
            // Of lists of revocation, which webmon does not read: in words all the same.
            Wrapped::UnsupportedDeltaCrl,
        ] {
            let error = CertificateError::Other(OtherError(Arc::new(wrapped)));
            let words = odd(&TlsError::InvalidCertificate(error));
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
            let words = odd(&TlsError::InvalidCertificate(error));
            assert!(is_plain(&words), "{words}");
        }
        assert_eq!(plain("NotYetKnown { why: 1 }"), "not yet known");
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
