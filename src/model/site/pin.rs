//! A pinned public key: the SHA-256 of a certificate's `SubjectPublicKeyInfo` (RFC 7469, section 2.4).
//!
//! Invariant: the text of a pin reads back as the same pin.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a pin begins with.
const PREFIX: &str = "sha256/";

/// The hash of a public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin([u8; 32]);

impl Pin {
    /// The pin of the public key with this SHA-256.
    #[must_use]
    pub const fn new(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// Reads `sha256/` and 44 characters of Base64; `None` if `text` is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hash = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        hash.try_into().ok().map(Self)
    }

    /// The hash in Base64.
    #[must_use]
    pub fn base64(self) -> String {
        STANDARD.encode(self.0)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.base64())
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_a_sha256_in_base64_is_a_pin() {
        let empty = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(Pin::parse(empty).unwrap().to_string(), empty);
        for text in [
            "",
            "sha256/",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha1/2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
            "sha256/2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
            "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            // Bits behind the last byte.
            "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
            "sha256/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ] {
            assert_eq!(Pin::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_text_of_a_pin_reads_back(hash: [u8; 32]) {
            prop_assert_eq!(Pin::parse(&Pin::new(hash).to_string()), Some(Pin::new(hash)));
        }
    }
}
