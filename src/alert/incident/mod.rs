//! Incidents: what users hear of, and when (growing calm, reminders, mutes, acknowledgements).

pub(crate) mod calm;
pub(crate) mod ledger;
pub(crate) mod record;
#[cfg(test)]
mod tests;
