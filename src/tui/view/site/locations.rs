//! The locations of a site over all of them: how each sees it, and why.

use crate::engine::snapshot::{SiteSnapshot, SiteState};
use crate::model::{LocationHealth, Place, Presence, figures};
use crate::stats::Latency;
use crate::tui::keymap::Action;
use crate::tui::style::line::{Line, cut, right};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;
use crate::tui::view::frame::Frame;
use crate::tui::view::table::rows::{NO_TIME, marked, note};
use crate::tui::view::table::votes;

use super::rule;

/// Locations that are listed here, the worst ones first; the overview lists all.
const LISTED: usize = 12;
const NAME_MIN: usize = 8;
const NAME_MAX: usize = 20;
/// From this offset on a clock is worth a word, µs.
const OFFSET: u64 = 1_000_000;

/// The lines of the table; none for a site of one location.
pub fn lines(frame: &Frame, site: &SiteSnapshot) -> Vec<Line> {
    if site.place != Place::Everywhere {
        return Vec::new();
    }
    let Some(whole) = frame.state.focus(frame.inputs) else { return Vec::new() };
    let mut parts: Vec<usize> = frame.tables.parts(whole).collect();
    let number = frame.state.sites.view().min(frame.tables.views.len().saturating_sub(1));
    let mut title = Line::of(Role::Strong, "Locations");
    if let Some(view) = frame.tables.views.get(number) {
        title.push(Role::Plain, format!(" · {}", time_text::span(view.timeframe.length())));
    }
    let said = site.votes.map_or_else(String::new, |votes| votes::words(frame, site, &votes));
    let mut lines = vec![rule(title, &said, frame.width())];
    if parts.is_empty() {
        lines.push(Line::of(Role::Plain, " no location has sent a check of this site yet"));
        return lines;
    }
    parts.sort_by_key(|part| frame.tables.sites[*part].state);
    let name = |part: &usize| frame.tables.sites[*part].place.location().map_or(0, |location| location.name().len());
    let name = parts.iter().map(name).max().unwrap_or(0).clamp(NAME_MIN, NAME_MAX);
    lines.push(head(name));
    for &part in parts.iter().take(LISTED) {
        lines.push(row(frame, (number, part), name));
    }
    if parts.len() > LISTED {
        let more = parts.len() - LISTED;
        let key = frame.key(Action::ToggleLocations);
        lines.push(Line::of(Role::Plain, format!("  and {more} more · {key} on the overview lists all")));
    }
    lines
}

fn head(name: usize) -> Line {
    Line::of(
        Role::Plain,
        format!(
            "  {:<name$} {:<10} {:>8} {:>7} {:>7} {:>7} {:>8} WHY",
            "LOCATION", "STATE", "AVAIL", "P50", "P95", "P99", "CHECKED"
        ),
    )
}

/// How the location at index `part` sees the site, in the view of this number.
fn row(frame: &Frame, (view, part): (usize, usize), name: usize) -> Line {
    let shown = &frame.tables.sites[part];
    let current = frame.inputs.snapshot.of_slot(shown.slot, part);
    let site = current.unwrap_or(shown);
    let location = site.place.location();
    let (role, mark) = frame.mark(site.state);
    let mut line = Line::of(role, mark);
    line.push(Role::Plain, format!(" {:<name$}", cut(location.map_or(&*site.name, |place| place.name()), name)));
    line.push(Role::Plain, format!(" {:<10}", if site.state == SiteState::Down { "DOWN" } else { site.state.name() }));
    let figures = frame.tables.views.get(view).and_then(|view| view.rows.get(part));
    let availability = figures.map_or_else(String::new, |row| marked(&row.summary, row.is_exact));
    line.push(Role::Plain, format!(" {}", right(&availability, 8)));
    let picks: [fn(Latency) -> u32; 3] = [|times| times.p50, |times| times.p95, |times| times.p99];
    for pick in picks {
        let time = figures.and_then(|row| row.summary.response).map(|times| f64::from(pick(times)));
        line.push(Role::Plain, format!(" {}", time.map_or_else(|| NO_TIME.to_owned(), figures::time_cell)));
    }
    let checked = site.last.as_ref().map_or_else(|| "–".to_owned(), |last| frame.since(last.sample.at));
    line.push(Role::Plain, format!(" {}", right(&checked, 8)));
    let health = location.and_then(|location| frame.inputs.health.hub.as_deref()?.of(location));
    let why = health.and_then(|health| presence(frame, health)).into_iter().chain(Some(note(frame, site)));
    let why: Vec<String> = why.filter(|why| !why.is_empty()).collect();
    line.push(Role::Plain, " ");
    line.push(Role::Plain, cut(&why.join(" · "), frame.width().saturating_sub(line.width())));
    line
}

/// What there is to say about a location whatever it sees.
fn presence(frame: &Frame, health: &LocationHealth) -> Option<String> {
    let since = health.since.map_or_else(String::new, |since| format!(" since {}", frame.moment(since)));
    let mut said = match health.presence {
        Presence::Heard => Vec::new(),
        Presence::Awaited => vec!["not heard yet".to_owned()],
        Presence::Silent => vec![format!("silent{since}: no vote")],
        Presence::Blind => vec![format!("blind{since}: no vote")],
    };
    if health.is_filling {
        said.push("back-filling".to_owned());
    }
    if let Some(ahead) = health.ahead.filter(|ahead| ahead.unsigned_abs() >= OFFSET) {
        let tenths = ahead.unsigned_abs() / 100_000;
        let sign = if ahead < 0 { '-' } else { '+' };
        said.push(format!("clock {sign}{}.{} s", tenths / 10, tenths % 10));
    }
    (!said.is_empty()).then(|| said.join(" · "))
}
