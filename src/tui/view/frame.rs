//! The data that all regions of one frame share.

use std::borrow::Cow;

use ratatui::layout::Size;

use crate::engine::snapshot::{SiteState, Snapshot};
use crate::model::{Timestamp, Watched, Watching};
use crate::tui::inputs::Inputs;
use crate::tui::keymap::Action;
use crate::tui::layout::OverviewLayout;
use crate::tui::page::Page;
use crate::tui::state::UiState;
use crate::tui::state::state_counts::StateCounts;
use crate::tui::style::role::Role;
use crate::tui::style::symbols::Symbols;
use crate::tui::style::time_text;

#[derive(Clone, Copy)]
pub struct Frame<'a> {
    pub inputs: &'a Inputs<'a>,
    pub state: &'a UiState,
    /// The snapshot that the tables show: the current one, or a frozen one.
    pub tables: &'a Snapshot,
    pub size: Size,
    pub plan: &'a OverviewLayout,
    pub counts: StateCounts,
}

impl<'a> Frame<'a> {
    pub fn of(inputs: &'a Inputs<'a>, state: &'a UiState, size: Size, plan: &'a OverviewLayout) -> Self {
        Self { inputs, state, tables: state.tables(inputs), size, plan, counts: state.sites.counts(inputs.snapshot) }
    }

    pub fn width(&self) -> usize {
        usize::from(self.size.width)
    }

    pub const fn symbols(&self) -> Symbols {
        self.state.theme.symbols
    }

    /// The key of `action`, as it is shown; empty if the user took it away.
    pub fn key(&self, action: Action) -> Cow<'static, str> {
        self.inputs.arrangement.keys.key(action)
    }

    /// Whether another process runs the monitor, so that it takes no commands from here.
    pub const fn is_read_only(&self) -> bool {
        self.inputs.health.watching.is_some()
    }

    /// Whether `action` can be done here.
    pub const fn takes(&self, action: Action) -> bool {
        match &self.inputs.health.watching {
            None => true,
            Some(Watching { of: Watched::Fleet, .. }) => !action.is_order(),
            Some(_) => !action.is_command(),
        }
    }

    /// Where Esc leads from `page`, as its first words.
    pub fn back(&self, page: Page) -> &'static str {
        match self.state.nav.below(page) {
            _ if self.width() < 60 => " ‹ ",
            Page::Alerts => " ‹ alerts  ",
            Page::Incident => " ‹ incident  ",
            Page::Site if page != Page::Site => " ‹ site  ",
            Page::Tuning => " ‹ rule  ",
            Page::Overview | Page::Site | Page::Help => " ‹ overview  ",
        }
    }

    pub fn mark(&self, state: SiteState) -> (Role, &'static str) {
        (Role::State(state), self.symbols().mark(state))
    }

    /// `14:02:13` today, `11-20 03:10` on another day.
    pub fn moment(&self, at: Timestamp) -> String {
        time_text::moment(at, self.inputs.now, self.inputs.zone)
    }

    pub fn clock(&self, at: Timestamp) -> String {
        time_text::clock(at, self.inputs.zone)
    }

    /// `3 s`, `4m12s`: the time since `at`.
    pub fn since(&self, at: Timestamp) -> String {
        time_text::running(self.inputs.now.since(at))
    }

    /// `just now`, `3 s ago`.
    pub fn ago(&self, at: Timestamp) -> String {
        if self.inputs.now.since(at).as_secs() == 0 { "just now".to_owned() } else { format!("{} ago", self.since(at)) }
    }
}
