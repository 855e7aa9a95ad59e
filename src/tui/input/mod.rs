//! Bytes from the terminal, and the keys and clicks in them.

pub(crate) mod key;
pub(crate) mod reader;
