//! What the cursor reads in one cell of the chart: its time, its checks, their times and failures, the alerts.

use crate::alert::AlertRecord;
use crate::model::figures;
use crate::stats::Answer;
use crate::stats::series::{SeriesCell, SeriesRange};
use crate::tui::state::chart_range::SCALE;
use crate::tui::style::line::{Line, right, wrap};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;
use crate::tui::view::frame::Frame;

/// Failures that are named, the most frequent ones.
const NAMED: usize = 5;

/// An alert of the site in a cell of its chart.
#[derive(Clone, Copy)]
pub struct AlertMark<'a> {
    pub cell: usize,
    pub alert: &'a AlertRecord,
}

impl AlertMark<'_> {
    /// Whether an incident began, or goes on, rather than ended.
    pub fn is_opening(&self) -> bool {
        self.alert.state.is_opening()
    }
}

/// The lines below the chart; the text begins under its first cell.
pub fn lines(
    frame: &Frame,
    scope: &SeriesRange,
    cell: (usize, Option<&SeriesCell>),
    marks: &[AlertMark<'_>],
) -> Vec<Line> {
    let text = parts(frame, scope, cell, marks).join(" · ");
    let room = frame.width().saturating_sub(SCALE);
    let line = |(number, text): (usize, String)| {
        let mut line = Line::of(Role::Cursor, if number == 0 { right("cell", SCALE - 1) } else { String::new() });
        line.pad_to(SCALE);
        line.push(Role::Plain, text);
        line
    };
    wrap(&text, room, 0).into_iter().enumerate().map(line).collect()
}

fn parts(
    frame: &Frame,
    scope: &SeriesRange,
    (number, cell): (usize, Option<&SeriesCell>),
    marks: &[AlertMark<'_>],
) -> Vec<String> {
    let mut parts = vec![format!("{} – {}", frame.moment(scope.start(number)), frame.moment(scope.start(number + 1)))];
    let Some(cell) = cell else { return parts };
    let (up, down) = (u64::from(cell.beat.up), u64::from(cell.beat.down));
    let checks = time_text::counted(up + down, "check");
    parts.push(match (up, down) {
        (0, 0) => "no checks".to_owned(),
        (_, 0) => format!("{checks}: all up"),
        (0, _) => format!("{checks}: all failed"),
        _ => format!("{checks}: {} failed", figures::count(down)),
    });
    if let Some(times) = cell.times {
        let time = |micros: u32| figures::time(f64::from(micros));
        parts.push(format!("p50 {} p95 {} max {}", time(times.p50), time(times.p95), time(times.max)));
    }
    if !cell.failed.is_empty() {
        let mut failed = cell.failed.clone();
        failed.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        parts.push(failures(&failed));
    }
    parts.extend(marks.iter().filter(|mark| mark.cell == number).map(|mark| {
        let what = if mark.is_opening() { "alert" } else { "resolved" };
        format!("{what} {}", frame.moment(mark.alert.at))
    }));
    parts
}

/// `timeout×12 503×2`: failures in their order, with their counts.
pub fn failures(failed: &[(Answer, u32)]) -> String {
    let named = failed.iter().take(NAMED).map(|&(answer, count)| {
        let name = match answer {
            Answer::Code(status) => status.get().to_string(),
            Answer::Cause(cause) => cause.word().to_owned(),
        };
        format!("{name}×{}", figures::count(u64::from(count)))
    });
    let more = failed.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("+{more}"));
    named.chain(more).collect::<Vec<_>>().join(" ")
}
