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
    /// Longest median response time first.
    P50,
    /// Latest change of state first.
    Since,
    /// Most failed checks first.
    Codes,
}

/// An order of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    /// The figure or text that decides.
    pub key: SortKey,
    /// In the opposite order.
    pub reversed: bool,
}

impl SortKey {
    /// Their names, in the order of [`Self::ALL`].
    pub const NAMES: [&'static str; 11] =
        ["state", "name", "avail", "avg", "p95", "max", "ttfb", "cert", "p50", "since", "codes"];

    /// Its name: `p95`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// All orders, as the dashboard offers them.
    pub const ALL: [Self; 11] = [
        Self::State,
        Self::Name,
        Self::Availability,
        Self::Average,
        Self::P95,
        Self::Max,
        Self::Ttfb,
        Self::Certificate,
        Self::P50,
        Self::Since,
        Self::Codes,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_the_keys() {
        for (key, name) in SortKey::ALL.into_iter().zip(SortKey::NAMES) {
            assert_eq!(key.name(), name);
        }
        assert_eq!(SortKey::Codes.name(), "codes");
    }
}
