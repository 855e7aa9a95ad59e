//! The columns of a table.

use super::sort::SortKey;

/// A column of a table; the variants are in their usual order on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    Site,
    Locations,
    Since,
    Availability,
    Coverage,
    Average,
    P50,
    P90,
    P95,
    Difference,
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

/// The columns that can be chosen, by their names in sites.yaml: all but the name, which always comes first.
pub const CHOICES: [(&str, Column); 18] = [
    ("loc", Column::Locations),
    ("since", Column::Since),
    ("avail", Column::Availability),
    ("cov", Column::Coverage),
    ("avg", Column::Average),
    ("p50", Column::P50),
    ("p90", Column::P90),
    ("p95", Column::P95),
    ("diff", Column::Difference),
    ("p99", Column::P99),
    ("max", Column::Max),
    ("ttfb", Column::Ttfb),
    ("ttfb-max", Column::TtfbMax),
    ("codes", Column::Codes),
    ("cert", Column::Certificate),
    ("slo", Column::Budget),
    ("bar", Column::Bar),
    ("note", Column::Note),
];

impl Column {
    pub const fn head(self) -> &'static str {
        match self {
            Self::Site => "SITE",
            Self::Locations => "LOC",
            Self::Since => "SINCE",
            Self::Availability => "AVAIL",
            Self::Coverage => "COV",
            Self::Average => "AVG",
            Self::P50 => "P50",
            Self::P90 => "P90",
            Self::P95 => "P95",
            Self::Difference => "DIFF",
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
            Self::P50 => Some(SortKey::P50),
            Self::Since => Some(SortKey::Since),
            Self::Codes => Some(SortKey::Codes),
            Self::Locations
            | Self::Coverage
            | Self::Difference
            | Self::P90
            | Self::P99
            | Self::TtfbMax
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
