//! What the running monitor serves by HTTP: metrics, blackbox, signs of life, the API, events, and who may ask for them.
#![allow(clippy::unwrap_used, reason = "a test: what cannot be had ends it")]
#![allow(clippy::format_push_string, reason = "a test: the text of a file, built once")]
#![cfg(unix)]

mod access;
mod blackbox;
mod browser;
mod client;
mod counters;
mod crawl;
mod events;
mod health;
mod lists;
mod pages;
mod past;
mod prometheus;
mod publish;
#[path = "../support/mod.rs"]
mod support;
