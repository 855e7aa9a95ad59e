//! How wide the terminal on stdout is.

use std::env;
use std::io::{self, IsTerminal as _};

/// Columns where a terminal does not say how many it has.
const USUAL: usize = 80;

/// The columns of the terminal on stdout: those of `COLUMNS`, else its own. None where stdout is none.
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
