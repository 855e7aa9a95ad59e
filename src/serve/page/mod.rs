//! The status page and the page of a site: what they show, as plain data, and their HTML.
//!
//! Invariants: the same data makes the same bytes. Nothing here reads a store or a clock. Text of others is escaped by type.

pub mod model;
