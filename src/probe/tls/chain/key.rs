//! Why a server's proof that it has the key of its certificate was not accepted.
//!
//! webpki says "bad signature" of a key whose size it does not verify: the chain is good, and the handshake fails.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error as TlsError, OtherError};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

/// Sizes of RSA keys that are verified, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// A key that proves nothing, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unproven(String);

/// `error` about the signature of a handshake, made with the key of `leaf`, as a refusal in words.
pub(crate) fn unproven(error: &TlsError, leaf: &CertificateDer<'_>) -> TlsError {
    let words = rsa_size(leaf).or_else(|| {
        let TlsError::InvalidCertificate(error) = error else { return None };
        match error {
            CertificateError::BadSignature => {
                Some("the server signed the handshake with another key than the certificate's".to_owned())
            }
            CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Some("its key is of a kind or on a curve that webmon does not verify".to_owned())
            }
            _ => None,
        }
    });
    let words = words.unwrap_or_else(|| format!("the signature of the handshake cannot be verified ({error})"));
    TlsError::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Unproven(words)))))
}

/// What is wrong with the size of the key of `leaf`, if it is one of RSA.
fn rsa_size(leaf: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
    let Ok(PublicKey::RSA(key)) = parsed.public_key().parsed() else { return None };
    let modulus = key.modulus.iter().skip_while(|byte| **byte == 0);
    let (first, bytes) = (modulus.clone().next()?, modulus.count());
    let bits = bytes * 8 - first.leading_zeros() as usize;
    if bits < *RSA_BITS.start() {
        return Some(format!("its RSA key of {bits} bits is too short; webmon accepts {} and more", RSA_BITS.start()));
    }
    (bits > *RSA_BITS.end())
        .then(|| format!("its RSA key of {bits} bits is too long; webmon verifies at most {}", RSA_BITS.end()))
}
