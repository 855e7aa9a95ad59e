//! Incidents: what users hear of, and when (growing calm, reminders, mutes, acknowledgements).

pub(crate) mod calm;
