//! What a frame is made from.

use std::sync::Arc;

use jiff::tz::TimeZone;
use ratatui::layout::Size;

use crate::alert::Alert;
use crate::engine::snapshot::{SiteSnapshot, SiteState, Snapshot};
use crate::model::{Health, Sample, Timestamp};

use crate::model::command::Recheck;
use crate::stats::series::site_history::Past;
use crate::tui::layout::Plan;
use crate::tui::state::UiState;
use crate::tui::style::line::Role;

/// Facts about this run that never change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// `0.1.0 (abc1234)`.
    pub version: String,
    /// The configuration file, if there is one.
    pub config: Option<String>,
    /// The store file, if there is one.
    pub store: Option<String>,
}

/// Everything that a screen may say, at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The sites and their figures.
    pub snapshot: &'a Snapshot,
    /// The samples of the site that is open, oldest first, as far back as its ring reaches; empty while none is.
    pub samples: &'a [Sample],
    /// Whether there is a store to look back into.
    pub has_past: bool,
    /// What was last read of it, for [`UiState::wanted`].
    pub past: Option<&'a Past>,
    /// All past alerts, oldest first.
    pub alerts: &'a [Arc<Alert>],
    /// How webmon itself is.
    pub health: &'a Health,
    /// Checks that were asked for by hand, the newest of each site.
    pub rechecks: &'a [Recheck],
    /// The instant.
    pub now: Timestamp,
    /// The zone in which times are told.
    pub zone: &'a TimeZone,
    /// This run.
    pub about: &'a About,
}

/// One frame in the making: what the regions share.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    pub inputs: &'a Inputs<'a>,
    pub state: &'a UiState,
    /// What the tables show: frozen, or now.
    pub tables: &'a Snapshot,
    pub size: Size,
    pub plan: &'a Plan,
    pub tally: Tally,
}

impl<'a> Frame<'a> {
    pub fn of(inputs: &'a Inputs<'a>, state: &'a UiState, size: Size, plan: &'a Plan) -> Self {
        Self { inputs, state, tables: state.tables(inputs), size, plan, tally: Tally::of(inputs.snapshot) }
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

/// How many sites are in each state, as the header counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub down: usize,
    pub failing: usize,
    pub unknown: usize,
    pub new: usize,
    pub up: usize,
    pub paused: usize,
}

impl Tally {
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut tally = Self::default();
        for site in &snapshot.sites {
            let slot = match site.state {
                _ if is_down(site) => &mut tally.down,
                SiteState::Failing => &mut tally.failing,
                SiteState::New => &mut tally.new,
                SiteState::Up => &mut tally.up,
                SiteState::Paused => &mut tally.paused,
                SiteState::Unknown | SiteState::Down | SiteState::Recovering => &mut tally.unknown,
            };
            *slot += 1;
        }
        tally
    }

    /// Every count with the state whose mark and word stand for it, in the order of the header.
    pub const fn counts(&self) -> [(SiteState, usize); 6] {
        [
            (SiteState::Down, self.down),
            (SiteState::Failing, self.failing),
            (SiteState::Unknown, self.unknown),
            (SiteState::New, self.new),
            (SiteState::Paused, self.paused),
            (SiteState::Up, self.up),
        ]
    }
}

/// Whether a site counts as down: the rule says so, or it went out of sight while an incident was open (going blind
/// is not recovery).
pub fn is_down(site: &SiteSnapshot) -> bool {
    match site.state {
        SiteState::Down | SiteState::Recovering => true,
        SiteState::Unknown => site.incident.is_some(),
        SiteState::Failing | SiteState::New | SiteState::Up | SiteState::Paused => false,
    }
}
