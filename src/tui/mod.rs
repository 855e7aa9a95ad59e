//! The dashboard.
//!
//! Three steps, each a function of the one before: a snapshot and what the person did ([`Inputs`], [`UiState`]) become
//! a [`Screen`] of strings ([`view`]), and a screen becomes cells ([`render`]). Rendering cannot change or fetch
//! anything. [`UiState::settle`] is the only place where time and new snapshots change what is shown (order at a tick,
//! scrolling, the bell), [`UiState::act`] the only one where keys do. One region or screen is one file: a screen more
//! is a file, a variant of `page::Page`, and rows in the table of `keymap`.
//!
//! Limits: only the visible rows are built, so a frame costs the same for 10 and for 10,000 sites but for one pass over
//! the states for the header; at most ten frames a second; everything from outside is made harmless once more here.

pub(crate) mod event_loop;
mod input;
mod inputs;
pub(crate) mod keymap;
mod layout;
mod page;
mod render;
mod screen;
mod settings;
mod source;
pub(crate) mod source_cache;
mod state;
mod style;
pub(crate) mod svg;
mod terminal;
#[cfg(test)]
mod tests;
mod update;
mod view;

pub use crate::model::command::{ManualCheck, SiteCommand};
pub use crate::stats::series::HOUR;
pub use crate::stats::series::site_history::{HistoryBuilder, HistoryGap, HistoryRequest, SiteHistory};
pub use event_loop::{Ended, run};
pub use input::key::Key;
pub use inputs::{About, Inputs};
pub use page::ExitRequest;
pub use render::{Screen, render};
pub use screen::view;
pub use settings::Settings;
pub use source::{Fixed, Source};
pub use state::UiState;
pub use state::site_list::Sort;
pub use style::line::{Line, Span};
pub use style::role::{Cell, Role};
pub use style::symbols::Symbols;
pub use style::theme::{Scheme, Theme};
pub use svg::picture;
pub use terminal::job_control::JobControl;
pub use terminal::session::restore;
