//! Incidents: what users hear of, and when (growing calm, reminders, mutes, acknowledgements).

pub(crate) mod calm;
mod clock_set;
pub mod handover;
pub mod ledger;
pub mod list;
pub mod order;
mod orders;
pub mod page;
pub mod past;
pub mod terms;
#[cfg(test)]
mod tests;
