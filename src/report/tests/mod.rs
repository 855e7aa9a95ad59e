//! What the tests of the reports, and of the export, share.

#[cfg(test)]
pub(crate) mod fixtures;
