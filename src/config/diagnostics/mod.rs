//! Warnings about valid but surprising configurations.

pub(crate) mod lookalike;
pub(crate) mod policy;
pub(crate) mod unmet;
pub(crate) mod warning;
