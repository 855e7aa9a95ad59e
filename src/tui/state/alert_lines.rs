//! The lines of an alert: its message, wrapped, and how many lines it takes on the page of alerts.

use crate::alert::{AlertRecord, AlertState, RuleKind};
use crate::stats::Answer;
use crate::tui::incident_marks;
use crate::tui::inputs::Inputs;
use crate::tui::style::line::{short_name, width, wrap};
use crate::tui::style::time_text;

use super::alert_list::{AlertEntry, AlertIndex};

/// From this width on times have a column of their own.
pub(crate) const WIDE: usize = 100;

/// Kinds of failures named in a line.
const CAUSES_MAX: usize = 3;

/// `open 4m12s   `
pub(crate) const TIME_COLUMN: usize = 13;

/// The lines that entry `at` of `list` takes at this width, together with the line of its day.
pub fn height(inputs: &Inputs, list: &AlertIndex, at: usize, width: usize) -> usize {
    let Some(entry) = list.listed.get(at) else { return 0 };
    let Some(alert) = inputs.alerts.get(entry.newest()) else { return 0 };
    let day = |entry: &AlertEntry| {
        inputs.alerts.get(entry.newest()).map(|alert| time_text::day(alert.at, inputs.now, inputs.zone))
    };
    let before = at.checked_sub(1).and_then(|at| list.listed.get(at)).filter(|entry| !entry.is_open());
    let day_line = usize::from(!entry.is_open() && before.and_then(day) != day(entry));
    match entry {
        AlertEntry::Burst { .. } => 1 + day_line,
        AlertEntry::One { open, .. } => {
            texts(inputs, alert, *open, width).len() + day_line + usize::from(*open && width < WIDE)
        }
    }
}

/// The message, wrapped at this width, then what there is to say about its incident.
pub(crate) fn texts(inputs: &Inputs, alert: &AlertRecord, open: bool, cells: usize) -> Vec<String> {
    let indent = if cells >= WIDE { 2 + TIME_COLUMN } else { 2 };
    let message = match alert.state {
        // An outage takes the place of a partial one.
        AlertState::Ended if alert.rule == RuleKind::Partial => {
            format!("{} is no longer only partly down", short_name(&alert.site))
        }
        AlertState::Ended => {
            let what = alert.rule.aspect().map_or_else(String::new, |aspect| format!("the {aspect} of "));
            format!("{what}{} is no longer monitored; its incident is closed", short_name(&alert.site))
        }
        _ => alert.message.clone(),
    };
    let room = cells.saturating_sub(indent);
    let mut lines = wrap(&message, room, 0);
    if let Some(failures) = failures(inputs, alert).filter(|_| open && alert.state == AlertState::Down) {
        match lines.last_mut() {
            Some(last) if width(last) + 3 + width(&failures) <= room => *last = format!("{last} · {failures}"),
            _ => lines.extend(wrap(&failures, room, 0)),
        }
    }
    let marks = incident_marks::of_alert(inputs, alert);
    if !marks.is_empty() {
        lines.extend(wrap(&marks, room, 0));
    }
    lines
}

/// The failures of an open alert's site in the shortest view, most frequent first: `503×21 timeout×2 in 10 min`.
fn failures(inputs: &Inputs, alert: &AlertRecord) -> Option<String> {
    let index = inputs.snapshot.sites.iter().position(|site| site.name == alert.site)?;
    let view = inputs.snapshot.views.iter().min_by_key(|view| view.timeframe)?;
    let summary = &view.rows.get(index)?.summary;
    let mut left = summary.counts.down;
    let mut words = Vec::new();
    for &(answer, count) in summary.answers.iter().take(CAUSES_MAX) {
        if left == 0 {
            break;
        }
        left = left.saturating_sub(count);
        let name = match answer {
            Answer::Code(status) => status.get().to_string(),
            Answer::Cause(cause) => cause.word().to_owned(),
        };
        words.push(format!("{name}×{count}"));
    }
    let span = time_text::span(view.timeframe.length());
    (!words.is_empty()).then(|| format!("{} in the past {span}", words.join(" ")))
}
