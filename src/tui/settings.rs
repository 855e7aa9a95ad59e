//! How the dashboard looks and behaves at its start.

use crate::model::SortKey;
use crate::tui::desktop::clipboard::Clipboard;
use crate::tui::desktop::hyperlinks::Hyperlinks;
use crate::tui::desktop::protocol::DesktopProtocol;
use crate::tui::style::theme::Theme;

/// How the dashboard looks and behaves at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How screens look.
    pub theme: Theme,
    /// Whether a new `down` rings the bell.
    pub bell: bool,
    /// How alerts become notifications of the desktop, if they do.
    pub desktop: Option<DesktopProtocol>,
    /// The way to the clipboard, if there is one.
    pub clipboard: Option<Clipboard>,
    /// Whether the terminal takes hyperlinks.
    pub links: Hyperlinks,
    /// The order of the rows.
    pub sort: SortKey,
}
