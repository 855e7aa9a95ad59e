//! Where the samples of a site come from.

use std::sync::Arc;

use super::Location;

/// Where the samples of a site come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// From this webmon, which is all there is: without a hub every site is checked here.
    #[default]
    Here,
    /// From all its locations: a site of sites.yaml as a hub judges it.
    Everywhere,
    /// From one location, which a hub gathers.
    At {
        /// The location.
        location: Location,
        /// The site's name there.
        site: Arc<str>,
    },
}

impl Place {
    /// The location of which a hub gathers the site.
    #[must_use]
    pub const fn location(&self) -> Option<&Location> {
        match self {
            Self::At { location, .. } => Some(location),
            Self::Here | Self::Everywhere => None,
        }
    }
}
