//! One file per subcommand; `history` holds those that read a stored period.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod db;
pub(crate) mod demo;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod orders;
mod picture;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod validate;
pub(crate) mod watch;
