//! The tables that only the store of a hub has.

pub(crate) mod gathered;
pub(crate) mod seen;
