//! What the correlation hears of, and what it decides.

use std::net::IpAddr;

use crate::model::{Cause, Timestamp};

use super::Realm;

/// What a check, a delivery or the passing of time decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkEvent {
    /// No host of the realm answers any more.
    Offline {
        /// Whose hosts.
        realm: Realm,
        /// T0, the start of the first check without an answer.
        since: Timestamp,
        /// The units of the panel.
        units: usize,
    },
    /// One answers again.
    Online {
        /// Whose hosts.
        realm: Realm,
        /// T0.
        from: Timestamp,
        /// T1, the start of the first check, or delivery, that was answered.
        to: Timestamp,
    },
    /// It was no outage of this network: a message got out, and the hosts stayed silent. There is nothing to mask.
    Refuted {
        /// Whose hosts.
        realm: Realm,
        /// T0 of the supposed outage.
        since: Timestamp,
    },
    /// The down of this site is real: tell it now.
    Release(usize),
    /// The down of this site came of the outage that ended: never tell it.
    Drop(usize),
    /// Every site was checked, and the realm has too few unrelated hosts to judge by. Said once.
    NoPanel {
        /// Whose hosts.
        realm: Realm,
        /// Its units, one or two.
        units: usize,
    },
}

/// One finished check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The site.
    pub site: usize,
    /// When it was started.
    pub start: Timestamp,
    /// When its outcome was known.
    pub at: Timestamp,
    /// Its cause.
    pub cause: Cause,
    /// The address of its last connection or attempt.
    pub address: Option<IpAddr>,
}
