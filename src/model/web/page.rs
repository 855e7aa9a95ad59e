//! How the status page looks, served or written as files.

use std::collections::BTreeMap;
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageTerms {
    /// The title of the page.
    pub title: Arc<str>,
    /// Groups that come first, in this order.
    pub groups: Vec<Arc<str>>,
    /// What the page says about groups.
    pub group_notes: BTreeMap<Arc<str>, Arc<str>>,
    /// What the page says about sites.
    pub site_notes: BTreeMap<Arc<str>, Arc<str>>,
    /// How many days each bar has.
    pub days: u32,
    /// Whether the page shows URLs.
    pub shows_urls: bool,
    /// Whether the page shows what alerts said.
    pub shows_errors: bool,
}

impl PageTerms {
    /// Most days of a bar: so far back hours are kept.
    pub const DAYS_MAX: u32 = 400;
    /// Longest note, bytes.
    pub const NOTE_MAX: usize = 400;
}

impl Default for PageTerms {
    fn default() -> Self {
        Self {
            title: "Status".into(),
            groups: Vec::new(),
            group_notes: BTreeMap::new(),
            site_notes: BTreeMap::new(),
            days: 90,
            shows_urls: false,
            shows_errors: false,
        }
    }
}
