//! What a person asks of the monitor, and what came of it.

use std::sync::Arc;

use crate::model::{Observation, Timestamp};

/// Something that a person asks of the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To check the site of this number, in the order of sites.yaml, now.
    Check(usize),
}

/// A check that was asked for by hand: it is shown, and enters no figure.
#[derive(Clone, Debug)]
pub struct Recheck {
    /// The number of the site, in the order of sites.yaml.
    pub site: usize,
    /// When it was started.
    pub asked: Timestamp,
    /// When its outcome was known and what was observed; none while it is under way.
    pub outcome: Option<(Timestamp, Arc<Observation>)>,
}
