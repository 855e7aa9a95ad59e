//! Lines of styled text: the strings of a screen before they become cells.
//!
//! A [`Line`] is a row of spans, each a text with a [`Role`]: its meaning; the theme decides how that looks. Widths are
//! terminal cells: CJK and most emoji take two, combining marks none.
//!
//! Invariants: cutting keeps graphemes whole, so a letter never loses its accent; a text from outside passes [`safe`],
//! which leaves nothing that a terminal obeys.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::model::text::is_harmful;
use crate::tui::style::click::Click;
use crate::tui::style::role::Role;

/// A text and its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Free of control characters.
    pub text: Cow<'static, str>,
    /// Its meaning.
    pub role: Role,
    /// What a click on it does.
    pub(crate) click: Option<Click>,
}

/// One row of a screen, from its left edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    spans: Vec<Span>,
    width: usize,
    /// What a click does where no span says it.
    click: Option<Click>,
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
        self.append(role, text.into(), None);
    }

    /// Appends `text`; a click on it does `click`.
    pub(crate) fn button(&mut self, role: Role, text: impl Into<Cow<'static, str>>, click: Click) {
        self.append(role, text.into(), Some(click));
    }

    fn append(&mut self, role: Role, text: Cow<'static, str>, click: Option<Click>) {
        if !text.is_empty() {
            self.width += width(&text);
            self.spans.push(Span { text, role, click });
        }
    }

    /// The line; a click on it does `click` wherever no part of it says otherwise.
    #[must_use]
    pub(crate) fn doing(self, click: Click) -> Self {
        Self { click: Some(click), ..self }
    }

    /// What a click in this column does.
    pub(crate) fn click_at(&self, column: usize) -> Option<Click> {
        let mut right = 0;
        let span = self.spans.iter().find(|span| {
            right += width(&span.text);
            column < right
        });
        span.and_then(|span| span.click).or(self.click)
    }

    /// What a click does where no part of the line says it.
    pub(crate) const fn area(&self) -> Option<Click> {
        self.click
    }

    /// Appends `text`, to the last span if that has the same role.
    pub fn join(&mut self, role: Role, text: &str) {
        match self.spans.last_mut() {
            Some(span) if span.role == role && span.click.is_none() => {
                self.width += width(text);
                span.text.to_mut().push_str(text);
            }
            _ => self.push(role, text.to_owned()),
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

    /// Appends a rule until the line is `column` cells wide.
    pub fn rule_to(&mut self, column: usize) {
        if column > self.width {
            self.push(Role::Dim, "─".repeat(column - self.width));
        }
    }

    /// The line, cut off after `max` cells.
    #[must_use]
    pub fn fit(self, max: usize) -> Self {
        if self.width <= max {
            return self;
        }
        let mut line = Self { click: self.click, ..Self::default() };
        for span in self.spans {
            let (room, span_len) = (max - line.width, span.text.len());
            let text = if width(&span.text) <= room { span.text } else { head(&span.text, room).to_owned().into() };
            let (full, is_cut) = (text.is_empty(), text.len() < span_len);
            // A part of a URL leads elsewhere.
            let role = if span.role == Role::Link && is_cut { Role::Plain } else { span.role };
            line.append(role, text, span.click);
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

    /// The line with the cursor on it, `cells` wide; marks of states and bars keep their colours.
    #[must_use]
    pub fn with_cursor(mut self, cells: usize) -> Self {
        self.pad_to(cells);
        for span in &mut self.spans {
            if !matches!(span.role, Role::State(_) | Role::Beat(_)) {
                span.role = Role::Cursor;
            }
        }
        self
    }

    /// The same text in one role.
    #[must_use]
    pub fn in_role(mut self, role: Role) -> Self {
        for span in &mut self.spans {
            span.role = role;
        }
        self
    }
}

/// The cells that `text` takes.
#[must_use]
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
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
    max.checked_sub(1).map_or_else(String::new, |room| format!("{}…", head(&text, room)))
}

/// `text`, made safe, in at most `max` cells, with `…` in place of its middle: the ends of names differ.
#[must_use]
pub fn cut_middle(text: &str, max: usize) -> String {
    let text = safe(text);
    if width(&text) <= max {
        return text.into_owned();
    }
    max.checked_sub(1)
        .map_or_else(String::new, |room| format!("{}…{}", head(&text, room - room / 2), tail(&text, room / 2)))
}

/// `text` in exactly `cells` cells, cut or padded, its end at the right edge.
#[must_use]
pub fn right(text: &str, cells: usize) -> String {
    let text = cut(text, cells);
    format!("{}{text}", " ".repeat(cells - width(&text)))
}

/// Breaks `text`, made safe, into lines of at most `max` cells: after a comma, else at a space, else anywhere. All lines
/// but the first have `indent` cells less, for the caller to indent them.
#[must_use]
pub fn wrap(text: &str, max: usize, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = safe(text).into_owned();
    let mut room = max.max(1);
    while width(&rest) > room {
        let fitting = head(&rest, room).len();
        let comma = rest[..fitting].rfind(", ").map(|at| at + 1);
        let space = rest[..fitting].rfind(' ').filter(|&at| at > 0);
        let first = rest.graphemes(true).next().map_or(rest.len(), str::len);
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

/// The longest beginning of `text` in at most `max` cells.
fn head(text: &str, max: usize) -> &str {
    let mut cells = 0;
    let end = text.grapheme_indices(true).find(|(_, grapheme)| {
        cells += width(grapheme);
        cells > max
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// The longest end of `text` in at most `max` cells.
fn tail(text: &str, max: usize) -> &str {
    let mut cells = 0;
    let fitting = text.grapheme_indices(true).rev().take_while(|(_, grapheme)| {
        cells += width(grapheme);
        cells <= max
    });
    &text[fitting.last().map_or(text.len(), |(at, _)| at)..]
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
    use crate::tui::keymap::Action;
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
    fn a_click_finds_the_part_that_is_drawn_there() {
        let mut line = Line::of(Role::Plain, "日本 ").doing(Click::Chart);
        line.button(Role::Key, "q", Click::Press(Action::Filter));
        line.push(Role::Plain, " x");
        let (key, area) = (Some(Click::Press(Action::Filter)), Some(Click::Chart));
        for (column, found) in [(0, area), (4, area), (5, key), (6, area), (99, area)] {
            assert_eq!(line.click_at(column), found, "{column}");
        }
        let mut cut = line.clone().fit(6).with_cursor(10).in_role(Role::Fresh);
        assert_eq!((cut.click_at(5), cut.click_at(8)), (key, area), "looks change, and where it leads does not");
        cut.join(Role::Fresh, "y");
        assert_eq!(cut.click_at(10), area);
        assert_eq!(Line::default().click_at(0), None);
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
