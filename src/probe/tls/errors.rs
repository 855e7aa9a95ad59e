//! Errors of a handshake: their causes and their sentences.

use std::error::Error;

use rustls::{AlertDescription, Error as TlsError, InvalidMessage, PeerIncompatible, PeerMisbehaved};

use crate::model::Cause;
use crate::probe::failure::{Failure, broken_connection, chain};

use super::chain::presented::PresentedChain;
use super::chain::refusal::refused;
use super::client_auth::ClientCertRequest;

/// Why a handshake failed.
pub(super) fn explain(
    error: &(dyn Error + 'static),
    presented: Option<&PresentedChain>,
    request: ClientCertRequest,
) -> Failure {
    if let Some(failure) = refused_chain(presented) {
        return failure;
    }
    let Some(tls) = chain(error).find_map(|error| error.downcast_ref::<TlsError>()) else {
        return broken_connection(error, "during the TLS handshake")
            .unwrap_or_else(|| Failure::new(Cause::TlsError, format!("TLS: {error}")));
    };
    let detail = match tls {
        TlsError::InvalidMessage(
            InvalidMessage::CertificatePayloadTooLarge
            | InvalidMessage::HandshakePayloadTooLarge
            | InvalidMessage::MessageTooLarge,
        ) => "the server's certificate chain is longer than 64 KiB".to_owned(),
        TlsError::InvalidMessage(_) => "the server does not speak TLS on this port".to_owned(),
        TlsError::AlertReceived(alert) => alert_words(*alert, request),
        TlsError::PeerIncompatible(why @ PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            format!("the server speaks neither TLS 1.2 nor 1.3 ({why:?})")
        }
        TlsError::PeerIncompatible(why) => format!("no protocol or cipher in common ({why:?})"),
        TlsError::PeerMisbehaved(why @ PeerMisbehaved::SignedKxWithWrongAlgorithm) => {
            format!("the server's signature scheme is not supported under TLS 1.2 ({why:?})")
        }
        other => other.to_string(),
    };
    Failure::new(Cause::TlsError, format!("TLS: {detail}"))
}

/// The failure of a chain that was refused, if it was.
pub(crate) fn refused_chain(presented: Option<&PresentedChain>) -> Option<Failure> {
    match presented {
        Some(
            shown @ PresentedChain {
                certificate: Some(certificate), refusal: Some(refusal), is_overruled: false, ..
            },
        ) => Some(refused(certificate, shown, refusal)),
        _ => None,
    }
}

/// An alert in words; `request` is what the server asked of the client in the handshake.
pub(crate) fn alert_words(alert: AlertDescription, request: ClientCertRequest) -> String {
    if may_concern_client(alert) {
        match request {
            ClientCertRequest::NotConfigured => {
                return format!("the server requires a client certificate, but the site has none ({alert:?})");
            }
            ClientCertRequest::Withheld => {
                let whose = "`client_cert` is only for the site's own origin";
                return format!("the server requires a client certificate; {whose} ({alert:?})");
            }
            ClientCertRequest::Answered => return format!("the server refused the client certificate ({alert:?})"),
            ClientCertRequest::None => {}
        }
    }
    let why = match alert {
        AlertDescription::HandshakeFailure => "no protocol or cipher in common",
        AlertDescription::ProtocolVersion => "it speaks neither TLS 1.2 nor 1.3",
        AlertDescription::NoApplicationProtocol => "it does not support the requested version of HTTP",
        AlertDescription::UnrecognisedName => "it does not know this host name",
        AlertDescription::CertificateRequired | AlertDescription::BadCertificate => "it requires a client certificate",
        AlertDescription::InternalError => "it has an internal error",
        AlertDescription::UnknownCA => "it does not trust the client certificate",
        _ => return format!("the server refused the handshake ({alert:?})"),
    };
    format!("the server refused the handshake: {why} ({alert:?})")
}

/// Whether a server that asked for a client certificate may refuse it by `alert`.
fn may_concern_client(alert: AlertDescription) -> bool {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::CertificateError;

    use super::*;
    use crate::model::{Certificate, CertificateFault, Timestamp};

    #[test]
    fn a_refused_certificate_is_explained_in_words() {
        let certificate = Arc::new(Certificate {
            subject: "a".to_owned(),
            issuer: "b".to_owned(),
            not_before: Timestamp::ZERO,
            not_after: Timestamp::ZERO,
            faults: vec![CertificateFault::Invalid],
        });
        let sha1 = CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: vec![6, 9],
            supported_algorithms: Vec::new(),
        };
        for (error, words) in [
            (sha1, "no longer trusted, such as SHA-1"),
            (CertificateError::BadEncoding, "refused: it cannot be parsed as an X.509 certificate"),
        ] {
            let refusal = TlsError::InvalidCertificate(error);
            let presented = PresentedChain {
                certificate: Some(Arc::clone(&certificate)),
                host: "a.test".to_owned(),
                refusal: Some(refusal.clone()),
                ..PresentedChain::default()
            };
            let failure = explain(&refusal, Some(&presented), ClientCertRequest::None);
            assert_eq!(failure.cause, Cause::TlsError);
            assert!(failure.detail.contains(words), "{}", failure.detail);
        }
    }
}
