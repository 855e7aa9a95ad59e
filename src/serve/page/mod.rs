//! The status page and the page of a site: what they show, as plain data, and their HTML.
//!
//! Invariants: the same data makes the same bytes. Nothing here reads a store or a clock. Text of others is escaped by type.

mod bar;
mod chart;
mod document;
mod links;
pub mod model;
mod site;
mod status;
mod summary;
#[cfg(test)]
mod tests;
mod words;

pub use document::{error, style_hash};
pub use links::{Links, slug};
pub use site::{site, whole};
pub use status::{FOLDED, status};
pub use summary::summary;
