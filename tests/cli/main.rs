//! The command line: commands, exit codes, configuration files and their schema, secrets.
#![allow(clippy::unwrap_used, reason = "a test: what cannot be had ends it")]

#[cfg(unix)]
mod ad_hoc;
#[cfg(unix)]
mod backtest;
#[cfg(unix)]
mod check;
#[cfg(unix)]
mod commands;
mod config;
#[cfg(unix)]
mod db;
#[cfg(unix)]
mod demo;
#[cfg(unix)]
mod orders;
mod past;
mod picture;
mod schema;
#[cfg(unix)]
mod secrets;
mod slo;
#[path = "../support/mod.rs"]
mod support;
#[cfg(unix)]
mod variables;
#[cfg(unix)]
mod why;
