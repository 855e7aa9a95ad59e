//! "Did you mean": the known word nearest to a written one.
//!
//! The distance is the optimal string alignment (Damerau 1964, restricted: an insertion, deletion, replacement or swap of
//! neighbours counts 1), in lower case with `-` as `_`. One change per three letters is near, unless it replaces the whole word.

/// Longest word that is compared, bytes.
const LENGTH_MAX: usize = 40;

/// The word of `known` that `written` probably means.
#[must_use]
pub fn near<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = normal(written);
    if written.len() > LENGTH_MAX {
        return None;
    }
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(&written, &normal(word)), word))
        .filter(|&(distance, word)| distance <= (word.len() / 3).max(1) && distance < written.len())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, word)| word)
}

fn normal(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_are_near_and_other_words_are_not() {
        let known = ["interval", "timeout", "url", "max_redirects", "tls", "alert"];
        for (written, expect) in [
            ("intervall", Some("interval")),
            ("Interval", Some("interval")),
            ("tiemout", Some("timeout")),
            ("max-redirect", Some("max_redirects")),
            ("ulr", Some("url")),
            ("lts", Some("tls")),
            ("group", None),
            ("", None),
            ("x", None),
            ("uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuurl", None),
        ] {
            assert_eq!(near(written, known), expect, "{written}");
        }
        assert_eq!((near("a", ["b"]), near("", ["a"]), near("ab", ["a"])), (None, None, Some("a")));
    }
}
