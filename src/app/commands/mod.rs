//! One file per subcommand.

pub(crate) mod alerts_test;
pub(crate) mod check;
pub(crate) mod db;
pub(crate) mod demo;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod run;
pub(crate) mod samples;
pub(crate) mod stats;
pub(crate) mod validate;
pub(crate) mod watch;
