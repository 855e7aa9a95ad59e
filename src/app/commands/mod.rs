//! One file per subcommand; `history` holds those that read a stored period.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod db;
pub(crate) mod demo;
#[cfg(feature = "nats")]
pub(crate) mod fleet;
pub(crate) mod history;
#[cfg(feature = "nats")]
pub(crate) mod hub;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod orders;
mod picture;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod validate;
pub(crate) mod watch;
