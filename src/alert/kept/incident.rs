//! One incident: what users hear of. One per site and rule is open at a time; its number is unique for ever.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Alert, NewsContext, RuleKind, SiteSelector};
use crate::model::Timestamp;

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its rule is breached.
    Breached,
    /// Its rule has been clear since then.
    Calming(Timestamp),
    /// It closed then; remembered for the calm of the next one.
    Closed(Timestamp),
}

/// The acknowledgement of an incident; it ends with the incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The login name of the user.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// The user's words; may be empty.
    pub text: String,
}

/// An incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Its number.
    pub number: u64,
    /// The alert that opened it.
    pub opening: Alert,
    /// The newest alert of its rule: `opening`, a relapse, or the one that cleared it.
    pub newest: Alert,
    /// What was known when it opened.
    pub context: NewsContext,
    /// Where it stands.
    pub phase: Phase,
    /// How long its rule must be clear before it closes.
    pub settle: Duration,
    /// How often its rule was breached again.
    pub relapses: u32,
    /// Whether its opening was reported; a muted one is not.
    pub is_announced: bool,
    /// The next reminder, and the pause after it.
    pub reminder: Option<(Timestamp, Duration)>,
    /// Its acknowledgement.
    pub ack: Option<Ack>,
}

impl Incident {
    /// Its site; `webmon` for incidents of webmon itself.
    #[must_use]
    pub const fn site(&self) -> &Arc<str> {
        &self.opening.site
    }

    /// Its rule.
    #[must_use]
    pub const fn rule(&self) -> RuleKind {
        self.opening.rule
    }

    /// When it opened.
    #[must_use]
    pub const fn opened(&self) -> Timestamp {
        self.opening.at
    }

    /// The alert that closes it, over its whole time.
    #[must_use]
    pub fn closing(&self) -> Alert {
        let since = self.opened();
        Alert { since, downtime: Some(self.newest.at.since(since)), ..self.newest.clone() }
    }

    /// Whether it is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Closed(_))
    }
}

/// A silence: until then, incidents of these sites are not reported. Only the reports stop: checks, figures and records go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Its number, unique in a store.
    pub number: u64,
    /// The sites.
    pub sites: SiteSelector,
    /// When it began.
    pub from: Timestamp,
    /// When it ends, at most 30 days after it began.
    pub until: Timestamp,
    /// The login name of the user.
    pub by: Arc<str>,
    /// The user's words; may be empty.
    pub text: String,
    /// Whether it counts as maintenance: `--but-maintenance` and the SLO leave it out.
    pub is_maintenance: bool,
}

/// The longest silence.
pub const SILENCE_MAX: Duration = Duration::from_hours(30 * 24);
