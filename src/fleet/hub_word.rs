//! What a hub says to a location in the key-value bucket, as JSON: how far it has committed what the location sent.
//!
//! ```json
//! {"store":"00…ff","session":"0011223344556677","number":17,"gap":false,"refused":[[40,3]],"at":1795340000000000}
//! ```
//!
//! `refused` are the sites for which the hub has no room: the first of consecutive numbers, and how many there are. Earlier versions neither
//! write nor read it. Bounds: 2,000 runs of a million sites together; what is beyond them is not said, and sent in vain.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::model::{SiteId, StoreId, Timestamp};

use super::gather::Word;

/// Most runs of refused sites, about 30 KB.
const RUNS_MAX: usize = 2_000;

/// Most refused sites.
const SITES_MAX: u64 = 1_000_000;

/// `word`, said at `at`.
#[must_use]
pub fn encode(word: &Word, at: Timestamp) -> Vec<u8> {
    let store = format!("{:032x}", u128::from_be_bytes(word.store.0));
    let session = format!("{:016x}", word.session);
    let at = at.as_micros();
    let mut value = json!({"store": store, "session": session, "number": word.number, "gap": word.gap, "at": at});
    if !word.refused.is_empty() {
        value["refused"] = json!(runs(&word.refused));
    }
    value.to_string().into_bytes()
}

/// The first number and the count of each run of `sites`.
fn runs(sites: &BTreeSet<SiteId>) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for SiteId(site) in sites {
        if let Some((_, count)) = runs.last_mut().filter(|(first, count)| first.checked_add(*count) == Some(*site)) {
            *count += 1;
        } else if runs.len() < RUNS_MAX {
            runs.push((*site, 1));
        } else {
            break;
        }
    }
    runs
}

/// The sites in the runs of `value`; none of what is no run.
fn sites(value: &Value) -> BTreeSet<SiteId> {
    let (mut sites, mut left) = (BTreeSet::new(), SITES_MAX);
    for run in value.as_array().into_iter().flatten().take(RUNS_MAX) {
        let number = |index: usize| run.get(index).and_then(Value::as_u64);
        let (Some(first), Some(count)) = (number(0), number(1)) else { continue };
        let count = count.min(left);
        left -= count;
        let numbers = first..first.saturating_add(count);
        sites.extend(numbers.map_while(|number| u32::try_from(number).ok()).map(SiteId));
    }
    sites
}

/// The word in `bytes`, if they are one.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Word> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let text = |key: &str| value.get(key)?.as_str();
    let store = text("store").filter(|store| store.len() == 32 && store.is_ascii())?;
    let store = u128::from_str_radix(store, 16).ok()?;
    let session = u64::from_str_radix(text("session")?, 16).ok()?;
    let (number, gap) = (value.get("number")?.as_u64()?, value.get("gap")?.as_bool()?);
    let refused = Arc::new(sites(&value["refused"]));
    Some(Word { store: StoreId(store.to_be_bytes()), session, number, gap, refused })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_word_reads_back(
            store: [u8; 16], session: u64, number in 0..=u64::MAX >> 1, gap: bool,
            refused in prop::collection::btree_set(prop_oneof![0u32..50, any::<u32>()], 0..60),
        ) {
            let refused = Arc::new(refused.into_iter().map(SiteId).collect());
            let word = Word { store: StoreId(store), session, number, gap, refused };
            prop_assert_eq!(decode(&encode(&word, Timestamp::ZERO)), Some(word));
        }

        #[test]
        fn any_bytes_are_a_word_or_none(bytes: Vec<u8>, text in "\\PC{0,80}") {
            let _ = (decode(&bytes).is_some(), decode(text.as_bytes()).is_some());
        }
    }

    #[test]
    fn what_is_refused_is_bounded_and_of_no_concern_to_earlier_versions() {
        let plain = r#"{"store":"00000000000000000000000000000007","session":"1","number":2,"gap":true"#;
        let read = |refused: &str| decode(format!("{plain}{refused}}}").as_bytes()).map(|word| word.refused.len());
        assert_eq!(read(""), Some(0));
        assert_eq!(read(r#","refused":[[40,3],[7,1],[42,2],"x",[1],[-1,2]]"#), Some(5));
        assert_eq!(read(r#","refused":7"#), Some(0));
        assert_eq!(read(r#","refused":[[4294967294,18446744073709551615],[0,9]]"#), Some(2));
        assert_eq!(read(r#","refused":[[0,18446744073709551615],[4294967295,1]]"#), Some(1_000_000));
        let all: BTreeSet<SiteId> = (0..10_000).map(|number| SiteId(number * 2)).collect();
        assert_eq!(runs(&all).len(), RUNS_MAX);
    }
}
