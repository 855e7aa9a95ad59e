//! The syntax of sites.yaml: YAML with positions, variables, and faults at positions.

pub(crate) mod characters;
pub(crate) mod fault;
pub(crate) mod needed;
pub(crate) mod quote;
pub(crate) mod tree;
pub(crate) mod variables;
