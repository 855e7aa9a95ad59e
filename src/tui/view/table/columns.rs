//! Which columns a width has room for.
//!
//! A column is shown whole or not at all. [`STEPS`] adds them by importance until one does not fit. Names get what the
//! longest needs before secondary columns come; columns that are empty, or repeat another one, never come. What is left
//! over widens the codes, then the note, then the names. Columns that the user chose come in the chosen order, after a name
//! that has what the longest needs; those that do not fit are left out from the right.

use crate::tui::arrangement::column::Column;
use crate::tui::state::overview_facts::OverviewFacts;

use super::heartbeat;

/// Columns with their widths, in their order on the screen. The mark and a space come before them, a space between them.
pub type ColumnWidths = Vec<(Column, usize)>;

const SITE_MIN: usize = 14;
const SITE_MAX: usize = 40;
const CODES_MAX: usize = 24;
const NOTE_MIN: usize = 12;
const NOTE_MAX: usize = 80;
const MARK: usize = 1;
/// Before the name of a member of a group, and what the arrow of a group takes.
pub const INDENT: usize = 2;

enum LayoutStep {
    Add(Column, usize),
    /// The same where a column of locations took its room before.
    AddLate(Column, usize),
    /// Widen the bar by up to so many cells.
    Widen(usize),
    /// Widen the names to what the longest needs.
    Names,
}

const STEPS: [LayoutStep; 23] = [
    LayoutStep::Add(Column::Site, SITE_MIN),
    LayoutStep::Add(Column::Availability, 7),
    LayoutStep::Add(Column::Locations, 5),
    LayoutStep::Add(Column::Codes, 17),
    LayoutStep::Add(Column::Average, 7),
    LayoutStep::Add(Column::Max, 7),
    LayoutStep::Add(Column::P95, 7),
    LayoutStep::Add(Column::Bar, 10),
    LayoutStep::Names,
    LayoutStep::AddLate(Column::Average, 7),
    LayoutStep::Add(Column::Budget, 7),
    LayoutStep::Add(Column::P50, 7),
    LayoutStep::Add(Column::Ttfb, 7),
    LayoutStep::Widen(10),
    LayoutStep::Add(Column::TtfbMax, 7),
    LayoutStep::Add(Column::Coverage, 4),
    LayoutStep::Add(Column::Since, 6),
    LayoutStep::Add(Column::Certificate, 4),
    LayoutStep::Add(Column::P99, 7),
    LayoutStep::Add(Column::P90, 7),
    LayoutStep::Widen(10),
    LayoutStep::Add(Column::Note, 24),
    // Only where it is chosen: each of its figures is read from the store.
    LayoutStep::Add(Column::Difference, 6),
];

/// The columns for `width` cells, where the sites are such and shown by group or not: `chosen` ones if there are any.
pub fn choose(width: usize, chosen: &[Column], facts: &OverviewFacts, grouped: bool) -> ColumnWidths {
    let names = (facts.longest_name + if grouped { INDENT } else { 0 }).clamp(SITE_MIN, SITE_MAX);
    // Without a hub there are no votes.
    let chosen: Vec<Column> =
        chosen.iter().copied().filter(|column| facts.locations || *column != Column::Locations).collect();
    let (mut columns, mut used) =
        if chosen.is_empty() { by_importance(width, names, facts) } else { as_chosen(width, names, &chosen) };
    for (grown, max) in [(Column::Codes, CODES_MAX), (Column::Note, NOTE_MAX), (Column::Site, names)] {
        grow(&mut columns, grown, max, &mut used, width);
    }
    columns
}

