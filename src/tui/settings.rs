//! How the dashboard is to look and behave, as it was asked for.

use crate::model::SortKey;
use crate::tui::style::symbols::Symbols;
use crate::tui::style::theme::Scheme;

/// How the dashboard is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The terminal's background.
    pub scheme: Scheme,
    /// Whether colours may be used (`NO_COLOR`, `--color`).
    pub color: bool,
    /// Which characters may be used.
    pub symbols: Symbols,
    /// Whether a new `down` rings the bell.
    pub bell: bool,
    /// The order of the rows.
    pub sort: SortKey,
}
