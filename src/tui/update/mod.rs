//! Applies keys and clicks to the state.

pub(crate) mod incident;
mod keys;
pub(crate) mod mouse;
pub(crate) mod travel;
