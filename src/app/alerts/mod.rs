//! The outputs of alerts: one publisher, the command that they run, and the list of all of them.

pub(crate) mod dispatcher;
pub(crate) mod history;
pub(crate) mod publisher;
