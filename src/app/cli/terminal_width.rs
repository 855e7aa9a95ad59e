//! The width of the terminal on stdout.

use std::env;
use std::io::{self, IsTerminal as _};

/// Columns of a terminal that does not report its size.
const USUAL: usize = 80;

/// The columns of the terminal on stdout: `COLUMNS`, else its own size. None if stdout is no terminal.
#[must_use]
pub fn of_stdout() -> Option<usize> {
    let wanted = env::var("COLUMNS").ok();
    io::stdout().is_terminal().then(|| wanted.and_then(|text| columns(&text)).or_else(own).unwrap_or(USUAL))
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
