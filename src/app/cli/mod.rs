//! The command line: its grammar, the selected sites and times, and output to stdout.

pub(crate) mod ad_hoc;
pub(crate) mod args;
pub(crate) mod examples;
pub(crate) mod fleet;
pub(crate) mod formats;
pub(crate) mod help;
pub(crate) mod orders;
pub(crate) mod progress;
pub(crate) mod selection;
pub(crate) mod setting;
pub(crate) mod stdout;
pub(crate) mod stored;
pub(crate) mod terminal;
pub(crate) mod time_range;
pub(crate) mod zone;
