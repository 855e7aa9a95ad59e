//! Applies keys and clicks to the state.

pub(crate) mod keys;
pub(crate) mod mouse;
