//! What a hub says to a location in the key-value bucket, as JSON: how far it has committed what the location sent.
//!
//! ```json
//! {"store":"00…ff","session":"0011223344556677","number":17,"gap":false,"at":1795340000000000}
//! ```

use serde_json::{Value, json};

use crate::model::{StoreId, Timestamp};

use super::gather::Word;

/// `word`, said at `at`.
#[must_use]
pub fn encode(word: &Word, at: Timestamp) -> Vec<u8> {
    let store = format!("{:032x}", u128::from_be_bytes(word.store.0));
    let session = format!("{:016x}", word.session);
    let at = at.as_micros();
    json!({"store": store, "session": session, "number": word.number, "gap": word.gap, "at": at})
        .to_string()
        .into_bytes()
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
    Some(Word { store: StoreId(store.to_be_bytes()), session, number, gap })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_word_reads_back(store: [u8; 16], session: u64, number in 0..=u64::MAX >> 1, gap: bool) {
            let word = Word { store: StoreId(store), session, number, gap };
            prop_assert_eq!(decode(&encode(&word, Timestamp::ZERO)), Some(word));
        }

        #[test]
        fn any_bytes_are_a_word_or_none(bytes: Vec<u8>, text in "\\PC{0,80}") {
            let _ = (decode(&bytes).is_some(), decode(text.as_bytes()).is_some());
        }
    }
}
