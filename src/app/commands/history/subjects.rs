//! What `webmon stats` has a row for: a stored site, or in the store of a hub a site over its locations.

use std::collections::HashMap;

use crate::app::locations::groups::Group;
use crate::model::SiteId;
use crate::stats::Cadence;
use crate::store::StoredSite;

use super::stored_period::StoredPeriod;

/// See the module.
pub(super) struct Subject<'a> {
    /// Its name in the output.
    pub(super) name: &'a str,
    /// Its name in sites.yaml.
    pub(super) watched: &'a str,
    /// Its stored sites, and how often each is checked.
    pub(super) sites: Vec<(SiteId, Option<Cadence>)>,
    /// Its locations, if it is a site over them.
    pub(super) group: Option<&'a Group>,
}

/// The rows of `past`, in the order of sites.yaml; with `each_location` those of the locations of a site beneath it.
pub(super) fn subjects(past: &StoredPeriod, each_location: bool) -> Vec<Subject<'_>> {
    let order: HashMap<&str, usize> = past
        .config()
        .into_iter()
        .flat_map(|config| config.sites.iter().chain(&config.disabled))
        .map(|watched| &*watched.site.name)
        .zip(0..)
        .collect();
    let is_grouped = |site: &StoredSite| {
        past.groups
            .iter()
            .any(|group| group.name == site.name || group.members.iter().any(|member| member.id == site.id))
    };
    let single = |site| Subject::single(past, site);
    let mut blocks: Vec<Vec<Subject<'_>>> = Vec::new();
    for group in &past.groups {
        let members =
            past.sites.iter().filter(|site| each_location && group.members.iter().any(|member| member.id == site.id));
        let mut block = vec![Subject::over(group)];
        block.extend(members.map(single));
        // By location.
        block[1..].sort_by_key(|subject| group.members.iter().position(|member| member.id == subject.sites[0].0));
        blocks.push(block);
    }
    blocks.extend(past.sites.iter().filter(|site| !is_grouped(site)).map(|site| vec![single(site)]));
    // The sort is stable: others stay behind, in the order that they have.
    blocks.sort_by_key(|block| order.get(block[0].name).copied().unwrap_or(usize::MAX));
    blocks.into_iter().flatten().collect()
}

impl<'a> Subject<'a> {
    fn single(past: &'a StoredPeriod, site: &'a StoredSite) -> Self {
        let watched = past.origins.get(&site.id).map_or(&*site.name, |origin| &*origin.name);
        Self { name: &site.name, watched, sites: vec![(site.id, past.cadence_of(site))], group: None }
    }

    fn over(group: &'a Group) -> Self {
        let sites = group.members.iter().map(|member| (member.id, Some(member.cadence))).collect();
        Self { name: &group.name, watched: &group.name, sites, group: Some(group) }
    }
}
