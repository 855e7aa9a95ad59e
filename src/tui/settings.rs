//! How the dashboard looks and behaves at its start.

use crate::model::SortKey;
use crate::tui::style::theme::Theme;

/// How the dashboard looks and behaves at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How screens look.
    pub theme: Theme,
    /// Whether a new `down` rings the bell.
    pub bell: bool,
    /// The order of the rows.
    pub sort: SortKey,
}
