//! What a hub says about its fleet, for `webmon fleet status`.

use crate::fleet::gather::Report;
use crate::fleet::lease::Leading;
use crate::fleet::status::{HubStatus, LocationStatus};
use crate::model::{FleetTerms, Location, Members, Moment, Presence, StoreHealth, Timestamp};

use super::Progress;
use super::news::{ahead, has_other_clock};

/// The status of the hub `name` at `at`, which has yet to take `behind` messages of the stream and could hear locations since
/// `heard_from`, by the steady clock.
pub(super) fn status(
    name: &Location,
    terms: &FleetTerms,
    (progress, members): (&Progress, Option<&Members>),
    (behind, heard_from, at): (u64, Timestamp, Moment),
    leading: &Leading,
) -> HubStatus {
    let (pairs, max_pairs) = progress.places;
    HubStatus {
        hub: name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: at.wall,
        position: progress.position.as_ref().map_or(0, |position| position.sequence),
        behind,
        pairs: pairs as u64,
        max_pairs: max_pairs as u64,
        locations: progress.reports.iter().map(|report| location(report, members, terms, (heard_from, at))).collect(),
        delivers: *leading == Leading::Leads,
        follows: if let Leading::Follows(holder) = leading { Some(holder.clone()) } else { None },
        notices: notices(progress),
    }
}

fn location(
    report: &Report,
    members: Option<&Members>,
    terms: &FleetTerms,
    (heard_from, at): (Timestamp, Moment),
) -> LocationStatus {
    let is_late = |since: Timestamp| at.steady.since(since) >= terms.silent_after;
    let presence = match report.heard {
        heard if is_late(heard.unwrap_or(heard_from).max(heard_from)) => Presence::Silent,
        Some(heard) if !is_late(heard) => Presence::Heard,
        _ => Presence::Awaited,
    };
    LocationStatus {
        location: report.location.clone(),
        store: report.store.to_string(),
        version: report.version.clone(),
        sites: report.sites.0 as u64,
        heard: report.heard.map_or(Timestamp::ZERO, |heard| at.on_wall(heard)),
        clock_offset_ms: report.ahead.unwrap_or_default() / 1_000,
        presence,
        gap: report.is_filling,
        backfill: if report.is_filling { report.lag } else { 0 },
        // One that was replaced is no mistake.
        stores: 1 + u64::from(report.is_shared),
        samples: report.taken,
        returning: members.is_some_and(|members| !members.names().contains(&report.location)),
    }
}

/// What is not as it should be, beside what each location's row says.
fn notices(progress: &Progress) -> Vec<String> {
    let mut notices = Vec::new();
    for report in &progress.reports {
        let place = &report.location;
        if has_other_clock(report) {
            notices.push(format!("the clock of {place} is wrong by {}", ahead(report)));
        }
        if let Some(fault) = report.fault {
            notices.push(format!("a frame of {place} cannot be read: {fault}"));
        }
        if report.sites.1 > 0 {
            notices.push(format!("{} sites of {place} are beyond `fleet.max_pairs`", report.sites.1));
        }
        if report.is_network_down {
            notices.push(format!("{place} has no network"));
        }
    }
    if let StoreHealth::NotSaving { reason, .. } = &progress.store {
        notices.push(format!("the hub does not save: {reason}"));
    }
    notices
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A location that was heard, or not, `ago` seconds before a look, which the hub could hear since `from` seconds before it.
    fn presence(heard: Option<u64>, from: u64) -> Presence {
        let at = |ago: u64| Timestamp::from_secs(1_000 - ago);
        let report = Report::plain("fra1", heard.map(at));
        let terms = FleetTerms::at(Vec::new());
        location(&report, None, &terms, (at(from), at(0).into())).presence
    }

    #[test]
    fn a_location_is_silent_once_it_had_time_to_be_heard() {
        let cases = [
            (None, 1, Presence::Awaited),
            (None, 29, Presence::Awaited),
            (None, 30, Presence::Silent),
            (Some(3), 500, Presence::Heard),
            (Some(30), 500, Presence::Silent),
            // The server was away.
            (Some(60), 5, Presence::Awaited),
            (Some(60), 30, Presence::Silent),
            (Some(10), 5, Presence::Heard),
        ];
        for (heard, from, expected) in cases {
            assert_eq!(presence(heard, from), expected, "{heard:?} {from}");
        }
    }
}
