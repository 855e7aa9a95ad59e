//! Folds lines to the width of the terminal, with continuation lines indented.
//!
//! A terminal would break them anywhere.
//! Invariants: no line is wider than the terminal; only blanks are lost; no character is left that a terminal would obey.
//! Bounds: a terminal of fewer than 16 columns counts as one of 16.

use std::io;

use unicode_width::UnicodeWidthChar as _;

use crate::model::text::clean;

use crate::report::wording;

/// Indentation of continuation lines.
const INDENT: usize = 4;
/// Least columns of a terminal.
const NARROWEST: usize = 16;

/// A writer that folds lines.
pub(in crate::report) struct Wrapping<'a, W> {
    out: &'a mut W,
    width: Option<usize>,
}

impl<'a, W: io::Write> Wrapping<'a, W> {
    /// A writer to `out` of at most `width` columns, if given.
    pub(in crate::report) const fn new(out: &'a mut W, width: Option<usize>) -> Self {
        Self { out, width }
    }

    /// Most columns of a line.
    pub(in crate::report) const fn width(&self) -> Option<usize> {
        self.width
    }

    /// Writes `text`.
    pub(in crate::report) fn line(&mut self, text: &str) -> io::Result<()> {
        self.lines(text).iter().try_for_each(|line| wording::line(self.out, line))
    }

    /// Writes `head` and `rest` as one line, with the part of `head` on the first line in the colour `sgr`.
    pub(in crate::report) fn colored_line(&mut self, sgr: u8, head: &str, rest: &str) -> io::Result<()> {
        let head = clean(head);
        let lines = self.lines(&format!("{head}{rest}"));
        let Some((first, others)) = lines.split_first() else { return Ok(()) };
        let (head, rest) = first.split_at(if first.starts_with(&head) { head.len() } else { first.len() });
        wording::colored_line(self.out, sgr, head, rest)?;
        others.iter().try_for_each(|line| wording::line(self.out, line))
    }

    fn lines(&self, text: &str) -> Vec<String> {
        let text = clean(text);
        match self.width {
            Some(width) => folded(&text, width.max(NARROWEST)),
            None => vec![text],
        }
    }
}

/// `text` in lines of at most `width` columns, split at blanks if possible.
fn folded(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut rest, mut indent) = (Vec::new(), text.trim_end(), 0);
    loop {
        let fits = fitting(rest, width - indent);
        let mut at = fits;
        if fits < rest.len() && !rest[fits..].starts_with(' ') {
            // A blank within the indentation splits nothing, and one near the start leaves too little before it.
            let begins = rest.len() - rest.trim_start().len();
            at = rest[..fits].rfind(' ').filter(|&at| at > begins && 3 * at > fits).unwrap_or(fits);
        }
        lines.push(format!("{}{}", " ".repeat(indent), rest[..at].trim_end()));
        rest = rest[at..].trim_start();
        indent = INDENT;
        if rest.is_empty() {
            return lines;
        }
    }
}

/// `text`, cleaned; if it is wider than `width`, its beginning and `…`.
pub(in crate::report) fn cut(text: &str, width: usize) -> String {
    let text = clean(text);
    if wording::cells(&text) <= width && text.chars().map(columns_of).sum::<usize>() <= width {
        return text;
    }
    match width.checked_sub(1) {
        None => String::new(),
        Some(0) => "…".to_owned(),
        Some(room) => match fitting(&text, room) {
            // One character that is wider than the room.
            bytes if text[..bytes].chars().map(columns_of).sum::<usize>() > room => "…".to_owned(),
            bytes => format!("{}…", &text[..bytes]),
        },
    }
}

/// Bytes of `text` that take at most `width` columns; at least one character.
fn fitting(text: &str, width: usize) -> usize {
    let (mut columns, mut bytes) = (0, 0);
    for c in text.chars() {
        columns += columns_of(c);
        if columns > width && bytes > 0 {
            break;
        }
        bytes += c.len_utf8();
    }
    bytes
}

/// Columns that `c` may take: a variation selector widens the character before it.
fn columns_of(c: char) -> usize {
    if c == '\u{fe0f}' { 1 } else { c.width().unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::tests::fixtures::{hostile, printed};

    fn solid(text: &str) -> String {
        text.chars().filter(|c| !c.is_whitespace()).collect()
    }

    #[test]
    fn lines_part_at_blanks_and_where_there_are_none_anywhere() {
        for (text, lines) in [
            ("", &[""][..]),
            ("fits in sixteen.", &["fits in sixteen."]),
            ("one more than sixteen", &["one more than", "    sixteen"]),
            ("sixteen columns, and more", &["sixteen columns,", "    and more"]),
            ("  indented-and-without-a-blank", &["  indented-and-w", "    ithout-a-bla", "    nk"]),
            ("日本語日本語日本語", &["日本語日本語日本", "    語"]),
            ("a日本語日本語日本語", &["a日本語日本語日", "    本語"]),
        ] {
            assert_eq!(folded(text, 16), lines, "{text:?}");
        }
    }

    #[test]
    fn the_colour_ends_with_the_head_or_with_its_line() {
        let colored = |head: &str, rest: &str| printed(|out| Wrapping::new(out, Some(16)).colored_line(32, head, rest));
        assert_eq!(colored("● api", "  200"), "\x1b[32m● api\x1b[0m  200\n");
        assert_eq!(colored("● a-very-long-name", "  200"), "\x1b[32m● a-very-long-na\x1b[0m\n    me  200\n");
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_nothing_is_lost(text in "[ a日é\u{301}❤\u{fe0f}]{0,80}|.*", width in 16usize..100) {
            let text = clean(&text);
            let lines = folded(&text, width);
            prop_assert!(lines.iter().all(|line| wording::cells(line) <= width), "{lines:?}");
            prop_assert_eq!(solid(&lines.concat()), solid(&text));
        }

        #[test]
        fn nothing_harmful_passes(text in hostile()) {
            let text = printed(|out| Wrapping::new(out, Some(20)).line(&text));
            prop_assert!(!text.chars().any(|c| c != '\n' && crate::model::text::is_harmful(c)), "{text:?}");
        }
    }
}
