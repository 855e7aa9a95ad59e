//! Around the tables: header, footer, help, selection line, and the summary of the smallest screens.

pub(crate) mod compact;
pub(crate) mod footer;
pub(crate) mod header;
pub(crate) mod help;
pub(crate) mod past;
pub(crate) mod selection;
