//! What the metrics say at a hub: of sites over all their locations, and of the locations.

use std::collections::HashMap;

use crate::engine::{SiteSnapshot, Snapshot};
use crate::model::{HubHealth, Place};
use crate::serve::metrics::{HubReading, SiteReading, WholeReading};
use crate::serve::route::Selection;

/// Whether `selection` holds `site`, by its name or, as a location sees it, by the one that it has there.
pub fn is_selected(selection: &Selection, site: &SiteSnapshot) -> bool {
    let group = site.group.as_deref();
    let there = match &site.place {
        Place::At { site: there, .. } => selection.holds(there, group),
        Place::Here | Place::Everywhere => false,
    };
    there || selection.holds(&site.name, group)
}

/// What a hub says; none of another webmon.
pub fn reading(snapshot: &Snapshot, selection: &Selection, health: Option<&HubHealth>) -> Option<HubReading> {
    let health = health?;
    let wholes = snapshot.sites.iter().enumerate().filter(|(_, site)| site.place == Place::Everywhere);
    let sites = wholes.filter(|(_, site)| is_selected(selection, site)).map(|(place, site)| WholeReading {
        name: site.name.clone(),
        group: site.group.clone(),
        votes: site.votes,
        is_down: site.incident.is_some(),
        views: snapshot
            .views
            .iter()
            .filter_map(|view| {
                let summary = &view.rows.get(place)?.summary;
                Some((view.timeframe.length(), summary.availability, summary.coverage))
            })
            .collect(),
    });
    Some(HubReading { sites: sites.collect(), locations: health.locations.clone() })
}

/// `sites` without what a location checked with a store that it has no more: it would be one series with what it checks now. The one
/// with the newest check stays.
pub fn without_replaced(sites: Vec<SiteReading>) -> Vec<SiteReading> {
    let mut newest = HashMap::new();
    for (place, site) in sites.iter().enumerate() {
        let Some(location) = &site.location else { continue };
        let known = newest.entry((location.clone(), site.name.clone())).or_insert(place);
        if sites[*known].last_check < site.last_check {
            *known = place;
        }
    }
    let stays = |place: usize, site: &SiteReading| match &site.location {
        Some(location) => newest.get(&(location.clone(), site.name.clone())) == Some(&place),
        None => true,
    };
    let kept = sites.iter().enumerate().map(|(place, site)| stays(place, site)).collect::<Vec<_>>();
    sites.into_iter().zip(kept).filter(|(_, stays)| *stays).map(|(site, _)| site).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::model::{Location, Timestamp};

    #[test]
    fn of_two_stores_of_a_location_the_one_with_the_newest_check_counts() {
        let reading = |location: Option<&str>, name: &str, secs: Option<u64>| SiteReading {
            name: name.into(),
            location: location.map(|location| Location::new(location).unwrap()),
            group: None,
            url: Arc::default(),
            interval: Duration::from_secs(10),
            sums: None,
            is_down: false,
            is_up: None,
            last_check: secs.map(Timestamp::from_secs),
            expires: None,
            domain_expires: None,
            quantiles: None,
        };
        let sites = vec![
            reading(Some("fra1"), "api", Some(5)),
            reading(Some("fra1"), "api", Some(9)),
            reading(Some("fra1"), "api", None),
            reading(Some("nyc1"), "api", Some(1)),
            reading(Some("fra1"), "blog", None),
            reading(None, "api", None),
            reading(None, "blog", None),
        ];
        let kept: Vec<_> = without_replaced(sites)
            .into_iter()
            .map(|site| (site.location.map(|location| location.name().to_owned()), site.last_check))
            .collect();
        let at = |location: &str, secs: Option<u64>| (Some(location.to_owned()), secs.map(Timestamp::from_secs));
        assert_eq!(
            kept,
            [at("fra1", Some(9)), at("nyc1", Some(1)), at("fra1", None), (None, None), (None, None)],
            "without a hub nothing is left out"
        );
    }
}
