//! Lines of styled text: the strings of a screen before they become cells.
//!
//! A [`Line`] is a row of spans, each a text with a [`Role`]: what it means, not how it looks (that is the theme).
//! Widths are terminal cells: CJK and most emoji take two, combining marks none. Cutting counts graphemes, so a
//! letter never loses its accent. Texts from outside pass [`safe`], which leaves nothing that a terminal obeys.

use std::borrow::Cow;

use ratatui::style::Style;
use ratatui::text::Span as Graphemes;
use unicode_width::UnicodeWidthStr;

use crate::model::text::is_harmful;
use crate::tui::style::role::Role;

/// A text and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The text, without control characters.
    pub text: Cow<'static, str>,
    /// What it means.
    pub role: Role,
}

/// One row of a screen, from its left edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    spans: Vec<Span>,
    width: usize,
}

impl Line {
    /// A line of one span.
    #[must_use]
    pub fn of(role: Role, text: impl Into<Cow<'static, str>>) -> Self {
        let mut line = Self::default();
        line.push(role, text);
        line
    }

    /// Appends `text`.
    pub fn push(&mut self, role: Role, text: impl Into<Cow<'static, str>>) {
        let text = text.into();
        if !text.is_empty() {
            self.width += width(&text);
            self.spans.push(Span { text, role });
        }
    }

    /// Appends the spans of `other`.
    pub fn extend(&mut self, other: Self) {
        self.width += other.width;
        self.spans.extend(other.spans);
    }

    /// Appends spaces until the line is `column` cells wide; a wider line stays as it is.
    pub fn pad_to(&mut self, column: usize) {
        if column > self.width {
            self.push(Role::Plain, " ".repeat(column - self.width));
        }
    }

    /// Appends rule until the line is `column` cells wide.
    pub fn rule_to(&mut self, column: usize) {
        if column > self.width {
            self.push(Role::Dim, "─".repeat(column - self.width));
        }
    }

    /// The same, cut off after `max` cells.
    #[must_use]
    pub fn fit(self, max: usize) -> Self {
        if self.width <= max {
            return self;
        }
        let mut line = Self::default();
        for span in self.spans {
            let room = max - line.width;
            let text = if width(&span.text) <= room { span.text } else { head(&span.text, room).into() };
            let full = text.is_empty();
            line.push(span.role, text);
            if full {
                break;
            }
        }
        line
    }

    /// Its width in cells.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Its spans, left to right.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Its text without the roles.
    #[must_use]
    pub fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_ref()).collect()
    }

    /// The same with the cursor on it: all but its mark.
    #[must_use]
    pub fn pointed(mut self) -> Self {
        for span in self.spans.iter_mut().skip(2) {
            span.role = Role::Cursor;
        }
        self
    }

    /// The same text, all of it in one role.
    #[must_use]
    pub fn recast(mut self, role: Role) -> Self {
        for span in &mut self.spans {
            span.role = role;
        }
        self
    }
}

/// The cells that `text` takes.
#[must_use]
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { UnicodeWidthStr::width(text) }
}

/// `text` with everything that a terminal could obey replaced by U+FFFD.
#[must_use]
pub fn safe(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_harmful) { Cow::Owned(crate::model::text::clean(text)) } else { Cow::Borrowed(text) }
}

/// `text`, made safe, in at most `max` cells, with `…` where its end was cut off.
#[must_use]
pub fn cut(text: &str, max: usize) -> String {
    let text = safe(text);
    if width(&text) <= max {
        return text.into_owned();
    }
    if max == 0 {
        return String::new();
    }
    let mut kept = head(&text, max - 1);
    kept.push('…');
    kept
}

/// `text`, made safe, in at most `max` cells, with `…` for what was cut out of its middle: the tails of names differ.
#[must_use]
pub fn cut_middle(text: &str, max: usize) -> String {
    let text = safe(text);
    if width(&text) <= max {
        return text.into_owned();
    }
    if max == 0 {
        return String::new();
    }
    let tail = (max - 1) / 2;
    let mut kept = head(&text, max - 1 - tail);
    kept.push('…');
    let graphemes: Vec<&str> = graphemes(&text).collect();
    let mut from = graphemes.len();
    let mut taken = 0;
    while from > 0 && taken + width(graphemes[from - 1]) <= tail {
        from -= 1;
        taken += width(graphemes[from]);
    }
    kept.extend(graphemes[from..].iter().copied());
    kept
}

