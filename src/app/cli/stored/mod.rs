//! Options of the commands about the store: as a whole, and what is stored.

pub(crate) mod db;
pub(crate) mod history;
pub(crate) mod incident;
pub(crate) mod report;
pub(crate) mod watch;
