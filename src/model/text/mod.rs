//! Cleans texts from outside (servers, names, certificates, errors) of the characters that a terminal would obey.
//!
//! The text is cleaned once, on arrival, so that no later code has to. Invariants: a clean text holds no control character (C0,
//! DEL, C1), no bidi control, no line or paragraph separator. Cost: one pass.

pub mod ascii;
pub mod document;
pub(crate) mod echo;
pub mod redact;
pub(crate) mod secret;
pub mod suggest;
use std::path::Path;

/// The longest detail of a failure, bytes.
pub const DETAIL_MAX: usize = 512;

/// Whether a terminal or a line-based format could interpret `c` instead of showing it.
#[must_use]
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// `text` with every harmful character replaced by U+FFFD.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Cleans `text`, folds white space into single spaces and cuts to at most `max` bytes, with `…` at the cut.
#[must_use]
pub fn clean_line(text: &str, max: usize) -> String {
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line = clean(&folded);
    if line.len() > max {
        let mut end = max.saturating_sub('…'.len_utf8());
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push('…');
    }
    line
}

/// Cleans `text` but keeps line feeds and tabs.
#[must_use]
pub fn clean_lines(text: &str) -> String {
    let stays = |c: char| matches!(c, '\n' | '\t') || !is_harmful(c);
    text.chars().map(|c| if stays(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// The printable form of `path`, whose folders can have any name.
#[must_use]
pub fn shown_path(path: &Path) -> String {
    clean(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_and_overrides_lose_their_power() {
        assert_eq!(clean("a\x1b[2Jb\u{9b}c\u{202e}d\u{2028}e\x7f"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}");
        assert_eq!(clean_lines("a\tb\r\n\x1b[31mc"), "a\tb\u{fffd}\n\u{fffd}[31mc");
        assert_eq!(shown_path(Path::new("a/\x1b]0;b\x07\nc")), "a/\u{fffd}]0;b\u{fffd}\u{fffd}c");
        assert_eq!(clean_line(" 503\r\n Service\tUnavailable ", 64), "503 Service Unavailable");
    }

    proptest! {
        #[test]
        fn nothing_harmful_passes_and_the_bound_holds(text in ".*", max in 3usize..64) {
            let line = clean_line(&text, max);
            prop_assert!(line.len() <= max);
            prop_assert!(!line.chars().any(is_harmful));
        }
    }
}
