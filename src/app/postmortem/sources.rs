//! Whose checks an incident is about: those of its site, or in the store of a hub those of the site at each of its locations.

use std::collections::HashMap;
use std::sync::Arc;

use crate::app::locations::Gathered;
use crate::app::locations::groups::{Group, Member};
use crate::model::{Location, SiteId};

/// A stored site.
pub(super) struct Source {
    pub(super) id: SiteId,
    pub(super) location: Option<Location>,
}

/// The stored sites of the incident's site, by location; none if nothing of it is stored.
pub(super) fn sources(gathered: &Gathered, site: &str, own: Option<SiteId>) -> Vec<Source> {
    if let Some(group) = gathered.named(site) {
        let source = |member: &Member| Source { id: member.id, location: Some(member.location.clone()) };
        return group.members.iter().map(source).collect();
    }
    own.into_iter().map(|id| Source { id, location: None }).collect()
}

/// The names under which sites at their locations are one site.
pub(super) type Names = HashMap<SiteId, Arc<str>>;

/// Those in the store of a hub.
pub(super) fn names(gathered: &Gathered) -> Names {
    let of = |group: &Group| {
        let name = Arc::clone(&group.name);
        group.members.iter().map(|member| (member.id, Arc::clone(&name))).collect::<Vec<_>>()
    };
    gathered.groups.iter().flat_map(of).collect()
}
