//! Text for a terminal of some width: lines that are folded, tables that are fitted, and lines of what ends some day.
//!
//! Invariants: what is no terminal has no width, and its text is the same whatever the terminal of the user.

pub(super) mod expiry;
pub(super) mod fitted;
pub(super) mod wrap;

use std::io::{self, BufWriter, Write};

use crate::model::text::ascii::to_ascii;

/// Text output of some width.
pub trait Columns: Write {
    /// Most columns of a line; none for lines of any length.
    fn columns(&self) -> Option<usize>;
}

impl Columns for Vec<u8> {
    fn columns(&self) -> Option<usize> {
        None
    }
}

impl<W: Write> Columns for BufWriter<W> {
    fn columns(&self) -> Option<usize> {
        None
    }
}

/// What a terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TerminalKind {
    /// Its columns; none if it is no terminal.
    pub columns: Option<usize>,
    /// Whether it shows ASCII only.
    pub is_ascii: bool,
}

/// Text for a terminal, over another writer. Each write must be whole characters.
pub struct TerminalText<'a, W> {
    out: &'a mut W,
    kind: TerminalKind,
}

impl<'a, W: Write> TerminalText<'a, W> {
    /// Text for a terminal of this `kind`.
    pub const fn new(out: &'a mut W, kind: TerminalKind) -> Self {
        Self { out, kind }
    }
}

impl<W: Write> Write for TerminalText<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.kind.is_ascii {
            self.out.write_all(to_ascii(&String::from_utf8_lossy(bytes)).as_bytes())?;
            return Ok(bytes.len());
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Columns for TerminalText<'_, W> {
    fn columns(&self) -> Option<usize> {
        self.kind.columns
    }
}

/// Writes a line of text, folded to the width of `out`.
pub(super) fn folded_line(out: &mut impl Columns, text: &str) -> io::Result<()> {
    let width = out.columns();
    wrap::Wrapping::new(out, width).line(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_without_unicode_gets_ascii_of_the_same_width() {
        let mut written = Vec::new();
        let kind = TerminalKind { columns: Some(20), is_ascii: true };
        let mut out = TerminalText::new(&mut written, kind);
        writeln!(out, "\x1b[31m▼ api\x1b[0m 5 ms · 503×2 –").unwrap();
        folded_line(&mut out, "a line of thirty columns or more").unwrap();
        let text = String::from_utf8(written).unwrap();
        assert_eq!(text, "\x1b[31mX api\x1b[0m 5 ms - 503x2 -\na line of thirty\n    columns or more\n");
    }
}
