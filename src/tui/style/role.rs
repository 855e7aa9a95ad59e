//! The meaning of a text or a cell; a theme decides how it looks.

use crate::engine::snapshot::SiteState;
use crate::model::Phase;

/// The meaning of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Figures and words.
    Plain,
    /// A whole URL, which a terminal may open.
    Link,
    /// Filling, or a repetition.
    Dim,
    /// The name of a region, a site or the program.
    Strong,
    /// A key that can be pressed.
    Key,
    /// The mark or word of a state.
    State(SiteState),
    /// The number of sites that are down.
    DownCount,
    /// A cell of a heartbeat bar.
    Beat(Cell),
    /// The time spent in a phase.
    Phase(Phase),
    /// A line or dot of a chart.
    Plot(Plot),
    /// A failure, in words or codes.
    Fault,
    /// Something to look at that is no state of a site.
    Warning,
    /// The row or word under the cursor.
    Cursor,
    /// An alert of the last seconds.
    Fresh,
    /// A mode that the user switched on and may have forgotten: frozen, filtered.
    Mode,
}

/// The outcome of the checks in one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// There was no check: not running, paused, or offline.
    None,
    /// All were up.
    Good,
    /// Some failed.
    Some,
    /// The availability is at or below the site's own threshold, but some were up.
    Poor,
    /// All failed.
    Bad,
}

/// A figure that the chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plot {
    /// The median.
    Median,
    /// The 95th percentile.
    High,
    /// The maximum.
    Max,
}
