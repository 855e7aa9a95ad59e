//! Which sites stand where on the board of a hub: each site of sites.yaml, behind it those of its locations, and last the sites that
//! sites.yaml does not have.

use std::collections::HashMap;
use std::sync::Arc;

use crate::engine::SiteSnapshot;
use crate::model::{Location, Place, SiteIndex, SiteSlot};

/// A place on the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The site of sites.yaml with this number.
    Everywhere(usize),
    /// The site of the engine with this index.
    At(usize),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// What stands where.
    pub(super) places: Vec<Standing>,
    /// The sites of the engine of each site of sites.yaml, in the order of their locations.
    pub(super) members: Vec<Vec<usize>>,
    /// Where each site of the engine stands.
    shown: Vec<SiteIndex>,
    /// The sites of the engine by which it was made.
    slots: Vec<SiteSlot>,
}

impl Order {
    /// The order of the sites `names` of sites.yaml and those of the engine.
    pub(super) fn new(names: &[&str], sites: &[Arc<SiteSnapshot>]) -> Self {
        let numbers: HashMap<&str, usize> = names.iter().copied().zip(0..).collect();
        let mut members: Vec<Vec<(&Location, usize)>> = vec![Vec::new(); names.len()];
        let mut strangers = Vec::new();
        for (index, site) in sites.iter().enumerate() {
            let known = match &site.place {
                Place::At { location, site } => numbers.get(&**site).map(|number| (*number, location)),
                Place::Here | Place::Everywhere => None,
            };
            match known {
                Some((number, location)) => members[number].push((location, index)),
                None => strangers.push(index),
            }
        }
        for members in &mut members {
            members.sort_by_key(|(location, _)| *location);
        }
        let members: Vec<Vec<usize>> =
            members.into_iter().map(|members| members.into_iter().map(|(_, index)| index).collect()).collect();
        let mut places = Vec::with_capacity(names.len() + sites.len());
        for (number, members) in members.iter().enumerate() {
            places.push(Standing::Everywhere(number));
            places.extend(members.iter().copied().map(Standing::At));
        }
        places.extend(strangers.into_iter().map(Standing::At));
        let mut shown = vec![SiteIndex::new(0); sites.len()];
        for (place, standing) in places.iter().enumerate() {
            if let Standing::At(index) = standing {
                shown[*index] = SiteIndex::new(place);
            }
        }
        Self { places, members, shown, slots: sites.iter().map(|site| site.slot).collect() }
    }

    /// Whether these are the sites by which it was made.
    pub(super) fn is_of(&self, sites: &[Arc<SiteSnapshot>]) -> bool {
        self.slots.iter().copied().eq(sites.iter().map(|site| site.slot))
    }

    /// Where the engine's site `index` stands.
    pub(super) fn shown(&self, index: SiteIndex) -> SiteIndex {
        self.shown[index.get()]
    }

    /// The sites of the engine that stand at these places.
    pub(super) fn behind(&self, places: &[SiteIndex]) -> Vec<SiteIndex> {
        let mut behind = Vec::new();
        for place in places {
            match self.places.get(place.get()) {
                Some(Standing::Everywhere(number)) => behind.extend(&self.members[*number]),
                Some(Standing::At(index)) => behind.push(*index),
                None => {}
            }
        }
        behind.into_iter().map(SiteIndex::new).collect()
    }
}
