//! What a click on a part of the screen does: it is drawn with that part, so a click finds what the user sees.

use std::time::Duration;

use crate::tui::arrangement::sort::SortKey;
use crate::tui::keymap::Action;

/// What a click does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Click {
    /// The same as the key of this action.
    Press(Action),
    /// Sorts by this; in reverse if the rows are sorted by it already.
    Sort(SortKey),
    /// Shows the view at this index.
    View(usize),
    /// Shows this period in the chart.
    Period(Duration),
    /// Selects the row of the tables this far below the first one shown; opens it if it is selected.
    Row(usize),
    /// Selects this entry of the page of alerts; opens it if it is selected.
    Alert(usize),
    /// Opens the alerts at this entry of their region on the overview.
    InRegion(usize),
    /// Opens the alerts at the alert of this index.
    Recorded(usize),
    /// Puts the cursor of the chart on the cell under the pointer.
    Chart,
}
