//! Chooses the cryptography of all handshakes.

use std::fmt;
use std::sync::LazyLock;

use aws_lc_rs::agreement::{ECDH_P521, EphemeralPrivateKey, PublicKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::rand::SystemRandom;
use rustls::crypto::{ActiveKeyExchange, CryptoProvider, SharedSecret, SupportedKxGroup};
use rustls::{
    CipherSuiteCommon, Error as TlsError, NamedGroup, PeerMisbehaved, SignatureScheme, SupportedCipherSuite,
    Tls12CipherSuite,
};

/// The offer where signatures are verified.
///
/// Suites with SHA-256 come first, as in browsers: processors have instructions for it, and a handshake hashes much more than
/// it encrypts. (SHA-384 took 8 % of a probe.) P-521 comes last among the groups: hardly any server needs it for the key
/// exchange, but under TLS 1.2 a server shows a certificate on a curve only to clients that offer the curve.
pub(crate) fn provider() -> CryptoProvider {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| match suite {
        SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider.output_len(),
        SupportedCipherSuite::Tls12(suite) => suite.common.hash_provider.output_len(),
    });
    provider.kx_groups.push(&P521);
    provider
}

/// The offer where nothing is verified: the same, and the server may sign with any key that rustls has a name for.
pub(crate) fn lenient() -> CryptoProvider {
    static SUITES: LazyLock<Vec<SupportedCipherSuite>> =
        LazyLock::new(|| provider().cipher_suites.into_iter().map(signed_by_any).collect());
    CryptoProvider { cipher_suites: SUITES.clone(), ..provider() }
}

/// `suite` for a server with any key. rustls requires static suites; this one is made once per process.
fn signed_by_any(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    // One scheme per kind of key: rustls compares the kind.
    const KINDS: [SignatureScheme; 4] = [
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ED25519,
        SignatureScheme::ED448,
    ];
    let SupportedCipherSuite::Tls12(known) = suite else { return suite };
    let common = CipherSuiteCommon {
        suite: known.common.suite,
        hash_provider: known.common.hash_provider,
        confidentiality_limit: known.common.confidentiality_limit,
    };
    SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
        common,
        prf_provider: known.prf_provider,
        kx: known.kx,
        sign: &KINDS,
        aead_alg: known.aead_alg,
    })))
}

/// Ephemeral ECDH on secp521r1, which rustls lacks.
#[derive(Debug)]
struct P521;

impl SupportedKxGroup for P521 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, TlsError> {
        let key = EphemeralPrivateKey::generate(&ECDH_P521, &SystemRandom::new());
        let key = key.map_err(|_| TlsError::FailedToGetRandomBytes)?;
        let public = key.compute_public_key().map_err(|_| TlsError::FailedToGetRandomBytes)?;
        Ok(Box::new(P521Exchange { key, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

struct P521Exchange {
    key: EphemeralPrivateKey,
    public: PublicKey,
}

impl fmt::Debug for P521Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P521Exchange")
    }
}

impl ActiveKeyExchange for P521Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, TlsError> {
        let bad = || TlsError::from(PeerMisbehaved::InvalidKeyShare);
        // AWS-LC accepts compressed points as well, TLS does not.
        if peer.first() != Some(&4) {
            return Err(bad());
        }
        let peer = UnparsedPublicKey::new(&ECDH_P521, peer);
        agree_ephemeral(self.key, peer, bad(), |secret| Ok(SharedSecret::from(secret)))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_offered_and_the_cheap_ones_first() {
        let (ours, all) =
            (provider().cipher_suites.clone(), rustls::crypto::aws_lc_rs::default_provider().cipher_suites);
        assert_eq!(ours.len(), all.len());
        assert!(all.iter().all(|suite| ours.contains(suite)));
        assert_eq!(ours[0].suite(), rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    }

    #[test]
    fn two_exchanges_agree_on_one_secret() {
        let (ours, theirs) = (P521.start().unwrap(), P521.start().unwrap());
        let (our_share, their_share) = (ours.pub_key().to_vec(), theirs.pub_key().to_vec());
        assert_eq!(our_share.len(), 133);
        let secret = ours.complete(&their_share).unwrap();
        assert_eq!(secret.secret_bytes(), theirs.complete(&our_share).unwrap().secret_bytes());
        assert_eq!(secret.secret_bytes().len(), 66);
        let mut compressed = vec![2; 67];
        compressed[1..].copy_from_slice(&our_share[1..67]);
        for bad in [&[][..], &[4], &compressed] {
            assert!(P521.start().unwrap().complete(bad).is_err(), "{bad:?}");
        }
    }
}
