//! The terminal itself: raw mode and back, the way to it, and the process as a job of a shell.

pub(crate) mod console;
pub(crate) mod job_control;
pub(crate) mod output;
pub(crate) mod session;
