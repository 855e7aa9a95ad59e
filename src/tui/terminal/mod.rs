//! The terminal: raw mode and back, output that never blocks, and the process as a job of a shell.

pub(crate) mod ansi;
pub(crate) mod console;
pub(crate) mod job_control;
pub(crate) mod output;
pub(crate) mod session;
pub(crate) mod size;
