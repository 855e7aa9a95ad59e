//! Whether the terminal takes hyperlinks: OSC 8 (`gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda`).
//!
//! Invariants: a terminal that is not known gets none, because it might print the sequence. `FORCE_HYPERLINK` decides where it is set:
//! `0` is off, anything else on.

/// Programs that name themselves and take them.
const PROGRAMS: [&str; 6] = ["iTerm.app", "WezTerm", "ghostty", "vscode", "WarpTerminal", "Hyper"];

/// Terminals that take them, by the beginning of their `TERM`.
const TERMS: [&str; 6] = ["xterm-kitty", "xterm-ghostty", "wezterm", "foot", "alacritty", "contour"];

/// The first VTE that takes them without faults, as `VTE_VERSION` has it, the first Konsole, and the first tmux.
const VTE: u32 = 5_000;
const KONSOLE: u32 = 201_200;
const TMUX: (u32, u32) = (3, 4);

/// Whether URLs are hyperlinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hyperlinks {
    /// They are text.
    #[default]
    Off,
    /// The terminal can open them.
    On,
}

impl Hyperlinks {
    /// What the terminal takes that the variables of the environment describe.
    #[must_use]
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        if is_known(variable) { Self::On } else { Self::Off }
    }
}

fn is_known(variable: impl Fn(&str) -> Option<String>) -> bool {
    let of = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(forced) = of("FORCE_HYPERLINK") {
        return forced != "0";
    }
    let (term, program) = (of("TERM").unwrap_or_default(), of("TERM_PROGRAM").unwrap_or_default());
    let number = |name: &str| of(name).and_then(|value| value.parse::<u32>().ok());
    if program == "tmux" {
        // It asks the terminal around it by itself.
        return of("TERM_PROGRAM_VERSION").and_then(|version| two_numbers(&version)).is_some_and(|it| it >= TMUX);
    }
    if ["TMUX", "STY"].into_iter().any(|name| of(name).is_some()) || ["dumb", "linux"].contains(&&*term) {
        return false;
    }
    PROGRAMS.contains(&&*program)
        || TERMS.iter().any(|name| term.starts_with(name))
        || ["KITTY_WINDOW_ID", "WT_SESSION", "WEZTERM_PANE"].into_iter().any(|name| of(name).is_some())
        || number("VTE_VERSION").is_some_and(|version| version >= VTE)
        || number("KONSOLE_VERSION").is_some_and(|version| version >= KONSOLE)
}

/// `3.4` of `3.4`, `3.3a`, `next-3.5`.
fn two_numbers(version: &str) -> Option<(u32, u32)> {
    let digits = version.trim_start_matches(|c: char| !c.is_ascii_digit());
    let (major, minor) = digits.split_once('.')?;
    let minor: String = minor.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(variables: &[(&str, &str)]) -> bool {
        let of = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Hyperlinks::of_environment(of) == Hyperlinks::On
    }

    #[test]
    fn only_terminals_that_are_known_take_hyperlinks() {
        let xterm = ("TERM", "xterm-256color");
        for (variables, is_known) in [
            (&[xterm][..], false),
            (&[], false),
            (&[xterm, ("VTE_VERSION", "7200")], true),
            (&[xterm, ("VTE_VERSION", "4801")], false),
            (&[xterm, ("TERM_PROGRAM", "iTerm.app")], true),
            (&[xterm, ("TERM_PROGRAM", "Apple_Terminal")], false),
            (&[("TERM", "xterm-kitty")], true),
            (&[("TERM", "foot-direct")], true),
            (&[xterm, ("KONSOLE_VERSION", "220401")], true),
            (&[("TERM", "linux"), ("VTE_VERSION", "7200")], false),
            (&[("TERM", "screen"), ("STY", "1.pts-0"), ("VTE_VERSION", "7200")], false),
            (&[("TERM", "tmux-256color"), ("TERM_PROGRAM", "tmux"), ("TERM_PROGRAM_VERSION", "3.3a")], false),
            (&[("TERM", "tmux-256color"), ("TERM_PROGRAM", "tmux"), ("TERM_PROGRAM_VERSION", "next-3.5")], true),
            (&[("TERM", "xterm-kitty"), ("FORCE_HYPERLINK", "0")], false),
            (&[("TERM", "dumb"), ("FORCE_HYPERLINK", "1")], true),
        ] {
            assert_eq!(takes(variables), is_known, "{variables:?}");
        }
    }
}
