//! The first line: how many sites are in which state, and the health of webmon.

use std::time::Duration;

use crate::engine::snapshot::SiteState;
use crate::model::{
    ExportHealth, ExportState, FleetHealth, FleetState, Health, HubHealth, StoreHealth, Timestamp, Watched, Watching,
    figures,
};
use crate::tui::style::line::Line;
use crate::tui::style::role::Role;
use crate::tui::style::time_text;
use crate::tui::view::frame::Frame;

use super::past;

const GAP: usize = 3;

/// An export is always a flush or two behind; from here on the header says so.
const BEHIND_MIN: Duration = Duration::from_secs(3);

/// The header. What does not fit goes in this order: where webmon listens, lateness, bytes of the store, the store together with an export that
/// works, checks per second, the monitor that a read-only dashboard watches, the words of the counts, the clock.
pub fn header(frame: &Frame) -> Line {
    if let Some(tails) = past::tails(frame) {
        return header_of_past(frame, &tails);
    }
    let clock = frame.clock(frame.inputs.now);
    for words_too in [true, false] {
        let left = counts(frame, words_too);
        for mut tail in vitals(frame) {
            if tail.width() > 0 {
                tail.push(Role::Plain, "   ");
            }
            tail.push(Role::Plain, clock.clone());
            if left.width() + GAP + tail.width() <= frame.width() {
                let mut line = left;
                line.pad_to(frame.width() - tail.width());
                line.extend(tail);
                return line;
            }
        }
    }
    let mut line = counts(frame, false);
    if line.width() + GAP + clock.len() <= frame.width() {
        line.pad_to(frame.width() - clock.len());
        line.push(Role::Plain, clock);
    }
    line
}

/// The header of an instant of the past. The words of the counts go after the forms of `tails`, the counts last of all.
fn header_of_past(frame: &Frame, tails: &[Line]) -> Line {
    let shortest = tails.last().cloned().unwrap_or_default();
    for words_too in [true, false] {
        let left = counts(frame, words_too);
        for tail in tails {
            if left.width() + GAP + tail.width() <= frame.width() {
                let mut line = left;
                line.pad_to(frame.width() - tail.width());
                line.extend(tail.clone());
                return line;
            }
        }
    }
    let mut line = counts(frame, false).fit(frame.width().saturating_sub(shortest.width() + 1));
    line.pad_to(frame.width().saturating_sub(shortest.width()));
    line.extend(shortest);
    line
}

/// The title of the window: `webmon ▼1`.
pub fn title(frame: &Frame) -> String {
    let name = if frame.inputs.past.is_some() { "webmon past" } else { program(frame) };
    match frame.counts.down {
        0 => name.to_owned(),
        down => format!("{name} {}{down}", frame.symbols().mark(SiteState::Down)),
    }
}

/// A demonstration must not look like a real monitor.
fn program(frame: &Frame) -> &'static str {
    match frame.inputs.health {
        Health { narration: Some(_), .. } => "webmon DEMO",
        Health { watching: Some(Watching { of: Watched::Hub, .. }), .. } => "webmon hub",
        Health { watching: Some(_), .. } => "webmon watch",
        _ => "webmon",
    }
}

/// The monitor that a read-only dashboard watches, and how far behind it is: `watching pid 4711, 1 s behind`, `watching pid 4711`, `pid 4711`.
fn watching(frame: &Frame) -> [String; 3] {
    let Some(watching) = &frame.inputs.health.watching else { return Default::default() };
    let monitor = watching.process.map_or_else(|| "the store".to_owned(), |process| format!("pid {process}"));
    // Nothing more comes from a monitor that ended: what is shown is as old as its last check.
    let shown = if watching.alive { watching.until } else { watching.stored.unwrap_or(watching.until) };
    let behind = frame.since(shown);
    if watching.of != Watched::Store {
        return [format!("{behind} behind"), String::new(), String::new()];
    }
    [format!("watching {monitor}, {behind} behind"), format!("watching {monitor}"), monitor]
}

fn counts(frame: &Frame, words_too: bool) -> Line {
    let mut line = Line::of(Role::Plain, " ");
    line.push(Role::Strong, program(frame));
    if frame.inputs.snapshot.sites.is_empty() {
        line.push(Role::Plain, "  no sites");
    }
    for (state, count) in frame.counts.in_order() {
        if count == 0 {
            continue;
        }
        line.push(Role::Plain, "  ");
        let count = figures::count(count as u64);
        let mark = frame.symbols().mark(state);
        let word = if state == SiteState::Down { "DOWN" } else { state.name() };
        if state == SiteState::Down {
            let text = if words_too { format!("{mark} {count} {word}") } else { format!("{mark}{count}") };
            line.push(Role::DownCount, text);
        } else {
            line.push(Role::State(state), mark);
            line.push(Role::Plain, if words_too { format!(" {count} {word}") } else { count });
        }
    }
    if frame.state.muted {
        line.push(Role::Dim, "  muted");
    }
    line
}

