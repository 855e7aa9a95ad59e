//! Names in a fleet: the location of a webmon, and the store that its samples come from.
//!
//! Invariants: a [`Location`] is 1 to 32 characters of `a-z`, `0-9` and `-`, so that it is one token of a NATS subject, a file
//! name and a key without escapes; a [`StoreId`] is random, so that two stores never share one.

use std::fmt;
use std::sync::Arc;

/// Longest name of a location, characters.
pub const LOCATION_MAX: usize = 32;

/// Names that no location can have: certificates, users and keys of a fleet have them.
const RESERVED: [&str; 5] = ["ca", "hub", "server", "status", "watch"];

/// The name of a place from which sites are checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location(Arc<str>);

impl Location {
    /// The location `name`, if it is a valid name.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let is_valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_short = (1..=LOCATION_MAX).contains(&name.len());
        (is_short && name.bytes().all(is_valid)).then(|| Self(name.into()))
    }

    /// The location that the name of a machine suggests: its first label, in small letters, without what a location cannot
    /// have; none if nothing is left.
    #[must_use]
    pub fn of_host(host: &str) -> Option<Self> {
        let label = host.split('.').next().unwrap_or_default().to_ascii_lowercase();
        let kept: String =
            label.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(LOCATION_MAX).collect();
        Self::new(&kept)
    }

    /// Whether it is a name that a webmon which checks sites cannot have, because others of the fleet have it.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        RESERVED.contains(&self.name())
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The random number of a store, drawn when it was created: with a site's number and a sample's, it names a sample for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId(pub [u8; 16]);

/// Its first eight bytes as hexadecimal digits, which suffice for a person.
impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_one_token_of_a_subject_and_a_file_name() {
        for name in ["a", "fra1", "eu-west-1", &"x".repeat(LOCATION_MAX)] {
            assert_eq!(Location::new(name).unwrap().name(), name);
        }
        for name in ["", "Fra1", "a.b", "a b", "*", ">", "a/b", "ü", &"x".repeat(LOCATION_MAX + 1)] {
            assert_eq!(Location::new(name), None, "{name}");
        }
    }

    #[test]
    fn the_name_of_a_machine_suggests_a_location() {
        for (host, expected) in
            [("Fra1.example.com", Some("fra1")), ("my_host", Some("myhost")), ("___", None), ("", None)]
        {
            assert_eq!(Location::of_host(host).as_ref().map(Location::name), expected, "{host}");
        }
    }

    #[test]
    fn a_store_is_shown_by_half_of_its_number() {
        assert_eq!(StoreId([0xab; 16]).to_string(), "abababababababab");
    }
}
