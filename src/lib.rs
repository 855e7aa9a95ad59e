//! webmon watches websites from a terminal.

pub mod alert;
pub mod engine;
pub mod model;
pub mod stats;
