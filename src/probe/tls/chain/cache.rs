//! Remembers which chains the verifier accepted, so that they are read and their signatures verified once.
//!
//! Whether a chain is good depends on its bytes, the requested name, the roots and the time, and on the time only through the
//! dates in it. The same bytes for the same name are therefore accepted again while every certificate is within its dates.
//! Each handshake still compares the dates, and verifies the signature that proves possession of the key.
//!
//! Invariants: refusals and chains with an unreadable certificate are never remembered. The verifiers of macOS, Windows and
//! Android ask the system, which may know of revocations: nothing is remembered there.
//! Bounds: 16,384 chains of half a kilobyte (cleaned names have a bound), which their sites share; one more discards them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rustls::SupportedCipherSuite;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::model::Timestamp;
use crate::model::lock::lock;

use super::presented::PresentedChain;

const CHAINS_MAX: usize = 16_384;
/// Whether the verifier of this platform is webpki's.
const IS_PURE: bool = cfg!(not(any(target_vendor = "apple", windows, target_os = "android")));

/// The SHA-256 of a chain and the name that it was presented for.
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
        // With its length before each part, no two lists of parts are the same bytes.
        for part in [name.as_bytes(), leaf].into_iter().chain(intermediates.iter().map(AsRef::as_ref)) {
            hash.update(&part.len().to_be_bytes());
            hash.update(part);
        }
        Self(hash.finish().as_ref().try_into().expect("a SHA-256 has 32 bytes"))
    }
}

#[derive(Debug, Default)]
pub(crate) struct ChainCache(Mutex<HashMap<Fingerprint, Arc<PresentedChain>>>);

impl ChainCache {
    /// What `chain` is, if it was accepted before and is still valid at `now`.
    pub(crate) fn get(&self, chain: &Fingerprint, now: Timestamp) -> Option<Arc<PresentedChain>> {
        lock(&self.0).get(chain).filter(|presented| presented.chain.contains(now)).cloned()
    }

    /// Remembers that `chain` was accepted, which is this.
    pub(crate) fn insert(&self, chain: Fingerprint, presented: Arc<PresentedChain>) {
        if !IS_PURE {
            return;
        }
        let mut chains = lock(&self.0);
        if chains.len() >= CHAINS_MAX && !chains.contains_key(&chain) {
            chains.clear();
        }
        chains.insert(chain, presented);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tls::chain::x509::Validity;

    fn valid(chain: Validity) -> Arc<PresentedChain> {
        Arc::new(PresentedChain { chain, ..PresentedChain::default() })
    }

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
        let (cache, at) = (ChainCache::default(), Timestamp::from_secs);
        let (chain, other) = (fingerprint("a.test", b"leaf", &[]), fingerprint("a.test", b"other", &[]));
        assert!(cache.get(&chain, at(10)).is_none());
        cache.insert(chain, valid(Validity { from: at(10), until: at(20) }));
        for (now, holds) in [(9, false), (10, IS_PURE), (20, IS_PURE), (21, false)] {
            assert_eq!(cache.get(&chain, at(now)).is_some(), holds, "at {now}");
        }
        assert!(cache.get(&other, at(15)).is_none());
    }

    #[test]
    fn chains_past_the_limit_are_forgotten() {
        let cache = ChainCache::default();
        let chain = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            Fingerprint(bytes)
        };
        for number in 0..=CHAINS_MAX {
            cache.insert(chain(number), valid(Validity::default()));
        }
        assert!(lock(&cache.0).len() <= CHAINS_MAX);
        assert_eq!(cache.get(&chain(CHAINS_MAX), Timestamp::ZERO).is_some(), IS_PURE);
    }
}
