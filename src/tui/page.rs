//! Which page is shown, what keys go to, and how the user leaves.

/// A page of the dashboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    /// All sites.
    #[default]
    Overview,
    /// All alerts.
    Alerts,
    /// One incident.
    Incident,
    /// One site.
    Site,
    /// Another rule tried on the past of a site.
    Tuning,
    /// The help, over one of the others.
    Help,
}

/// How the user leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitRequest {
    /// The terminal is as it was.
    Plain,
    /// The last screen stays.
    KeepScreen,
    /// By Ctrl-C, as if by SIGINT.
    Interrupt,
    /// To the shell by Ctrl-Z, until `fg`.
    Suspend,
}

/// The receiver of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputMode {
    /// The table of keys.
    #[default]
    Keys,
    /// The text of a filter.
    Filter,
    /// The letter of a sort key.
    Sort,
}

/// What the page of an incident shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncidentPart {
    /// All that is known.
    #[default]
    All,
    /// Only what the site answered to the first failed check.
    Answer,
}