/// `text` in exactly `cells` cells, cut or padded, its end at the right edge.
#[must_use]
pub fn right(text: &str, cells: usize) -> String {
    let text = cut(text, cells);
    format!("{}{text}", " ".repeat(cells - width(&text)))
}

/// Breaks `text` into lines of at most `max` cells, after a comma, a space, or anywhere if there is neither; all
/// but the first are to be indented by `indent` cells, which is taken off their room.
#[must_use]
pub fn wrap(text: &str, max: usize, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = safe(text).into_owned();
    let mut room = max.max(1);
    while width(&rest) > room {
        let fitting = head(&rest, room).len();
        let comma = rest[..fitting].rfind(", ").map(|at| at + 1);
        let space = rest[..fitting].rfind(' ').filter(|&at| at > 0);
        let first = graphemes(&rest).next().map_or(rest.len(), str::len);
        let end = comma.or(space).unwrap_or(fitting).max(first);
        let next = rest[end..].trim_start().to_owned();
        rest.truncate(end);
        lines.push(rest);
        rest = next;
        room = max.saturating_sub(indent).max(1);
    }
    if !rest.is_empty() || lines.is_empty() {
        lines.push(rest);
    }
    lines
}

fn head(text: &str, max: usize) -> String {
    let mut taken = 0;
    graphemes(text)
        .take_while(|grapheme| {
            taken += width(grapheme);
            taken <= max
        })
        .collect()
}

fn graphemes(text: &str) -> impl Iterator<Item = &str> {
    // Ratatui's own segmentation: what is cut here is what it will put into one cell.
    let mut offset = 0;
    Graphemes::raw(text)
        .styled_graphemes(Style::new())
        .map(|grapheme| grapheme.symbol.len())
        .collect::<Vec<_>>()
        .into_iter()
        .map(move |bytes| {
            offset += bytes;
            &text[offset - bytes..offset]
        })
}

/// A name without `https://` and the last `/`, for a site that is named by its URL.
pub fn short_name(name: &str) -> &str {
    let short = name.strip_prefix("https://").unwrap_or(name);
    match short.strip_suffix('/') {
        Some(rest) if short.len() < name.len() && !rest.is_empty() => rest,
        _ => short,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_cut_in_the_middle_by_cells() {
        for (name, cells, shown) in [
            ("www.rust-lang.org", 16, "www.rust…ang.org"),
            ("日本語サイト", 12, "日本語サイト"),
            ("日本語サイト", 8, "日本…ト"),
            ("👩‍🚀👩‍🚀👩‍🚀", 5, "👩‍🚀…👩‍🚀"),
            ("api", 3, "api"),
            ("api", 1, "…"),
            ("api", 0, ""),
        ] {
            assert_eq!(cut_middle(name, cells), shown, "{name} in {cells}");
        }
    }

    #[test]
    fn messages_break_after_a_comma() {
        assert_eq!(
            wrap("Website a is up. availability=83.33%, time=T, downtime=2m5s", 50, 2),
            ["Website a is up. availability=83.33%, time=T,", "downtime=2m5s"]
        );
        assert_eq!(wrap("abcdef", 4, 2), ["abcd", "ef"]);
        assert_eq!(wrap("", 4, 2), [""]);
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_kept() {
        assert_eq!(cut("a\x1b[2Jb\u{202e}c", 20), "a\u{fffd}[2Jb\u{fffd}c");
    }

    proptest! {
        #[test]
        fn cut_texts_fit_and_hold_nothing_harmful(text in "\\PC{0,20}|.{0,20}", max in 0usize..24) {
            for shown in [cut(&text, max), cut_middle(&text, max)] {
                prop_assert!(width(&shown) <= max, "{:?} is wider than {}", shown, max);
                prop_assert!(!shown.chars().any(is_harmful));
            }
        }

        #[test]
        fn wrapping_keeps_every_word_and_ends(text in "[a-z, =日]{0,80}", max in 2usize..30) {
            let lines = wrap(&text, max, 2);
            let words = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(words(&lines.concat()), words(&text));
        }
    }
}
