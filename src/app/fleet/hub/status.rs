//! What a hub says about its fleet, for `webmon fleet status`.

use crate::fleet::gather::Report;
use crate::fleet::lease::Leading;
use crate::fleet::status::{HubStatus, LocationStatus};
use crate::model::{FleetTerms, Location, Members, StoreHealth, Timestamp};

use super::Progress;
use super::news::{ahead, has_other_clock};

/// The status of the hub `name` at `at`, which has yet to take `behind` messages of the stream.
pub(super) fn status(
    name: &Location,
    terms: &FleetTerms,
    (progress, members): (&Progress, Option<&Members>),
    (behind, at): (u64, Timestamp),
    leading: &Leading,
) -> HubStatus {
    let (pairs, max_pairs) = progress.places;
    HubStatus {
        hub: name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at,
        position: progress.position.as_ref().map_or(0, |position| position.sequence),
        behind,
        pairs: pairs as u64,
        max_pairs: max_pairs as u64,
        locations: progress.reports.iter().map(|report| location(report, members, terms, at)).collect(),
        delivers: *leading == Leading::Leads,
        follows: if let Leading::Follows(holder) = leading { Some(holder.clone()) } else { None },
        notices: notices(progress),
    }
}

fn location(report: &Report, members: Option<&Members>, terms: &FleetTerms, at: Timestamp) -> LocationStatus {
    LocationStatus {
        location: report.location.clone(),
        store: report.store.to_string(),
        version: report.version.clone(),
        sites: report.sites.0 as u64,
        heard: report.heard.unwrap_or(Timestamp::ZERO),
        clock_offset_ms: report.ahead.unwrap_or_default() / 1_000,
        silent: report.heard.is_none_or(|heard| at.since(heard) >= terms.silent_after),
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
