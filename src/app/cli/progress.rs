//! A progress line on stderr, if that is a terminal; it disappears at the end.
//!
//! Invariants: only a changed line is written; a terminal that hung up is no error. Bounds: a line of [`WIDTH`] columns.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};

/// Columns of a line.
const WIDTH: usize = 40;

/// The progress of a long operation.
pub struct ProgressLine<W: Write = io::Stderr> {
    out: Option<W>,
    said: String,
}

impl ProgressLine {
    /// An empty line on stderr.
    pub fn on_terminal() -> Self {
        let out = io::stderr();
        Self { out: out.is_terminal().then_some(out), said: String::new() }
    }
}

impl<W: Write> ProgressLine<W> {
    /// Replaces the line.
    pub fn say(&mut self, text: impl fmt::Display) {
        if let Some(out) = &mut self.out {
            let text = text.to_string();
            if text != self.said {
                let _unseen = write!(out, "\r{text:WIDTH$}\r").and_then(|()| out.flush());
                self.said = text;
            }
        }
    }

    /// Shows `done` of `all` in percent.
    pub fn say_part(&mut self, doing: &str, done: u64, all: u64) {
        self.say(format_args!("{doing}: {:3} %", done * 100 / all.max(1)));
    }
}

impl<W: Write> Drop for ProgressLine<W> {
    fn drop(&mut self) {
        if !self.said.is_empty() {
            self.say("");
        }
    }
}

/// Shows the progress of the repair after an unclean shutdown; the next output overwrites it.
pub fn of_repair() -> fn(f64) {
    let show = |done: f64| {
        let _unseen = write!(io::stderr(), "\rrepairing the store: {:3.0} %\r", (done * 100.0).floor());
    };
    if io::stderr().is_terminal() { show } else { |_| () }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_when_it_says_something_new_and_is_gone_in_the_end() {
        let mut written = Vec::new();
        let mut shown = ProgressLine { out: Some(&mut written), said: String::new() };
        for done in [0, 1, 9, 10, 400] {
            shown.say_part("checking", done, 400);
        }
        drop(shown);
        let lines = ["checking:   0 %", "checking:   2 %", "checking: 100 %", ""];
        let expected = lines.map(|line| format!("\r{line:40}\r")).concat();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn without_a_terminal_nothing_is_written() {
        let mut written = Vec::new();
        drop(ProgressLine { out: Some(&mut written), said: String::new() });
        let mut shown = ProgressLine::<&mut Vec<u8>> { out: None, said: String::new() };
        shown.say("anything");
        assert!(shown.said.is_empty() && written.is_empty());
    }
}
