//! The terminal on stdout: its width, and what it can show.

use std::env;
use std::io::{self, IsTerminal as _, Write};

use crate::model::text::ascii;
use crate::report::lines::{TerminalKind, TerminalText};

/// Columns of a terminal that does not report its size.
const USUAL: usize = 80;

/// Text on `out`, which writes to stdout: as wide as the terminal, and in ASCII if that shows nothing else. What is no
/// terminal gets all of it as it is.
pub fn text<W: Write>(out: &mut W) -> TerminalText<'_, W> {
    TerminalText::new(out, of_stdout())
}

/// The terminal on stdout, by `COLUMNS`, its own size, its type and the locale.
#[must_use]
pub fn of_stdout() -> TerminalKind {
    if !io::stdout().is_terminal() {
        return TerminalKind::default();
    }
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    TerminalKind {
        columns: Some(variable("COLUMNS").and_then(|text| columns(&text)).or_else(own).unwrap_or(USUAL)),
        is_ascii: ascii::is_needed(locale.as_deref(), variable("TERM").as_deref()),
    }
}

/// Whether the terminal only prints: it cannot move its cursor or colour.
#[must_use]
pub fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn columns(text: &str) -> Option<usize> {
    text.trim().parse().ok().filter(|&columns| columns > 0)
}

#[cfg(unix)]
fn own() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|&columns| columns > 0)
}

#[cfg(not(unix))]
fn own() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_says_nothing_counts_for_nothing() {
        for (text, wanted) in
            [("100", Some(100)), (" 60 ", Some(60)), ("0", None), ("", None), ("-1", None), ("x", None)]
        {
            assert_eq!(columns(text), wanted, "{text:?}");
        }
    }
}
