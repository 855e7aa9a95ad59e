//! From the state to lines of text.

pub(crate) mod alerts;
pub(crate) mod chrome;
pub(crate) mod frame;
pub(crate) mod incident;
pub(crate) mod site;
pub(crate) mod table;
pub(crate) mod tuning;
