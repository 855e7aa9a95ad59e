//! The clipboard of the user's own screen, by OSC 52 (xterm), which works over ssh, too.
//!
//! tmux passes on neither OSC 52 nor its wrapped form unless it is told to; `tmux load-buffer -w` works by default since 3.2, so
//! inside tmux the text is also handed to that ([`Clipboard::wants_tmux`]). screen passes DCS strings on, of which each may have a few
//! hundred bytes.
//!
//! Invariants: a terminal that may print the sequence gets none. Bounds: [`TEXT_MAX`] bytes of text.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest text, bytes: hterm takes sequences of up to 100,000 bytes, and terminals differ beyond that.
pub const TEXT_MAX: usize = 74_994;

/// What stands where a longer text was cut.
const CUT: &str = "\n… (cut: the clipboard of terminals takes 75 kB)\n";

/// The bytes of one DCS string of screen.
const SCREEN_CHUNK: usize = 240;

/// Terminals that print what they do not know, or have no clipboard.
const WITHOUT: [&str; 7] = ["", "dumb", "linux", "vt52", "vt100", "vt220", "cons25"];

/// The way to the clipboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clipboard {
    /// The terminal takes the sequence.
    Terminal,
    /// By way of tmux on this machine.
    Tmux,
    /// By way of screen on this machine.
    Screen,
}

impl Clipboard {
    /// The way that the variables of the environment describe; `None`: the terminal has no clipboard.
    #[must_use]
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let term = variable("TERM").unwrap_or_default();
        if WITHOUT.contains(&&*term) {
            None
        } else if is_set("TMUX") {
            Some(Self::Tmux)
        } else if is_set("STY") {
            Some(Self::Screen)
        } else {
            Some(Self::Terminal)
        }
    }

    /// Whether the text goes to `tmux load-buffer -w`, too.
    #[must_use]
    pub const fn wants_tmux(self) -> bool {
        matches!(self, Self::Tmux)
    }

    /// The bytes that put `text` into the clipboard.
    #[must_use]
    pub fn encode(self, text: &str) -> String {
        let plain = format!("\x1b]52;c;{}\x07", STANDARD.encode(text));
        match self {
            Self::Terminal => plain,
            Self::Tmux => format!("\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b")),
            Self::Screen => {
                let mut wrapped = String::new();
                let mut rest = &*plain;
                while !rest.is_empty() {
                    // All of it is ASCII.
                    let (chunk, more) = rest.split_at(rest.len().min(SCREEN_CHUNK));
                    write!(wrapped, "\x1bP{chunk}\x1b\\").expect("a string takes any text");
                    rest = more;
                }
                wrapped
            }
        }
    }
}

/// A text for the clipboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The way to it.
    pub way: Clipboard,
    /// The text, bounded.
    pub text: String,
}

/// `text`, or its beginning and a note that it was cut, in at most [`TEXT_MAX`] bytes.
#[must_use]
pub fn bounded(text: &str) -> String {
    if text.len() <= TEXT_MAX {
        return text.to_owned();
    }
    let head = &text[..text.floor_char_boundary(TEXT_MAX - CUT.len())];
    // Whole lines, where there are any.
    let head = head.rfind('\n').map_or(head, |end| &head[..end]);
    format!("{head}{CUT}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(variables: &[(&str, &str)]) -> Option<Clipboard> {
        let of = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Clipboard::of_environment(of)
    }

    #[test]
    fn the_way_is_that_of_the_environment() {
        let tmux = ("TMUX", "socket,1,0");
        for (variables, way) in [
            (&[("TERM", "xterm-256color")][..], Some(Clipboard::Terminal)),
            (&[("TERM", "tmux-256color"), tmux], Some(Clipboard::Tmux)),
            (&[("TERM", "screen"), ("STY", "1.pts-0")], Some(Clipboard::Screen)),
            (&[("TERM", "screen"), ("STY", "1.pts-0"), tmux], Some(Clipboard::Tmux)),
            (&[("TERM", "screen-256color")], Some(Clipboard::Terminal)),
            (&[("TERM", "linux")], None),
            (&[("TERM", "dumb"), tmux], None),
            (&[], None),
        ] {
            assert_eq!(of(variables), way, "{variables:?}");
        }
    }

    #[test]
    fn the_sequences_are_those_of_xterm_tmux_and_screen() {
        assert_eq!(Clipboard::Terminal.encode("curl -s"), "\x1b]52;c;Y3VybCAtcw==\x07");
        assert_eq!(Clipboard::Tmux.encode("curl -s"), "\x1bPtmux;\x1b\x1b]52;c;Y3VybCAtcw==\x07\x1b\\");
        assert_eq!(Clipboard::Screen.encode("curl -s"), "\x1bP\x1b]52;c;Y3VybCAtcw==\x07\x1b\\");
    }

    #[test]
    fn a_text_that_is_too_long_ends_with_a_note_at_the_end_of_a_line() {
        let text = "line of text\n".repeat(10_000);
        let cut = bounded(&text);
        assert!(
            cut.len() <= TEXT_MAX && cut.ends_with("line of text\n… (cut: the clipboard of terminals takes 75 kB)\n")
        );
        assert!(Clipboard::Terminal.encode(&cut).len() <= 100_000);
        assert!(bounded(&"é".repeat(TEXT_MAX)).len() <= TEXT_MAX);
    }

    proptest! {
        /// What screen passes on is what a terminal without it gets, and no string is longer than it takes.
        #[test]
        fn screen_passes_on_the_plain_sequence(text in "\\PC{0,2000}") {
            let wrapped = Clipboard::Screen.encode(&text);
            let chunks: Vec<&str> = wrapped.split("\x1b\\").filter(|chunk| !chunk.is_empty()).collect();
            prop_assert!(chunks.iter().all(|chunk| chunk.starts_with("\x1bP") && chunk.len() <= SCREEN_CHUNK + 2));
            let passed: String = chunks.iter().map(|chunk| &chunk[2..]).collect();
            prop_assert_eq!(&passed, &Clipboard::Terminal.encode(&text));
            let encoded = passed.strip_prefix("\x1b]52;c;").and_then(|rest| rest.strip_suffix('\x07')).unwrap();
            prop_assert_eq!(STANDARD.decode(encoded).unwrap(), text.as_bytes());
        }
    }
}
