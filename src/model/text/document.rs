//! A report as a title, headings, facts and tables, before a terminal, a page or Markdown draws it.
//!
//! Invariant: every text is one line without control characters; the maker of a document cleans and bounds what others wrote.

/// A report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Its title, a sentence without a full stop.
    pub title: String,
    /// The sections that have content, in reading order.
    pub sections: Vec<Section>,
}

/// A heading with what is below it: facts, then a table, then what others wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The heading.
    pub heading: &'static str,
    /// A name and a text each.
    pub facts: Vec<(&'static str, String)>,
    /// The table, if there is one.
    pub table: Option<Table>,
    /// Lines that others wrote, shown as they are.
    pub quoted: Vec<String>,
}

/// A table; its last column is free text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The names of its columns.
    pub heads: Vec<&'static str>,
    /// As many cells as heads in each.
    pub rows: Vec<Row>,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its cells.
    pub cells: Vec<String>,
    /// Whether it tells of a failure, for those who draw in colours.
    pub is_failure: bool,
}

impl Section {
    /// The heading of what a site answered to the first failed check of an incident.
    pub const ANSWERED: &str = "What it answered";

    /// Whether there is anything below the heading.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        let has_rows = self.table.as_ref().is_some_and(|table| !table.rows.is_empty());
        !self.facts.is_empty() || has_rows || !self.quoted.is_empty()
    }
}
