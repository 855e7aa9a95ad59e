//! Quotes the text of a file in messages.

use std::fmt::Write as _;
use std::ops::Range;

use unicode_width::UnicodeWidthChar;

use crate::config::error::ConfigError;
use crate::config::excerpt::redact::Redactor;
use crate::config::syntax::fault::{FAULTS_MAX, Fault};
use crate::model::text::redact::redacted;
use crate::model::text::{clean, is_harmful};

/// Faults that are shown; the others are counted.
const SHOWN_MAX: usize = 100;
/// Bytes of a long line that are shown before and after the start of a fault.
const BEFORE_MAX: usize = 60;
const AFTER_MAX: usize = 100;

/// A file's text and the name under which it is shown.
pub(crate) struct SourceText<'a> {
    name: String,
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl<'a> SourceText<'a> {
    pub(crate) fn new(name: &str, text: &'a str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: clean(name), text, lines }
    }

    /// File, line and column of a byte: `sites.yaml:12:5`.
    pub(crate) fn place(&self, byte: usize) -> String {
        let (line, column) = self.line_and_column(byte);
        format!("{}:{line}:{column}", self.name)
    }

    /// The report of `faults`, at least one.
    pub(crate) fn report(&self, mut faults: Vec<Fault>, secrets: &Redactor) -> ConfigError {
        faults.sort_by_key(|fault| fault.span.start);
        let mut report = String::new();
        for fault in faults.iter().take(SHOWN_MAX) {
            self.show(fault, secrets, &mut report);
        }
        let more = faults.len().saturating_sub(SHOWN_MAX);
        if more > 0 {
            writeln!(report, "… and {more} more").expect(WRITE);
        }
        let number = match faults.len() {
            1 => "1 error".to_owned(),
            FAULTS_MAX.. => format!("{FAULTS_MAX} errors or more"),
            number => format!("{number} errors"),
        };
        write!(report, "{}: {number}; nothing was started", self.name).expect(WRITE);
        let first = faults.first().map_or_else(String::new, |fault| {
            let (line, column) = self.line_and_column(fault.span.start);
            clean(&format!("{line}:{column} {}", fault.message))
        });
        ConfigError::Invalid { report, faults: faults.len(), first, files: Vec::new() }
    }

    /// Both count from 1; columns count characters.
    fn line_and_column(&self, byte: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|&start| start <= byte);
        (line, self.text[self.lines[line - 1]..byte].chars().count() + 1)
    }

    fn show(&self, fault: &Fault, secrets: &Redactor, report: &mut String) {
        let (line, column) = self.line_and_column(fault.span.start);
        writeln!(report, "error: {}\n  {}:{line}:{column}", clean(&fault.message), self.name).expect(WRITE);
        if !self.text.is_empty() {
            let (shown, indent, carets) = self.snippet(&fault.span, secrets);
            writeln!(report, "{line:>5} | {shown}").expect(WRITE);
            writeln!(report, "      | {:indent$}{}", "", "^".repeat(carets)).expect(WRITE);
        }
        if let Some(first) = fault.first {
            writeln!(report, "      = the first one: {}", self.place(first)).expect(WRITE);
        }
        if let Some(hint) = &fault.hint {
            writeln!(report, "      = {}", clean(hint)).expect(WRITE);
        }
    }

    /// The line of a span with its secrets masked, the number of cells before its carets, and of carets.
    fn snippet(&self, span: &Range<usize>, secrets: &Redactor) -> (String, usize, usize) {
        let text = self.text;
        let line = self.lines.partition_point(|&start| start <= span.start);
        let line_start = self.lines[line - 1];
        let line_end = self.lines.get(line).map_or(text.len(), |next| next - 1);
        let line_end = line_start + text[line_start..line_end].trim_end_matches('\r').len();
        let (start, end) = if line_end - line_start <= BEFORE_MAX + AFTER_MAX {
            (line_start, line_end)
        } else {
            let start = text.floor_char_boundary(span.start.saturating_sub(BEFORE_MAX).max(line_start));
            (start, text.floor_char_boundary(span.start.saturating_add(AFTER_MAX).min(line_end)).max(start))
        };

        let (mut shown, mut indent, mut carets) = (String::new(), 0, 0);
        if start > line_start {
            shown.push('…');
            indent += 1;
        }
        for (at, c) in text[start..end].char_indices().map(|(at, c)| (start + at, c)) {
            let c = match c {
                _ if secrets.hide(at) => '*',
                '\t' => ' ',
                c if is_harmful(c) => char::REPLACEMENT_CHARACTER,
                c => c,
            };
            let width = c.width().unwrap_or(0);
            if at < span.start {
                indent += width;
            } else if at < span.end {
                carets += width;
            }
            shown.push(c);
        }
        if end < line_end {
            shown.push('…');
        }
        (shown.trim_end().to_owned(), indent, carets.max(1))
    }
}

/// The report for typed texts, each with its error.
pub(crate) fn typed(refused: &[(&str, String)]) -> ConfigError {
    let mut lines = Vec::new();
    for (text, message) in refused {
        let separator = if text.is_empty() { "" } else { ": " };
        lines.push(format!("error: {}{separator}{message}", clean(&redacted(text))));
    }
    let first = lines[0].trim_start_matches("error: ").to_owned();
    ConfigError::Invalid { report: lines.join("\n"), faults: refused.len(), first, files: Vec::new() }
}

const WRITE: &str = "writing to a String cannot fail";
