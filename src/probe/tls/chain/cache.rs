//! Chains that were proven good, so that the arithmetic of the proof need not be done again.
//!
//! Whether a chain is good depends on its bytes, the name that was asked for, the roots, and the time; and on the time
//! only through the dates that are written in it. So what was accepted once is accepted again as long as the same bytes
//! are presented for the same name and every certificate of them is within its dates. That spares the signatures of
//! the chain, one verification for each certificate. Nothing else is spared: a certificate is read and its dates are
//! looked at in each handshake, and so is the signature with which the server proves that it has the key.
//!
//! Invariants: a refusal is never remembered; a chain of which a certificate cannot be read is not remembered. It holds
//! for verifiers that look at nothing but these four: webpki's. Those of macOS, Windows and Android ask the system, which
//! may know of revocations, so there nothing is remembered. Limit: 16,384 chains, 48 bytes each; past it all are forgotten.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rustls::SupportedCipherSuite;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::model::Timestamp;

/// Chains that are remembered at most.
const CHAINS_MAX: usize = 16_384;
/// Whether the verifier of this platform is webpki's.
const IS_PURE: bool = cfg!(not(any(target_vendor = "apple", windows, target_os = "android")));

/// A time within which every certificate of a chain is valid, both ends included.
pub(crate) type Dates = (Timestamp, Timestamp);

/// What stands for a chain and the name that it was presented for: a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of `leaf` and `intermediates`, presented for `name`.
    pub(crate) fn of(leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>], name: &ServerName<'_>) -> Self {
        let SupportedCipherSuite::Tls13(suite) = TLS13_AES_128_GCM_SHA256 else {
            unreachable!("it is a suite of TLS 1.3")
        };
        let mut hash = suite.common.hash_provider.start();
        let name = name.to_str();
        // Each part with its length, so that no two lists of parts are the same bytes.
        for part in [name.as_bytes(), leaf].into_iter().chain(intermediates.iter().map(AsRef::as_ref)) {
            hash.update(&part.len().to_be_bytes());
            hash.update(part);
        }
        Self(hash.finish().as_ref().try_into().expect("a SHA-256 has 32 bytes"))
    }
}

/// See the module. The lock is held for a look at the map.
#[derive(Debug, Default)]
pub(crate) struct ChainCache(Mutex<HashMap<Fingerprint, Dates>>);

impl ChainCache {
    /// The dates within which `chain` was proven good, if `now` is within them.
    pub(crate) fn holding(&self, chain: &Fingerprint, now: Timestamp) -> Option<Dates> {
        let proven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        proven.get(chain).copied().filter(|&(begin, end)| begin <= now && now <= end)
    }

    /// `chain` is good within `dates`.
    pub(crate) fn learn(&self, chain: Fingerprint, dates: Dates) {
        if !IS_PURE {
            return;
        }
        let mut proven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if proven.len() >= CHAINS_MAX && !proven.contains_key(&chain) {
            proven.clear();
        }
        proven.insert(chain, dates);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(name: &str, leaf: &[u8], intermediates: &[&[u8]]) -> Fingerprint {
        let intermediates: Vec<_> = intermediates.iter().map(|&der| CertificateDer::from(der)).collect();
        Fingerprint::of(&CertificateDer::from(leaf), &intermediates, &ServerName::try_from(name).unwrap())
    }

    #[test]
    fn chains_are_the_same_only_in_every_byte_and_for_one_name() {
        let all = [
            fingerprint("a.test", b"leaf", &[]),
            fingerprint("b.test", b"leaf", &[]),
            fingerprint("a.test", b"lea", &[b"f"]),
            fingerprint("a.test", b"leaf", &[b""]),
            fingerprint("a.test", b"leaf", &[b"one", b"two"]),
            fingerprint("a.test", b"leaf", &[b"two", b"one"]),
            fingerprint("a.test", b"leaf", &[b"onetwo"]),
            fingerprint("127.0.0.1", b"leaf", &[]),
        ];
        for (index, one) in all.iter().enumerate() {
            assert_eq!(all.iter().filter(|other| *other == one).count(), 1, "number {index}");
        }
        assert_eq!(all[0], fingerprint("a.test", b"leaf", &[]));
    }

    #[test]
    fn what_was_proven_holds_within_its_dates_and_for_nothing_else() {
        let (proven, at) = (ChainCache::default(), Timestamp::from_secs);
        let (chain, other) = (fingerprint("a.test", b"leaf", &[]), fingerprint("a.test", b"other", &[]));
        assert!(proven.holding(&chain, at(10)).is_none());
        proven.learn(chain, (at(10), at(20)));
        for (now, holds) in [(9, false), (10, IS_PURE), (20, IS_PURE), (21, false)] {
            assert_eq!(proven.holding(&chain, at(now)).is_some(), holds, "at {now}");
        }
        assert!(proven.holding(&other, at(15)).is_none());
    }

    #[test]
    fn chains_past_the_limit_are_forgotten() {
        let proven = ChainCache::default();
        let chain = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            Fingerprint(bytes)
        };
        for number in 0..=CHAINS_MAX {
            proven.learn(chain(number), (Timestamp::ZERO, Timestamp::ZERO));
        }
        assert!(proven.0.lock().unwrap().len() <= CHAINS_MAX);
        assert_eq!(proven.holding(&chain(CHAINS_MAX), Timestamp::ZERO).is_some(), IS_PURE);
    }
}
