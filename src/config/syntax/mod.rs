//! The text of sites.yaml: YAML with places, variables, and faults that point at them.

pub(crate) mod characters;
pub(crate) mod fault;
pub(crate) mod quote;
pub(crate) mod tree;
pub(crate) mod variables;
