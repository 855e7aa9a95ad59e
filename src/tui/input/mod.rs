//! Bytes from the terminal, and the keys and clicks in them.

pub(crate) mod background;
pub(crate) mod csi;
pub(crate) mod key;
pub(crate) mod parser;
pub(crate) mod reader;
