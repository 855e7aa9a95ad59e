//! The dashboard.
//!
//! A snapshot and the actions of the user ([`Inputs`], [`UiState`]) become a [`Screen`] of text by [`view`], and a screen
//! becomes cells by [`render`]. A new page is a file in `view`, a variant of `page::Page` and rows in `keymap`.
//!
//! Invariants: only [`UiState::settle`] (time, snapshots, size) and [`UiState::act`] (keys) change what is shown; rendering
//! changes and fetches nothing; texts from outside are made harmless here once more.
//! Bounds: ten frames per second. Cost: a frame builds the visible rows only, and counts the states of all sites once.

pub(crate) mod arrangement;
mod desktop;
pub(crate) mod event_loop;
mod incident_marks;
pub(crate) mod input;
mod inputs;
pub(crate) mod keymap;
mod layout;
pub(crate) mod page;
mod past;
mod past_words;
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
mod tuning;
mod update;
mod view;

pub use crate::model::command::{ManualCheck, SiteCommand};
pub use crate::stats::series::HOUR;
pub use crate::stats::series::site_history::{HistoryBuilder, HistoryGap, HistoryRequest, SiteHistory};
pub use crate::stats::series::usual::{Usual, UsualRequest};
pub use arrangement::Arrangement;
pub use arrangement::sort::{Sort, SortKey};
pub use desktop::clipboard::Clipboard;
pub use desktop::hyperlinks::Hyperlinks;
pub use desktop::protocol::DesktopProtocol;
pub use event_loop::{Ended, run};
pub use input::key::Key;
pub use inputs::{About, Inputs, PastInputs};
pub use page::ExitRequest;
pub use past::{PastOverview, PastRequest};
pub use render::{Screen, render};
pub use screen::view;
pub use settings::Settings;
pub use settings::preferences::Preferences;
pub use source::{Fixed, Source};
pub use state::UiState;
pub use style::line::{Line, Span};
pub use style::role::{Cell, Role};
pub use style::symbols::Symbols;
pub use style::theme::{Scheme, Theme};
pub use svg::{PicturePage, picture, pose};
pub use terminal::job_control::JobControl;
pub use terminal::session::restore;
