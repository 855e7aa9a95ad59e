//! The outputs of alerts: one publisher, the incidents and the outbox, and the deliveries to programs and services.

pub(crate) mod book;
pub(crate) mod context;
pub(crate) mod delivery;
#[cfg(feature = "nats")]
pub(crate) mod hand_over;
pub(crate) mod heartbeat;
pub(crate) mod history;
pub(crate) mod orders;
pub(crate) mod outlets;
pub(crate) mod program;
pub(crate) mod publisher;
pub(crate) mod stored_report;
#[cfg(test)]
mod tests;
