//! Secrets that come back: a server that echoes what it was sent, a command that complains with its arguments.
//!
//! What a server says becomes the detail of a failure, which is stored and shown; [`KnownSecrets`] replaces what was ours in
//! it. Limits: secrets of fewer than [`SECRET_MIN`] bytes are not looked for, since they would be found in any text; one that
//! comes back in another encoding is not recognised. Cost: one search a secret, for failures only.

use std::fmt;
use std::sync::Arc;

/// Shortest secret that is looked for, bytes.
pub const SECRET_MIN: usize = 6;

/// Secrets of a site or a file; it prints none of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KnownSecrets(Arc<[Box<str>]>);

impl KnownSecrets {
    /// Those of `texts` that are long enough.
    #[must_use]
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let texts = texts.into_iter().map(str::trim).filter(|text| text.len() >= SECRET_MIN);
        let mut known: Vec<Box<str>> = texts.map(Box::from).collect();
        // The longer ones first: a secret may hold another one.
        known.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        known.dedup();
        Self(known.into())
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|secret| &**secret)
    }

    /// `text` with `***` for each of them; at the end of a text that was cut (`…`) also for the beginning of one.
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

/// Where `text` ends in the first part of `secret`.
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
