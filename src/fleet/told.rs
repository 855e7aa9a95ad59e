//! What people were told of by the hub that delivers, and of which the end is still to be told: by it, or by the hub that
//! delivers after it.
//!
//! ```json
//! {"told":[["api","availability"],["fra1","location"]]}
//! ```
//!
//! An incident is named by its site and its rule, of which one is open at a time, because each hub has numbers of its own. Bounds: `TOLD_MAX`
//! incidents and `DOCUMENT_MAX` bytes; what does not fit is told again, which is better than never.

use serde_json::{Value, json};

/// Most incidents of a document.
const TOLD_MAX: usize = 2_000;

/// Longest document, bytes.
const DOCUMENT_MAX: usize = 512 << 10;

/// The site and the rule of an incident.
pub type ToldIncident = (String, String);

/// The document about these incidents.
#[must_use]
pub fn encode(told: &[ToldIncident]) -> Vec<u8> {
    let mut bytes = 0;
    let fits = |told: &&ToldIncident| {
        // A character takes six bytes at most.
        bytes += 6 * (told.0.len() + told.1.len()) + 16;
        bytes < DOCUMENT_MAX
    };
    let told: Vec<[&str; 2]> =
        told.iter().take(TOLD_MAX).take_while(fits).map(|(site, rule)| [&**site, rule]).collect();
    json!({ "told": told }).to_string().into_bytes()
}

/// The incidents in `bytes`; none if they are no document.
#[must_use]
pub fn decode(bytes: &[u8]) -> Vec<ToldIncident> {
    let read = || {
        let value: Value = (bytes.len() <= DOCUMENT_MAX).then(|| serde_json::from_slice(bytes).ok())??;
        let told = value.get("told")?.as_array()?.iter().take(TOLD_MAX);
        let pair = |pair: &Value| Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_str()?.to_owned()));
        Some(told.filter_map(pair).collect())
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_document_that_would_be_too_long_is_cut() {
        let told: Vec<ToldIncident> =
            (0..5_000).map(|number| (format!("site {number}"), "latency".to_owned())).collect();
        assert_eq!(decode(&encode(&told)), told[..TOLD_MAX]);
        let long: Vec<ToldIncident> = (0..100).map(|_| ("\u{1}".repeat(2_000), "latency".to_owned())).collect();
        let bytes = encode(&long);
        assert!(bytes.len() <= DOCUMENT_MAX && !decode(&bytes).is_empty());
    }

    proptest! {
        #[test]
        fn a_document_reads_back_and_any_bytes_are_one_or_none(told: Vec<(String, String)>, bytes: Vec<u8>, text in ".*") {
            prop_assert_eq!(decode(&encode(&told)), told);
            drop(decode(&bytes));
            drop(decode(format!("{{\"told\":{text}}}").as_bytes()));
        }
    }
}
