//! What is served by HTTP, and how it looks: plain data for the configuration and for who serves it.

pub mod listen;
pub(crate) mod page;
