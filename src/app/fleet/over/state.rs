//! The state of a site over its locations, from its votes, its incident, and how each of its locations sees it.
//!
//! ```text
//!               no incident   incident of availability open
//!   up          up            recovering
//!   partial     failing       recovering
//!   down        down          down
//!   unknown     unknown       down
//! ```
//!
//! A site of which no location has sent a check is new. The state changes only with a vote or an incident; before the first look, it
//! began when a location changed last.

use std::sync::Arc;

use crate::alert::RuleKind;
use crate::alert::quorum::{Verdict, Votes};
use crate::engine::snapshot::Breach;
use crate::engine::{OpenIncident, SiteFacts, SiteSnapshot, SiteState};
use crate::model::Timestamp;

/// What the judge says of a site.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub(super) votes: Votes,
    /// The open incident: of which rule, and since when.
    pub(super) open: Option<(RuleKind, Timestamp)>,
}

/// The state of a site of which some location has sent a check, or none.
pub(super) const fn state(judged: &Judged, was_checked: bool) -> SiteState {
    let is_open = matches!(judged.open, Some((RuleKind::Availability, _)));
    match (judged.votes.verdict, is_open) {
        (Verdict::Down, _) | (Verdict::Unknown, true) => SiteState::Down,
        (Verdict::Up | Verdict::Partial, true) => SiteState::Recovering,
        (Verdict::Partial, false) => SiteState::Failing,
        (Verdict::Up, false) => SiteState::Up,
        (Verdict::Unknown, false) if was_checked => SiteState::Unknown,
        (Verdict::Unknown, false) => SiteState::New,
    }
}

/// The snapshot of a site at `at`, which its locations see like `members`; `before` is the one before it.
pub(super) fn snapshot(
    facts: &Arc<SiteFacts>,
    judged: &Judged,
    members: &[Arc<SiteSnapshot>],
    (before, at): (Option<&SiteSnapshot>, Timestamp),
) -> SiteSnapshot {
    let newest = members.iter().filter_map(|member| member.last.as_ref()).max_by_key(|last| last.sample.at);
    let state = state(judged, newest.is_some());
    let (since, is_older) = match (before.filter(|before| before.state == state), judged.open) {
        (Some(before), _) => (before.since, before.is_older),
        (None, Some((RuleKind::Availability, since))) if before.is_none() => (since, false),
        (None, _) if before.is_none() => {
            let last = members.iter().filter(|member| member.last.is_some()).max_by_key(|member| member.since);
            last.map_or((at, false), |last| (last.since.min(at), last.is_older))
        }
        (None, _) => (at, false),
    };
    SiteSnapshot {
        facts: Arc::clone(facts),
        state,
        since,
        is_older,
        last: newest.cloned(),
        last_up: members.iter().filter_map(|member| member.last_up).max(),
        incident: judged
            .open
            .and_then(|(rule, since)| (rule == RuleKind::Availability).then_some(OpenIncident { since })),
        breaches: judged
            .open
            .filter(|(rule, _)| *rule != RuleKind::Availability)
            .map(|(rule, since)| Breach { rule, since })
            .into_iter()
            .collect(),
        paused_until: None,
        judged_from: None,
        votes: Some(judged.votes),
    }
}

/// Whether nothing that is shown differs.
pub(super) fn is_same(before: &SiteSnapshot, after: &SiteSnapshot) -> bool {
    let last =
        |site: &SiteSnapshot| site.last.as_ref().map(|last| (last.seq, last.sample.at, last.observation.is_some()));
    let shown = |site: &SiteSnapshot| (site.state, site.since, site.votes, site.incident, site.last_up, last(site));
    Arc::ptr_eq(&before.facts, &after.facts) && shown(before) == shown(after) && before.breaches == after.breaches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::quorum::Tally;

    #[test]
    fn the_state_follows_from_the_verdict_and_the_incident() {
        let at = Timestamp::from_secs(1);
        let availability = Some((RuleKind::Availability, at));
        for (verdict, open, was_checked, expected) in [
            (Verdict::Up, None, true, SiteState::Up),
            (Verdict::Up, availability, true, SiteState::Recovering),
            (Verdict::Partial, None, true, SiteState::Failing),
            (Verdict::Partial, Some((RuleKind::Partial, at)), true, SiteState::Failing),
            (Verdict::Partial, availability, true, SiteState::Recovering),
            (Verdict::Down, None, true, SiteState::Down),
            (Verdict::Down, availability, true, SiteState::Down),
            (Verdict::Unknown, availability, true, SiteState::Down),
            (Verdict::Unknown, availability, false, SiteState::Down),
            (Verdict::Unknown, Some((RuleKind::Partial, at)), true, SiteState::Unknown),
            (Verdict::Unknown, None, true, SiteState::Unknown),
            (Verdict::Unknown, None, false, SiteState::New),
        ] {
            let votes = Votes { verdict, tally: Tally::default(), assigned: 3 };
            assert_eq!(state(&Judged { votes, open }, was_checked), expected, "{verdict:?} {open:?} {was_checked}");
        }
    }
}
