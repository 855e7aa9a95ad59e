//! The dashboard.
//!
//! Three steps, each a function of the one before: a snapshot and what the person did ([`Inputs`], [`UiState`]) become
//! a [`Screen`] of strings ([`view`]), and a screen becomes cells ([`render`]). Rendering cannot change or fetch
//! anything. [`UiState::settle`] is the only place where time and new snapshots change what is shown (order at a tick,
//! scrolling, the bell), [`UiState::act`] the only one where keys do. One region or screen is one file: a screen more
//! is a file, a variant of `state::Place`, and rows in the table of `action`.
//!
//! Limits: only the visible rows are built, so a frame costs the same for 10 and for 10,000 sites but for one pass over
//! the states for the header; at most ten frames a second; everything from outside is made harmless once more here.

mod act;
mod action;
mod alert_index;
mod alerts;
mod banner;
mod bar;
mod chart;
mod columns;
mod digest;
#[cfg(test)]
mod fixture;
mod footer;
mod frame;
mod header;
mod help;
mod input;
mod key;
mod layout;
mod line;
mod mouse;
mod order;
mod orders;
mod outline;
mod overview;
mod picture;
#[cfg(test)]
mod pictures;
mod rows;
mod run;
mod screen;
mod selection;
mod site;
mod state;
mod summary;
mod symbols;
mod taken;
mod terminal;
mod theme;
mod travel;
mod wire;
mod words;

pub use crate::model::command::{Recheck, Wish};
pub use crate::stats::series::HOUR;
pub use crate::stats::series::site_history::{Gather, Hole, Past, Wanted};
pub use bar::Cell;
pub use frame::{About, Inputs};
pub use key::Key;
pub use line::{Line, Role, Span};
pub use order::Sort;
pub use orders::Orders;
pub use picture::picture;
pub use run::{Ended, Fixed, Settings, Source, run};
pub use screen::{Screen, render, view};
pub use state::{Leave, UiState};
pub use symbols::Symbols;
pub use terminal::restore;
pub use theme::{Scheme, Theme};
