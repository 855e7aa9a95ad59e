//! webmon watches websites from a terminal.

pub mod alert;
pub mod app;
pub mod config;
pub mod demo;
pub mod engine;
pub mod model;
pub mod probe;
pub mod report;
pub mod ring;
pub mod stats;
pub mod store;
pub mod ui;
