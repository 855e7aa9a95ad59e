//! A site over the locations that check it, in the store of a hub: which stored sites belong together, and their figures.
//!
//! The store has a site for each location; what they have in common is the name that the site has there.

pub(crate) mod figures;
pub(crate) mod groups;
pub(crate) mod memory;

use crate::store::{Archive, BlindTimes, StoreError};

use groups::{Group, Rules, groups};

/// The sites of a hub's store over their locations, and when these were blind; nothing of another store.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// In the order of their names.
    pub groups: Vec<Group>,
    /// When each location was blind.
    pub blind: BlindTimes,
}

impl Gathered {
    /// Those of `archive`, which are down as `rules` say.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) fn of(archive: &Archive, rules: &Rules) -> Result<Self, StoreError> {
        let origins = archive.origins()?;
        if origins.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self { groups: groups(&archive.sites()?, &origins, rules), blind: archive.blind_times()? })
    }

    /// The site of this name over its locations.
    #[must_use]
    pub(crate) fn named(&self, name: &str) -> Option<&Group> {
        let place = self.groups.binary_search_by(|group| (*group.name).cmp(name)).ok()?;
        Some(&self.groups[place])
    }
}
