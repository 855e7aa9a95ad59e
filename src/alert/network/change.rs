//! What users and scripts hear of the network of this machine.

use std::time::Duration;

use crate::model::Timestamp;

use super::Realm;

/// A change of the network of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkChange {
    /// When it was noticed.
    pub at: Timestamp,
    /// Whose hosts.
    pub realm: Realm,
    /// The start of the first check without an answer.
    pub since: Timestamp,
    /// The unrelated hosts.
    pub hosts: usize,
    /// What happened.
    pub state: NetworkState,
}

/// The network of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkState {
    /// No host answers.
    Offline,
    /// One answers again.
    Online {
        /// The start of the check that was answered.
        until: Timestamp,
        /// The downs that are not reported.
        held_back: usize,
    },
    /// It was no outage of this network: a message got out.
    Refuted,
}

impl NetworkState {
    /// The public name: `offline`, `online`, `refuted`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Online { .. } => "online",
            Self::Refuted => "refuted",
        }
    }
}

impl NetworkChange {
    /// How long the network was away; zero before it is back.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        match self.state {
            NetworkState::Online { until, .. } => until.since(self.since),
            NetworkState::Offline | NetworkState::Refuted => Duration::ZERO,
        }
    }
}
