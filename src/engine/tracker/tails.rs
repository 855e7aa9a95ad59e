//! The readers at the tails of the windows of a site's rules, and how far its judge is.

use crate::alert::Policies;
use crate::ring::Reader;

/// What the judge may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The ring holds history.
    History,
    /// The history is read, and its last check not judged.
    Restored,
    /// Each check is judged.
    Live,
    /// Verdicts come only from another process.
    LookingOn,
}

/// The readers at the tails of the windows of the rules.
#[derive(Debug)]
pub(super) struct RuleTails {
    pub(super) availability: Reader,
    pub(super) latency: Option<Reader>,
}

impl RuleTails {
    pub(super) fn new(policies: &Policies, tail: &Reader) -> Self {
        Self { availability: tail.clone(), latency: policies.latency.map(|_| tail.clone()) }
    }
}
