//! One line under the header, only when webmon itself is ill or has something to say: worst first, then the narration
//! of a demonstration, then what is new, then what the start had to say.

use std::time::Duration;

use crate::model::{ExportHealth, ExportState, StoreHealth, Watching, figures};
use crate::tui::inputs::Inputs;
use crate::tui::style::line::{Line, cut, safe};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;

use super::{FRESH, UiState};

/// How long lost samples are spoken of.
const LOST_SHOWN: Duration = Duration::from_mins(1);

/// How long a notice is shown that comes while it runs.
const NOTICE_SHOWN: Duration = Duration::from_mins(1);

/// A tenth of the shortest interval that there can be.
const LATE_MIN: Duration = Duration::from_millis(10);

/// The banner in at most `cells`, if there is something to say.
pub fn line(inputs: &Inputs, state: &UiState, cells: usize) -> Option<Line> {
    if let Some(text) = illness(inputs, state) {
        return Some(Line::of(Role::Warning, cut(&format!("! {text}"), cells)));
    }
    if let Some(text) = &inputs.health.narration {
        return Some(Line::of(Role::Strong, cut(&format!(" demo: {}", safe(text)), cells)));
    }
    notice(inputs, state).map(|text| Line::of(Role::Warning, cut(&format!("! {text}"), cells)))
}

/// Whether there is something to say.
pub fn is_shown(inputs: &Inputs, state: &UiState) -> bool {
    line(inputs, state, 0).is_some()
}

/// What is wrong with webmon itself.
fn illness(inputs: &Inputs, state: &UiState) -> Option<String> {
    let health = inputs.health;
    if let Some(watching) = &health.watching {
        return unwatchable(inputs, watching);
    }
    if let Some(since) = health.offline_since {
        let since = time_text::moment(since, inputs.now, inputs.zone);
        return Some(format!("offline: no route since {since}; checks are not counted, nobody is alerted"));
    }
    if let StoreHealth::NotSaving { since, reason } = &health.store {
        let since = time_text::moment(*since, inputs.now, inputs.zone);
        let reason = safe(reason);
        return Some(format!("not saving since {since}: {reason}; figures go on, this time will be missing later"));
    }
    if let Some(ExportHealth { state: ExportState::Blocked, error: Some((_, reason)), .. }) = &health.export {
        return Some(format!("nothing is exported: {}; every check is kept and sent later", safe(reason)));
    }
    if let (lost, Some(at)) = state.lost
        && inputs.now.since(at) < LOST_SHOWN
    {
        return Some(format!("{} samples lost so far: this machine cannot keep up", figures::count(lost)));
    }
    if !health.stopped.is_zero() {
        let stopped = figures::duration(health.stopped);
        return Some(format!("webmon was stopped for {stopped}; what was not checked meanwhile is not counted"));
    }
    if health.late > LATE_MIN && health.late > shortest_interval(inputs) / 10 {
        return Some(format!(
            "checks start up to {} late: this machine cannot keep up",
            figures::duration(health.late)
        ));
    }
    None
}

/// Why a dashboard that only looks on has nothing new to see.
fn unwatchable(inputs: &Inputs, watching: &Watching) -> Option<String> {
    let moment = |at| time_text::moment(at, inputs.now, inputs.zone);
    if let StoreHealth::NotSaving { since, reason } = &inputs.health.store {
        return Some(format!("cannot read the store since {}: {}", moment(*since), safe(reason)));
    }
    if watching.alive {
        return None;
    }
    let who = match watching.process {
        Some(process) => format!("webmon (pid {process}) is gone"),
        None => "no webmon is running on this store".to_owned(),
    };
    let newest = watching.stored.map_or_else(String::new, |at| format!("; its newest check is of {}", moment(at)));
    Some(format!("{who}{newest}"))
}

/// What webmon has to say lately, or else what the start had to say.
fn notice(inputs: &Inputs, state: &UiState) -> Option<String> {
    if let (_, Some(at)) = state.noticed
        && inputs.now.since(at) < NOTICE_SHOWN
    {
        return inputs.health.notices.last().map(|notice| safe(notice).into_owned());
    }
    let started = state.started.unwrap_or(inputs.now);
    let (first, others) = inputs.health.notices.split_first()?;
    if inputs.now.since(started) >= FRESH {
        return None;
    }
    let more = if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
    Some(format!("{}{more}", safe(first)))
}

fn shortest_interval(inputs: &Inputs) -> Duration {
    inputs.snapshot.sites.iter().map(|site| site.interval).min().unwrap_or(Duration::MAX)
}
