//! Incidents: what users hear of, and when (growing calm, reminders, mutes, acknowledgements).

pub(crate) mod calm;
pub mod ledger;
mod orders;
pub mod terms;
#[cfg(test)]
mod tests;
