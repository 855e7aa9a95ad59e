//! Reading stored data, for the running writer and for readers beside it.

pub(crate) mod beginning;
pub(crate) mod checks;
pub(crate) mod export_reader;
pub(crate) mod export_start;
pub(crate) mod failures;
pub(crate) mod figures;
pub(crate) mod moment;
pub(crate) mod rolled;
pub(crate) mod samples;
pub(crate) mod view;
pub(crate) mod walk;
