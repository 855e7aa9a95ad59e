//! The row of a group, in place of its members or above them, and the sentence about the selected group.

use std::sync::Arc;

use crate::engine::snapshot::{SiteSnapshot, SiteState};
use crate::model::figures;
use crate::model::time::duration::format_short;
use crate::tui::keymap::Action;
use crate::tui::state::groups::GroupCounts;
use crate::tui::style::line::{Line, cut, cut_middle, right, safe, short_name, width};
use crate::tui::style::role::Role;
use crate::tui::view::frame::Frame;

use super::columns::ColumnWidths;
use super::heartbeat;
use super::rows::{NO_TIME, availability};
use crate::tui::arrangement::column::Column;

/// The row of a group in a view: the states of its members and the figures of all their checks. `site` is the first one.
pub fn row(frame: &Frame, columns: &ColumnWidths, (group, view): (&Arc<str>, usize), site: &SiteSnapshot) -> Line {
    let groups = &frame.state.sites.groups;
    let (Some(counts), Some(sum)) = (groups.counts(group), groups.figures(view, group)) else { return Line::default() };
    let (role, mark) = frame.mark(counts.worst);
    let mut line = Line::of(role, mark);
    let mut end = 1;
    for &(column, cells) in columns {
        line.pad_to(end);
        line.push(Role::Plain, " ");
        end += 1 + cells;
        match column {
            Column::Site => {
                let arrow = if groups.is_unfolded(group) { "▾" } else { "▸" };
                line.push(Role::Strong, cut_middle(&format!("{arrow} {group}"), cells));
            }
            Column::Availability => {
                line.push(Role::Plain, right(&availability(sum.counts.availability(), sum.incomplete), cells));
            }
            Column::Codes => line.push(Role::Plain, cut(&summary(counts), cells)),
            Column::Bar => {
                for cell in heartbeat::cells(&sum.beats, cells, site.interval, site.policies.availability.threshold) {
                    line.push(Role::Beat(cell), frame.symbols().beat(cell));
                }
            }
            Column::Since => {
                let since = format_short(frame.inputs.now.since(counts.since));
                line.push(Role::Plain, right(&since, cells));
            }
            _ => {
                let (response, ttfb) = (sum.response, sum.ttfb);
                let shown = match column {
                    Column::Average => response.map(|times| times.avg),
                    Column::P50 => response.map(|times| f64::from(times.p50)),
                    Column::P90 => response.map(|times| f64::from(times.p90)),
                    Column::P95 => response.map(|times| f64::from(times.p95)),
                    Column::P99 => response.map(|times| f64::from(times.p99)),
                    Column::Max => response.map(|times| f64::from(times.max)),
                    Column::Ttfb => ttfb.map(|times| times.avg),
                    Column::TtfbMax => ttfb.map(|times| f64::from(times.max)),
                    _ => continue,
                };
                line.push(Role::Plain, shown.map_or_else(|| NO_TIME.to_owned(), figures::time_cell));
            }
        }
    }
    line
}

/// `2 DOWN of 120`, `3 of 120 not up`, `120 up`.
fn summary(counts: &GroupCounts) -> String {
    let [sites, down, not_up] = [counts.sites, counts.down, counts.not_up].map(|n| figures::count(n as u64));
    match (counts.down, counts.not_up) {
        (0, 0) => format!("{sites} up"),
        (0, _) => format!("{not_up} of {sites} not up"),
        _ => format!("{down} DOWN of {sites}"),
    }
}

/// A group in one sentence: the states of its sites, the names of those that are not up, and what Enter does.
pub fn sentence(frame: &Frame, group: &Arc<str>) -> Line {
    let groups = &frame.state.sites.groups;
    let Some(counts) = groups.counts(group) else { return Line::default() };
    let (role, mark) = frame.mark(counts.worst);
    let mut line = Line::of(role, mark);
    line.push(Role::Plain, " ");
    line.push(Role::Strong, cut(group, frame.width() / 3));
    line.push(Role::Plain, format!("  {}", summary(counts)));
    let does = if groups.is_unfolded(group) { "folds" } else { "unfolds" };
    let unfolds = format!("{} {does}", frame.key(Action::Open));
    let sites = frame.inputs.snapshot.subjects().map(|(_, site)| site);
    let members = sites.filter(|site| site.group.as_ref() == Some(group));
    let mut sep = ": ";
    for site in members.filter(|site| site.state != SiteState::Up) {
        let (role, mark) = frame.mark(site.state);
        let name = format!(" {}", safe(short_name(&site.name)));
        if line.width() + sep.len() + width(mark) + width(&name) + unfolds.len() + 6 > frame.width() {
            line.push(Role::Plain, " …");
            break;
        }
        line.push(Role::Plain, sep);
        line.push(role, mark);
        line.push(Role::Plain, name);
        sep = "  ";
    }
    if line.width() + unfolds.len() + 3 <= frame.width() {
        line.push(Role::Dim, format!(" · {unfolds}"));
    }
    line
}
