//! "Did you mean": the known word that is nearest to what was written.
//!
//! Nearness is the optimal string alignment distance (Damerau 1964, restricted: an insertion, deletion, replacement
//! or exchange of neighbours counts 1), over lower case with `-` as `_`. One change in three letters is near.

/// Longest text that is compared, bytes; a longer one is near to nothing.
const LENGTH_MAX: usize = 40;

/// The word of `known` that `written` probably stands for.
pub(super) fn near<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = normal(written);
    if written.len() > LENGTH_MAX {
        return None;
    }
    known
        .into_iter()
        .map(|word| (distance(&written, &normal(word)), word))
        .filter(|&(distance, word)| distance <= (word.len() / 3).max(1))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, word)| word)
}

fn normal(word: &str) -> Vec<char> {
    word.to_lowercase().chars().map(|c| if c == '-' { '_' } else { c }).collect()
}

fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut changes = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                changes = changes.min(before[j - 2] + 1);
            }
            row.push(changes);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_other_words_are_not() {
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
    }
}
