//! Text for terminals that show ASCII only.
//!
//! Invariants: each other character becomes as many ASCII characters as it has cells.

use unicode_width::UnicodeWidthChar as _;

/// Whether a terminal shows ASCII only, by its type and the locale (the first of `LC_ALL`, `LC_CTYPE`, `LANG` that is set): on
/// the Linux console, and wherever the locale is not UTF-8.
#[must_use]
pub fn is_needed(locale: Option<&str>, term: Option<&str>) -> bool {
    let is_utf8 = locale.is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        name.contains("utf-8") || name.contains("utf8")
    });
    !is_utf8 || term == Some("linux")
}

/// `text` in ASCII.
#[must_use]
pub fn to_ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii() => ascii.push(c),
            '─' | '–' | '·' | '‐' | '—' => ascii.push('-'),
            '…' | '≈' | '≋' => ascii.push('~'),
            '‹' | '≤' | '←' => ascii.push('<'),
            '×' => ascii.push('x'),
            '✓' => ascii.push('k'),
            '▾' => ascii.push('v'),
            '│' | '╵' => ascii.push('|'),
            '▸' | '→' | '≥' => ascii.push('>'),
            '▴' => ascii.push('^'),
            '▏' => ascii.push('_'),
            '●' | '┤' => ascii.push('+'),
            '▼' => ascii.push('X'),
            '░' => ascii.push('r'),
            '▒' => ascii.push('c'),
            '▓' => ascii.push('t'),
            '█' => ascii.push('p'),
            'µ' => ascii.push('u'),
            _ => ascii.extend(std::iter::repeat_n('?', c.width().unwrap_or(0))),
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ascii_without_a_utf_8_locale() {
        for (locale, term, needed) in [
            (Some("en_US.UTF-8"), Some("xterm"), false),
            (Some("C.utf8"), None, false),
            (Some("de_DE"), Some("xterm"), true),
            (None, Some("xterm"), true),
            (Some("en_US.UTF-8"), Some("linux"), true),
        ] {
            assert_eq!(is_needed(locale, term), needed, "{locale:?} {term:?}");
        }
    }

    proptest! {
        #[test]
        fn only_ascii_of_the_same_width_is_left(text in "[ -~日é…·×–▼●→]{0,40}") {
            let ascii = to_ascii(&text);
            prop_assert!(ascii.is_ascii());
            prop_assert_eq!(unicode_width::UnicodeWidthStr::width(&*ascii), unicode_width::UnicodeWidthStr::width(&*text));
        }
    }
}
