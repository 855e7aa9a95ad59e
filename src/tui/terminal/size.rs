//! The size of the terminal.
//!
//! Serial consoles and terminals whose other side has not set it yet have none (0×0): then `COLUMNS` and `LINES` count, and
//! without those 80×24, as in ncurses. It is asked again ten times per second, so a size that is set later is followed.

use std::io;

use ratatui::layout::Size;

const USUAL: Size = Size { width: 80, height: 24 };

/// The size of the terminal of stdout. One system call, because this runs ten times per second: crossterm opens the terminal
/// for it, and starts the program tput when the terminal is gone.
///
/// # Errors
/// It is gone.
#[cfg(unix)]
pub fn measure() -> io::Result<Size> {
    let size = rustix::termios::tcgetwinsize(io::stdout())?;
    Ok(sized(Size { width: size.ws_col, height: size.ws_row }, variable))
}

/// The same.
///
/// # Errors
/// It is gone.
#[cfg(not(unix))]
pub fn measure() -> io::Result<Size> {
    let size = crossterm::terminal::window_size()?;
    Ok(sized(Size { width: size.columns, height: size.rows }, variable))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// `known`, and what the environment or habit says in place of a 0.
fn sized(known: Size, variable: impl Fn(&str) -> Option<String>) -> Size {
    let or = |known: u16, name: &str, usual: u16| match known {
        0 => variable(name).and_then(|text| text.trim().parse().ok()).filter(|cells| *cells > 0).unwrap_or(usual),
        known => known,
    };
    Size { width: or(known.width, "COLUMNS", USUAL.width), height: or(known.height, "LINES", USUAL.height) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_without_a_size_has_that_of_the_environment_or_the_usual_one() {
        let set = |columns: &'static str, lines: &'static str| {
            move |name: &str| Some(if name == "COLUMNS" { columns } else { lines }.to_owned())
        };
        let size = |width, height| Size { width, height };
        assert_eq!(sized(size(100, 30), set("7", "7")), size(100, 30));
        assert_eq!(sized(size(0, 0), set("132", "43")), size(132, 43));
        assert_eq!(sized(size(0, 30), set("132", "43")), size(132, 30));
        assert_eq!(sized(size(0, 0), set("0", "many")), USUAL);
        assert_eq!(sized(size(0, 0), |_| None), USUAL);
    }
}