/// The chosen columns that fit, and the cells that they take.
fn as_chosen(width: usize, names: usize, chosen: &[Column]) -> (ColumnWidths, usize) {
    let cells = |column| {
        STEPS.iter().find_map(|step| match step {
            LayoutStep::Add(of, cells) if *of == column => Some(*cells),
            _ => None,
        })
    };
    // The first column always has room.
    let first = chosen.first().and_then(|column| cells(*column)).unwrap_or(0);
    let names = names.min(width.saturating_sub(MARK + 2 + first)).max(SITE_MIN);
    let mut columns = vec![(Column::Site, names)];
    let mut used = MARK + 1 + names;
    for &column in chosen {
        let room = width.saturating_sub(used + 1);
        // A note says something in less than its usual room, too.
        let fitted = |cells: usize| if column == Column::Note && room >= NOTE_MIN { cells.min(room) } else { cells };
        let Some(cells) = cells(column).map(fitted).filter(|cells| *cells <= room) else { break };
        used += 1 + cells;
        columns.push((column, cells));
    }
    widen(&mut columns, usize::MAX, &mut used, width);
    (columns, used)
}

/// The columns that the width has room for, and the cells that they take.
fn by_importance(width: usize, names: usize, facts: &OverviewFacts) -> (ColumnWidths, usize) {
    let mut columns = ColumnWidths::new();
    let mut used = MARK;
    for step in STEPS {
        match step {
            LayoutStep::Add(Column::Difference, _) => {}
            LayoutStep::Add(Column::Locations, _) | LayoutStep::AddLate(..) if !facts.locations => {}
            LayoutStep::Add(Column::Average, _) if facts.locations => {}
            LayoutStep::Add(Column::Coverage, _) if !facts.incomplete => {}
            LayoutStep::Add(Column::Budget, _) if !facts.objectives => {}
            LayoutStep::Add(Column::Certificate, _) if !facts.certificates => {}
            LayoutStep::Add(Column::Ttfb | Column::TtfbMax, _) if !facts.ttfb => {}
            LayoutStep::Add(column, cells) | LayoutStep::AddLate(column, cells) => {
                if used + 1 + cells > width {
                    break;
                }
                used += 1 + cells;
                columns.push((column, cells));
            }
            LayoutStep::Names => grow(&mut columns, Column::Site, names, &mut used, width),
            LayoutStep::Widen(by) => widen(&mut columns, by, &mut used, width),
        }
    }
    columns.sort_unstable_by_key(|(column, _)| *column);
    (columns, used)
}

/// Widens the bar by at most so many cells, as far as there is room.
fn widen(columns: &mut ColumnWidths, by: usize, used: &mut usize, width: usize) {
    if let Some((_, cells)) = columns.iter_mut().find(|(column, _)| *column == Column::Bar) {
        let wider = heartbeat::fitting(cells.saturating_add(by).min(*cells + width - *used)).unwrap_or(*cells);
        *used += wider - *cells;
        *cells = wider;
    }
}

