//! Which screen is shown, what keys go to, and how the user leaves.

/// Which screen is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    /// All sites.
    #[default]
    Overview,
    /// All alerts.
    Alerts,
    /// One site.
    Site,
    /// The help, over one of the others.
    Help,
}

/// How a person leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitRequest {
    /// Without a trace.
    Plain,
    /// The last screen stays.
    KeepScreen,
    /// By Ctrl-C, as if by SIGINT.
    Interrupt,
    /// For a while: to the shell, by Ctrl-Z.
    Rest,
}

/// What the next keys go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Typing {
    /// The table of actions.
    #[default]
    Keys,
    /// The text of the filter.
    Filter,
    /// The letter of an order.
    Sort,
}
