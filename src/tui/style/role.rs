//! What a piece of text or a cell stands for; themes say how it looks.

use crate::engine::snapshot::SiteState;
use crate::model::Phase;

/// What a piece of text means. The theme decides how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Figures and words.
    Plain,
    /// Repeats what is said elsewhere, or fills.
    Dim,
    /// The name of a region or of the program.
    Strong,
    /// A key that can be pressed.
    Key,
    /// The mark of a site in this state, or a word that says the state.
    State(SiteState),
    /// The number of sites that are down, when there are any.
    DownCount,
    /// A cell of a heartbeat bar.
    Beat(Cell),
    /// The time spent in a phase.
    Phase(Phase),
    /// A line or dot of a chart.
    Plot(Plot),
    /// A failure in words or codes.
    Fault,
    /// Deserves a look, but is not a state of a site.
    Warning,
    /// Where the cursor is.
    Cursor,
    /// New since a few seconds.
    Fresh,
    /// A mode that a person switched on and may have forgotten: frozen, filtered.
    Mode,
}

/// What became of the checks of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// There was none: not running, paused, not our network.
    None,
    /// All were up.
    Good,
    /// Some failed.
    Some,
    /// The availability is at or below the site's own threshold.
    Bad,
}

/// What a cell of the chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plot {
    /// The median.
    Median,
    /// The 95th percentile.
    High,
    /// The maximum.
    Max,
}
