//! Which columns a width has room for.
//!
//! A column is shown whole or not at all. [`STEPS`] adds them by importance until one does not fit; what is left
//! over widens the names, then the codes, then the note.

use crate::model::SortKey;

use super::heartbeat;

/// A column of a table; the variants are in their order on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    Site,
    Since,
    Availability,
    Coverage,
    Average,
    P50,
    P90,
    P95,
    P99,
    Max,
    Ttfb,
    TtfbMax,
    Codes,
    Certificate,
    Budget,
    Bar,
    Note,
}

/// Columns with their widths, in their order on the screen. The mark and a space come before them, a space between them.
pub type ColumnWidths = Vec<(Column, usize)>;

const SITE_MIN: usize = 14;
const SITE_MAX: usize = 24;
const CODES_MAX: usize = 24;
const NOTE_MAX: usize = 36;
const MARK: usize = 1;

enum LayoutStep {
    Add(Column, usize),
    /// Widen the bar by up to so many cells.
    Widen(usize),
}

const STEPS: [LayoutStep; 19] = [
    LayoutStep::Add(Column::Site, SITE_MIN),
    LayoutStep::Add(Column::Availability, 7),
    LayoutStep::Add(Column::Codes, 17),
    LayoutStep::Add(Column::Average, 7),
    LayoutStep::Add(Column::Max, 7),
    LayoutStep::Add(Column::P95, 7),
    LayoutStep::Add(Column::Bar, 10),
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
];

/// The columns for `width` cells; `coverage`: some site is not fully covered; `budget`: some site has an objective.
pub fn choose(width: usize, coverage: bool, budget: bool) -> ColumnWidths {
    let mut columns = ColumnWidths::new();
    let mut used = MARK;
    for step in STEPS {
        match step {
            LayoutStep::Add(Column::Coverage, _) if !coverage => {}
            LayoutStep::Add(Column::Budget, _) if !budget => {}
            LayoutStep::Add(column, cells) => {
                if used + 1 + cells > width {
                    break;
                }
                used += 1 + cells;
                columns.push((column, cells));
            }
            LayoutStep::Widen(by) => {
                if let Some((_, cells)) = columns.iter_mut().find(|(column, _)| *column == Column::Bar) {
                    let wider = heartbeat::fitting((*cells + by).min(*cells + width - used)).unwrap_or(*cells);
                    used += wider - *cells;
                    *cells = wider;
                }
            }
        }
    }
    for (grown, max) in [(Column::Site, SITE_MAX), (Column::Codes, CODES_MAX), (Column::Note, NOTE_MAX)] {
        if let Some((_, cells)) = columns.iter_mut().find(|(column, _)| *column == grown) {
            let more = (max - *cells).min(width - used);
            *cells += more;
            used += more;
        }
    }
    columns.sort_unstable_by_key(|(column, _)| *column);
    columns
}

impl Column {
    pub const fn head(self) -> &'static str {
        match self {
            Self::Site => "SITE",
            Self::Since => "SINCE",
            Self::Availability => "AVAIL",
            Self::Coverage => "COV",
            Self::Average => "AVG",
            Self::P50 => "P50",
            Self::P90 => "P90",
            Self::P95 => "P95",
            Self::P99 => "P99",
            Self::Max => "MAX",
            Self::Ttfb => "TTFB",
            Self::TtfbMax => "TTFB MX",
            Self::Codes => "CODES",
            Self::Certificate => "CERT",
            Self::Budget => "SLO",
            Self::Bar => "",
            Self::Note => "NOTE",
        }
    }

    /// The sort key of a click on its head.
    pub const fn sort_key(self) -> Option<SortKey> {
        match self {
            Self::Site => Some(SortKey::Name),
            Self::Availability => Some(SortKey::Availability),
            Self::Average => Some(SortKey::Average),
            Self::P95 => Some(SortKey::P95),
            Self::Max => Some(SortKey::Max),
            Self::Ttfb => Some(SortKey::Ttfb),
            Self::Certificate => Some(SortKey::Certificate),
            Self::Since
            | Self::Coverage
            | Self::P50
            | Self::P90
            | Self::P99
            | Self::TtfbMax
            | Self::Codes
            | Self::Budget
            | Self::Bar
            | Self::Note => None,
        }
    }

    /// Whether its content is left-aligned.
    pub const fn is_left(self) -> bool {
        matches!(self, Self::Site | Self::Codes | Self::Bar | Self::Note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chosen(width: usize, coverage: bool, budget: bool) -> String {
        let text = |(column, cells): (Column, usize)| {
            let name = if column == Column::Bar { "bar" } else { column.head() };
            format!("{}{cells}", name.replace(' ', ""))
        };
        choose(width, coverage, budget).into_iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn columns_drop_by_priority() {
        for (width, coverage, columns) in [
            (40, true, "SITE24 AVAIL7"),
            (60, true, "SITE16 AVAIL7 AVG7 MAX7 CODES17"),
            (80, true, "SITE17 AVAIL7 AVG7 P957 MAX7 CODES17 bar10"),
            (100, true, "SITE16 AVAIL7 AVG7 P507 P957 MAX7 TTFB7 CODES17 bar15"),
            (120, true, "SITE18 AVAIL7 COV4 AVG7 P507 P957 MAX7 TTFB7 TTFBMX7 CODES17 bar20"),
            (120, false, "SITE16 SINCE6 AVAIL7 AVG7 P507 P957 MAX7 TTFB7 TTFBMX7 CODES17 bar20"),
            (160, true, "SITE20 SINCE6 AVAIL7 COV4 AVG7 P507 P907 P957 P997 MAX7 TTFB7 TTFBMX7 CODES17 CERT4 bar30"),
            (
                200,
                true,
                "SITE24 SINCE6 AVAIL7 COV4 AVG7 P507 P907 P957 P997 MAX7 TTFB7 TTFBMX7 CODES24 CERT4 bar30 NOTE28",
            ),
        ] {
            assert_eq!(chosen(width, coverage, false), columns, "{width}");
        }
    }

    #[test]
    fn budgets_take_room_after_the_bar() {
        assert_eq!(chosen(80, true, true), chosen(80, true, false));
        let wide = "SITE15 AVAIL7 AVG7 P507 P957 MAX7 TTFB7 TTFBMX7 CODES17 SLO7 bar20";
        assert_eq!(chosen(120, true, true), wide);
    }

    proptest! {
        #[test]
        fn columns_never_exceed_the_width(width in 16usize..400, coverage: bool, budget: bool) {
            let columns = choose(width, coverage, budget);
            prop_assert!(MARK + columns.iter().map(|(_, cells)| 1 + cells).sum::<usize>() <= width);
            for (column, cells) in columns {
                prop_assert!(column != Column::Bar || heartbeat::WIDTHS.contains(&cells));
            }
        }
    }
}
