//! The orders of a table of sites.

/// The order of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SortKey {
    /// Worst state first, then the order of the file.
    #[default]
    State,
    /// By name.
    Name,
    /// Lowest availability first.
    Availability,
    /// Longest average response time first.
    Average,
    /// Longest 95th percentile first.
    P95,
    /// Longest response time first.
    Max,
    /// Longest average time to first byte first.
    Ttfb,
    /// Certificate that expires first.
    Certificate,
}

impl SortKey {
    /// All orders, as the dashboard offers them.
    pub const ALL: [Self; 8] = [
        Self::State,
        Self::Name,
        Self::Availability,
        Self::Average,
        Self::P95,
        Self::Max,
        Self::Ttfb,
        Self::Certificate,
    ];
}
