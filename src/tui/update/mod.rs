//! What keys and clicks change in the state.

pub(crate) mod keys;
pub(crate) mod mouse;