/// The health of webmon, left of the clock, from the longest form to the shortest.
fn vitals(frame: &Frame) -> [Line; 8] {
    let health = frame.inputs.health;
    let checks = format!("{:.1} checks/s", health.checks_per_second);
    let (short, long) = match &health.store {
        StoreHealth::Off => (String::new(), String::new()),
        StoreHealth::Ok { bytes } => ("store ok".to_owned(), format!("store ok {}", figures::bytes(*bytes))),
        StoreHealth::NotSaving { .. } if frame.is_read_only() => ("no store".to_owned(), "no store".to_owned()),
        StoreHealth::NotSaving { .. } => ("not saving".to_owned(), "not saving".to_owned()),
    };
    let late = match health.late {
        late if late < Duration::from_millis(1) => String::new(),
        late if late < Duration::from_secs(1) => format!("late {} ms", late.as_millis()),
        late => format!("late {}", figures::duration(late)),
    };
    let store_role = if matches!(health.store, StoreHealth::NotSaving { .. }) { Role::Warning } else { Role::Plain };
    let (export_role, export) =
        health.export.as_ref().map_or((Role::Plain, String::new()), |health| export(health, frame.inputs.now));
    let (fleet_role, fleet) =
        health.fleet.as_ref().map_or((Role::Plain, String::new()), |health| fleet(health, frame.inputs.now));
    let (hub_role, heard) = health.hub.as_deref().map_or((Role::Plain, String::new()), heard);
    let (hub, short_hub) = if heard.is_empty() {
        (String::new(), String::new())
    } else {
        (format!("{heard} locations"), format!("{heard} loc"))
    };
    let [watching, short_watching, process] = watching(frame);
    let joined = |parts: &[(Role, &String)]| {
        let mut line = Line::of(Role::Plain, watching.clone());
        for (role, part) in parts {
            if line.width() > 0 && !part.is_empty() {
                line.push(Role::Plain, "  ");
            }
            line.push(*role, (*part).clone());
        }
        line
    };
    let none = String::new();
    let plain = Role::Plain;
    let listen = frame.inputs.about.listen.as_ref().unwrap_or(&none);
    let (out, to, from) = ((export_role, &export), (fleet_role, &fleet), (hub_role, &hub));
    [
        joined(&[(plain, &checks), (plain, &late), (store_role, &long), from, out, to, (plain, listen)]),
        joined(&[(plain, &checks), (plain, &late), (store_role, &long), from, out, to]),
        joined(&[(plain, &checks), (store_role, &long), from, out, to]),
        joined(&[(plain, &checks), (store_role, &short), from, out, to]),
        joined(&[(plain, &checks), from, bad(out, &none), bad(to, &none)]),
        joined(&[from]),
        if health.hub.is_some() { Line::of(hub_role, short_hub) } else { Line::of(plain, short_watching) },
        Line::of(plain, process),
    ]
}

/// `part` if it warns, else `nothing`.
fn bad<'a>(part: (Role, &'a String), nothing: &'a String) -> (Role, &'a String) {
    if part.0 == Role::Plain { (Role::Plain, nothing) } else { part }
}

/// Whether the hubs get what is stored here.
fn fleet(fleet: &FleetHealth, now: Timestamp) -> (Role, String) {
    let span = |since: Timestamp| time_text::running(now.since(since));
    match &fleet.state {
        FleetState::Ok if fleet.lacked > 0 => (Role::Plain, format!("fleet {} to go", figures::count(fleet.lacked))),
        FleetState::Ok => (Role::Plain, "fleet ok".to_owned()),
        FleetState::Unconnected { since, .. } => (Role::Warning, format!("fleet no server {}", span(*since))),
        FleetState::Unanswered { since, .. } => (Role::Warning, format!("fleet no answer {}", span(*since))),
    }
}

/// How many locations a hub hears that see: `2/3`.
fn heard(hub: &HubHealth) -> (Role, String) {
    let (heard, all) = (hub.heard(), hub.locations.len());
    let role = if heard == all { Role::Plain } else { Role::Warning };
    (role, format!("{heard}/{all}"))
}

fn export(export: &ExportHealth, now: Timestamp) -> (Role, String) {
    let behind = export.lag(now);
    match export.state {
        ExportState::Blocked => (Role::Warning, "influx blocked".to_owned()),
        ExportState::Ok if behind < BEHIND_MIN => (Role::Plain, "influx ok".to_owned()),
        ExportState::Ok => (Role::Plain, format!("influx {} behind", time_text::running(behind))),
        ExportState::Retrying => (Role::Warning, format!("influx {} behind", time_text::running(behind))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::layout::Size;

    use crate::tui::tests::fixtures;
    use crate::tui::view;

    #[test]
    fn a_monitor_that_ended_is_as_far_behind_as_its_last_check_is_old() {
        for (alive, told) in [(true, "watching pid 4711, 2 s behind"), (false, "watching pid 4711, 14 s behind")] {
            let mut world = fixtures::watched(alive);
            let now = world.now;
            if let Some(watching) = &mut world.health.watching {
                watching.stored = Some(now.before(Duration::from_secs(14)));
            }
            let mut state = fixtures::state();
            let size = Size { width: 160, height: 40 };
            state.settle(&world.inputs(), size);
            let header = view(&world.inputs(), &state, size).lines[0].text();
            assert!(header.contains(told), "{header}");
        }
    }
}
