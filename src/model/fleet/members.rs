//! The locations that share what only some of them check, as a hub writes them down for each location.
//!
//! ```json
//! {"revision":1795340000000000,"members":["fra1","nyc1"]}
//! ```
//!
//! The document names locations and no sites: who checks a site follows from its name ([`Assignment::who`]), also of a site that the hub
//! does not know yet. Invariants: there is at least one member, each once, in the order of their names; a document that breaks
//! this, or is longer than [`DOCUMENT_MAX`], counts as none.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Assignment, Location};

/// Longest document, bytes: 10,000 locations.
pub const DOCUMENT_MAX: usize = 400_000;

/// Most members.
const MEMBERS_MAX: usize = 10_000;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// A later document has a higher one.
    pub revision: u64,
    names: Arc<[Location]>,
}

impl Members {
    /// The document of this revision for `names`, in any order; none without a name, or with too many.
    #[must_use]
    pub fn new(revision: u64, mut names: Vec<Location>) -> Option<Self> {
        names.sort_unstable();
        names.dedup();
        (1..=MEMBERS_MAX).contains(&names.len()).then(|| Self { revision, names: names.into() })
    }

    /// The members, in the order of their names.
    #[must_use]
    pub fn names(&self) -> &[Location] {
        &self.names
    }

    /// The document in `bytes`, if they are one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > DOCUMENT_MAX {
            return None;
        }
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let names = value.get("members")?.as_array()?.iter();
        let names: Option<Vec<Location>> = names.map(|name| Location::new(name.as_str()?)).collect();
        Self::new(value.get("revision")?.as_u64()?, names?)
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let names: Vec<&str> = self.names.iter().map(Location::name).collect();
        json!({"revision": self.revision, "members": names}).to_string().into_bytes()
    }
}

impl Assignment {
    /// Whether `location` is to check the site `name`. As long as there are no `members`, each location takes what a number of them
    /// checks: too many are better than none.
    #[must_use]
    pub fn is_for(&self, location: &Location, name: &str, members: Option<&Members>) -> bool {
        match (self, members) {
            (Self::All, _) | (Self::Number(_), None) => true,
            (Self::Named(names), _) => names.contains(location),
            (Self::Number(_), Some(members)) => self.who(name, &members.names).contains(location),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(names: &[&str]) -> Vec<Location> {
        names.iter().map(|name| Location::new(name).unwrap()).collect()
    }

    #[test]
    fn a_document_without_members_or_with_a_wrong_name_is_none() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"revision":1,"members":[]}"#,
            r#"{"revision":1,"members":["a","B"]}"#,
            r#"{"revision":-1,"members":["a"]}"#,
            r#"{"members":["a"]}"#,
            r#"{"revision":1,"members":["a",1]}"#,
        ] {
            assert_eq!(Members::decode(text.as_bytes()), None, "{text}");
        }
        let long = format!(r#"{{"revision":1,"members":["a"],"x":"{}"}}"#, "x".repeat(DOCUMENT_MAX));
        assert_eq!(Members::decode(long.as_bytes()), None);
        let later = Members::decode(br#"{"revision":7,"members":["b","a","b"],"more":{}}"#).unwrap();
        assert_eq!((later.revision, later.names()), (7, &*names(&["a", "b"])));
        let most: Vec<Location> =
            (0..MEMBERS_MAX).map(|number| Location::new(&format!("{number:-<32}")).unwrap()).collect();
        assert!(Members::new(u64::MAX, most).unwrap().encode().len() <= DOCUMENT_MAX);
    }

    #[test]
    fn a_location_takes_what_is_nobodys_yet() {
        let [a, b] = ["a", "b"].map(|name| Location::new(name).unwrap());
        let of_b = Assignment::Named([b.clone()].into());
        let both = Members::new(1, names(&["a", "b"]));
        for members in [None, both.as_ref()] {
            assert!(Assignment::All.is_for(&a, "x", members) && of_b.is_for(&b, "x", members));
            assert!(!of_b.is_for(&a, "x", members));
        }
        let one = Assignment::Number(1);
        assert!(one.is_for(&a, "x", None) && one.is_for(&b, "x", None));
        assert_ne!(one.is_for(&a, "x", both.as_ref()), one.is_for(&b, "x", both.as_ref()));
        let only_b = Members::new(2, names(&["b"]));
        assert!(!Assignment::Number(9).is_for(&a, "x", only_b.as_ref()), "it has to wait for its turn");
    }

    proptest! {
        #[test]
        fn a_document_reads_back_and_any_bytes_are_one_or_none(
            revision: u64, members in prop::collection::vec("[a-z0-9-]{1,32}", 1..9), bytes: Vec<u8>,
        ) {
            let members: Vec<&str> = members.iter().map(String::as_str).collect();
            let document = Members::new(revision, names(&members)).unwrap();
            prop_assert_eq!(Members::decode(&document.encode()), Some(document));
            drop(Members::decode(&bytes));
        }
    }
}
