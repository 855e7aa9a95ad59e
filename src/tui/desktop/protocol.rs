//! The escape sequences by which terminals take notifications, and which of them a terminal takes.
//!
//! Sources: `iterm2.com/documentation-escape-codes.html` (OSC 9), the `notify` extension of rxvt-unicode (OSC 777),
//! `sw.kovidgoyal.net/kitty/desktop-notifications` (OSC 99). tmux passes a sequence on in `DCS tmux;`, with each ESC doubled,
//! where `allow-passthrough` is on.
//!
//! Invariants: a terminal that is not known gets no sequence, because it might print it.

use super::Notification;

/// How a terminal takes notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sequence {
    /// A text: iTerm2, Ghostty, `WezTerm`, Warp, VS Code.
    Osc9,
    /// A title and a text: foot, rxvt-unicode.
    Osc777,
    /// Both, with an identity and an urgency: kitty.
    Osc99,
}

/// The way to the desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DesktopProtocol {
    sequence: Sequence,
    is_in_tmux: bool,
}

impl DesktopProtocol {
    /// The protocol of the terminal that the variables of the environment describe; `None` if it is not known to have one.
    /// tmux replaces the variables that name a terminal, but not all that a terminal sets besides.
    #[must_use]
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let term = variable("TERM").unwrap_or_default();
        let program = variable("TERM_PROGRAM").unwrap_or_default();
        let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let starts = |names: &[&str]| names.iter().any(|name| term.starts_with(name));
        let sequence = if is_set("KITTY_WINDOW_ID") || starts(&["xterm-kitty"]) {
            Sequence::Osc99
        } else if ["iTerm.app", "WezTerm", "ghostty", "WarpTerminal", "vscode"].contains(&&*program)
            || starts(&["xterm-ghostty", "wezterm"])
            || ["WEZTERM_PANE", "GHOSTTY_RESOURCES_DIR"].into_iter().any(is_set)
            || variable("LC_TERMINAL").is_some_and(|terminal| terminal == "iTerm2")
        {
            Sequence::Osc9
        } else if starts(&["foot", "rxvt-unicode"]) {
            Sequence::Osc777
        } else {
            return None;
        };
        Some(Self { sequence, is_in_tmux: is_set("TMUX") })
    }

    /// The bytes that show `shown`.
    #[must_use]
    pub fn encode(self, shown: &Notification) -> String {
        let Notification { incident, title, text, is_urgent } = shown;
        let plain = match self.sequence {
            Sequence::Osc9 => format!("\x1b]9;webmon: {title}. {text}\x07"),
            // A semicolon ends the title.
            Sequence::Osc777 => format!("\x1b]777;notify;{};{text}\x07", title.replace(';', ",")),
            Sequence::Osc99 => {
                let id = incident.map_or_else(String::new, |incident| format!("i=webmon{incident}:"));
                let urgency = if *is_urgent { 2 } else { 1 };
                format!("\x1b]99;{id}d=0:u={urgency};{title}\x1b\\\x1b]99;{id}d=1:p=body;{text}\x1b\\")
            }
        };
        if self.is_in_tmux { format!("\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b")) } else { plain }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(variables: &[(&str, &str)]) -> Option<DesktopProtocol> {
        let of = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        DesktopProtocol::of_environment(of)
    }

    #[test]
    fn a_terminal_is_known_by_its_variables() {
        let known = |variables: &[(&str, &str)]| protocol(variables).map(|protocol| protocol.sequence);
        for (variables, sequence) in [
            (&[("TERM", "xterm-kitty")][..], Some(Sequence::Osc99)),
            (&[("TERM", "tmux-256color"), ("KITTY_WINDOW_ID", "3")], Some(Sequence::Osc99)),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")], Some(Sequence::Osc9)),
            (&[("TERM", "screen"), ("TERM_PROGRAM", "tmux"), ("LC_TERMINAL", "iTerm2")], Some(Sequence::Osc9)),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "vscode")], Some(Sequence::Osc9)),
            (&[("TERM", "xterm-ghostty")], Some(Sequence::Osc9)),
            (&[("TERM", "foot-extra")], Some(Sequence::Osc777)),
            (&[("TERM", "rxvt-unicode-256color")], Some(Sequence::Osc777)),
            (&[("TERM", "xterm-256color")], None),
            (&[("TERM", "linux"), ("KITTY_WINDOW_ID", "")], None),
            (&[], None),
        ] {
            assert_eq!(known(variables), sequence, "{variables:?}");
        }
    }

    #[test]
    fn sequences_are_those_of_the_terminals() {
        let shown = Notification {
            incident: Some(7),
            title: "api; eu is down".to_owned(),
            text: "Website api is down.".to_owned(),
            is_urgent: true,
        };
        let bytes = |variables: &[(&str, &str)]| protocol(variables).unwrap().encode(&shown);
        assert_eq!(bytes(&[("TERM_PROGRAM", "WezTerm")]), "\x1b]9;webmon: api; eu is down. Website api is down.\x07");
        assert_eq!(bytes(&[("TERM", "foot")]), "\x1b]777;notify;api, eu is down;Website api is down.\x07");
        let kitty =
            "\x1b]99;i=webmon7:d=0:u=2;api; eu is down\x1b\\\x1b]99;i=webmon7:d=1:p=body;Website api is down.\x1b\\";
        assert_eq!(bytes(&[("TERM", "xterm-kitty")]), kitty);
        let in_tmux = bytes(&[("KITTY_WINDOW_ID", "1"), ("TMUX", "default,1,0")]);
        assert_eq!(in_tmux, format!("\x1bPtmux;{}\x1b\\", kitty.replace('\x1b', "\x1b\x1b")));
        let group = Notification { incident: None, is_urgent: false, ..shown };
        let said = protocol(&[("TERM", "xterm-kitty")]).unwrap().encode(&group);
        assert!(said.starts_with("\x1b]99;d=0:u=1;"), "{said:?}");
    }
}
