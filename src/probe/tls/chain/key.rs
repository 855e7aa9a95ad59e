//! Explains why a server's proof that it has the key of its certificate failed.

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error as TlsError};
use x509_parser::public_key::PublicKey;

use super::refusal::in_words;
use super::x509::parse;

/// Sizes of RSA keys that webpki verifies, in bits. Of others it says "bad signature".
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// `error` about the signature of a handshake, made with the key of `leaf`, as a refusal in words.
pub(crate) fn unproven(error: &TlsError, leaf: &CertificateDer<'_>) -> TlsError {
    let words = rsa_size(leaf).unwrap_or_else(|| match error {
        TlsError::InvalidCertificate(CertificateError::BadSignature) => {
            "the server signed the handshake with another key than the certificate's".to_owned()
        }
        TlsError::InvalidCertificate(CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }) => {
            "webmon does not verify keys of its type or curve".to_owned()
        }
        error => format!("the signature of the handshake cannot be verified ({error})"),
    });
    in_words(words)
}

/// The fault of the key size of `leaf`, if it is an RSA key.
fn rsa_size(leaf: &CertificateDer<'_>) -> Option<String> {
    let parsed = parse(leaf)?;
    let Ok(PublicKey::RSA(key)) = parsed.public_key().parsed() else { return None };
    let modulus = key.modulus.iter().skip_while(|byte| **byte == 0);
    let (first, bytes) = (modulus.clone().next()?, modulus.count());
    let bits = bytes * 8 - first.leading_zeros() as usize;
    let (least, most) = RSA_BITS.into_inner();
    if bits < least {
        return Some(format!("its RSA key of {bits} bits is too short; webmon accepts {least} and more"));
    }
    (bits > most).then(|| format!("its RSA key of {bits} bits is too long; webmon verifies at most {most}"))
}
