//! The look of each role: 16 ANSI colours, bold, reversed, dim; background and foreground are the terminal's.
//!
//! Invariants: green, yellow and red mean a state and nothing else; without colour modifiers and shapes remain. Yellow
//! text is illegible on a light background, so there it is black on yellow.

use ratatui::style::{Color, Modifier, Style};

use crate::engine::snapshot::SiteState;
use crate::model::Phase;

use super::role::{Cell, Plot, Role};
use super::symbols::Symbols;

/// The background of the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Light text on a dark background.
    #[default]
    Dark,
    /// Dark text on a light background.
    Light,
}

impl Scheme {
    /// The scheme by the variable `COLORFGBG` (`15;0`: foreground and background as ANSI colours); dark if it is not set.
    #[must_use]
    pub fn for_environment(colorfgbg: Option<&str>) -> Self {
        match colorfgbg.and_then(|pair| pair.rsplit(';').next()) {
            Some("7" | "15") => Self::Light,
            _ => Self::Dark,
        }
    }

    /// The other scheme.
    #[must_use]
    pub const fn toggled(self) -> Self {
        match self {
            Self::Dark => Self::Light,
            Self::Light => Self::Dark,
        }
    }
}

/// Everything that decides how a screen looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    /// The background.
    pub scheme: Scheme,
    /// Whether colours may be used.
    pub color: bool,
    /// Which characters may be used.
    pub symbols: Symbols,
}

impl Theme {
    /// The style of a role.
    #[must_use]
    pub fn style(&self, role: Role) -> Style {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        match role {
            Role::Dim => plain.add_modifier(Modifier::DIM),
            Role::Strong | Role::Key => bold,
            Role::State(state) => self.state(state),
            Role::DownCount => {
                let style = self.colored(bold, Color::White);
                if self.color { style.bg(Color::Red) } else { style.add_modifier(Modifier::REVERSED) }
            }
            Role::Plain | Role::Link | Role::Beat(Cell::None) => plain,
            Role::Beat(Cell::Good) => self.colored(plain, Color::Green),
            // A block of colour is legible on any ground; on yellow it would be heavier than what is worse.
            Role::Beat(Cell::Some) => self.colored(plain, Color::Yellow),
            Role::Warning => self.yellow(plain),
            Role::Beat(Cell::Bad) => self.colored(plain, Color::Red).add_modifier(Modifier::REVERSED),
            Role::Phase(phase) => self.colored(plain, phase_color(phase)),
            Role::Plot(plot) => self.colored(plain, plot_color(plot)),
            Role::Fault | Role::Beat(Cell::Poor) => self.colored(plain, Color::Red),
            Role::Cursor | Role::Fresh | Role::Mode => plain.add_modifier(Modifier::REVERSED),
        }
    }

    fn state(self, state: SiteState) -> Style {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        match state {
            SiteState::Down => self.colored(bold, Color::Red).add_modifier(Modifier::REVERSED),
            SiteState::Recovering => self.colored(plain, Color::Red),
            SiteState::Failing => self.yellow(bold),
            SiteState::Unknown | SiteState::New => plain.add_modifier(Modifier::DIM),
            SiteState::Up => self.colored(plain, Color::Green),
            SiteState::Paused => self.colored(plain, Color::Blue),
        }
    }

    fn yellow(self, style: Style) -> Style {
        match self.scheme {
            Scheme::Light if self.color => style.fg(Color::Black).bg(Color::Yellow),
            _ => self.colored(style, Color::Yellow),
        }
    }

    fn colored(self, style: Style, color: Color) -> Style {
        if self.color { style.fg(color) } else { style }
    }
}

/// Not green, yellow or red, which are states, and not white, which a light terminal does not show.
const fn phase_color(phase: Phase) -> Color {
    match phase {
        Phase::Resolve => Color::Cyan,
        Phase::Connect => Color::Blue,
        Phase::Tls => Color::Magenta,
        Phase::Processing => Color::Reset,
        Phase::Transfer => Color::DarkGray,
    }
}

/// No colour of a state or a phase; the median has the colour of text.
const fn plot_color(plot: Plot) -> Color {
    match plot {
        Plot::Median => Color::Reset,
        Plot::High => Color::Cyan,
        Plot::Max => Color::Magenta,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theme(scheme: Scheme, color: bool) -> Theme {
        Theme { scheme, color, symbols: Symbols::Unicode }
    }

    #[test]
    fn down_is_red_bold_and_reversed_and_without_colour_still_bold_and_reversed() {
        let dark = theme(Scheme::Dark, true).style(Role::State(SiteState::Down));
        assert_eq!(dark.fg, Some(Color::Red));
        let plain = theme(Scheme::Dark, false).style(Role::State(SiteState::Down));
        assert_eq!((plain.fg, plain.bg), (None, None));
        assert_eq!(plain.add_modifier, Modifier::BOLD | Modifier::REVERSED);
        assert_eq!(dark.add_modifier, plain.add_modifier);
    }

    #[test]
    fn yellow_is_a_ground_and_never_a_letter_on_light_terminals() {
        for role in [Role::State(SiteState::Failing), Role::Warning] {
            assert_eq!(theme(Scheme::Light, true).style(role).fg, Some(Color::Black));
            assert_eq!(theme(Scheme::Light, true).style(role).bg, Some(Color::Yellow));
            assert_eq!(theme(Scheme::Dark, true).style(role).fg, Some(Color::Yellow));
        }
    }

    #[test]
    fn no_bar_and_no_letter_has_the_colour_of_a_background() {
        let roles = Phase::ALL.map(Role::Phase).into_iter();
        let plots = [Cell::Good, Cell::Some, Cell::Poor]
            .map(Role::Beat)
            .into_iter()
            .chain([Plot::Median, Plot::High, Plot::Max].map(Role::Plot));
        for role in roles.chain(plots).chain([Role::Plain, Role::Fault, Role::State(SiteState::Up)]) {
            for scheme in [Scheme::Light, Scheme::Dark] {
                let style = theme(scheme, true).style(role);
                assert!(!matches!(style.fg, Some(Color::White | Color::Black)), "{role:?}");
                assert_eq!(style.bg, None, "{role:?}");
            }
        }
    }

    #[test]
    fn the_background_is_taken_from_the_last_field() {
        for (value, scheme) in [("15;0", Scheme::Dark), ("0;15", Scheme::Light), ("0;default;7", Scheme::Light)] {
            assert_eq!(Scheme::for_environment(Some(value)), scheme);
        }
        assert_eq!(Scheme::for_environment(None), Scheme::Dark);
    }
}
