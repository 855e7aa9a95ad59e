//! Sites folded by group: one row a group, and below it its members where it is unfolded.
//!
//! Groups stand in the order of their first members, so with the usual order the one with the worst site is first; a site
//! without a group is a row of its own. Figures of a group are sums over its members, made when the rows are arranged;
//! its state is counted at every frame. Both are one pass over the sites, only while they are folded.

use std::sync::Arc;

use crate::engine::snapshot::{SiteSnapshot, SiteState};
use crate::model::figures;
use crate::tui::state::groups::GroupCounts;
use crate::tui::style::line::{Line, cut, cut_middle, right, safe, short_name, width};
use crate::tui::style::role::Role;
use crate::tui::view::frame::Frame;

use super::columns::{Column, ColumnWidths};
use super::heartbeat;

/// The row of a group in a view, of which `site` is the first listed: how many are how, and what came of all their checks.
pub fn row(
    frame: &Frame,
    columns: &ColumnWidths,
    (group, view): (&Arc<str>, usize),
    site: &SiteSnapshot,
    selected: bool,
) -> Line {
    let (state, folding) = (frame.state, &frame.state.folding);
    let sum = folding.sums.get(view).and_then(|sums| sums.get(group));
    let (Some(tally), Some(sum)) = (folding.tallies.get(group), sum) else { return Line::default() };
    let (role, mark) = frame.mark(tally.worst);
    let mut line = Line::of(role, mark);
    let mut end = 1;
    for &(column, cells) in columns {
        line.pad_to(end);
        line.push(Role::Plain, " ");
        end += 1 + cells;
        match column {
            Column::Site => {
                let role = if selected { Role::Cursor } else { Role::Strong };
                let arrow = if folding.unfolded.contains(group) { "▾" } else { "▸" };
                line.push(role, cut_middle(&format!("{arrow} {group}"), cells));
            }
            Column::Availability => {
                let percent = sum.counts.availability().map(|of| figures::percent(of.up, of.checks));
                let text = percent.map_or_else(
                    || "–".to_owned(),
                    |percent| if sum.incomplete { format!("~{percent}") } else { percent },
                );
                line.push(Role::Plain, right(&text, cells));
            }
            Column::Codes => line.push(Role::Plain, cut(&told(tally), cells)),
            Column::Bar => {
                for cell in heartbeat::cells(&sum.beats, cells, site.interval, site.rule.threshold) {
                    line.push(Role::Beat(cell), state.symbols.beat(cell));
                }
            }
            _ => {}
        }
    }
    line
}

/// `2 DOWN of 120`, `3 of 120 not up`, `120 up`.
fn told(tally: &GroupCounts) -> String {
    let [sites, down, not_up] = [tally.sites, tally.down, tally.not_up].map(|n| figures::count(n as u64));
    match (tally.down, tally.not_up) {
        (0, 0) => format!("{sites} up"),
        (0, _) => format!("{not_up} of {sites} not up"),
        _ => format!("{down} DOWN of {sites}"),
    }
}

/// A group in one sentence: how its sites are, the names of those that are not up, and what can be done.
pub fn sentence(frame: &Frame, group: &Arc<str>) -> Line {
    let folding = &frame.state.folding;
    let Some(tally) = folding.tallies.get(group) else { return Line::default() };
    let (role, mark) = frame.mark(tally.worst);
    let mut line = Line::of(role, mark);
    line.push(Role::Plain, " ");
    line.push(Role::Strong, cut(group, frame.width() / 3));
    line.push(Role::Plain, format!("  {}", told(tally)));
    let unfolds = if folding.unfolded.contains(group) { "Enter folds" } else { "Enter unfolds" };
    let members = frame.inputs.snapshot.sites.iter().filter(|site| site.group.as_ref() == Some(group));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Beats;
    use crate::tui::state::groups::{GroupedList, sums, tallies};
    use crate::tui::tests::fixtures;

    #[test]
    fn groups_stand_where_their_first_member_stood_and_unfold() {
        let snapshot = fixtures::five_sites().snapshot;
        // api and shop-checkout are of shop, docs and blog of words, the third has none.
        let order = [0, 1, 2, 3, 4];
        let mut folding = GroupedList { on: true, ..GroupedList::default() };
        assert_eq!(folding.fold(order.to_vec(), &snapshot), [0, 2, 3]);
        assert_eq!(folding.heads, [true, false, true]);
        folding.unfolded.insert("words".into());
        assert_eq!(folding.fold(order.to_vec(), &snapshot), [0, 2, 3, 3, 4]);
        assert_eq!(folding.heads, [true, false, true, false, false]);
        folding.on = false;
        assert_eq!(folding.fold(order.to_vec(), &snapshot), order);
        assert!(folding.heads.is_empty());
    }

    #[test]
    fn a_group_is_as_bad_as_its_worst_member_and_sums_their_checks() {
        let snapshot = fixtures::five_sites().snapshot;
        let shop = tallies(&snapshot)["shop"];
        assert_eq!(shop, GroupCounts { sites: 2, down: 1, not_up: 2, worst: SiteState::Down });
        let counts = sums(&snapshot)[0]["shop"].counts;
        assert_eq!((counts.up, counts.down), (97 + 59, 23 + 1));
        let last = sums(&snapshot)[0]["shop"].beats.cells[Beats::CELLS - 1];
        assert_eq!((last.up, last.down), (0, 2));
    }
}
