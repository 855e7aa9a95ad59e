//! The public keys of a presented chain, as pins, and what is said when none of them is a pinned one.
//!
//! Any certificate of the chain counts, also one that the path to the root does not need: a server that sends along a certificate
//! whose key is another's still needs a chain that is trusted, and a proof that it has the key of its own.

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;

use crate::model::{Cause, Pin};
use crate::probe::failure::Failure;

use super::x509::parse;

/// Pins that a sentence names.
const NAMED_MAX: usize = 7;

/// The pins of those certificates of `chain` that can be read.
pub(crate) fn pins<'a>(chain: impl Iterator<Item = &'a CertificateDer<'a>>) -> Vec<Pin> {
    chain.filter_map(|der| parse(der).map(|certificate| pin(certificate.public_key().raw))).collect()
}

fn pin(key: &[u8]) -> Pin {
    Pin::new(digest(&SHA256, key).as_ref().try_into().expect("a SHA-256 has 32 bytes"))
}

/// The failure of a server that shows the keys `shown` where one of `wanted` is required; none if it shows one, or none is.
pub(crate) fn unpinned(wanted: &[Pin], shown: &[Pin]) -> Option<Failure> {
    if wanted.is_empty() || shown.iter().any(|pin| wanted.contains(pin)) {
        return None;
    }
    let named: Vec<String> = shown.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let what = match shown.len().saturating_sub(NAMED_MAX) {
        _ if named.is_empty() => "no key that can be read".to_owned(),
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    };
    Some(Failure::new(
        Cause::TlsPinned,
        format!("TLS: no certificate has a pinned public key; the server shows {what}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_of_the_chain_is_enough_and_what_came_can_be_pasted() {
        let [a, b, c] = [1, 2, 3].map(|byte| Pin::new([byte; 32]));
        assert_eq!(unpinned(&[], &[a]), None);
        assert_eq!(unpinned(&[c, b], &[a, b]), None);
        let failure = unpinned(&[c], &[a, b]).unwrap();
        assert_eq!(failure.cause, Cause::TlsPinned);
        assert!(failure.detail.ends_with(&format!("the server shows {a}, {b}")), "{}", failure.detail);
        assert!(unpinned(&[c], &[]).unwrap().detail.ends_with("no key that can be read"));
        let many = unpinned(&[c], &[a; 16]).unwrap().detail;
        assert!(many.ends_with(&format!("{a} and 9 more")), "{many}");
    }
}
