//! What is said of a file: what is not an error but surprises, and which bytes of it may be quoted.

pub(crate) mod lookalike;
pub(crate) mod unmet;
pub(crate) mod warning;
