//! A site over the locations that check it, in the store of a hub: which stored sites belong together, and their figures.
//!
//! The store has a site for each location; what they have in common is the name that the site has there.

pub(crate) mod figures;
pub(crate) mod groups;