/// Widens a column to at most `max` cells, as far as there is room.
fn grow(columns: &mut ColumnWidths, grown: Column, max: usize, used: &mut usize, width: usize) {
    if let Some((_, cells)) = columns.iter_mut().find(|(column, _)| *column == grown) {
        let more = max.saturating_sub(*cells).min(width - *used);
        *cells += more;
        *used += more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::arrangement::column::CHOICES;
    use proptest::prelude::*;

    fn facts(longest_name: usize, coverage: bool, objectives: bool) -> OverviewFacts {
        let mut facts = OverviewFacts::default();
        (facts.longest_name, facts.incomplete, facts.objectives, facts.ttfb) =
            (longest_name, coverage, objectives, true);
        facts
    }

    fn chosen(width: usize, facts: &OverviewFacts) -> String {
        let text = |(column, cells): (Column, usize)| {
            let name = if column == Column::Bar { "bar" } else { column.head() };
            format!("{}{cells}", name.replace(' ', ""))
        };
        choose(width, &[], facts, false).into_iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn columns_drop_by_priority() {
        for (width, coverage, columns) in [
            (40, true, "SITE17 AVAIL7"),
            (60, true, "SITE14 AVAIL7 AVG7 MAX7 CODES19"),
            (80, true, "SITE17 AVAIL7 AVG7 P957 MAX7 CODES17 bar10"),
            (100, true, "SITE17 AVAIL7 AVG7 P507 P957 MAX7 TTFB7 CODES19 bar12"),
            (120, true, "SITE17 AVAIL7 COV4 AVG7 P507 P957 MAX7 TTFB7 TTFBMX7 CODES18 bar20"),
            (120, false, "SITE17 AVAIL7 AVG7 P507 P957 MAX7 TTFB7 TTFBMX7 CODES23 bar20"),
        ] {
            assert_eq!(chosen(width, &facts(17, coverage, false)), columns, "{width}");
        }
        let mut all = facts(17, true, false);
        all.certificates = true;
        let wide = "SITE17 SINCE6 AVAIL7 COV4 AVG7 P507 P907 P957 P997 MAX7 TTFB7 TTFBMX7 CODES24 CERT4 bar30 NOTE35";
        assert_eq!(chosen(200, &all), wide);
        let none = "SITE17 SINCE6 AVAIL7 COV4 AVG7 P507 P907 P957 P997 MAX7 CODES24 bar30 NOTE56";
        (all.ttfb, all.certificates) = (false, false);
        assert_eq!(chosen(200, &all), none);
    }

    #[test]
    fn long_names_come_before_secondary_columns() {
        assert_eq!(chosen(120, &facts(60, false, false)), "SITE40 AVAIL7 AVG7 P507 P957 MAX7 TTFB7 CODES18 bar10");
    }

    #[test]
    fn chosen_columns_come_in_their_order_and_names_come_first() {
        let chosen = [Column::Bar, Column::Note, Column::P99, Column::Certificate, Column::Availability];
        let shown = |width| {
            let columns = choose(width, &chosen, &facts(20, false, false), false);
            columns.iter().map(|(column, cells)| format!("{column:?}{cells}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(40), "Site20 Bar15");
        assert_eq!(shown(60), "Site20 Bar12 Note24");
        assert_eq!(shown(80), "Site20 Bar10 Note25 P997 Certificate4 Availability7");
        assert_eq!(shown(120), "Site20 Bar30 Note45 P997 Certificate4 Availability7");
    }

    #[test]
    fn votes_take_the_room_of_the_average_where_there_is_little() {
        let mut hub = facts(17, true, false);
        hub.locations = true;
        assert_eq!(chosen(40, &hub), "SITE17 LOC5 AVAIL7");
        assert_eq!(chosen(80, &hub), "SITE17 LOC5 AVAIL7 P957 MAX7 CODES19 bar10");
        assert!(chosen(120, &hub).contains("AVG7"), "{}", chosen(120, &hub));
    }

    #[test]
    fn budgets_take_room_after_the_bar() {
        assert_eq!(chosen(80, &facts(17, true, true)), chosen(80, &facts(17, true, false)));
        assert!(chosen(120, &facts(17, true, true)).contains("SLO7"));
    }

    proptest! {
        #[test]
        fn columns_never_exceed_the_width(
            width in 16usize..400, name in 0usize..60, coverage: bool, budget: bool, grouped: bool, locations: bool,
            chosen in prop::sample::subsequence((0..CHOICES.len()).collect::<Vec<_>>(), 0..=CHOICES.len()).prop_shuffle(),
        ) {
            let chosen: Vec<Column> = chosen.into_iter().map(|at: usize| CHOICES[at].1).collect();
            let mut facts = facts(name, coverage, budget);
            facts.locations = locations;
            let columns = choose(width, &chosen, &facts, grouped);
            let chosen: Vec<Column> =
                chosen.into_iter().filter(|column| locations || *column != Column::Locations).collect();
            if !chosen.is_empty() {
                let shown: Vec<Column> = columns[1..].iter().map(|(column, _)| *column).collect();
                prop_assert_eq!(&chosen[..shown.len()], &*shown, "left out from the right");
                prop_assert!(!shown.is_empty() || width < 40);
            }
            prop_assert!(MARK + columns.iter().map(|(_, cells)| 1 + cells).sum::<usize>() <= width);
            for (column, cells) in columns {
                prop_assert!(column != Column::Bar || heartbeat::WIDTHS.contains(&cells));
            }
        }

        #[test]
        fn names_never_shrink_as_the_terminal_grows(width in 78usize..300, name in 0usize..60, coverage: bool) {
            let site = |width| choose(width, &[], &facts(name, coverage, false), false)[0].1;
            prop_assert!(site(width) <= site(width + 1));
        }
    }
}
