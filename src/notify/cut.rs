//! Cuts texts to the limits of the services, in the unit that each service counts in.
//!
//! Invariants: a text that was cut ends in `…` and is still valid; one that fits is unchanged. Cost: one pass.

/// `text` of at most `max` characters.
#[must_use]
pub(crate) fn chars(text: &str, max: usize) -> String {
    cut(text, max, |_| 1)
}

/// `text` of at most `max` UTF-16 code units.
#[must_use]
pub(crate) fn utf16(text: &str, max: usize) -> String {
    cut(text, max, char::len_utf16)
}

/// `text` of at most `max` bytes.
#[must_use]
pub(crate) fn bytes(text: &str, max: usize) -> String {
    cut(text, max, char::len_utf8)
}

fn cut(text: &str, max: usize, size: fn(char) -> usize) -> String {
    if text.chars().map(size).sum::<usize>() <= max {
        return text.to_owned();
    }
    let (mut left, mut end) = (max.saturating_sub(size('…')), 0);
    for (at, c) in text.char_indices() {
        match left.checked_sub(size(c)) {
            Some(rest) => (left, end) = (rest, at + c.len_utf8()),
            None => break,
        }
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cut_text_keeps_to_the_limit_and_begins_like_the_whole(text in "[a-zü🔥\n]{0,40}", max in 3usize..30) {
            type Limit = (fn(&str, usize) -> String, fn(&str) -> usize);
            let limits: [Limit; 3] = [
                (chars, |text| text.chars().count()),
                (utf16, |text| text.encode_utf16().count()),
                (bytes, str::len),
            ];
            for (limit, length) in limits {
                let cut = limit(&text, max);
                prop_assert!(length(&cut) <= max);
                match cut.strip_suffix('…') {
                    Some(kept) => {
                        prop_assert!(text.starts_with(kept) && length(&text) > max);
                        let next: String = text.chars().take(kept.chars().count() + 1).collect();
                        prop_assert!(length(&next) + length("…") > max, "it could have kept more");
                    }
                    None => prop_assert!(cut == text && length(&text) <= max),
                }
            }
        }
    }
}
