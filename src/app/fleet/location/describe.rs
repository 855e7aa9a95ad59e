//! What a location tells the hubs of its sites and of itself.

use std::collections::HashMap;

use crate::config::ConfiguredSite;
use crate::engine::{SiteState, Snapshot};
use crate::fleet::frame::{RosterSite, Status};
use crate::model::{Health, Site, SiteId};
use crate::store::StoredSite;

/// The sites of `configured` that are in the store. Returns whether all are.
pub fn roster(configured: &[ConfiguredSite], stored: &[StoredSite]) -> (Vec<RosterSite>, bool) {
    let ids: HashMap<&str, SiteId> = stored.iter().map(|site| (&*site.name, site.id)).collect();
    let described = |watched: &ConfiguredSite| {
        let site = &watched.site;
        Some(RosterSite {
            site: *ids.get(&*site.name)?,
            name: site.name.to_string(),
            group: watched.group.as_deref().unwrap_or_default().to_owned(),
            interval: site.interval,
            timeout: site.timeout,
            url: site.shown.to_string(),
            hash: fingerprint(site),
        })
    };
    let sites: Vec<RosterSite> = configured.iter().filter_map(described).collect();
    let is_whole = sites.len() == configured.len();
    (sites, is_whole)
}

/// A number that differs where two locations check different things under one name. Values of variables and secrets are `***` in
/// what it is made of, so that they may differ and stay unknown.
fn fingerprint(site: &Site) -> u64 {
    let Site { protocol, shown, method, expect, records, max_redirects, .. } = site;
    let text = format!("{protocol:?} {shown} {method} {expect:?} {records:?} {max_redirects}");
    // FNV-1a: the same everywhere and for ever, which hashers of the standard library do not promise.
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// How the location is, without what only the sender knows.
pub fn status(snapshot: &Snapshot, health: &Health, roster: &[RosterSite]) -> Status {
    let ids: HashMap<&str, SiteId> = roster.iter().map(|site| (&*site.name, site.site)).collect();
    let paused = snapshot.sites.iter().filter(|site| site.state == SiteState::Paused);
    let mut paused: Vec<SiteId> = paused.filter_map(|site| ids.get(&*site.name).copied()).collect();
    paused.sort_unstable();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        lag: 0,
        is_network_down: health.own_outage.is_some() || health.offline_since.is_some(),
        paused,
    }
}
