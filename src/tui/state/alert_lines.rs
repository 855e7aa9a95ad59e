//! How many lines an alert takes on the screen of alerts.

use crate::alert::{AlertRecord, AlertState};
use crate::tui::inputs::Inputs;
use crate::tui::state::UiState;
use crate::tui::state::alert_list::AlertEntry;
use crate::tui::style::line::{safe, short_name, wrap};
use crate::tui::style::time_text;

/// From this width on times stand in a column of their own.
pub(crate) const WIDE: usize = 100;

/// `open 4m12s   `
pub(crate) const TIME_COLUMN: usize = 13;

/// The lines that entry number `at` of the screen takes at this width, with the line of its day.
pub fn height(inputs: &Inputs, state: &UiState, at: usize, width: usize) -> usize {
    let Some(entry) = state.found.listed.get(at) else { return 0 };
    let Some(alert) = inputs.alerts.get(entry.newest()) else { return 0 };
    let before = at.checked_sub(1).and_then(|at| state.found.listed.get(at)).filter(|entry| !entry.is_open());
    let day = |entry: &AlertEntry| {
        inputs.alerts.get(entry.newest()).map(|alert| time_text::day(alert.at, inputs.now, inputs.zone))
    };
    let of_day = usize::from(!entry.is_open() && before.and_then(day) != day(entry));
    match entry {
        AlertEntry::Fold { .. } => 1 + of_day,
        AlertEntry::One { open, .. } => texts(alert, width).len() + of_day + usize::from(*open && width < WIDE),
    }
}

/// The message, broken into lines at this width.
pub(crate) fn texts(alert: &AlertRecord, width: usize) -> Vec<String> {
    let indent = if width >= WIDE { 2 + TIME_COLUMN } else { 2 };
    wrap(&message(alert), width.saturating_sub(indent), 0)
}

pub(crate) fn message(alert: &AlertRecord) -> String {
    match alert.state {
        AlertState::Down | AlertState::Up => safe(&alert.message).into_owned(),
        AlertState::Ended => format!("{} is no longer watched; its incident is closed", safe(short_name(&alert.site))),
    }
}
