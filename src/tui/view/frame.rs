//! What a frame is made from.

use ratatui::layout::Size;

use crate::engine::snapshot::{SiteState, Snapshot};
use crate::tui::inputs::Inputs;
use crate::tui::layout::OverviewLayout;
use crate::tui::state::UiState;
use crate::tui::state::state_counts::StateCounts;
use crate::tui::style::role::Role;

/// One frame in the making: what the regions share.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    pub inputs: &'a Inputs<'a>,
    pub state: &'a UiState,
    /// What the tables show: frozen, or now.
    pub tables: &'a Snapshot,
    pub size: Size,
    pub plan: &'a OverviewLayout,
    pub tally: StateCounts,
}

impl<'a> Frame<'a> {
    pub fn of(inputs: &'a Inputs<'a>, state: &'a UiState, size: Size, plan: &'a OverviewLayout) -> Self {
        Self { inputs, state, tables: state.tables(inputs), size, plan, tally: StateCounts::of(inputs.snapshot) }
    }

    pub fn width(&self) -> usize {
        usize::from(self.size.width)
    }

    /// Whether this is somebody else's monitor, so that nothing can be asked of it.
    pub const fn looks_on(&self) -> bool {
        self.inputs.health.watching.is_some()
    }

    pub fn mark(&self, state: SiteState) -> (Role, &'static str) {
        (Role::State(state), self.state.symbols.mark(state))
    }
}
