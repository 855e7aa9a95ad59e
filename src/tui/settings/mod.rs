//! How the dashboard looks and behaves at its start.

pub(crate) mod preferences;

use crate::tui::arrangement::sort::Sort;
use crate::tui::desktop::clipboard::Clipboard;
use crate::tui::desktop::hyperlinks::Hyperlinks;
use crate::tui::desktop::protocol::DesktopProtocol;
use crate::tui::style::theme::Theme;

use preferences::Preferences;

/// How the dashboard looks and behaves at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How screens look.
    pub theme: Theme,
    /// Whether to ask the terminal for its background, which then decides about the colours.
    pub asks_background: bool,
    /// Whether a new `down` rings the bell.
    pub bell: bool,
    /// How alerts become notifications of the desktop, if they do.
    pub desktop: Option<DesktopProtocol>,
    /// How the clipboard is reached, if it is.
    pub clipboard: Option<Clipboard>,
    /// Whether the terminal takes hyperlinks.
    pub links: Hyperlinks,
    /// The order of the rows.
    pub sort: Sort,
    /// Whether the dashboard gets clicks and the wheel.
    pub mouse: bool,
    /// What an earlier dashboard remembered.
    pub remembered: Preferences,
}

impl Settings {
    /// The usual settings, in this theme.
    #[must_use]
    pub fn of(theme: Theme) -> Self {
        Self {
            theme,
            asks_background: false,
            bell: true,
            desktop: None,
            clipboard: None,
            links: Hyperlinks::Off,
            sort: Sort::default(),
            mouse: true,
            remembered: Preferences::default(),
        }
    }
}
