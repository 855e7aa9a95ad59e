//! Hides secrets in the texts of servers and commands that echo what they were sent.
//!
//! Such a text becomes the detail of a failure, which is stored and shown. Bounds: secrets of fewer than [`SECRET_MIN`] bytes
//! would match in any text, so they stay; so does a secret in another encoding. Cost: one search per secret, for failures only.

use std::fmt;
use std::sync::Arc;

/// The shortest secret to hide, bytes.
pub const SECRET_MIN: usize = 6;

/// The secrets of a site or a file. `Debug` prints none of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KnownSecrets(Arc<[Box<str>]>);

impl KnownSecrets {
    /// The `texts` that are long enough.
    #[must_use]
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let texts = texts.into_iter().map(str::trim).filter(|text| text.len() >= SECRET_MIN);
        let mut known: Vec<Box<str>> = texts.map(Box::from).collect();
        // The longer ones first, because a secret may contain another one.
        known.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        known.dedup();
        Self(known.into())
    }

    /// All secrets, the longest first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|secret| &**secret)
    }

    /// `text` with `***` for each secret, and for the beginning of one where the text was cut (`…`).
    #[must_use]
    pub fn hidden_in(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in self.iter() {
            if shown.contains(secret) {
                shown = shown.replace(secret, "***");
            }
            if let Some(cut) = shown.strip_suffix('…').and_then(|rest| cut_off(rest, secret)) {
                shown.truncate(cut);
                shown.push_str("***…");
            }
        }
        shown
    }
}

impl fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

/// The start of a prefix of `secret` that ends `text`.
fn cut_off(text: &str, secret: &str) -> Option<usize> {
    let parts = (SECRET_MIN..secret.len()).rev().filter_map(|end| secret.get(..end));
    parts.filter(|part| text.ends_with(part)).map(|part| text.len() - part.len()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_hidden_the_longest_secret_first_and_also_where_it_was_cut() {
        let known = KnownSecrets::new(["hunter2", "hunter2-and-more", "short", " spaced-out\n"]);
        for (text, shown) in [
            ("no hunter2-and-more here, hunter2", "no *** here, ***"),
            ("short", "short"),
            ("spaced-out", "***"),
            ("ends in hunter2-and…", "ends in ***…"),
            ("ends in spaced-o…", "ends in ***…"),
            ("ends in space…", "ends in space…"),
            ("", ""),
        ] {
            assert_eq!(known.hidden_in(text), shown, "{text}");
        }
        assert_eq!(format!("{known:?}"), "3 secrets");
    }
}
