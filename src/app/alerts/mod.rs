//! Alerts on their way out: the program that is run for them, and the list of all of them.

pub(crate) mod dispatcher;
pub(crate) mod history;
pub(crate) mod publisher;
