//! What is done to a whole store: copied, repaired, renamed in. The store has no other user meanwhile, or is only read.

pub(crate) mod backup;
pub(crate) mod rename;
pub(crate) mod repair;
