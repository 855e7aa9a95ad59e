//! The characters that a terminal can show, and the shape of every mark.
//!
//! Invariants: in both sets each state has its own shape, so colour is never needed; widths are the same in both sets.
//! Marks and cells are chosen here; other characters are translated one by one when cells are filled.

use crate::engine::snapshot::SiteState;
use crate::model::Phase;
use crate::model::text::ascii;
pub use crate::model::text::ascii::to_ascii;

use super::role::Cell;

/// A set of characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symbols {
    /// Block elements and geometric shapes, which nearly every font has.
    #[default]
    Unicode,
    /// Nothing beyond ASCII.
    Ascii,
}

impl Symbols {
    /// The set for a terminal type and a locale (the first of `LC_ALL`, `LC_CTYPE`, `LANG` that is set): ASCII on the Linux
    /// console and wherever the locale is not UTF-8.
    #[must_use]
    pub fn for_environment(locale: Option<&str>, term: Option<&str>) -> Self {
        if ascii::is_needed(locale, term) { Self::Ascii } else { Self::Unicode }
    }

    /// The mark of a state.
    #[must_use]
    pub const fn mark(self, state: SiteState) -> &'static str {
        let ascii = match state {
            SiteState::Down => "X",
            SiteState::Recovering => "/",
            SiteState::Failing => "!",
            SiteState::Unknown => "?",
            SiteState::New => ".",
            SiteState::Up => "+",
            SiteState::Paused => "=",
        };
        self.pick(state.mark(), ascii)
    }

    /// A cell of a heartbeat bar.
    #[must_use]
    pub const fn beat(self, cell: Cell) -> &'static str {
        let (unicode, ascii) = match cell {
            Cell::None => (" ", " "),
            Cell::Good => ("▇", "|"),
            Cell::Some => ("▄", "!"),
            Cell::Poor => ("▂", "x"),
            Cell::Bad => ("×", "X"),
        };
        self.pick(unicode, ascii)
    }

    /// A cell of the time spent in a phase. Each phase has its own fill, so colour is not needed.
    #[must_use]
    pub const fn phase(self, phase: Phase) -> &'static str {
        let (unicode, ascii) = match phase {
            Phase::Resolve => ("░", "r"),
            Phase::Connect => ("▒", "c"),
            Phase::Tls => ("▓", "t"),
            Phase::Processing => ("█", "p"),
            Phase::Transfer => ("▏", "x"),
        };
        self.pick(unicode, ascii)
    }

    /// `unicode` or `ascii`.
    #[must_use]
    pub const fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        match self {
            Self::Unicode => unicode,
            Self::Ascii => ascii,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_without_a_utf_8_locale() {
        for (locale, term, symbols) in [
            (Some("en_US.UTF-8"), Some("xterm"), Symbols::Unicode),
            (Some("C.utf8"), None, Symbols::Unicode),
            (Some("de_DE"), Some("xterm"), Symbols::Ascii),
            (None, Some("xterm"), Symbols::Ascii),
            (Some("en_US.UTF-8"), Some("linux"), Symbols::Ascii),
        ] {
            assert_eq!(Symbols::for_environment(locale, term), symbols, "{locale:?} {term:?}");
        }
    }

    #[test]
    fn shapes_differ_in_both_sets() {
        use SiteState::{Down, Failing, New, Paused, Recovering, Unknown, Up};
        for symbols in [Symbols::Unicode, Symbols::Ascii] {
            let marks = [Down, Recovering, Failing, Unknown, New, Up, Paused].map(|state| symbols.mark(state));
            let cells = [Cell::None, Cell::Good, Cell::Some, Cell::Poor, Cell::Bad].map(|cell| symbols.beat(cell));
            for shapes in [&marks[..], &cells[..]] {
                for (i, shape) in shapes.iter().enumerate() {
                    assert!(!shapes[..i].contains(shape), "{shape} twice in {symbols:?}");
                }
            }
        }
    }

    #[test]
    fn translation_keeps_the_width() {
        assert_eq!(to_ascii("日本 a…b · 503×2 –"), "???? a~b - 503x2 -");
    }
}
