//! Options of the commands about the store as a whole.

pub(crate) mod db;
pub(crate) mod incident;
pub(crate) mod report;
